//! One value to bytes and back: bincode in serde mode, standard configuration (little endian, variable-length
//! integers), always with a limit.
//!
//! Rules for types that pass here: no recursive type (bincode has no depth limit), no collection of zero-sized
//! items, variants and fields only appended together with a new frame version.

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use serde::{Serialize, de::DeserializeOwned};

/// Decoding claims at most this many times its input, or `SMALLEST_CLAIM` where that is more. A `u128` of one
/// byte on the wire claims 16; the rest is the step between the limits, which bincode wants as constants.
pub const DECODE_EXPANSION_MAX: usize = 256;

/// Claim limits: inputs up to 1/16 of each fit it. The last belongs to [`crate::FRAME_MAX`].
const SMALLEST_CLAIM: usize = 16 << 10;
const SMALL_CLAIM: usize = 256 << 10;
const MEDIUM_CLAIM: usize = 4 << 20;
const LARGE_CLAIM: usize = 64 << 20;
const LARGEST_CLAIM: usize = 256 << 20;
/// The most that one byte of input can legitimately claim (`u128` below 251).
const WIDEST: usize = 16;

/// Why bytes are not a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Longer than the caller allows; nothing was decoded.
    #[error("value of {len} bytes exceeds the limit of {limit}; it was not decoded")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not an encoding of the expected type: another version, or corrupt.
    #[error("value does not decode ({why}); the sender runs another version or the bytes are corrupt")]
    Malformed {
        /// bincode's reason.
        why: String,
    },
    /// A value, and then more: never accepted, since the rest would be silently lost.
    #[error(
        "value ends after {used} of {len} bytes; the sender runs another version or the bytes are corrupt"
    )]
    Trailing {
        /// Bytes the value took.
        used: usize,
        /// Bytes given.
        len: usize,
    },
}

/// The bytes of a value. The type must derive `Serialize`: hand-written sequences without a length do not
/// encode.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config::standard())
        .expect("derived Serialize implementations know the length of each sequence")
}

/// The value in `bytes`, all of them, when there are at most `limit`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong { len: bytes.len(), limit });
    }
    let claim = bytes.len().saturating_mul(WIDEST);
    if claim <= SMALLEST_CLAIM {
        decode_claiming::<T, SMALLEST_CLAIM>(bytes)
    } else if claim <= SMALL_CLAIM {
        decode_claiming::<T, SMALL_CLAIM>(bytes)
    } else if claim <= MEDIUM_CLAIM {
        decode_claiming::<T, MEDIUM_CLAIM>(bytes)
    } else if claim <= LARGE_CLAIM {
        decode_claiming::<T, LARGE_CLAIM>(bytes)
    } else {
        decode_claiming::<T, LARGEST_CLAIM>(bytes)
    }
}

fn decode_claiming<T: DeserializeOwned, const CLAIM: usize>(bytes: &[u8]) -> Result<T, DecodeError> {
    const fn limited<const N: usize>() -> Configuration<LittleEndian, Varint, Limit<N>> {
        config::standard().with_limit::<N>()
    }
    match bincode::serde::decode_from_slice(bytes, limited::<CLAIM>()) {
        Err(e) => Err(DecodeError::Malformed { why: e.to_string() }),
        Ok((_, used)) if used != bytes.len() => Err(DecodeError::Trailing { used, len: bytes.len() }),
        Ok((value, _)) => Ok(value),
    }
}
