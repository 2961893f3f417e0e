//! Votes, terms, log, voter changes: Raft (Ongaro 2014) as a pure state machine.
//!
//! Inputs are methods of [`Raft`] that take the time; what is to be done comes out of [`Raft::take_ready`]. It must
//! not know: clocks, sockets, files, encodings, what the entries mean. Differences from the thesis, each for a
//! reason given where it lives:
//! - no heartbeat message: UDP beats carry terms and acknowledgements (`lease`);
//! - a voter is (node, store), and a store that forgot has no vote (`peers`);
//! - a hand-over is named, so that one that was called off cannot break a later lease (`transfer`);
//! - following a leader counts as having voted for it (`follow`);
//! - among candidates one that hears all is preferred to one that is cut off from some (`hearing`);
//! - a leader that meets a higher term stands again at once instead of falling silent (`replication`).
//!
//! What the shells owe:
//! - the store applies each [`Persist`] whole and in order; a lost, damaged or restored store gets a new `StoreId`;
//! - the transport calls [`Raft::peer_reset`] for each new stream, after the last word of the old one (its beats
//!   included) and before the first of the new; it proves each beat fresh, and passes its sender's own `sent_at`;
//! - a beat may carry a [`BeatPart`] made somewhat earlier, but not one older than the beats' valid-until: a dead core
//!   must not go on leading by beats.
//!
//! Invariants: S5 (one leader per term, votes durable, committed entries never lost), S10 (joint changes, odd sets,
//! no vote for a store that regressed), S15 (same input, same output), S16 (no acknowledgement before the write).

mod change;
mod durable;
mod election;
mod error;
mod follow;
mod hearing;
mod lease;
mod log;
mod membership;
mod message;
mod node;
mod own_vote;
mod peers;
mod progress;
pub mod quorum;
mod ready;
mod replication;
mod rng;
mod settings;
mod state;
mod timer;
mod transfer;
mod view;

pub use error::{ChangeError, ProposeError, SnapshotError, TransferError};
pub use log::{Entry, LogPos, Payload, Snapshot, SnapshotMeta};
pub use membership::{Membership, Voter, VoterSet, Voters};
pub use message::{Ack, BeatPart, Body, Identity, Mark, Message, TransferToken};
pub use node::Raft;
pub use peers::{BarReason, PeerMemory};
pub use ready::{Event, NoVote, Persist, PersistId, Ready, StepDown};
pub use rng::Rng;
pub use settings::{HardState, Limits, Restored, Settings, StartError};
pub use state::Role;
pub use timer::Timer;
pub use view::FollowerView;
