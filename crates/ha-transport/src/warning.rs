//! What does not work as wished, and does not stop the daemon. The shell shows them; each says what to do.

use std::net::SocketAddr;

/// A degraded start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Heartbeats share the processor with everything else.
    #[error(
        "heartbeat thread without realtime priority ({why}); a loaded host may look lost: run as root, or grant CAP_SYS_NICE"
    )]
    NoRealtime {
        /// The system's answer.
        why: String,
    },
    /// Memory may be swapped out.
    #[error(
        "memory not locked ({why}); memory pressure may make this host look lost: run as root, or grant CAP_IPC_LOCK"
    )]
    NotLocked {
        /// The system's answer.
        why: String,
    },
    /// The daemon may be killed when memory runs out.
    #[error("not protected from the out-of-memory killer ({why}): run as root, or grant CAP_SYS_RESOURCE")]
    NotOomProtected {
        /// The system's answer.
        why: String,
    },
    /// A link's address cannot be used yet.
    #[error("link {link}: cannot listen on {at} ({why}); it is tried again")]
    LinkNotBound {
        /// Index of the link.
        link: usize,
        /// The address.
        at: SocketAddr,
        /// The system's answer.
        why: String,
    },
}
