//! Beats: who hears whom, the leader's lease, and check-quorum.
//!
//! Must not know: how beats travel. Invariants: the lease counts from when the acknowledged beat was *sent*, by the
//! leader's own clock; a follower that acknowledged at t votes for nobody before t + its own `t_lease`, which the
//! acknowledgement names; a leader that gave its lease up takes it back only on acknowledgements of beats that call
//! the hand-over off.

use crate::message::{Ack, BeatPart};
use crate::node::Raft;
use crate::progress::Progress;
use crate::ready::StepDown;
use crate::state::State;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, Index, NodeId};
use std::fmt::Debug;
use std::time::Duration;

/// The leader counts its lease shorter by this fraction, so that clocks may drift apart by as much.
const DRIFT_DIVISOR: u32 = 100;

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// Raft's part of the next beats, by receiver.
    pub fn beat_parts(&self, now: BootNs) -> impl Fn(&NodeId) -> BeatPart + '_ {
        // Only what is durable is told: a beat is a promise too.
        let durable_term = self.durable.hard.term;
        let follows = match &self.state {
            State::Follower => durable_term == self.hard.term && !self.durable.failed,
            State::PreCandidate(_) | State::Candidate(_) | State::Leader(_) | State::Failed => false,
        };
        let ack = self.leader_sent.filter(|_| follows).map(|your_sent_at| Ack {
            term: self.hard.term,
            your_sent_at,
            cancelled: self.lock.cancelled,
            promise: self.promise,
        });
        let all = BeatPart {
            identity: self.identity,
            term: durable_term,
            leads: self.is_leader(),
            commit: self.commit,
            cancelled: self.cancelled_transfers(),
            ack: None,
            last_acked: self.durable.hard.mark(),
            promised: self.durable.hard.promised,
            regressed: None,
            hears_leader: self.is_leader()
                || (self.leader.is_some() && now.since(self.contact) < self.settings.t_lost),
            misses: self.misses(now),
        };
        move |to| BeatPart {
            ack: ack.filter(|_| self.leader.as_ref() == Some(to)),
            regressed: self.peers.put_back(to, self.membership()),
            ..all.clone()
        }
    }

    /// A beat of `from` arrived, which `from` sent at `sent_at` by its own clock. The transport has proven that it
    /// is fresh and from `from`.
    pub fn beat(&mut self, now: BootNs, from: &NodeId, part: &BeatPart, sent_at: BootNs) {
        self.at(now);
        if *from != self.settings.node && self.hear(from, &part.identity) {
            if let Some(peer) = self.peers.get_mut(from) {
                peer.heard_at = Some(self.now);
                peer.hears_leader = part.hears_leader;
                peer.term = part.term;
                peer.has_history |= part.commit.max(part.promised) > Index(0);
                peer.told_misses(&part.misses);
            }
            self.peers.lives(from);
            self.peers.lives(&self.settings.node);
            self.peers.promised(from, &part.identity, part.last_acked, part.promised);
            if let Some((store, through)) = part.regressed
                && store == self.settings.store
            {
                self.confess(through);
            }
            if part.leads && part.term >= self.hard.term {
                self.on_leading_beat(from, part, sent_at);
            } else if self.is_leader() {
                self.on_following_beat(from, part);
            }
        }
        self.run_timers();
    }

    fn on_leading_beat(&mut self, from: &NodeId, part: &BeatPart, sent_at: BootNs) {
        self.follow(from, part.term);
        if self.durable.failed {
            return;
        }
        if self.leader_sent < Some(sent_at) {
            self.leader_sent = Some(sent_at);
            self.promise = self.settings.t_lease;
        }
        self.lock.until = self.lock.until.max(self.now + self.settings.t_lease);
        let known = if self.lock.term == part.term { self.lock.cancelled } else { 0 };
        self.lock.term = part.term;
        self.lock.cancelled = known.max(part.cancelled);
        self.advance_follower_commit(part.commit);
    }

    fn on_following_beat(&mut self, from: &NodeId, part: &BeatPart) {
        if part.term > self.hard.term {
            self.outvote(from, part.term);
            return;
        }
        let (now, term) = (self.now, self.hard.term);
        let State::Leader(leading) = &mut self.state else { return };
        let Some(progress) = leading.progress.get_mut(from) else { return };
        progress.identity = Some(part.identity);
        if let Some(ack) = part.ack
            && ack.term == term
            && ack.your_sent_at <= now
        {
            progress.acked_sent = progress.acked_sent.max(Some(ack.your_sent_at));
            let is_newer = progress.lease_sent < Some(ack.your_sent_at);
            if ack.cancelled >= leading.transfers && is_newer {
                progress.lease_sent = Some(ack.your_sent_at);
                progress.promise = ack.promise;
            }
        }
        let matched = progress.matched;
        // A beat also tells what is durable there: an acknowledgement whose stream broke is not lost.
        if part.last_acked.term == term && part.last_acked.index > matched {
            self.on_append_ack(from, &part.identity, term, part.last_acked.index);
        }
        self.hold_own_lease();
        self.bind_stores();
    }

    /// The newest moment that a quorum has reached by its acknowledgements; `of` picks which, `ours` is our own.
    fn quorum_acked(&self, ours: BootNs, of: impl Fn(&Progress) -> Option<BootNs>) -> Option<BootNs> {
        let State::Leader(leading) = &self.state else { return None };
        self.membership().reached(|node, required| {
            if *node == self.settings.node {
                return self.counts(node, self.settings.store, required).then_some(ours);
            }
            let progress = leading.progress.get(node)?;
            let counted = self.counts(node, progress.identity?.store, required);
            of(progress).filter(|_| counted)
        })
    }

    /// Since when no other node can have led, by this node's clock: when the newest beat was sent on whose
    /// acknowledgements the lease rests. `None` without a lease.
    #[must_use]
    pub fn lease_sent(&self) -> Option<BootNs> {
        self.lease_until()?;
        self.quorum_acked(self.now, |progress| progress.lease_sent)
    }

    /// Until when no other node can lead, by this node's clock; `None` unless it leads and the lease has not run
    /// out by the newest input. Compare it with the present time at each use.
    #[must_use]
    pub fn lease_until(&self) -> Option<BootNs> {
        let State::Leader(leading) = &self.state else { return None };
        if leading.transfer.is_some() {
            return None;
        }
        // Each promise counts for as long as its voter keeps it, whatever times are set there.
        let until = |sent: BootNs, promise: Duration| {
            let lease = promise.min(self.settings.t_lease);
            let factor = if sabotage::is(Sabotage::LongLease) { 3 } else { 1 };
            sent + (lease - lease / DRIFT_DIVISOR) * factor
        };
        let ours = until(self.now, self.settings.t_lease);
        self.quorum_acked(ours, |p| p.lease_sent.map(|sent| until(sent, p.promise)))
            .filter(|until| *until > self.now)
    }

    /// The leader is one of those that its lease rests on: it votes for nobody else while it may have claimed it.
    pub(crate) fn hold_own_lease(&mut self) {
        if let Some(until) = self.lease_until() {
            self.lock.until = self.lock.until.max(until);
        }
    }

    /// When a leader without acknowledgements gives up.
    pub(crate) fn check_quorum_deadline(&self) -> Option<BootNs> {
        let State::Leader(leading) = &self.state else { return None };
        if sabotage::is(Sabotage::NoCheckQuorum) {
            return None;
        }
        let acked = self
            .quorum_acked(self.now, |progress| progress.acked_sent)
            .unwrap_or(leading.since)
            .max(leading.since);
        let patience = if sabotage::is(Sabotage::LongLease) { 3 } else { 1 };
        Some(acked + self.settings.t_lost * patience)
    }

    /// No quorum acknowledged for `t_lost`.
    pub(crate) fn check_quorum_due(&mut self) {
        if self.is_leader() {
            self.step_down(StepDown::NoQuorum);
        }
    }

    /// Age of the newest acknowledgement by a quorum; `None` unless this node leads. For display.
    #[must_use]
    pub fn quorum_age(&self, now: BootNs) -> Option<Duration> {
        self.quorum_acked(self.now, |progress| progress.acked_sent).map(|sent| now.since(sent))
    }
}
