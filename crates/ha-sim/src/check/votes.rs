//! Votes and log: S3 (leases), S5, S10, S15, S16.

use super::{AFTER_THAW, Broken};
use crate::world::{Host, World};
use ha_consensus::{Body, Message};
use ha_model::{Index, LogEntry, NodeId};
use ha_scheduler::NodeStatus;
use std::collections::BTreeMap;

impl World {
    /// S5: one leader a term. S3: one lease at a time.
    pub(crate) fn judge_leader(&mut self, id: &NodeId) -> Broken {
        let host = &self.hosts[id];
        let votes = host.node().filter(|n| n.votes().is_leader())?.votes();
        let other =
            self.hosts.iter().find(|(o, h)| *o != id && self.has_lease(h)).filter(|_| self.has_lease(host));
        if let Some((other, _)) = other {
            return Some(("S3", format!("{id} and {other} both have a lease")));
        }
        let term = votes.term();
        match self.ledger.leaders.get(&term) {
            None => {
                self.ledger.leaders.insert(term, id.clone());
                self.tally.leader_changes += 1;
                None
            }
            Some(leader) if leader != id => Some(("S5", format!("{leader} and {id} lead in term {term}"))),
            Some(_) => None,
        }
    }

    /// Who stands still, or stood still with its clock, believes what it likes: that is what fencing is for.
    fn has_lease(&self, host: &Host) -> bool {
        let now = host.clock.at(self.t);
        if host.is_frozen || (host.thawed_at.0 > 0 && now.0 < host.thawed_at.0 + AFTER_THAW) {
            return false;
        }
        let until = host.node().filter(|n| n.votes().is_leader()).and_then(|n| n.votes().lease_until());
        until.is_some_and(|until| until > now)
    }

    /// S5: what is applied is the same everywhere. S10: voter sets are odd.
    pub(crate) fn judge_log(&mut self, id: &NodeId) -> Broken {
        let daemon = self.hosts[id].daemon.as_ref()?;
        let votes = daemon.node.votes();
        for index in daemon.checked + 1..=daemon.node.applied().0 {
            let Some(term) = votes.term_at(Index(index)) else { continue };
            let known = *self.ledger.entries.entry(index).or_insert(term);
            if known != term {
                return Some(("S5", format!("entry {index} of {id} is of term {term}, was of {known}")));
            }
        }
        let members = votes.membership();
        let outgoing = members.outgoing.as_ref().map_or(1, BTreeMap::len);
        let is_even = members.voters.len().is_multiple_of(2) || outgoing.is_multiple_of(2);
        is_even.then(|| ("S10", format!("{id} counts an even set: {members:?}")))
    }

    /// S10: a leader changes who votes through both sets, and leaves out nobody but whom the log calls off.
    pub(crate) fn judge_change(&mut self, id: &NodeId) -> Broken {
        let node = self.hosts[id].node().filter(|n| n.votes().is_leader())?;
        let (term, now) = (node.votes().term(), node.votes().membership());
        let before = match self.ledger.members.get(id) {
            Some((of, before)) if *of == term && before == now => return None,
            _ => self.ledger.members.insert(id.clone(), (term, now.clone())),
        };
        let (_, before) = before.filter(|(of, _)| *of == term)?;
        if before.voters.keys().eq(now.voters.keys()) {
            return None;
        }
        if !now.outgoing.as_ref().is_some_and(|from| from.keys().eq(before.voters.keys())) {
            return Some(("S10", format!("{id} changes voters in one step: {:?}", now.voters)));
        }
        let is_off = |n: &&NodeId| node.state().node(n).is_some_and(|r| r.status == NodeStatus::Off);
        let out = before.voters.keys().filter(|n| !now.voters.contains_key(*n)).find(|n| !is_off(n))?;
        Some(("S10", format!("{id} takes the vote of {out}, which is not proven off")))
    }

    /// Counts changes of who votes.
    pub(crate) fn note_voters(&mut self, id: &NodeId) {
        let Some(node) = self.hosts[id].node().filter(|n| n.votes().is_leader()) else { return };
        let voters = &node.votes().membership().voters;
        if voters.keys().eq(self.ledger.voters.iter()) {
            return;
        }
        let (voters, is_fencing) = (voters.keys().cloned().collect(), !node.state().fences.is_empty());
        let before = std::mem::replace(&mut self.ledger.voters, voters);
        if !before.is_empty() {
            self.tally.voter_changes += 1;
            if is_fencing {
                self.tally.sequence("voter swap during a fence");
            }
        }
    }

    /// S16: nothing is acknowledged, no vote given, before it is durable.
    pub(crate) fn judge_promise(&self, id: &NodeId, message: &Message<LogEntry>) -> Broken {
        let disk = &self.hosts[id].disk;
        match &message.body {
            Body::AppendAck { matched, .. } if matched.0 > disk.durable_through() => {
                Some(("S16", format!("{id} acknowledges {matched}, {} is durable", disk.durable_through())))
            }
            Body::VoteReply { granted: true } => {
                let hard = &disk.stored.hard;
                let is_written = hard.term == message.term && hard.voted_for.is_some();
                let is_kept = is_written || hard.term > message.term;
                (!is_kept)
                    .then(|| ("S16", format!("{id} votes in term {}, durable is {hard:?}", message.term)))
            }
            _ => None,
        }
    }

    /// Nodes that have applied the same entries know the same (S15).
    pub(crate) fn check_replicas(&mut self) {
        let mut seen: BTreeMap<u64, &NodeId> = BTreeMap::new();
        let mut broken = None;
        for (id, host) in &self.hosts {
            let Some(node) = host.node() else { continue };
            let other = *seen.entry(node.applied().0).or_insert(id);
            if self.hosts[other].node().is_some_and(|o| o.state() != node.state()) {
                broken = Some(format!("{other} and {id} differ after entry {}", node.applied()));
            }
        }
        if let Some(what) = broken {
            self.fail("S15", what);
        }
    }
}
