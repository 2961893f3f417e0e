//! Votes and log: S3 (leases), S5, S15, S16.

use super::Broken;
use crate::scope::digest;
use crate::world::{Host, World};
use ha_consensus::{Body, LogPos, Message, Role};
use ha_core::ClusterState;
use ha_model::{Index, LogEntry, NodeId, Term};
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
                let broken = self.judge_won(id);
                self.ledger.leaders.insert(term, id.clone());
                self.ledger.have_led.insert(id.clone());
                self.ledger.led_since = self.t;
                self.tally.leader_changes += 1;
                broken
            }
            Some(leader) if leader != id => Some(("S5", format!("{leader} and {id} lead in term {term}"))),
            Some(_) => None,
        }
    }

    /// Who stands still, or stood still with its clock, believes what it likes: that is what fencing is for. Where the clock
    /// ran on, the lease is over by itself.
    pub(crate) fn has_lease(&self, host: &Host) -> bool {
        if host.is_frozen || self.is_out_of_time(host) {
            return false;
        }
        let until = host.node().filter(|n| n.votes().is_leader()).and_then(|n| n.votes().lease_until());
        until.is_some_and(|until| until > host.clock.at(self.t))
    }

    /// S5: what is applied is the same everywhere.
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
        None
    }

    /// S15: the same entries make the same state. From here on what a node's state says is what the log says.
    pub(super) fn judge_replica(&mut self, id: &NodeId) -> Broken {
        let node = self.hosts[id].node()?;
        let (applied, state) = (node.applied().0, decisive(node.state()));
        let known = *self.ledger.states.entry(applied).or_insert(state);
        (known != state)
            .then(|| ("S15", format!("{id} knows something else than others after entry {applied}")))
    }

    /// S16: nothing is acknowledged, no vote given, before it is durable.
    pub(crate) fn judge_promise(&mut self, id: &NodeId, to: &NodeId, message: &Message<LogEntry>) -> Broken {
        let disk = &self.hosts[id].disk;
        match &message.body {
            Body::AppendAck { matched, .. } if matched.0 > disk.durable_through() => {
                Some(("S16", format!("{id} acknowledges {matched}, {} is durable", disk.durable_through())))
            }
            Body::VoteReply { granted: true } => {
                let (hard, term) = (&disk.stored.hard, message.term);
                let is_written = hard.term == term && hard.voted_for.as_ref() == Some(to);
                if !is_written && hard.term <= term {
                    return Some(("S16", format!("{id} votes for {to} in term {term}, durable is {hard:?}")));
                }
                self.note_vote(id, to, term);
                self.judge_waited(id, to).or_else(|| self.judge_length(id, to, term))
            }
            _ => None,
        }
    }

    /// S5: a vote is for a log that is as long as the voter's. (A candidate's log does not grow while it is one. What a leader
    /// of the very term has written came after the vote: that waited to be durable.)
    fn judge_length(&self, id: &NodeId, to: &NodeId, term: Term) -> Broken {
        let votes = self.hosts[id].node()?.votes();
        let of = |index: u64| votes.term_at(Index(index)).map(|term| LogPos { term, index: Index(index) });
        let own =
            (0..=votes.last_log().index.0).rev().find_map(|index| of(index).filter(|p| p.term < term))?;
        let asks = self.hosts.get(to)?.node()?.votes();
        let is_candidate = asks.term() == term && asks.role() == Role::Candidate;
        (is_candidate && asks.last_log() < own)
            .then(|| ("S5", format!("{id}, at {own:?}, votes for {to}, at {:?}", asks.last_log())))
    }

    /// S3: who started less than a lease ago may have promised a leader, and does not vote.
    fn judge_waited(&self, id: &NodeId, to: &NodeId) -> Broken {
        let host = &self.hosts[id];
        let daemon = host.daemon.as_ref()?;
        let lease = daemon.node.config().timing.t_lease;
        let ms = host.clock.at(self.t).since(daemon.started_at).as_millis();
        (host.clock.at(self.t) < daemon.started_at + lease)
            .then(|| ("S3", format!("{id} votes for {to} {ms} ms after its start")))
    }

    /// Nodes that have applied the same entries know the same (S15), to the last word.
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

/// What is decided by, in few bits. What is only told or shown is compared at the end of a life.
fn decisive(state: &ClusterState) -> u128 {
    let config = state.config.as_ref().map(|c| c.index);
    let events = (state.events.len(), state.events.back());
    digest::of(&(
        (config, &state.nodes, &state.instances, &state.may_run, &state.fences),
        (&state.paths, &state.failures, &state.wishes, &state.last_ran, events),
    ))
}
