//! A leader that gets nothing done lets another lead.
//!
//! Its lease and its grants live by heartbeats alone. A log disk that hangs under it (a write that fails is another
//! matter), or streams that carry nothing while datagrams do, would leave it leading for ever, and nothing would ever be
//! fenced or started (L1, L3). Nobody else can judge it: nothing that they propose passes it. So it judges itself, by
//! the bound at which it would call another's disk lost.
//!
//! Must not know: why it is stuck. Invariant: it gives up only where others say that they could elect, because without a
//! leader all grants end: where all disks or all streams stand still at once, what runs goes on.

use super::Node;
use crate::effect::Effect;
use ha_model::{BootNs, Level, NodeId, Notice, Now};
use ha_scheduler::NodeStatus;
use std::time::Duration;

/// So many `t_lost` it does not stand again: an election takes little more than one, several on slow disks.
const ASIDE: u32 = 5;

impl Node {
    pub(super) fn step_aside_if_stuck(&mut self, now: Now) {
        let Some((since, what)) = self.stuck_since(now) else { return };
        if now.boot.since(since) >= self.stuck_after() && self.others_could_lead(now) {
            self.raft.step_aside(now.boot, self.config.timing.t_lost * ASIDE);
            let ms = now.boot.since(since).as_millis();
            let text = format!("{what} for {ms} ms: another node shall lead");
            self.out.push(Effect::TellLocal(Notice::Local { level: Level::Warning, text }));
        }
    }

    /// One `t_lost` longer than for others: a disk that hangs as long elsewhere is known to hang by then.
    fn stuck_after(&self) -> Duration {
        self.config.timing.write_age_max + self.config.timing.t_lost
    }

    /// Since when an own write, or whatever was proposed, has made no step, or no quorum has had a stream to us: then we
    /// hear of nothing that is to be proposed. And which of them, in words.
    fn stuck_since(&mut self, now: Now) -> Option<(BootNs, &'static str)> {
        let lead = self.lead.as_mut()?;
        let applied = self.raft.applied_index();
        let stood = lead.stands_at.filter(|(at, _)| *at == applied);
        let waits = self.raft.last_log().index > applied;
        lead.stands_at = waits.then(|| stood.unwrap_or((applied, now.boot)));
        let is_linked = |node: &NodeId| *node == self.setup.me || self.streams.contains(node);
        let is_cut_off = !self.raft.membership().is_quorum(is_linked);
        lead.cut_off = is_cut_off.then(|| lead.cut_off.unwrap_or(now.boot));
        let write = self.writes.front().map(|(_, _, since)| *since);
        let all = [
            (write, "the log's disk has not ended a write"),
            (lead.cut_off, "no quorum has had a stream to this node"),
            (lead.stands_at.map(|(_, since)| since), "nothing that was proposed has been committed"),
        ];
        all.into_iter().filter_map(|(since, what)| Some((since?, what))).min_by_key(|(since, _)| *since)
    }

    /// Whether a quorum without us is well by its heartbeats, with streams to one of it that it could elect.
    fn others_could_lead(&self, now: Now) -> bool {
        let voters = self.raft.membership();
        let is_well = |node: &NodeId| {
            *node != self.setup.me
                && self.membership.is_present(node, now.boot)
                && self.raft.barred(node).is_none()
        };
        let may_lead = |node: &NodeId| {
            is_well(node) && self.state.node(node).is_none_or(|r| r.status != NodeStatus::Condemned)
        };
        voters.voter_nodes().iter().filter(|node| may_lead(node)).any(|leader| {
            voters.is_quorum(|node| is_well(node) && (node == leader || self.has_stream(leader, node)))
        })
    }

    /// Whether `from` says that it has a stream to `to`.
    fn has_stream(&self, from: &NodeId, to: &NodeId) -> bool {
        let Some(streams) = self.peer_streams.get(from) else { return false };
        (0u32..).zip(self.config.nodes.keys()).any(|(position, id)| id == to && streams >> position & 1 == 1)
    }

    /// To whom we have a stream, for the heartbeats.
    pub(super) fn own_streams(&self) -> u32 {
        let nodes = (0u32..).zip(self.config.nodes.keys());
        nodes.filter(|(_, id)| self.streams.contains(*id)).fold(0, |bits, (position, _)| bits | 1 << position)
    }
}
