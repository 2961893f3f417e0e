//! What does not work as wished, and does not stop the daemon. The shell shows them; each says what to do.

use std::net::SocketAddr;

/// A degraded start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Heartbeats share the processor with everything else.
    #[error(
        "heartbeat thread without realtime priority ({why}); a loaded host may look lost: give hanode CAP_SYS_NICE, which a container may withhold from root too"
    )]
    NoRealtime {
        /// The system's answer.
        why: String,
    },
    /// Memory may be swapped out.
    #[error(
        "memory not locked ({why}); memory pressure may make this host look lost: give hanode CAP_IPC_LOCK, which a container may withhold from root too"
    )]
    NotLocked {
        /// The system's answer.
        why: String,
    },
    /// The daemon may be killed when memory runs out.
    #[error(
        "not protected from the out-of-memory killer ({why}): give hanode CAP_SYS_RESOURCE, which a container may withhold from root too"
    )]
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
