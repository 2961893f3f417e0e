//! What nodes say to each other: messages on the ordered stream, and the part of each beat that is Raft's.
//!
//! Must not know: how either is encoded or sent. There is no heartbeat message: beats do that work.

use crate::log::{Entry, LogPos, SnapshotMeta};
use ha_model::{BootNs, Index, NodeId, SessionId, StoreId, Term};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far a store has promised: it acknowledged entries through `index` to the leader of `term`, or (index 0)
/// has joined or voted in `term`. Durable before it is told; it never falls, unless the store was put back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// Newest term.
    pub term: Term,
    /// Highest index acknowledged in that term.
    pub index: Index,
}

/// Who speaks: which store, in which start of the daemon, and how far the store had promised at that start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The store that votes.
    pub store: StoreId,
    /// This start of the daemon.
    pub session: SessionId,
    /// The store's mark when this session started: a lower one than peers remember means a restored disk.
    pub restored: Mark,
    /// The highest index that the store had ever acknowledged when this session started.
    pub promised: Index,
    /// It was put back from a copy: it had promised through here. Nobody counts it until the members name it later than that.
    pub regressed: Option<Index>,
}

/// Names one attempt to hand over leadership: voters grant this one in spite of the lease of the same leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct TransferToken {
    /// Term of the leader that gave up its lease.
    pub term: Term,
    /// Number of the attempt within that term, from 1.
    pub seq: u64,
}

/// A message on the stream.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct Message<P> {
    /// The sender's term.
    pub term: Term,
    /// Who the sender is.
    pub identity: Identity,
    /// What it says.
    pub body: Body<P>,
}

/// What a message says.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub enum Body<P> {
    /// Would you vote for me? Binds nobody.
    PreVote {
        /// The term it would stand in.
        for_term: Term,
        /// End of the asker's log.
        last: LogPos,
        /// As in `Vote`.
        named: Option<StoreId>,
    },
    /// Answer to `PreVote`.
    PreVoteReply {
        /// The term that was asked about.
        for_term: Term,
        /// Whether it would.
        granted: bool,
    },
    /// Vote for me in the message's term.
    Vote {
        /// End of the candidate's log.
        last: LogPos,
        /// Set where the leader itself asked for this election.
        transfer: Option<TransferToken>,
        /// The store that the candidate's log names for the receiver: if it is the receiver's, that one may vote, even
        /// if it has not heard yet that its lost store was replaced.
        named: Option<StoreId>,
    },
    /// Answer to `Vote`; the term is the voter's.
    VoteReply {
        /// Whether it does.
        granted: bool,
    },
    /// Entries of the leader of the message's term.
    Append {
        /// The position before the entries.
        prev: LogPos,
        /// Consecutive entries; may be none.
        entries: Vec<Entry<P>>,
        /// The leader's commit index.
        commit: Index,
    },
    /// The log is durable through here, and the same as the leader's.
    AppendAck {
        /// Through this index.
        matched: Index,
    },
    /// The log does not have `prev`.
    AppendReject {
        /// Index of the `prev` that was refused.
        prev: Index,
        /// Where the logs may agree.
        hint: Index,
        /// The store knows no membership: only a snapshot helps.
        blank: bool,
    },
    /// A piece of a snapshot.
    Chunk {
        /// Which snapshot.
        meta: SnapshotMeta,
        /// Where the piece lies in it, in bytes.
        offset: u64,
        /// Size of the whole, in bytes.
        total: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// Bytes of that snapshot received so far.
    ChunkAck {
        /// Index of the snapshot.
        index: Index,
        /// Bytes from its start.
        received: u64,
    },
    /// Stand for election at once: I have given up my lease.
    TransferNow {
        /// To be shown to the voters.
        token: TransferToken,
    },
}

/// A follower's acknowledgement of a leader's beat; leases and check-quorum count these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Ack {
    /// Term of the acknowledged leader.
    pub term: Term,
    /// When that leader sent the beat, by its own clock: the lease counts from then.
    pub your_sent_at: BootNs,
    /// Hand-overs of that leader through this number the follower knows called off.
    pub cancelled: u64,
    /// For how long after that beat came in the follower votes for nobody else: its own `t_lease`.
    pub promise: Duration,
}

/// Raft's part of a beat.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct BeatPart {
    /// Who speaks.
    pub identity: Identity,
    /// The sender's durable term.
    pub term: Term,
    /// Whether it leads in that term.
    pub leads: bool,
    /// Its commit index.
    pub commit: Index,
    /// From a leader: hand-overs up to this number are called off.
    pub cancelled: u64,
    /// To the leader: its newest beat that was heard.
    pub ack: Option<Ack>,
    /// The store's durable mark.
    pub last_acked: Mark,
    /// The highest index that the store ever acknowledged, durably.
    pub promised: Index,
    /// The receiver's store, where the sender remembers that it had promised more: through where.
    pub regressed: Option<(StoreId, Index)>,
    /// Whether it heard a leader (or leads) within `t_lost`.
    pub hears_leader: bool,
    /// Voters that it did not hear within `t_lost`; at most four of them.
    pub misses: Vec<NodeId>,
}
