//! What the shells bring to the core.

use crate::message::{BeatBody, PeerMessage};
use ha_fencing::CallOutcome;
use ha_membership::Ages;
use ha_model::{
    AdminRequest, BootNs, EffectId, Incarnation, InstanceId, Level, NodeId, SessionId, WatchdogState,
};

/// One input of a step.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// Time passed; also the answer to a reached deadline.
    Tick,
    /// Authenticated heartbeats: all that have arrived. They are given together, so that after a pause of the core
    /// no peer is judged silent whose heartbeat is merely further back in the queue.
    Beats(Vec<BeatIn>),
    /// A message on the stream.
    Message {
        /// Sender, as its certificate says.
        from: NodeId,
        /// Content.
        message: Box<PeerMessage>,
    },
    /// A stream to a peer is up.
    PeerUp {
        /// Peer.
        node: NodeId,
        /// Its boot, as its greeting says.
        incarnation: Incarnation,
        /// Its daemon start.
        session: SessionId,
        /// First bytes of its cluster file's SHA-256.
        config: [u8; 4],
    },
    /// The stream is down; the host may be.
    PeerDown {
        /// Peer.
        node: NodeId,
    },
    /// The host answered that nobody listens: its daemon is gone.
    PeerReset {
        /// Peer.
        node: NodeId,
    },
    /// A write is durable.
    Persisted(EffectId),
    /// A write failed: this node acknowledges nothing any more (S16).
    PersistFailed {
        /// Which.
        id: EffectId,
        /// Why.
        why: String,
    },
    /// An agent's run ended.
    AgentDone {
        /// The run.
        id: EffectId,
        /// How.
        outcome: AgentOutcome,
    },
    /// The process of a running instance ended.
    ProcessExited {
        /// Instance.
        instance: InstanceId,
        /// In words: exit code or signal.
        how: String,
    },
    /// A fence agent's run ended.
    FenceCallDone {
        /// The run.
        id: EffectId,
        /// How.
        outcome: CallOutcome,
    },
    /// An operator's request at this node.
    Admin {
        /// Number for the answer.
        id: u64,
        /// Who.
        who: String,
        /// What.
        request: AdminRequest,
    },
    /// What became of this node's watchdog.
    Watchdog(WatchdogState),
    /// A warning of a shell (realtime not permitted, cluster file differs …).
    Warning {
        /// How grave.
        level: Level,
        /// Sentence.
        text: String,
    },
}

/// A heartbeat as the transport brings it.
#[derive(Clone, PartialEq, Debug, Hash)]
pub struct BeatIn {
    /// Sender.
    pub from: NodeId,
    /// Link, from 0.
    pub link: u8,
    /// Arrival here.
    pub received_at: BootNs,
    /// Sending there, by its clock.
    pub sent_at: BootNs,
    /// Our newest sending time that it had received.
    pub echo: Option<BootNs>,
    /// Its inner life.
    pub ages: Ages,
    /// What its core said.
    pub body: BeatBody,
}

/// How an agent's run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentOutcome {
    /// It runs.
    Running,
    /// It does not run, and nothing of it is left.
    NotRunning,
    /// It failed, or was killed at its time-out; something of it may be active.
    Failed {
        /// One sentence.
        why: String,
    },
    /// Nothing was begun: refused before anything happened.
    NeverStarted {
        /// One sentence.
        why: String,
    },
    /// The grant lapsed before the agent was executed.
    GrantLapsed,
    /// Cancelled on our wish.
    Cancelled,
}
