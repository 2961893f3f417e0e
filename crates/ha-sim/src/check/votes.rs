//! Votes and log: S3 (leases), S5, S10, S15, S16.

use super::{AFTER_THAW, Broken};
use crate::world::{Host, World};
use ha_consensus::{Body, Message};
use ha_model::{Index, LogEntry, NodeId};
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
