//! A frame on a stream: length, version, kind, body.
//!
//! ```text
//! 0      4         5      6
//! | len  | version | kind | body (len bytes) |     len: u32 little endian, of the body alone
//! ```
//! A header of another version or with a length above the maximum is refused before anything is allocated.

/// Bytes before the body.
pub const FRAME_HEADER_LEN: usize = 6;
/// The version this build speaks. It rises with every change of a type that is sent.
pub const FRAME_VERSION: u8 = 1;
/// Longest body: a snapshot with its configuration files fits; a peer can make us hold no more than this.
pub const FRAME_MAX: usize = 16 << 20;

/// The part of a frame that comes before its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// What the body is; the shell that frames decides.
    pub kind: u8,
    /// Length of the body in bytes.
    pub len: usize,
}

/// Why a frame is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// Another format: the two ends run versions that do not understand each other.
    #[error("frame of version {theirs}, this build speaks {FRAME_VERSION}; upgrade the older node")]
    Version {
        /// The version in the frame.
        theirs: u8,
    },
    /// Above the maximum for this place.
    #[error("frame of {len} bytes exceeds the limit of {max}; the stream is closed")]
    TooLong {
        /// Length claimed.
        len: usize,
        /// Length allowed.
        max: usize,
    },
}

/// A whole frame around `body`.
pub fn frame(kind: u8, body: &[u8]) -> Result<Vec<u8>, FrameError> {
    let len = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= FRAME_MAX)
        .ok_or(FrameError::TooLong { len: body.len(), max: FRAME_MAX })?;
    let mut out = Vec::with_capacity(FRAME_HEADER_LEN + body.len());
    out.extend_from_slice(&len.to_le_bytes());
    out.push(FRAME_VERSION);
    out.push(kind);
    out.extend_from_slice(body);
    Ok(out)
}

/// Reads a header; `max` is the longest body allowed here (before authentication far less than [`FRAME_MAX`]).
pub fn parse_header(header: &[u8; FRAME_HEADER_LEN], max: usize) -> Result<FrameHeader, FrameError> {
    let [a, b, c, d, version, kind] = *header;
    if version != FRAME_VERSION {
        return Err(FrameError::Version { theirs: version });
    }
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    if len > max { Err(FrameError::TooLong { len, max }) } else { Ok(FrameHeader { kind, len }) }
}
