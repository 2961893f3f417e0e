//! ARP and neighbour discovery frames as fixed byte layouts, and what another host's frames say about an address.
//!
//! Pure. Layouts: RFC 826 (ARP), RFC 5227 (probe, announcement), RFC 4861 §4.3, §4.4 (NS, NA), RFC 4862 §5.4 (duplicate
//! address detection), RFC 2464 (multicast on Ethernet).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

const BROADCAST: Mac = Mac([0xff; 6]);
const ZERO: Mac = Mac([0; 6]);
const ARP_LEN: usize = 42;
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// RFC 4861 §4.4: the override flag, third bit of the flags.
const OVERRIDE: u8 = 0x20;
/// RFC 4861 §7.1: anything else was forwarded, thus forged from outside the link.
const HOP_LIMIT: u8 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fn arp(operation: u8, from: Mac, sender: Ipv4Addr, target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ARP_LEN);
    frame.extend(BROADCAST.0);
    frame.extend(from.0);
    frame.extend(ETHERTYPE_ARP);
    // Ethernet, IPv4, lengths 6 and 4.
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(from.0);
    frame.extend(sender.octets());
    frame.extend(target.0.0);
    frame.extend(target.1.octets());
    frame
}

/// RFC 5227 §1.1: a request whose sender address is zero, so that no cache is disturbed.
pub(crate) fn arp_probe(from: Mac, address: Ipv4Addr) -> Vec<u8> {
    arp(REQUEST, from, Ipv4Addr::UNSPECIFIED, (ZERO, address))
}

/// RFC 5227 §3: a request with the address as sender and target. Most hosts update from it.
pub(crate) fn arp_announcement(from: Mac, address: Ipv4Addr) -> Vec<u8> {
    arp(REQUEST, from, address, (ZERO, address))
}

/// The reply form of gratuitous ARP (RFC 5944 §4.6), for devices that learn only from replies.
pub(crate) fn arp_gratuitous_reply(from: Mac, address: Ipv4Addr) -> Vec<u8> {
    arp(REPLY, from, address, (from, address))
}

/// RFC 4291 §2.7.1: ff02::1:ff followed by the last 24 bits.
pub(crate) fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// RFC 2464 §7.
pub(crate) fn multicast_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    Mac([0x33, 0x33, a, b, c, d])
}

fn icmpv6(from: Mac, source: Ipv6Addr, group: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let sum = checksum(source, group, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let length = u16::try_from(message.len()).expect("messages here are at most 32 bytes").to_be_bytes();
    let mut frame = Vec::with_capacity(54 + message.len());
    frame.extend(multicast_mac(group).0);
    frame.extend(from.0);
    frame.extend(ETHERTYPE_IPV6);
    frame.extend([0x60, 0, 0, 0, length[0], length[1], ICMPV6, HOP_LIMIT]);
    frame.extend(source.octets());
    frame.extend(group.octets());
    frame.extend(message);
    frame
}

/// RFC 4443 §2.3: one's complement sum over the pseudo-header and the message, its checksum field zero.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).expect("a frame's payload is at most 64 KiB").to_be_bytes();
    let header = [&source.octets()[..], &destination.octets(), &length, &[0, 0, 0, ICMPV6]].concat();
    let words = header.chunks(2).chain(message.chunks(2));
    let mut sum: u32 = words.map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |b| u32::from(*b))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

/// RFC 4862 §5.4.2: a solicitation from the unspecified address, without option.
pub(crate) fn dad_solicitation(from: Mac, address: Ipv6Addr) -> Vec<u8> {
    let message = [&[SOLICITATION, 0, 0, 0, 0, 0, 0, 0][..], &address.octets()].concat();
    icmpv6(from, Ipv6Addr::UNSPECIFIED, solicited_node(address), message)
}

