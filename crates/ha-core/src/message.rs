//! What nodes say to each other on the ordered stream, and the body of a heartbeat.

use ha_consensus::{BeatPart, Message};
use ha_fencing::{AttemptReport, DevicePlan, LevelPlan, PathTestReport};
use ha_membership::Hears;
use ha_model::{
    AdminReply, AdminRequest, BootNs, Incarnation, Index, InstanceId, LogEntry, NodeId, Observed, OrderStamp,
    PlanId, ResourceConfig, SessionId, Term,
};
use serde::{Deserialize, Serialize};

/// A message on the stream between two nodes. Variants are only appended.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub enum PeerMessage {
    /// Votes and log.
    Raft(Message<LogEntry>),
    /// Leader to node: do this.
    Order(Order),
    /// Node to leader: so it stands.
    Report(Report),
    /// Leader to executor.
    ExecOrder(ExecOrder),
    /// Executor to leader.
    ExecReport(ExecReport),
    /// A node passes an operator's request on to the leader.
    Admin {
        /// Number at the asking node.
        id: u64,
        /// Who asks.
        who: String,
        /// What.
        request: AdminRequest,
    },
    /// The leader's answer.
    AdminReply {
        /// Number at the asking node.
        id: u64,
        /// Answer.
        reply: AdminReply,
    },
    /// The leader of a term has no report of the receiver yet.
    ReportWanted {
        /// The term.
        term: Term,
    },
    /// The leader asks the receiver to lead, because it alone misses a node: should the receiver come to miss it too, that
    /// node is lost, and leadership does not go on from one to the next.
    HandsOver {
        /// The node that is missed.
        missed: NodeId,
    },
    /// The asked node does not lead, or what it proposed was surely not taken: nothing was done.
    AdminNotTaken {
        /// Number at the asking node.
        id: u64,
    },
}

/// An order to a node about one instance.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Which order, for which boot and daemon start.
    pub stamp: OrderStamp,
    /// The instance.
    pub instance: InstanceId,
    /// What to do.
    pub op: OrderOp,
    /// The resource as the leader's plan saw it.
    pub spec: ResourceConfig,
    /// The ledger has an open permission for it there: it may be running already.
    pub was_permitted: bool,
    /// The log shows of every member that it does not have it: two quick probes of an address suffice. Otherwise, after
    /// a human's word above all, the full time of RFC 5227 is taken (ADR 11).
    pub is_address_free: bool,
}

/// What a node can be ordered to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum OrderOp {
    /// Find out.
    Probe,
    /// Start.
    Start,
    /// Stop.
    Stop,
}

/// What a node says of itself to the leader of `term`. Always the whole; the leader takes what is new.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct Report {
    /// The leader's term; the node refuses orders of older terms from here on.
    pub term: Term,
    /// Boot.
    pub incarnation: Incarnation,
    /// Daemon start.
    pub session: SessionId,
    /// Grows within the session.
    pub seq: u64,
    /// Newest order acted on or passed over.
    pub acted: (Term, PlanId),
    /// Its watchdog, where it counts down as configured.
    pub watchdog: Option<ha_model::ArmedWatchdog>,
    /// Every instance it knows.
    pub instances: Vec<(InstanceId, Observed)>,
    /// Warnings of this node.
    pub warnings: Vec<(ha_model::Level, String)>,
}

/// A job for an executor of fencing. Refused when its term is not the newest known.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct ExecOrder {
    /// The leader's term.
    pub term: Term,
    /// Number within the term.
    pub job: u64,
    /// The node whose power is concerned.
    pub target: NodeId,
    /// On the executor's clock: not begun after that. An order that was stuck on its way may be for a boot that is over.
    pub valid_until: BootNs,
    /// What the leader had applied: an executor that has applied as much, and knows of no open request, cuts nobody.
    pub position: Index,
    /// What.
    pub what: ExecJob,
}

/// What an executor can be asked.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub enum ExecJob {
    /// Cut by these levels.
    Cut(Vec<LevelPlan>),
    /// Read, harmlessly.
    Test {
        /// Device and outlets.
        plan: DevicePlan,
        /// An agent that calls missing outlets off is believed.
        is_missing_off_waived: bool,
        /// The device feeds other nodes too, by other outlets.
        is_shared: bool,
    },
    /// Switch on.
    PowerOn(Vec<DevicePlan>),
    /// Stop whatever runs for the target.
    Cancel,
}

/// What an executor says.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct ExecReport {
    /// The term of the order.
    pub term: Term,
    /// Its number.
    pub job: u64,
    /// The node.
    pub target: NodeId,
    /// How it ended.
    pub result: ExecResult,
}

/// How an executor's job ended.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub enum ExecResult {
    /// An attempt to cut.
    Cut(AttemptReport),
    /// A test.
    Test(PathTestReport),
    /// Power on.
    PowerOn(Result<(), String>),
}

/// The body of a heartbeat to one peer.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct BeatBody {
    /// Boot.
    pub incarnation: Incarnation,
    /// Daemon start.
    pub session: SessionId,
    /// Votes' part.
    pub votes: BeatPart,
    /// First bytes of a hash of the nodes' names in order: positions in `hears` mean something only where they are the
    /// same.
    pub positions: [u8; 4],
    /// Whom the sender hears, by position among the nodes in order of names.
    pub hears: Hears,
    /// To whom the sender has a stream, by position.
    pub streams: u32,
    /// The newest sending time of the receiver that the sender's *core* has seen: a grant counts from it.
    pub core_ack: Option<BootNs>,
    /// From the leader to a member: what runs in that boot may go on.
    pub granted: Option<Incarnation>,
}
