//! The MAC behind an address in the present network namespace's own neighbour table.
//!
//! Must not know: who asks. IPv4 from /proc/net/arp; IPv6 has no such file and is asked for by rtnetlink(7), one entry
//! a question (RTM_GETNEIGH without a dump, Linux 5.0).

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

/// Lengths of `nlmsghdr` and `ndmsg`.
const HEADER: usize = 16;
const BODY: usize = 12;
/// Attributes of a neighbour: its address, its MAC (linux/neighbour.h).
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;

/// The MAC; None when the table has none.
pub fn mac_of(address: IpAddr, interface: &str) -> Option<String> {
    match address {
        IpAddr::V4(address) => from_proc(address),
        IpAddr::V6(address) => from_kernel(address, interface),
    }
}

fn from_proc(address: Ipv4Addr) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/arp").ok()?;
    let text = address.to_string();
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.first() == Some(&text.as_str())).then(|| words.get(3).map(|mac| mac.to_string()))?
    })
}

fn from_kernel(address: Ipv6Addr, interface: &str) -> Option<String> {
    let index = nix::net::if_::if_nametoindex(interface).ok()?;
    let fd =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
            .ok()?;
    send(fd.as_raw_fd(), &question(address, index), MsgFlags::empty()).ok()?;
    let mut answer = [0u8; 1024];
    // The kernel has answered before the sending returns.
    let length = recv(fd.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT).ok()?;
    mac_in(&answer[..length])
}

fn question(address: Ipv6Addr, index: u32) -> Vec<u8> {
    let attribute = address.octets();
    let length = HEADER + BODY + 4 + attribute.len();
    let mut out = Vec::with_capacity(length);
    out.extend((length as u32).to_ne_bytes());
    out.extend(libc::RTM_GETNEIGH.to_ne_bytes());
    out.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    // Sequence number and port: one question a socket.
    out.extend([0; 8]);
    out.extend([libc::AF_INET6 as u8, 0, 0, 0]);
    out.extend(index.to_ne_bytes());
    // State, flags, type.
    out.extend([0; 4]);
    out.extend((4 + attribute.len() as u16).to_ne_bytes());
    out.extend(NDA_DST.to_ne_bytes());
    out.extend(attribute);
    out
}

fn mac_in(answer: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    if word(4)? != libc::RTM_NEWNEIGH {
        return None;
    }
    let mut at = HEADER + BODY;
    loop {
        let (length, kind) = (usize::from(word(at)?), word(at + 2)?);
        if length < 4 {
            return None;
        }
        if kind == NDA_LLADDR {
            return Some(crate::arp_watch::mac_text(answer.get(at + 4..at + length)?));
        }
        at += length.next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_found_behind_other_attributes_and_not_in_a_torn_answer() {
        let mut answer = question("fd00::1".parse().unwrap(), 7);
        answer[4..6].copy_from_slice(&libc::RTM_NEWNEIGH.to_ne_bytes());
        assert_eq!(mac_in(&answer), None);
        answer.extend(10u16.to_ne_bytes());
        answer.extend(NDA_LLADDR.to_ne_bytes());
        answer.extend([2, 0, 0x48, 0x41, 0, 0xb, 0, 0]);
        assert_eq!(mac_in(&answer).as_deref(), Some("02:00:48:41:00:0b"));
        assert_eq!(mac_in(&answer[..answer.len() - 4]), None);
        answer[4..6].copy_from_slice(&2u16.to_ne_bytes());
        assert_eq!(mac_in(&answer), None, "an error is no answer");
    }
}
