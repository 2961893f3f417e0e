//! What can go wrong in the laboratory, in words that say what to do next.
//!
//! Must not know: any other module. Every variant names the operation and its cause.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the laboratory.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The description of the lab cannot be built.
    #[error("lab description: {0}")]
    Spec(String),
    /// This machine lacks a permission, a kernel feature or a program.
    #[error("this machine does not permit it: {0} (`ha-lab check` lists everything)")]
    Missing(String),
    /// A system call or file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// The operation, with the object it acted on.
        what: String,
        /// Its cause.
        source: io::Error,
    },
    /// A program that the lab runs (`ip`, `nft`, `tc`) refused.
    #[error("{program} failed ({status}): {stderr}; input was:\n{input}")]
    Tool {
        /// Program name.
        program: &'static str,
        /// Exit status in words.
        status: String,
        /// What it printed.
        stderr: String,
        /// What it was given.
        input: String,
    },
    /// The lab answered a request with a refusal.
    #[error("{0}")]
    Refused(String),
    /// The lab's processes ended or speak nonsense.
    #[error("the lab is not there any more, or never came up: {0}")]
    Gone(String),
    /// A condition did not come true in time.
    #[error("waited {waited_ms} ms for {what}")]
    Timeout {
        /// The condition.
        what: String,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
}

/// Result of the laboratory.
pub type Result<T> = std::result::Result<T, LabError>;

/// Attaches the operation to an I/O error.
pub(crate) trait Context<T> {
    /// Names the operation.
    fn what(self, what: impl FnOnce() -> String) -> Result<T>;
    /// Names the operation as `verb path`.
    fn at(self, verb: &str, path: &Path) -> Result<T>
    where
        Self: Sized,
    {
        let path: PathBuf = path.into();
        self.what(|| format!("{verb} {}", path.display()))
    }
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn what(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| LabError::Io { what: what(), source: e.into() })
    }
}
