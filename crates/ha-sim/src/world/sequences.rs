//! Sequences that every batch must contain: each is counted when it truly has happened, not when somebody asks for it.
//!
//! Must not know: what becomes of them; the checks see to that.

use super::host::Run;
use super::{S, World};
use ha_core::AgentOp;
use ha_model::{LostReason, NodeId, Notice};
use ha_scheduler::NodeStatus;

/// The only one that the leader misses.
pub(crate) struct Missed {
    leader: NodeId,
    node: NodeId,
    since: u64,
    is_counted: bool,
}

impl World {
    /// A node, or any, is lost or condemned by a leader's word.
    pub(super) fn is_unclean(&self, node: Option<&NodeId>) -> bool {
        let leads = self.hosts.values().filter(|h| h.leads()).filter_map(|h| h.node());
        let mut records = leads.flat_map(|n| &n.state().nodes);
        records.any(|(id, r)| {
            node.is_none_or(|n| n == id) && matches!(r.status, NodeStatus::Lost | NodeStatus::Condemned)
        })
    }

    /// A host or daemon goes: does it lead, and was a boot cut whose fence it has not seen proven?
    pub(super) fn note_gone(&mut self, id: &NodeId) {
        let host = &self.hosts[id];
        let Some(node) = host.node().filter(|n| n.votes().is_leader()) else { return };
        let cut_at = &self.ledger.cut_at;
        let is_between = node.state().fences.values().any(|f| {
            f.attempts > 0 && f.incarnation.is_some() && f.incarnation == cut_at.get(&f.target).copied()
        });
        if is_between {
            self.tally.sequence("leader gone between off and proof");
        }
    }

    /// A daemon starts: is it in a boot that is condemned?
    pub(super) fn note_restart(&mut self, id: &NodeId) {
        let boot = self.incarnation(id);
        let leads = self.hosts.values().filter(|h| h.leads()).filter_map(|h| h.node());
        let mut says = leads.filter_map(|n| n.state().node(id));
        if says.any(|r| r.status == NodeStatus::Condemned && r.incarnation == Some(boot)) {
            self.tally.sequence("daemon restarted while condemned");
        }
    }

    /// A program is executed that had looked at its grant before its host stood still; the grant is over.
    pub(super) fn note_exec(&mut self, run: &Run, has_grant: bool) {
        if run.is_past_check && !has_grant {
            self.tally.sequence("freeze between grant check and exec");
        }
    }

    /// What a leader had ordered ends under another.
    pub(super) fn note_late(&mut self, id: &NodeId, run: &Run) {
        let Some(term) = self.hosts[id].node().map(|n| n.votes().term()) else { return };
        let is_ordered = matches!(run.run.op, AgentOp::Start | AgentOp::Stop) && !run.is_cancelled;
        let leaders = &self.ledger.leaders;
        let other = leaders.get(&term).filter(|now| leaders.get(&run.term).is_some_and(|then| then != *now));
        if is_ordered && other.is_some() {
            self.tally.sequence("late agent of an old term");
        }
    }

    /// A leader applies what it says.
    pub(super) fn note_told(&mut self, id: &NodeId, notice: &Notice) {
        if let Notice::NodeLost { why: LostReason::DaemonGone, .. } = notice
            && self.hosts[id].leads()
        {
            self.tally.sequence("daemon away beyond its grace");
        }
    }

    /// Counts what runs while faults come: by whom is not frozen, and not beside what its agent calls dead.
    pub(super) fn note_served(&mut self) {
        if self.is_healed {
            return;
        }
        let serve = self.hosts.values().filter(|h| !h.is_frozen).flat_map(|h| &h.running);
        let served: std::collections::BTreeSet<_> = serve.collect();
        self.tally.ran += served.len() as u64;
        self.tally.should_run += u64::from(self.shape.singles) + crate::shape::GROUP.len() as u64;
    }

    /// Looks whether the leader misses a node, one way at least, that everybody else is on terms with: counted when it has
    /// missed it for four heartbeats.
    pub(super) fn note_missed(&mut self) {
        let missed = self.missed_by_leader();
        let (t, beat) = (self.t, self.config.timing.beat.as_nanos() as u64);
        let is_same = |m: &Missed| missed.as_ref().is_some_and(|(l, n)| *l == m.leader && *n == m.node);
        match (&mut self.missed, &missed) {
            (Some(m), Some(_)) if is_same(m) => {
                if !m.is_counted && t - m.since >= 4 * beat {
                    m.is_counted = true;
                    self.tally.sequence("cut where only the leader loses a node");
                }
            }
            (of, None) => *of = None,
            (of, Some((leader, node))) => {
                let (leader, node) = (leader.clone(), node.clone());
                *of = Some(Missed { leader, node, since: t, is_counted: false });
            }
        }
    }

    fn missed_by_leader(&self) -> Option<(NodeId, NodeId)> {
        let is_cut = |a: &NodeId, b: &NodeId| self.net.is_deaf(a, b) || self.net.is_deaf(b, a);
        if self.net.is_whole() || self.hosts.len() < 3 || self.t < S {
            return None;
        }
        let leaders = self.leaders_now();
        let [leader] = leaders.as_slice() else { return None };
        let others = self.hosts.iter().filter(|(id, h)| *id != leader && h.is_awake());
        let others: Vec<_> = others.map(|(id, _)| id).collect();
        let missed: Vec<_> = others.iter().filter(|id| is_cut(leader, id)).collect();
        let [missed] = missed.as_slice() else { return None };
        let is_well = others.iter().all(|id| id == *missed || !is_cut(id, missed));
        (is_well && others.len() > 1).then(|| (leader.clone(), (**missed).clone()))
    }
}
