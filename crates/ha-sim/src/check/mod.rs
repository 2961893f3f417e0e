//! What must hold after every event, judged from outside: by the ledger of what truly runs and has power, never by a
//! node's opinion.
//!
//! Each check says its rule (docs/INVARIANTS.md). Must not know: why a core did what it did.

mod bounds;
mod grants;
mod groups;
mod hold;
mod members;
mod orders;
mod permission;
mod power;
mod readings;
mod runs;
mod said;
mod votes;
mod watchdog;

use self::readings::Readings;
use crate::world::{S, World};
use ha_consensus::Membership;
use ha_core::OrderOp;
use ha_model::{BootNs, Incarnation, Index, InstanceId, NodeId, StoreId, Term};
use std::collections::{BTreeMap, BTreeSet};

/// What is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judged {
    /// Every rule, until a switch lies: from there on not what rests on a truthful one.
    Every,
    /// Only this rule, and on whatever lies: to see its check fire.
    Only(&'static str),
}

impl Judged {
    /// Whether this rule is judged.
    pub(crate) fn is_about(self, rule: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(only) => only == rule,
        }
    }
}

/// The rule that is broken, and what was seen.
type Broken = Option<(&'static str, String)>;

/// Fences are counted within it.
const WINDOW: u64 = 3600 * S;
/// One whose clock stood with it may do late, for so long, what it was told before.
const AFTER_THAW: u64 = 5 * S;
/// An order to an executor is begun within it, by the executor's clock, or never.
const ORDER_HOLDS: u64 = 3 * S;
/// What an event takes beside the times that are derived: steps, heartbeats taken at once, drift of clocks.
const MARGIN: u64 = S;
/// What ended by itself is known to a leader that leads within it, or its node is taken for lost.
const TOLD_WITHIN: u64 = 3 * S;
/// A follower is at most this many entries behind when it tells what it applies.
const TOLD_KEPT: u64 = 200;

/// An order to cut.
#[derive(Clone, Copy)]
pub(crate) struct CutOrder {
    /// Of whom.
    pub term: Term,
    /// What the leader had applied.
    pub position: Index,
    /// No off of it begins later.
    pub until: u64,
}

/// What truly happened.
#[derive(Default)]
pub(crate) struct Ledger {
    /// The boot that the switch last cut of a node, until that is proven.
    pub cut_at: BTreeMap<NodeId, Incarnation>,
    /// Nodes that a human called off without a look.
    pub unseen: BTreeSet<NodeId>,
    /// Of whom each has heard what: the newest heartbeat that was taken, by its boot and sending time.
    pub heard_of: BTreeMap<NodeId, BTreeMap<NodeId, (Incarnation, BootNs)>>,
    /// The newest order to cut, by executor and target.
    pub cuts: BTreeMap<(NodeId, NodeId), CutOrder>,
    /// What was ordered last of each node, and when.
    pub ordered: BTreeMap<(NodeId, InstanceId), (OrderOp, u64)>,
    /// What was ordered by a leader that had just stood still, and knew of nothing that had ended meanwhile.
    pub ordered_behind: BTreeSet<(NodeId, InstanceId)>,
    /// Boots that the log says are over, or condemned.
    pub ended: BTreeSet<(NodeId, Incarnation)>,
    /// Where each instance ran last.
    pub last_owner: BTreeMap<InstanceId, NodeId>,
    /// Faults by kind since something had run.
    pub felt: BTreeMap<&'static str, u64>,
    /// How often each instance began to run anywhere.
    pub begun: BTreeMap<InstanceId, u64>,
    /// Who led in each term, and of which term each entry is that somebody applied.
    pub leaders: BTreeMap<Term, NodeId>,
    pub entries: BTreeMap<u64, Term>,
    /// Who ever led.
    pub have_led: BTreeSet<NodeId>,
    /// What each state is after an entry at which somebody stood.
    pub states: BTreeMap<u64, u128>,
    /// Who voted for whom in a term, with which store.
    pub votes: BTreeMap<(Term, NodeId), BTreeMap<NodeId, StoreId>>,
    /// Who votes, by the newest leader.
    pub voters: Vec<NodeId>,
    /// The members by the log of the newest leader.
    pub members: Option<(Term, NodeId, Membership)>,
    /// Proven off, and not switched on since.
    pub owed_on: BTreeSet<NodeId>,
    /// When the cluster switched a node on, once after each proof.
    pub switched_on: BTreeMap<NodeId, Vec<u64>>,
    /// What the log said, of its newest entries.
    pub told: BTreeSet<(Index, String)>,
    /// What was under way when the planner of a leader failed.
    pub held: BTreeMap<NodeId, BTreeSet<(NodeId, InstanceId)>>,
    /// How often an operator helped it.
    pub helped: BTreeMap<NodeId, usize>,
    /// What switches said.
    pub readings: Readings,
    /// When a node was proven off by reading, until it joins or a human asks for its power.
    pub proven_at: BTreeMap<NodeId, u64>,
    /// Nodes to which an off was asked since their fence was decided.
    pub offs: BTreeSet<NodeId>,
    /// Nodes whose boot the log has condemned.
    pub condemned: BTreeSet<NodeId>,
    /// Since when a node has no daemon that joined.
    pub gone_since: BTreeMap<NodeId, u64>,
    /// Since when, and when last, one heard another.
    pub hears: BTreeMap<(NodeId, NodeId), (u64, u64)>,
    /// The same of each link, of heartbeats that were hardly under way: others may not count.
    pub hears_well: BTreeMap<(NodeId, NodeId, u8), (u64, u64)>,
    /// Whose step it is had a lease when it began.
    pub led_into_step: bool,
    /// Since when the newest leader leads.
    pub led_since: u64,
    /// When a leader last handed over for whom.
    pub handed_over: BTreeMap<NodeId, u64>,
    /// When each was last asked to lead.
    pub asked_to_lead: BTreeMap<NodeId, u64>,
    /// When an operator last asked for a node's power.
    pub on_asked: BTreeMap<NodeId, u64>,
    /// When an operator last gave his word for a node.
    pub confirm_asked: BTreeMap<NodeId, u64>,
    /// When a configuration came into force last.
    pub config_at: u64,
    /// The newest entry that anybody applied.
    pub newest: u64,
    /// The options that each instance was started with, by host.
    pub started_as: BTreeMap<(NodeId, InstanceId), BTreeMap<String, String>>,
}

impl Ledger {
    /// Whether there were three faults of two kinds since something had run.
    pub(crate) fn is_full(&self) -> bool {
        self.felt.len() >= 2 && self.felt.values().sum::<u64>() >= 3
    }
}

impl World {
    /// Whether what rests on a truthful switch is left unjudged.
    pub(crate) fn looks_away(&self) -> bool {
        self.has_lied && self.judged == Judged::Every
    }

    /// After each step of a node.
    pub(crate) fn check(&mut self, id: &NodeId) {
        let broken = self.judge_leader(id).or_else(|| self.judge_log(id));
        let broken = broken.or_else(|| self.judge_members(id)).or_else(|| self.judge_queues(id));
        let broken = broken.or_else(|| self.judge_applied(id));
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    /// What has changed with what the node has applied.
    fn judge_applied(&mut self, id: &NodeId) -> Broken {
        let daemon = self.hosts.get_mut(id).and_then(|h| h.daemon.as_mut())?;
        let applied = daemon.node.applied().0;
        if std::mem::replace(&mut daemon.checked, applied) == applied {
            return None;
        }
        let broken = self.judge_replica(id).or_else(|| self.judge_state(id)).or_else(|| self.judge_open(id));
        let nodes = &self.hosts[id].node()?.state().nodes;
        let ended = nodes.iter().flat_map(|(id, r)| r.ended.iter().map(move |i| (id.clone(), *i)));
        self.ledger.ended.extend(ended);
        broken
    }
}
