//! What can go wrong in a developer command, and what to do about it.

use std::fmt;
use std::io;

/// An error of a developer command.
#[derive(Debug)]
pub enum Error {
    /// A file or a process could not be used.
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A program gave something else than expected.
    Output {
        /// The program.
        program: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something must be there first.
    Missing {
        /// What.
        what: String,
        /// What to do.
        help: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, source } => write!(f, "cannot {what}: {source}"),
            Self::Output { program, why } => write!(f, "{program}: {why}"),
            Self::Missing { what, help } => write!(f, "{what}; {help}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Output { .. } | Self::Missing { .. } => None,
        }
    }
}

/// Result of a developer command.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds what was tried to an I/O error.
pub trait Trying<T> {
    /// `what` completes "cannot …".
    fn trying(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Trying<T> for io::Result<T> {
    fn trying(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}
