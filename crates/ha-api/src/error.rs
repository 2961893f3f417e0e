//! What can go wrong between `hactl` and the daemon: what happened, where, and what to do.

use crate::limits::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::wire::ErrorBody;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why a client got no answer.
#[derive(Debug, Error)]
pub enum ApiError {
    /// There is no socket, or nobody listens on it.
    #[error("no daemon is running on this node ({}: {})", path.display(), if *is_left_over { "left over, nobody listens" } else { "no such socket" })]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// The socket exists, its daemon is gone.
        is_left_over: bool,
    },
    /// The kernel refused.
    #[error("not permitted to use {}", path.display())]
    NotPermitted {
        /// The socket.
        path: PathBuf,
        /// The group that is permitted, where it can be read.
        group: Option<String>,
    },
    /// Another failure to connect.
    #[error("cannot connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No answer in time.
    #[error("no answer from {} within {}", path.display(), ha_model::length(*after))]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// After so long.
        after: Duration,
    },
    /// Somebody answered who does not speak this interface.
    #[error("{} does not speak the interface of this program: {detail}", path.display())]
    Protocol {
        /// The socket.
        path: PathBuf,
        /// What was seen.
        detail: String,
    },
    /// The request is longer than a daemon accepts.
    #[error("the request is {bytes} bytes long; a daemon accepts {REQUEST_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The answer is longer than accepted.
    #[error("the answer of {} is longer than {ANSWER_BYTES_MAX} bytes", path.display())]
    AnswerTooLong {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon refused to hand the request on.
    #[error("{}", .0.message)]
    Rejected(ErrorBody),
}

impl ApiError {
    /// Stable word, for scripts.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            ApiError::NotRunning { .. } => "daemon-not-running",
            ApiError::NotPermitted { .. } => "not-permitted",
            ApiError::Connect { .. } => "connect-failed",
            ApiError::TimedOut { .. } => "timed-out",
            ApiError::Protocol { .. } => "wrong-protocol",
            ApiError::TooLong { .. } => "request-too-long",
            ApiError::AnswerTooLong { .. } => "answer-too-long",
            ApiError::Rejected(body) => &body.code,
        }
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            ApiError::NotRunning { .. } => Some(
                "start it with: systemctl start hanode; or name its socket with: --socket PATH".to_owned(),
            ),
            ApiError::NotPermitted { group: Some(group), .. } if group != "root" => Some(format!(
                "use sudo, or become a member of group {group}: usermod -aG {group} USER, then log in again"
            )),
            ApiError::NotPermitted { .. } => Some("use sudo: only root may use this socket".to_owned()),
            ApiError::Connect { .. } => {
                Some("look at the daemon's state with: systemctl status hanode".to_owned())
            }
            ApiError::TimedOut { .. } => Some(
                "wait longer with: --timeout 60s; look at the daemon's journal with: journalctl -u hanode"
                    .to_owned(),
            ),
            ApiError::Protocol { .. } => Some(
                "hactl and hanode must come from the same release; compare with: hactl version".to_owned(),
            ),
            ApiError::TooLong { .. } => Some("make the file shorter".to_owned()),
            ApiError::AnswerTooLong { .. } => Some("ask for less, for instance with: --last 100".to_owned()),
            ApiError::Rejected(body) => body.help.clone(),
        }
    }

    /// For an envelope.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        ErrorBody { code: self.code().to_owned(), message: self.to_string(), help: self.help() }
    }
}

/// Why a daemon cannot listen.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Another daemon listens there.
    #[error("another daemon already listens on {}: stop it first (systemctl stop hanode)", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else than a socket is in the way.
    #[error("{} is in the way and is no socket: remove it, or name another socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The group does not exist.
    #[error("there is no group {group} for {}: create it (groupadd --system {group}) or name another", path.display())]
    NoSuchGroup {
        /// The group.
        group: String,
        /// The socket.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The socket or its directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
