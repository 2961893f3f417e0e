//! Changes to who votes, by joint consensus only (S10): the joint membership, then, by itself, the new one.
//!
//! Must not know: why voters change. Invariants: one change at a time; both sets odd; a change begins only after an
//! entry of the leader's own term is committed.

use crate::error::{ChangeError, ProposeError, SnapshotError};
use crate::log::{LogPos, Payload, Snapshot, SnapshotMeta};
use crate::membership::{Membership, Voter, VoterSet, Voters};
use crate::node::Raft;
use crate::quorum::{self, Outcome};
use crate::ready::{Event, StepDown};
use crate::state::State;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, Index, NodeId, StoreId};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// Appends entries to the log, as its leader. Returns the index of the first; the others follow it. They come
    /// back through `Ready::committed`, unless another leader replaces them.
    ///
    /// # Errors
    /// Not leader, handing over, log full, or a payload past the bound; nothing was appended.
    pub fn propose(&mut self, now: BootNs, payloads: Vec<P>) -> Result<Index, ProposeError> {
        self.at(now);
        self.check_serving()?;
        if payloads.is_empty() {
            return Err(ProposeError::Empty);
        }
        let limits = &self.settings.limits;
        let is_bounded = !sabotage::is(Sabotage::NeverCompact);
        if self.log.len() + payloads.len() > limits.log_entries && is_bounded {
            return Err(ProposeError::LogFull { entries: self.log.len() });
        }
        let largest = payloads.iter().map(self.settings.size_of).max().unwrap_or(0);
        if largest > limits.entry_bytes {
            return Err(ProposeError::TooLarge { bytes: largest, limit: limits.entry_bytes });
        }
        Ok(self.append(payloads.into_iter().map(Payload::App)))
    }

    pub(crate) fn check_serving(&self) -> Result<(), ProposeError> {
        let State::Leader(leading) = &self.state else {
            return Err(ProposeError::NotLeader { leader: self.leader.clone() });
        };
        match &leading.transfer {
            Some(transfer) => Err(ProposeError::Transferring { to: transfer.to.clone() }),
            None => Ok(()),
        }
    }

    /// Changes the voters and learners to `set`. A voter without a store is bound to the store that speaks for it.
    /// Returns the index of the first entry of the change; `Event::VotersChanged` tells of each step.
    ///
    /// # Errors
    /// Why the change is refused; nothing was appended.
    pub fn change_voters(&mut self, now: BootNs, set: VoterSet) -> Result<Index, ChangeError> {
        self.at(now);
        self.check_serving().map_err(ChangeError::NotServing)?;
        if !self.may_change() {
            return Err(ChangeError::InProgress);
        }
        if set.voters.len().is_multiple_of(2) {
            return Err(ChangeError::EvenVoters(set.voters.len()));
        }
        let current = self.membership().clone();
        let mut voters = Voters::new();
        for voter in &set.voters {
            let store = self.store_for(voter, &current)?;
            if voters.insert(voter.node.clone(), store).is_some() {
                return Err(ChangeError::Twice(voter.node.clone()));
            }
        }
        if let Some(both) = set.learners.iter().find(|node| voters.contains_key(node)) {
            return Err(ChangeError::Twice(both.clone()));
        }
        let learners: BTreeSet<_> = set.learners.into_iter().collect();
        if !self.hears_majority_of(&voters) {
            return Err(ChangeError::NoQuorum);
        }
        if voters == current.voters && learners == current.learners {
            return Err(ChangeError::NoChange);
        }
        let at = self.log.last().index.next();
        Ok(self.append([Payload::Membership(current.changed(voters, learners, at))]))
    }

    /// Which store shall vote for `voter`; refuses one that could not take part at once.
    fn store_for(&self, voter: &Voter, current: &Membership) -> Result<Option<StoreId>, ChangeError> {
        let (node, kept) = (&voter.node, current.voters.get(&voter.node));
        if let Some(kept) = kept
            && (voter.store.is_none() || voter.store == *kept)
        {
            return Ok(*kept);
        }
        let speaks = self.voice_of(node).ok_or(ChangeError::UnknownStore(node.clone()))?;
        let store = voter.store.unwrap_or(speaks);
        if store != speaks {
            return Err(ChangeError::OtherStore { node: node.clone(), speaks });
        }
        let State::Leader(leading) = &self.state else { return Ok(Some(store)) };
        let matched = match leading.progress.get(node) {
            Some(progress) => progress.matched,
            None if *node == self.settings.node => self.log.last().index,
            None => Index(0),
        };
        let last = self.log.last().index;
        let behind = last.0 - matched.0;
        if matched == Index(0) || behind > self.settings.limits.catch_up {
            return Err(ChangeError::NotCaughtUp { node: node.clone(), behind });
        }
        // Put back, and it had promised beyond this log: to be named below that would leave it barred (S10).
        if let Some(forgot) = self.peers.forgot(node, store, current)
            && forgot > last
        {
            return Err(ChangeError::NotCaughtUp { node: node.clone(), behind: forgot.0 - last.0 });
        }
        Ok(Some(store))
    }

    /// Whether the set could decide: a majority of it is heard. A voter that is new to the set is known by its store
    /// alone; what it promised is remembered once it is a voter.
    fn hears_majority_of(&self, voters: &Voters) -> bool {
        let heard = voters.iter().map(|(node, required)| {
            let speaks = self.voice_of(node).filter(|store| *required == Some(*store));
            let added = speaks.is_some_and(|store| !self.membership().binds(node, store))
                && self.peers.heard_within(node, self.now, self.settings.t_lost);
            (added || self.is_heard(node, *required)).then_some(true)
        });
        quorum::tally(heard) == Outcome::Won
    }

    /// Whether the newest membership is settled and this leader knows what is committed.
    fn may_change(&self) -> bool {
        let (at, membership) = self.history.newest();
        let knows = self.log.term_at(self.commit) == Some(self.hard.term);
        self.is_leader() && knows && at <= self.commit && !membership.is_joint()
    }

    /// What a leader does by itself once more is committed.
    pub(crate) fn after_commit(&mut self) {
        let (at, membership) = self.history.newest();
        if !self.is_leader() || at > self.commit {
            return;
        }
        if membership.is_joint() {
            let left = membership.left_joint();
            self.append([Payload::Membership(left)]);
        } else if !membership.accepts(&self.settings.node, self.settings.store) {
            self.leave();
        } else {
            self.bind_stores();
        }
    }

    /// This node leads and is no voter any more: hands over, or at least steps down.
    fn leave(&mut self) {
        let State::Leader(leading) = &mut self.state else { return };
        if leading.leaving {
            return;
        }
        leading.leaving = true;
        let best = leading.progress.iter().filter(|(node, progress)| {
            let store = progress.identity.map(|i| i.store);
            store.is_some_and(|s| self.history.newest().1.accepts(node, s))
                && self.peers.heard_within(node, self.now, self.settings.t_lost)
        });
        match best.max_by_key(|(_, progress)| progress.matched).map(|(node, _)| node.clone()) {
            Some(to) => self.begin_transfer(to),
            None => self.step_down(StepDown::Removed),
        }
    }

    /// Writes the stores of voters that a file named without one into the log, as they become known.
    pub(crate) fn bind_stores(&mut self) {
        if !self.may_change() || self.check_serving().is_err() {
            return;
        }
        let mut membership = self.membership().clone();
        let mut changed = false;
        for (node, bound) in &mut membership.voters {
            if bound.is_none()
                && let Some(store) = self.voice_of(node)
                && self.counts(node, store, None)
            {
                *bound = Some(store);
                changed = true;
            }
        }
        if changed {
            self.append([Payload::Membership(membership)]);
        }
    }

    /// The application has a snapshot of its state as of `index`. Entries it covers are dropped but for a tail.
    ///
    /// # Errors
    /// The snapshot is not newer than the last, not yet applied here, or too large; it is not kept.
    pub fn snapshot_taken(&mut self, index: Index, data: Vec<u8>) -> Result<(), SnapshotError> {
        self.snapshot_wanted = false;
        let limit = self.settings.limits.snapshot_bytes;
        if data.len() > limit {
            return Err(SnapshotError::TooLarge { bytes: data.len(), limit });
        }
        if index <= self.snapshot.meta.pos.index {
            return Err(SnapshotError::NotNewer { have: self.snapshot.meta.pos.index });
        }
        if index > self.applied {
            return Err(SnapshotError::NotApplied { applied: self.applied });
        }
        let term = self.log.term_at(index).expect("applied entries after the snapshot are in the log");
        let membership = self.history.at(index).clone();
        let meta = SnapshotMeta { pos: LogPos { term, index }, membership };
        self.snapshot = Snapshot { meta, data: Arc::from(data) };
        let keep_from = Index(index.0.saturating_sub(self.settings.limits.log_tail as u64));
        let discard = (keep_from > self.log.base().index).then_some(keep_from);
        if let Some(through) = discard {
            self.log.compact(through);
        }
        self.history.compact(index);
        self.durable.compacted(self.snapshot.clone(), discard);
        Ok(())
    }

    /// Asks for a snapshot once the log behind it is long.
    pub(crate) fn want_snapshot(&mut self) {
        let grown = self.applied.0.saturating_sub(self.snapshot.meta.pos.index.0);
        if !self.snapshot_wanted && grown >= self.settings.limits.snapshot_after as u64 {
            self.snapshot_wanted = true;
            self.events.push(Event::SnapshotWanted);
        }
    }

    /// Whether the members name `node` a voter whose present store counts.
    pub(crate) fn is_good_voter(&self, node: &NodeId) -> bool {
        let members = self.membership();
        self.peers.store_of(node).is_some_and(|store| {
            members.accepts(node, store) && self.peers.bar(node, store, members).is_none()
        })
    }
}
