//! Asks "who has ADDRESS" again and again and notes every MAC that answers: two in one round are two owners. By ARP, or
//! for an IPv6 address by neighbour discovery.
//!
//! A raw socket, because the kernel's neighbour table believes the last answer only. The asker's own address is in the
//! request (not 0.0.0.0), so that a host does not take it for a probe of a rival. Must not know: hosts, clusters.

use crate::clock::boot_ns;
use crate::error::{Context, Result};
use crate::json_log::{FILE_MAX, JsonLog};
use crate::ndp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike};
use nix::sys::socket::{bind, recv, send, socket};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

const FRAME: usize = 42;
const BROADCAST: [u8; 6] = [0xff; 6];

/// One question and its answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArpRound {
    /// Boot-clock nanoseconds of the question.
    pub t_ns: u64,
    /// Every MAC that answered before the next question.
    pub macs: BTreeSet<String>,
    /// Every MAC that announced the address to all meanwhile, without being asked (gratuitous ARP, unsolicited
    /// advertisement).
    #[serde(default)]
    pub announced: BTreeSet<String>,
}

/// What a frame says about the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This MAC answered us.
    Answer(String),
    /// This MAC told everybody.
    Announcement(String),
}

/// Asks for ever.
pub fn run(interface: &str, target: IpAddr, every: Duration, out: &Path) -> Result<()> {
    let mut log = JsonLog::open(out, FILE_MAX)?;
    crate::spawn::prefer();
    let own = OwnAddresses::of(interface)?;
    let socket = open(interface, protocol(target))?;
    let question = match target {
        IpAddr::V4(target) => request(own.mac, own.ipv4(interface)?, target).to_vec(),
        IpAddr::V6(target) => ndp::solicitation(own.mac, own.ipv6(interface)?, target).to_vec(),
    };
    loop {
        let t_ns = boot_ns();
        let end = Instant::now() + every;
        // A link that is down now may be up in the next round; the round without answers says it.
        let _ = send(socket.as_raw_fd(), &question, MsgFlags::empty());
        let mut round = ArpRound { t_ns, ..ArpRound::default() };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // Poll counts whole milliseconds; rounding down would spin.
            let wait = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::ZERO);
            if left.is_zero() || poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], wait).is_err() {
                break;
            }
            let mut frame = [0u8; 128];
            while let Ok(n) = recv(socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
                let said = match target {
                    IpAddr::V4(target) => claim(&frame[..n], own.mac, target),
                    IpAddr::V6(target) => ndp::claim(&frame[..n], own.mac, target),
                };
                match said {
                    Some(Claim::Answer(mac)) => _ = round.macs.insert(mac),
                    Some(Claim::Announcement(mac)) => _ = round.announced.insert(mac),
                    None => {}
                }
            }
        }
        log.write(&round)?;
    }
}

/// Announces that this host has an address (gratuitous ARP, RFC 5227 section 3): for services under test that are not
/// the cluster's own.
pub fn announce(interface: &str, address: Ipv4Addr) -> Result<()> {
    let own = OwnAddresses::of(interface)?;
    let socket = open(interface, protocol(address.into()))?;
    let frame = request(own.mac, address, address);
    send(socket.as_raw_fd(), &frame, MsgFlags::empty()).what(|| format!("announce {address}")).map(drop)
}

/// The Ethernet protocol by which this address is asked for.
fn protocol(address: IpAddr) -> i32 {
    if address.is_ipv4() { libc::ETH_P_ARP } else { libc::ETH_P_IPV6 }
}

fn open(interface: &str, protocol: i32) -> Result<OwnedFd> {
    let what = || format!("open a raw socket on {interface}");
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).what(what)?;
    let index = nix::net::if_::if_nametoindex(interface).what(what)?;
    // SAFETY: sockaddr_ll is plain old data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    // In network order, as packet(7) wants it.
    address.sll_protocol = (protocol as u16).to_be();
    address.sll_ifindex = index as i32;
    let length = std::mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: pointer and length describe `address`, which lives through the call.
    let address = unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length)) };
    bind(fd.as_raw_fd(), &address.expect("the family is AF_PACKET")).what(what)?;
    Ok(fd)
}