/// RFC 4861 §7.2.6: unsolicited, override, to all nodes, with the target's link-layer address.
pub(crate) fn unsolicited_advertisement(from: Mac, address: Ipv6Addr) -> Vec<u8> {
    let head = [ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    let message = [&head[..], &address.octets(), &[2, 1], &from.0].concat();
    icmpv6(from, address, ALL_NODES, message)
}

/// RFC 5227 §2.1.1: who else has or probes for this address, by an ARP frame.
pub(crate) fn arp_conflict(frame: &[u8], own: Mac, address: Ipv4Addr) -> Option<Mac> {
    let arp =
        frame.get(..ARP_LEN).filter(|f| f[12..14] == ETHERTYPE_ARP && f[14..20] == [0, 1, 8, 0, 6, 4])?;
    let sender = Mac(arp[22..28].try_into().ok()?);
    let (sender_ip, target_ip) = (&arp[28..32], &arp[38..42]);
    let wanted = address.octets();
    let has = sender_ip == wanted;
    let probes = arp[20..22] == [0, REQUEST] && sender_ip == [0; 4] && target_ip == wanted;
    (sender != own && (has || probes)).then_some(sender)
}

/// RFC 4862 §5.4.3, §5.4.4: who else has or tries for this address, by a neighbour discovery frame.
pub(crate) fn ndp_conflict(frame: &[u8], own: Mac, address: Ipv6Addr) -> Option<Mac> {
    if frame.len() < 78 || frame[12..14] != ETHERTYPE_IPV6 || frame[20] != ICMPV6 || frame[21] != HOP_LIMIT {
        return None;
    }
    let sender = Mac(frame[6..12].try_into().ok()?);
    let source = Ipv6Addr::from(<[u8; 16]>::try_from(&frame[22..38]).ok()?);
    let destination = Ipv6Addr::from(<[u8; 16]>::try_from(&frame[38..54]).ok()?);
    let length = usize::from(u16::from_be_bytes([frame[18], frame[19]]));
    let message = frame.get(54..54 + length).filter(|m| m.len() >= 24)?;
    // A correct sum over the field itself leaves zero.
    if checksum(source, destination, message) != 0 || message[8..24] != address.octets() {
        return None;
    }
    let tries = message[0] == SOLICITATION && source.is_unspecified();
    (sender != own && (tries || message[0] == ADVERTISEMENT)).then_some(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
    const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0x12, 0x3456);

    /// RFC 826 field by field, RFC 5227 §1.1 "ARP Probe".
    #[test]
    fn arp_probe_is_as_in_the_rfc() {
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  2, 0, 0, 0, 0, 1,  0x08, 0x06,
            0x00, 0x01,  0x08, 0x00,  6, 4,  0x00, 0x01,
            2, 0, 0, 0, 0, 1,  0, 0, 0, 0,
            0, 0, 0, 0, 0, 0,  10, 0, 0, 100,
        ];
        assert_eq!(arp_probe(OWN, V4), expected);
    }

    #[test]
    fn gratuitous_arp_has_both_forms() {
        let (request, reply) = (arp_announcement(OWN, V4), arp_gratuitous_reply(OWN, V4));
        assert_eq!((request[21], reply[21]), (1, 2));
        for frame in [&request, &reply] {
            assert_eq!(frame[..6], [0xff; 6]);
            assert_eq!((&frame[28..32], &frame[38..42]), (&V4.octets()[..], &V4.octets()[..]));
        }
        assert_eq!((&request[32..38], &reply[32..38]), (&[0; 6][..], &OWN.0[..]));
    }

    /// Checksum computed by hand: pseudo-header and message in 16-bit words.
    #[test]
    fn dad_solicitation_is_as_in_the_rfc() {
        let frame = dad_solicitation(OWN, V6);
        #[rustfmt::skip]
        let head = [
            0x33, 0x33, 0xff, 0x12, 0x34, 0x56,  2, 0, 0, 0, 0, 1,  0x86, 0xdd,
            0x60, 0, 0, 0,  0, 24,  58, 255,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x12, 0x34, 0x56,
            135, 0,
        ];
        assert_eq!(frame[..56], head);
        // ff02+0001+ff12+3456 + 0018+003a + 8700 + fd00+0012+3456 = 3ee25 + … folded, complemented.
        let words = [0xff02_u32, 1, 0xff12, 0x3456, 0x18, 0x3a, 0x8700, 0xfd00, 0x12, 0x3456];
        let sum: u32 = words.iter().sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        assert_eq!(u32::from(u16::from_be_bytes([frame[56], frame[57]])), 0xffff - folded);
        assert_eq!(frame[58..62], [0; 4]);
        assert_eq!(frame[62..], V6.octets());
    }

    #[test]
    fn advertisement_is_unsolicited_and_overrides() {
        let frame = unsolicited_advertisement(OWN, V6);
        assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(frame[18..22], [0, 32, 58, 255]);
        assert_eq!(frame[22..38], V6.octets());
        assert_eq!((frame[54], frame[58]), (136, 0x20), "solicited clear, override set");
        assert_eq!(frame[78..], [2, 1, 2, 0, 0, 0, 0, 1], "target link-layer address");
        assert_eq!(checksum(V6, ALL_NODES, &frame[54..]), 0);
    }

    #[test]
    fn a_conflict_is_another_hosts_claim_or_probe() {
        assert_eq!(arp_conflict(&arp_announcement(PEER, V4), OWN, V4), Some(PEER));
        assert_eq!(arp_conflict(&arp_gratuitous_reply(PEER, V4), OWN, V4), Some(PEER));
        assert_eq!(arp_conflict(&arp_probe(PEER, V4), OWN, V4), Some(PEER));
        assert_eq!(arp_conflict(&arp_probe(OWN, V4), OWN, V4), None, "our own frame");
        let other = Ipv4Addr::new(10, 0, 0, 101);
        assert_eq!(arp_conflict(&arp_announcement(PEER, other), OWN, V4), None);
        let asks = arp(REQUEST, PEER, other, (ZERO, V4));
        assert_eq!(arp_conflict(&asks, OWN, V4), None, "a host that asks for the address does not have it");
        assert_eq!(arp_conflict(&arp_announcement(PEER, V4)[..41], OWN, V4), None, "cut short");
    }

    #[test]
    fn neighbour_discovery_conflicts_and_forgeries() {
        let claim = unsolicited_advertisement(PEER, V6);
        assert_eq!(ndp_conflict(&claim, OWN, V6), Some(PEER));
        assert_eq!(ndp_conflict(&dad_solicitation(PEER, V6), OWN, V6), Some(PEER));
        assert_eq!(ndp_conflict(&dad_solicitation(OWN, V6), OWN, V6), None);
        assert_eq!(ndp_conflict(&claim, OWN, Ipv6Addr::LOCALHOST), None);
        let (mut forwarded, mut corrupt) = (claim.clone(), claim);
        forwarded[21] = 254;
        corrupt[60] ^= 1;
        assert_eq!(ndp_conflict(&forwarded, OWN, V6), None);
        assert_eq!(ndp_conflict(&corrupt, OWN, V6), None);
    }
}
