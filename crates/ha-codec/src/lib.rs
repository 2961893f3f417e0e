//! Frames on the wire and on disk: bincode with limits, sealing with ring.
//!
//! The one place that knows how bytes are laid out. It must not know what the bytes mean: every type is a
//! parameter. Invariants: decoding never panics, never reads past its input, and never allocates more than a
//! fixed multiple of the input (S13); nothing is accepted with bytes left over.

mod frame;
mod record;
mod seal;
mod value;

pub use frame::{FRAME_HEADER_LEN, FRAME_MAX, FRAME_VERSION, FrameError, FrameHeader, frame, parse_header};
pub use record::{RECORD_OVERHEAD, RecordError, open_record, seal_record};
pub use seal::{KEY_LEN, SealError, SealKey, TAG_LEN};
pub use value::{DECODE_EXPANSION_MAX, DecodeError, decode, encode};