/// Who asks.
struct OwnAddresses {
    mac: [u8; 6],
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
}

impl OwnAddresses {
    fn of(interface: &str) -> Result<Self> {
        let (mut mac, mut ipv4, mut ipv6) = (None, None, None);
        for entry in nix::ifaddrs::getifaddrs().what(|| "list addresses".into())? {
            if entry.interface_name != interface {
                continue;
            }
            let Some(address) = entry.address else { continue };
            mac = mac.or(address.as_link_addr().and_then(LinkAddr::addr));
            ipv4 = ipv4.or(address.as_sockaddr_in().map(|a| a.ip()));
            let wide = address.as_sockaddr_in6().map(|a| a.ip()).filter(|ip| !ip.is_unicast_link_local());
            ipv6 = ipv6.or(wide);
        }
        Ok(Self { mac: found(mac, interface, "MAC")?, ipv4, ipv6 })
    }

    fn ipv4(&self, interface: &str) -> Result<Ipv4Addr> {
        found(self.ipv4, interface, "IPv4 address")
    }

    fn ipv6(&self, interface: &str) -> Result<Ipv6Addr> {
        found(self.ipv6, interface, "IPv6 address")
    }
}

fn found<T>(value: Option<T>, interface: &str, what: &str) -> Result<T> {
    value.ok_or_else(|| std::io::Error::other(format!("no {what}"))).what(|| format!("ask from {interface}"))
}

/// A broadcast request, RFC 826.
fn request(mac: [u8; 6], ip: Ipv4Addr, target: Ipv4Addr) -> [u8; FRAME] {
    let mut f = [0u8; FRAME];
    f[0..6].copy_from_slice(&BROADCAST);
    f[6..12].copy_from_slice(&mac);
    f[12..22].copy_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    f[22..28].copy_from_slice(&mac);
    f[28..32].copy_from_slice(&ip.octets());
    f[38..42].copy_from_slice(&target.octets());
    f
}

/// A reply about `target` to us, or either form of gratuitous ARP for it; anything else is None.
fn claim(f: &[u8], own: [u8; 6], target: Ipv4Addr) -> Option<Claim> {
    let is_of_target = f.len() >= FRAME && f[12..14] == [0x08, 0x06] && f[28..32] == target.octets();
    if !is_of_target || f[22..28] == own {
        return None;
    }
    let mac = mac_text(&f[22..28]);
    let (is_reply, is_to_all) = (f[20..22] == [0, 2], f[0..6] == BROADCAST);
    match (is_reply && f[0..6] == own, is_to_all && f[38..42] == target.octets()) {
        (true, _) => Some(Claim::Answer(mac)),
        (false, true) => Some(Claim::Announcement(mac)),
        (false, false) => None,
    }
}

/// As the kernel writes it.
pub fn mac_text(bytes: &[u8]) -> String {
    let mac: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    mac.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replies_about_the_target_to_us_are_answers() {
        let (us, them) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]);
        let (ours, vip) = (Ipv4Addr::new(10, 0, 0, 200), Ipv4Addr::new(10, 0, 0, 100));
        let mac = || "02:00:00:00:00:09".to_string();
        assert_eq!(claim(&request(them, ours, vip), us, vip), None, "a request is no answer");
        let mut reply = request(them, vip, ours);
        reply[0..6].copy_from_slice(&us);
        reply[21] = 2;
        assert_eq!(claim(&reply, us, vip), Some(Claim::Answer(mac())));
        assert_eq!(claim(&reply, us, ours), None, "about another address");
        assert_eq!(claim(&reply, them, vip), None, "to another host");
        assert_eq!(claim(&reply[..30], us, vip), None, "torn");
        let mut gratuitous = request(them, vip, vip);
        assert_eq!(claim(&gratuitous, us, vip), Some(Claim::Announcement(mac())));
        gratuitous[21] = 2;
        assert_eq!(claim(&gratuitous, us, vip), Some(Claim::Announcement(mac())), "its reply form");
        assert_eq!(claim(&gratuitous, them, vip), None, "our own");
    }
}
