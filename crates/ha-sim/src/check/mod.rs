//! What must hold after every event, judged from outside: by the ledger of what truly runs and has power, never by a
//! node's opinion.
//!
//! Each check says its rule (docs/INVARIANTS.md). Must not know: why a core did what it did.

mod grants;
mod hold;
mod orders;
mod power;
mod runs;
mod votes;

use crate::world::{S, World};
use ha_consensus::Membership;
use ha_model::{BootNs, EffectId, Incarnation, Index, InstanceId, NodeId, SessionId, Term};
use std::collections::{BTreeMap, BTreeSet};

/// The rule that is broken, and what was seen.
type Broken = Option<(&'static str, String)>;

/// How long something may still run after the grant is over: the longest agents before the stop, and it.
const STOP_BOUND: u64 = 7 * S;
/// Fences are counted within it.
const WINDOW: u64 = 3600 * S;
/// An executor that stood still may do late what it was told before.
const AFTER_THAW: u64 = 5 * S;
/// A follower is at most this many entries behind when it tells what it applies.
const TOLD_KEPT: u64 = 200;

/// What truly happened.
#[derive(Default)]
pub(crate) struct Ledger {
    /// When the switch last cut a node, until that is proven.
    pub cut_at: BTreeMap<NodeId, u64>,
    /// Outlets that say off and are not.
    pub lied_off: BTreeSet<NodeId>,
    /// Nodes that a human called off without a look.
    pub unseen: BTreeSet<NodeId>,
    /// Calls of fence agents that were given up.
    pub given_up: BTreeSet<(NodeId, EffectId)>,
    /// Calls that were called off before they did anything.
    pub cancelled: BTreeSet<(NodeId, EffectId)>,
    /// Runs of agents that hang.
    pub hanging: BTreeSet<(NodeId, EffectId)>,
    /// The newest heartbeat of each daemon that another has taken, by its sending time.
    pub heard_of: BTreeMap<NodeId, (SessionId, BootNs)>,
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
    /// What the log said, of its newest entries.
    pub told: BTreeSet<(Index, String)>,
    /// The members as each leader last had them, with its term.
    pub members: BTreeMap<NodeId, (Term, Membership)>,
    /// Who votes, by the newest leader.
    pub voters: Vec<NodeId>,
    /// When the cluster switched a node on.
    pub switched_on: BTreeMap<NodeId, Vec<u64>>,
    /// What was under way when the planner of a leader failed.
    pub held: BTreeMap<NodeId, BTreeSet<(NodeId, InstanceId)>>,
    /// How often an operator helped it.
    pub helped: BTreeMap<NodeId, usize>,
}

impl Ledger {
    /// Whether there were three faults of two kinds since something had run.
    pub(crate) fn is_full(&self) -> bool {
        self.felt.len() >= 2 && self.felt.values().sum::<u64>() >= 3
    }
}

impl World {
    /// After each step of a node.
    pub(crate) fn check(&mut self, id: &NodeId) {
        let broken = self.judge_leader(id).or_else(|| self.judge_log(id));
        let broken = broken
            .or_else(|| self.judge_change(id))
            .or_else(|| self.judge_grant(id))
            .or_else(|| self.judge_state(id));
        self.note_voters(id);
        self.note_applied(id);
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    /// What the node has applied is compared, and which boots are over is known.
    fn note_applied(&mut self, id: &NodeId) {
        let Some(daemon) = self.hosts.get_mut(id).and_then(|h| h.daemon.as_mut()) else { return };
        let applied = daemon.node.applied().0;
        if std::mem::replace(&mut daemon.checked, applied) != applied {
            let nodes = &daemon.node.state().nodes;
            let ended = nodes.iter().flat_map(|(id, r)| r.ended.iter().map(move |i| (id.clone(), *i)));
            self.ledger.ended.extend(ended);
        }
    }

    /// S13: what is kept is bounded. S19: what may run somewhere stays configured, with its node.
    fn judge_state(&self, id: &NodeId) -> Broken {
        let node = self.hosts[id].node()?;
        let state = node.state();
        let limits = crate::story::limits();
        if node.votes().log_len() > limits.log_entries || state.events.len() > ha_core::state::EVENTS_MAX {
            return Some(("S13", format!("{id} keeps {} entries", node.votes().log_len())));
        }
        let config = state.parsed()?;
        let orphan = state.may_run.values().find(|m| !config.nodes.contains_key(&m.node))?;
        Some(("S19", format!("{} may run {}, and is not configured any more", orphan.node, orphan.instance)))
    }
}
