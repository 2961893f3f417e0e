//! A heartbeat as bytes. Pure, without allocation.
//!
//! ```text
//! clear, authenticated            sealed (AES-256-GCM, nonce = seq)                         tag
//! | magic 2 | version 1 | link 1 | key tag 8 | seq 8 | sent_at 8 | echo 8 | ages 3×4 | body | 16 |
//! ```
//! All numbers little endian.

use crate::keys::KEY_TAG_LEN;
use ha_codec::{SealError, SealKey, TAG_LEN};
use ha_model::BootNs;

/// Longest body of a heartbeat in bytes: with everything else it stays in one frame of Ethernet.
pub const BODY_MAX: usize = 1 << 10;
/// Version of the layout, and of what is in the body.
pub const BEAT_VERSION: u8 = 2;
const MAGIC: [u8; 2] = [0x48, 0xb7];
const HEADER_LEN: usize = 12 + KEY_TAG_LEN;
const FIXED_LEN: usize = 28;
/// Longest heartbeat on the wire.
pub const PACKET_MAX: usize = HEADER_LEN + FIXED_LEN + BODY_MAX + TAG_LEN;
const PACKET_MIN: usize = HEADER_LEN + FIXED_LEN + TAG_LEN;

/// How long ago the sender last showed that it works, in milliseconds; [`u32::MAX`] means never, or longer than 49
/// days.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AgesMs {
    /// Since its core finished a step.
    pub core_step: u32,
    /// Since its oldest unfinished write was given to the disk; 0 when there is none.
    pub durable_write: u32,
    /// Since it last managed to start a process.
    pub spawn: u32,
}

/// The clear part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub link: u8,
    pub tag: [u8; KEY_TAG_LEN],
    pub seq: u64,
}

/// The fixed sealed part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fixed {
    pub sent_at: BootNs,
    /// The newest `sent_at` heard from the receiver in its present session; zero before the first.
    pub echo: BootNs,
    pub ages: AgesMs,
}

/// Why a datagram is dropped before any key is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Malformed {
    Size,
    Foreign,
    Version,
}

/// Writes a sealed heartbeat into `out`, which keeps its memory.
pub(crate) fn pack(
    out: &mut Vec<u8>,
    key: &SealKey,
    header: Header,
    fixed: Fixed,
    body: &[u8],
) -> Result<(), SealError> {
    if body.len() > BODY_MAX {
        return Err(SealError::TooLong);
    }
    out.clear();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[BEAT_VERSION, header.link]);
    out.extend_from_slice(&header.tag);
    out.extend_from_slice(&header.seq.to_le_bytes());
    out.extend_from_slice(&fixed.sent_at.0.to_le_bytes());
    out.extend_from_slice(&fixed.echo.0.to_le_bytes());
    for age in [fixed.ages.core_step, fixed.ages.durable_write, fixed.ages.spawn] {
        out.extend_from_slice(&age.to_le_bytes());
    }
    out.extend_from_slice(body);
    key.seal(header.seq, out, HEADER_LEN)
}

/// The clear part of a datagram of acceptable size.
pub(crate) fn parse(packet: &[u8]) -> Result<Header, Malformed> {
    if packet.len() < HEADER_LEN || packet[..2] != MAGIC {
        return Err(Malformed::Foreign);
    }
    if packet[2] != BEAT_VERSION {
        return Err(Malformed::Version);
    }
    if !(PACKET_MIN..=PACKET_MAX).contains(&packet.len()) {
        return Err(Malformed::Size);
    }
    Ok(Header { link: packet[3], tag: array(packet, 4), seq: u64::from_le_bytes(array(packet, 12)) })
}

/// Opens a datagram that [`parse`] accepted, in place.
pub(crate) fn open<'a>(
    packet: &'a mut [u8],
    key: &SealKey,
    header: Header,
) -> Result<(Fixed, &'a [u8]), SealError> {
    let clear = key.open(header.seq, packet, HEADER_LEN)?;
    let (fixed, body) = clear.split_at_checked(FIXED_LEN).ok_or(SealError::NotAuthentic)?;
    let age = |at| u32::from_le_bytes(array(fixed, at));
    let fixed = Fixed {
        sent_at: BootNs(u64::from_le_bytes(array(fixed, 0))),
        echo: BootNs(u64::from_le_bytes(array(fixed, 8))),
        ages: AgesMs { core_step: age(16), durable_write: age(20), spawn: age(24) },
    };
    Ok((fixed, body))
}

fn array<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    from[at..at + N].try_into().expect("the length was checked")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (SealKey, Header, Fixed) {
        let header = Header { link: 1, tag: *b"abcdefgh", seq: 7 };
        let ages = AgesMs { core_step: 1, durable_write: 2, spawn: u32::MAX };
        (SealKey::new(&[9; 32]), header, Fixed { sent_at: BootNs(1000), echo: BootNs(2000), ages })
    }

    #[test]
    fn the_clear_bytes_are_as_recorded_and_the_rest_comes_back() {
        let (key, header, fixed) = sample();
        let mut packet = Vec::new();
        pack(&mut packet, &key, header, fixed, b"body").unwrap();
        assert_eq!(packet[..HEADER_LEN], *b"\x48\xb7\x02\x01abcdefgh\x07\0\0\0\0\0\0\0");
        assert_eq!(packet.len(), PACKET_MIN + 4);
        assert_eq!(parse(&packet), Ok(header));
        assert_eq!(open(&mut packet, &key, header), Ok((fixed, b"body".as_slice())));
    }

    #[test]
    fn the_largest_body_fits_and_one_byte_more_does_not() {
        let (key, header, fixed) = sample();
        let mut packet = Vec::new();
        pack(&mut packet, &key, header, fixed, &[0; BODY_MAX]).unwrap();
        assert_eq!(packet.len(), PACKET_MAX);
        assert!(parse(&packet).is_ok());
        packet.push(0);
        assert_eq!(parse(&packet), Err(Malformed::Size));
        assert!(pack(&mut packet, &key, header, fixed, &[0; BODY_MAX + 1]).is_err());
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let (key, header, fixed) = sample();
        let mut packet = Vec::new();
        pack(&mut packet, &key, header, fixed, b"body").unwrap();
        for at in 0..packet.len() {
            let mut forged = packet.clone();
            forged[at] ^= 1;
            let passed = parse(&forged).is_ok_and(|header| open(&mut forged, &key, header).is_ok());
            assert!(!passed, "byte {at}");
        }
        for cut in 0..packet.len() {
            assert!(
                parse(&packet[..cut]).is_err() || open(&mut packet[..cut].to_vec(), &key, header).is_err()
            );
        }
    }
}
