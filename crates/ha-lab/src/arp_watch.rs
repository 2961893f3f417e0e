//! Asks "who has ADDRESS" again and again and notes every MAC that answers: two in one round are two owners.
//!
//! A raw socket, because the kernel's neighbour table believes the last answer only. The asker's own address is in the
//! request (not 0.0.0.0), so that a host does not take it for a probe of a rival. Must not know: hosts, clusters.

use crate::clock::boot_ns;
use crate::error::{Context, Result};
use crate::json_log::{FILE_MAX, JsonLog};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike};
use nix::sys::socket::{bind, recv, send, socket};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

const FRAME: usize = 42;

/// One question and its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArpRound {
    /// Boot-clock nanoseconds of the question.
    pub t_ns: u64,
    /// Every MAC that answered before the next question.
    pub macs: BTreeSet<String>,
}

/// Asks for ever.
pub fn run(interface: &str, target: Ipv4Addr, every: Duration, out: &Path) -> Result<()> {
    let mut log = JsonLog::open(out, FILE_MAX)?;
    crate::spawn::prefer();
    let (own_mac, own_ip) = own_addresses(interface)?;
    let socket = open(interface)?;
    let question = request(own_mac, own_ip, target);
    loop {
        let t_ns = boot_ns();
        let end = Instant::now() + every;
        // A link that is down now may be up in the next round; the round without answers says it.
        let _ = send(socket.as_raw_fd(), &question, MsgFlags::empty());
        let mut macs = BTreeSet::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // Poll counts whole milliseconds; rounding down would spin.
            let wait = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::ZERO);
            if left.is_zero() || poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], wait).is_err() {
                break;
            }
            let mut frame = [0u8; 128];
            while let Ok(n) = recv(socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
                macs.extend(answer(&frame[..n], own_mac, target));
            }
        }
        log.write(&ArpRound { t_ns, macs })?;
    }
}

/// Announces that this host has an address (gratuitous ARP, RFC 5227 section 3): for services under test that are not
/// the cluster's own.
pub fn announce(interface: &str, address: Ipv4Addr) -> Result<()> {
    let (own_mac, _) = own_addresses(interface)?;
    let socket = open(interface)?;
    let frame = request(own_mac, address, address);
    send(socket.as_raw_fd(), &frame, MsgFlags::empty()).what(|| format!("announce {address}")).map(drop)
}

fn open(interface: &str) -> Result<OwnedFd> {
    let what = || format!("open a raw socket on {interface}");
    let flags = SockFlag::SOCK_CLOEXEC;
    // ETH_P_ARP in network order, as packet(7) wants it.
    let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).what(what)?;
    let index = nix::net::if_::if_nametoindex(interface).what(what)?;
    // SAFETY: sockaddr_ll is plain old data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ARP as u16).to_be();
    address.sll_ifindex = index as i32;
    let length = std::mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: pointer and length describe `address`, which lives through the call.
    let address = unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length)) };
    bind(fd.as_raw_fd(), &address.expect("the family is AF_PACKET")).what(what)?;
    Ok(fd)
}

fn own_addresses(interface: &str) -> Result<([u8; 6], Ipv4Addr)> {
    let (mut mac, mut ip) = (None, None);
    for entry in nix::ifaddrs::getifaddrs().what(|| "list addresses".into())? {
        if entry.interface_name != interface {
            continue;
        }
        let Some(address) = entry.address else { continue };
        mac = mac.or(address.as_link_addr().and_then(LinkAddr::addr));
        ip = ip.or(address.as_sockaddr_in().map(|a| a.ip()));
    }
    let missing = || std::io::Error::other("no MAC or no IPv4 address");
    let both = mac.zip(ip).ok_or_else(missing);
    both.what(|| format!("find the own address on {interface}"))
}

/// A broadcast request, RFC 826.
fn request(mac: [u8; 6], ip: Ipv4Addr, target: Ipv4Addr) -> [u8; FRAME] {
    let mut f = [0u8; FRAME];
    f[0..6].fill(0xff);
    f[6..12].copy_from_slice(&mac);
    f[12..22].copy_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    f[22..28].copy_from_slice(&mac);
    f[28..32].copy_from_slice(&ip.octets());
    f[38..42].copy_from_slice(&target.octets());
    f
}

/// The sender of a reply about `target` to us; anything else is None.
fn answer(f: &[u8], own: [u8; 6], target: Ipv4Addr) -> Option<String> {
    let is_reply = f.len() >= FRAME && f[12..14] == [0x08, 0x06] && f[20..22] == [0, 2];
    if !is_reply || f[0..6] != own || f[28..32] != target.octets() {
        return None;
    }
    let mac: Vec<String> = f[22..28].iter().map(|b| format!("{b:02x}")).collect();
    Some(mac.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replies_about_the_target_to_us_count() {
        let (us, them) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]);
        let (ours, vip) = (Ipv4Addr::new(10, 0, 0, 200), Ipv4Addr::new(10, 0, 0, 100));
        assert_eq!(answer(&request(us, ours, vip), us, vip), None, "a request is no answer");
        let mut reply = request(them, vip, ours);
        reply[0..6].copy_from_slice(&us);
        reply[21] = 2;
        assert_eq!(answer(&reply, us, vip).as_deref(), Some("02:00:00:00:00:09"));
        assert_eq!(answer(&reply, us, ours), None, "about another address");
        assert_eq!(answer(&reply, them, vip), None, "to another host");
        assert_eq!(answer(&reply[..30], us, vip), None, "torn");
    }
}
