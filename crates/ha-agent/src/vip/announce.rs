//! Tells the neighbours where an address is now, several times over a few seconds.
//!
//! Must not know: why it moved. Invariant: before each repetition it is read that the address is still here and the gate
//! still open; a host that was frozen must not claim on thaw what moved meanwhile.

use super::Vip;
use super::frame::{self, Mac};
use super::netlink::{Link, Netlink};
use super::wire::Wire;
use crate::gate::Gate;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;

/// From the start, for neighbours that miss one: a switch still learning, a host under load.
const REPEATS: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];

/// The announcements of one instance; ended when dropped.
#[derive(Default)]
pub(crate) struct Announcements(Mutex<Option<AbortHandle>>);

impl Drop for Announcements {
    fn drop(&mut self) {
        self.end();
    }
}

impl Announcements {
    /// Announces now, and again in the background.
    pub(crate) fn begin(&self, vip: &Vip, link: &Link, gate: &Gate) {
        let (Some(own), true) = (link.mac, link.has_neighbours) else { return };
        let wire = match Wire::open(link.index, vip.address) {
            Ok(wire) => wire,
            Err(error) => {
                tracing::warn!(%error, address = %vip.address, "not announced: opening a packet socket failed");
                return;
            }
        };
        announce(&wire, own, vip.address);
        let (vip, index, gate) = (vip.clone(), link.index, gate.clone());
        let task = tokio::spawn(async move {
            let began = tokio::time::Instant::now();
            for after in REPEATS {
                tokio::time::sleep_until(began + after).await;
                if !is_ours(&vip, index, &gate).await {
                    return;
                }
                announce(&wire, own, vip.address);
            }
        });
        self.replace(Some(task.abort_handle()));
    }

    /// Stops announcing.
    pub(crate) fn end(&self) {
        self.replace(None);
    }

    fn replace(&self, new: Option<AbortHandle>) {
        let old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), new);
        if let Some(old) = old {
            old.abort();
        }
    }
}

async fn is_ours(vip: &Vip, index: u32, gate: &Gate) -> bool {
    let Ok(netlink) = Netlink::open() else { return false };
    let is_here = netlink.holders(vip.address).await.is_ok_and(|all| all.iter().any(|h| h.index == index));
    is_here && gate.is_open()
}

fn announce(wire: &Wire, own: Mac, address: IpAddr) {
    let frames = match address {
        IpAddr::V4(v4) => vec![frame::arp_announcement(own, v4), frame::arp_gratuitous_reply(own, v4)],
        IpAddr::V6(v6) => vec![frame::unsolicited_advertisement(own, v6)],
    };
    for frame in frames {
        if let Err(error) = wire.send(&frame) {
            tracing::warn!(%error, %address, "an announcement was not sent");
        }
    }
}
