//! Neighbour discovery frames as the watch over an IPv6 address asks and hears them.
//!
//! Pure: bytes in, bytes out. Layouts: RFC 4861 sections 4.3 and 4.4 (solicitation, advertisement), RFC 4443 section 2.3
//! (checksum), RFC 2464 section 7 (multicast on Ethernet). Must not know: sockets.

use crate::arp_watch::{Claim, mac_text};
use std::net::Ipv6Addr;

/// Ethernet, IPv6, and a message of 24 bytes with one link-layer option of 8.
pub const FRAME: usize = 14 + 40 + 32;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Anything else was forwarded, thus forged from outside the link (RFC 4861 section 7.1).
const HOP_LIMIT: u8 = 255;
/// The solicited flag of an advertisement.
const SOLICITED: u8 = 0x40;
/// Ethernet's first two bytes of IPv6 multicast.
const MULTICAST: [u8; 2] = [0x33, 0x33];

/// Who has this address? From the asker's own address, so that a host does not take it for a rival's detection of
/// duplicates.
pub fn solicitation(mac: [u8; 6], own: Ipv6Addr, target: Ipv6Addr) -> [u8; FRAME] {
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let mut f = [0u8; FRAME];
    f[0..6].copy_from_slice(&[MULTICAST[0], MULTICAST[1], 0xff, a, b, c]);
    f[6..12].copy_from_slice(&mac);
    f[12..22].copy_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, ICMPV6, HOP_LIMIT]);
    f[22..38].copy_from_slice(&own.octets());
    f[38..54].copy_from_slice(&group.octets());
    f[54] = SOLICITATION;
    f[62..78].copy_from_slice(&target.octets());
    // The source's link-layer address, in units of 8 bytes.
    f[78..80].copy_from_slice(&[1, 1]);
    f[80..86].copy_from_slice(&mac);
    let sum = checksum(&f);
    f[56..58].copy_from_slice(&sum.to_be_bytes());
    f
}

/// What an advertisement says about the target: an answer to us, or an announcement to all that nobody asked for.
pub fn claim(f: &[u8], own: [u8; 6], target: Ipv6Addr) -> Option<Claim> {
    let is_advertisement = f.len() >= FRAME
        && f[12..14] == [0x86, 0xdd]
        && f[20..22] == [ICMPV6, HOP_LIMIT]
        && f[54] == ADVERTISEMENT
        && f[62..78] == target.octets()
        // The target's link-layer address.
        && f[78..80] == [2, 1];
    if !is_advertisement {
        return None;
    }
    let mac = mac_text(&f[80..86]);
    match f[58] & SOLICITED != 0 {
        true => (f[0..6] == own).then_some(Claim::Answer(mac)),
        false => (f[0..2] == MULTICAST).then_some(Claim::Announcement(mac)),
    }
}

/// One's complement sum over the pseudo-header (both addresses, length, next header) and the message.
fn checksum(f: &[u8; FRAME]) -> u16 {
    let words = f[22..].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    let mut sum: u32 = words.sum::<u32>() + 32 + u32::from(ICMPV6);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const THEM: [u8; 6] = [2, 0, 0, 0, 0, 9];

    /// As another host's kernel or agent would send it.
    fn advertisement(to: [u8; 6], flags: u8, target: Ipv6Addr) -> Vec<u8> {
        let mut f = solicitation(THEM, target, target).to_vec();
        f[0..6].copy_from_slice(&to);
        (f[54], f[58], f[78]) = (ADVERTISEMENT, flags, 2);
        f
    }

    #[test]
    fn answers_and_announcements_are_told_apart() {
        let (vip, other): (Ipv6Addr, Ipv6Addr) = ("fd00::100".parse().unwrap(), "fd00::1".parse().unwrap());
        let all = [0x33, 0x33, 0, 0, 0, 1];
        let mac = || "02:00:00:00:00:09".to_string();
        assert_eq!(claim(&solicitation(THEM, other, vip), US, vip), None, "a question is no answer");
        assert_eq!(claim(&advertisement(US, 0x60, vip), US, vip), Some(Claim::Answer(mac())));
        assert_eq!(claim(&advertisement(all, 0x20, vip), US, vip), Some(Claim::Announcement(mac())));
        assert_eq!(claim(&advertisement(US, 0x60, vip), US, other), None, "about another address");
        assert_eq!(claim(&advertisement(US, 0x60, vip), THEM, vip), None, "to another host");
        assert_eq!(claim(&advertisement(US, 0x60, vip)[..80], US, vip), None, "torn");
    }

    #[test]
    fn a_question_goes_to_the_group_of_its_target_with_a_sum_that_leaves_zero() {
        let f = solicitation(US, "fd00::1".parse().unwrap(), "fd00::12:3456".parse().unwrap());
        assert_eq!(f[0..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(f[38..54], "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(checksum(&f), 0);
    }
}
