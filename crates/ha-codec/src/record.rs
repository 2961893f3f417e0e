//! A record at rest: version, checksum over key and value, value.
//!
//! The key is part of the checksum: a page that holds another record's old bytes does not pass. The checksum is
//! SHA-256 cut to 16 bytes: it finds damage, it is no defence against someone who can write the disk.

use ring::digest::{Context, SHA256};

/// Layout version of a record.
const RECORD_VERSION: u8 = 1;
const CHECKSUM_LEN: usize = 16;
/// Bytes that a record adds to its value.
pub const RECORD_OVERHEAD: usize = 1 + CHECKSUM_LEN;

/// Why a record is refused. Both mean that the store has lost data.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    /// Too short, or written in another layout.
    #[error("record has an unknown layout (version byte {found:?})")]
    Layout {
        /// First byte, if there is one.
        found: Option<u8>,
    },
    /// Damaged, or another record's bytes.
    #[error("record fails its checksum")]
    Checksum,
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut context = Context::new(&SHA256);
    context.update(&(key.len() as u64).to_le_bytes());
    context.update(key);
    context.update(value);
    let mut cut = [0; CHECKSUM_LEN];
    cut.copy_from_slice(&context.finish().as_ref()[..CHECKSUM_LEN]);
    cut
}

/// The record that holds `value` under `key`.
#[must_use]
pub fn seal_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(RECORD_OVERHEAD + value.len());
    out.push(RECORD_VERSION);
    out.extend_from_slice(&checksum(key, value));
    out.extend_from_slice(value);
    out
}

/// The value of a record read back under `key`.
pub fn open_record<'a>(key: &[u8], record: &'a [u8]) -> Result<&'a [u8], RecordError> {
    if record.first() != Some(&RECORD_VERSION) || record.len() < RECORD_OVERHEAD {
        return Err(RecordError::Layout { found: record.first().copied() });
    }
    let (head, value) = record.split_at(RECORD_OVERHEAD);
    if head[1..] == checksum(key, value) { Ok(value) } else { Err(RecordError::Checksum) }
}
