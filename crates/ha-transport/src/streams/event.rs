//! What the streams tell the core, and how fast they are.

use crate::hello::Hello;
use crate::warning::Warning;
use ha_model::NodeId;
use std::net::SocketAddr;
use std::time::Duration;

/// Something happened on a stream. For one peer: up, frames, down, in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// The stream to this peer is up.
    PeerUp {
        /// The peer.
        node: NodeId,
        /// What it says about itself.
        hello: Hello,
        /// Index of the link it runs over.
        link: usize,
    },
    /// The stream is gone. It is being made again unless the peer was removed; alone it makes no node lost.
    PeerDown {
        /// The peer.
        node: NodeId,
        /// Why.
        why: Down,
    },
    /// The peer's host answers, and refuses: no daemon listens there. Said whenever an attempt is refused.
    PeerReset {
        /// The peer.
        node: NodeId,
    },
    /// A message.
    Frame {
        /// The peer.
        from: NodeId,
        /// The message, as given to `send`.
        bytes: Vec<u8>,
    },
    /// Somebody who may not speak tried to.
    Refused {
        /// Where from, or where to.
        at: SocketAddr,
        /// Why it was refused.
        why: String,
    },
    /// Something does not work as wished.
    Warning(Warning),
}

/// Why a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// The peer closed it on purpose; its daemon lives, or stops as announced.
    #[error("closed by the peer")]
    Goodbye,
    /// The peer's host closed it without a word: its daemon died.
    #[error("the peer's daemon ended without a word ({0})")]
    Ended(String),
    /// Nothing arrived: the link or the host is gone.
    #[error("silent: {0}")]
    Silent(String),
    /// A newer stream of this peer took its place.
    #[error("replaced by a newer stream of the same peer")]
    Replaced,
    /// The peer takes messages more slowly than they come; what was queued is lost.
    #[error("the peer does not keep up; its send queue was full and is dropped")]
    Overflow,
    /// The node is no longer a peer.
    #[error("the node was removed from the cluster")]
    Removed,
    /// The peer said something that makes no sense.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// This daemon stops.
    #[error("this node stops")]
    Shutdown,
}

/// All times of the streams, scaled from the time after which a silent node is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How long one link is tried before the next.
    pub connect: Duration,
    /// How long TLS and hellos may take.
    pub handshake: Duration,
    /// A ping is sent this often.
    pub ping: Duration,
    /// A stream on which nothing arrives for this long is dead. Larger than a busy host's pauses: moving a stream
    /// costs a handshake.
    pub silence: Duration,
    /// First pause between attempts; it doubles.
    pub retry_min: Duration,
    /// Longest pause between attempts.
    pub retry_max: Duration,
}

impl Times {
    /// Scaled from `T_lost`.
    #[must_use]
    pub fn from_t_lost(t_lost: Duration) -> Self {
        let silence = (t_lost / 2).max(Duration::from_millis(250));
        Self {
            connect: (t_lost / 4).max(Duration::from_millis(100)),
            handshake: t_lost.max(Duration::from_millis(500)),
            // Two and the next one within the silence: TCP loses none, and each wakes both ends of an idle cluster.
            ping: silence * 2 / 5,
            silence,
            retry_min: (t_lost / 50).max(Duration::from_millis(10)),
            retry_max: (t_lost / 2).max(Duration::from_millis(100)),
        }
    }
}
