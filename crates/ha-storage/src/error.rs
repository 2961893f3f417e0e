//! Why a store does not open, or does not write.

use crate::batch::BatchError;
use std::io;
use std::path::PathBuf;

/// The store cannot be used at all; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon runs on this directory.
    #[error("store {dir}: in use by another process; stop the other daemon first")]
    Locked {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// The operating system refused. It may be temporary, so the store is not called corrupt.
    #[error("store {at}: {doing}: {source}; check the disk and the permissions, then start again")]
    Io {
        /// File or directory.
        at: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Written by another version of this program.
    #[error("store has format {found}, this build reads {known} alone; {}", other_format(*found, *known))]
    OtherFormat {
        /// Format found.
        found: u32,
        /// The format that is read and written.
        known: u32,
    },
    /// Damaged, and not on a file that could be set aside.
    #[error("store is corrupt: {why}")]
    Corrupt {
        /// What does not fit.
        why: String,
    },
}

/// What to do about a store of another format.
fn other_format(found: u32, known: u32) -> &'static str {
    if found > known {
        "upgrade this node"
    } else {
        "run the version that wrote it, or move the store away: the node then joins anew, without a vote until the members name it"
    }
}

/// A batch was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The batch contradicts what the store holds: a bug in the caller. Nothing was written, the store is usable.
    #[error("batch refused: {0}")]
    Refused(#[from] BatchError),
    /// Writing failed, now or earlier. Whether the batch is on disk is unknown; the store refuses everything
    /// until it is opened again.
    #[error("store failed: {why}; free or replace the disk, then restart the daemon")]
    Failed {
        /// The first failure.
        why: String,
    },
}
