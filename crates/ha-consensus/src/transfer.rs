//! Handing leadership over: the leader gives up its lease and stops proposing, then asks one voter to stand. Or it
//! gives up and leaves it to the others who stands.
//!
//! Invariant: a hand-over that was called off opens no voter's promise that the leader's later lease rests on: an
//! acknowledgement tells up to which hand-over its sender knows them called off, and only those that know all
//! count for the lease.

use crate::error::TransferError;
use crate::message::{Body, TransferToken};
use crate::node::Raft;
use crate::ready::{Event, StepDown};
use crate::state::{Leading, State, Transfer};
use ha_model::{BootNs, NodeId, Term};
use std::fmt::Debug;
use std::time::Duration;

impl Leading {
    /// Numbers a new hand-over. Acknowledgements from before it no longer count for a lease.
    pub(crate) fn next_token(&mut self, term: Term) -> TransferToken {
        self.transfers += 1;
        for progress in self.progress.values_mut() {
            progress.lease_sent = None;
        }
        TransferToken { term, seq: self.transfers }
    }
}

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// Hands leadership to `to`. From now on this node has no lease and takes no proposals, until `to` leads or
    /// `Event::TransferFailed` tells that it did not within `t_lost`.
    ///
    /// # Errors
    /// Why it is refused; nothing changed.
    pub fn transfer(&mut self, now: BootNs, to: &NodeId) -> Result<(), TransferError> {
        self.at(now);
        self.check_serving().map_err(TransferError::NotServing)?;
        if *to == self.settings.node {
            return Err(TransferError::ToSelf);
        }
        if !self.is_good_voter(to) {
            return Err(TransferError::NoVoter(to.clone()));
        }
        if !self.peers.heard_within(to, self.now, self.settings.t_lost) {
            return Err(TransferError::Silent(to.clone()));
        }
        self.begin_transfer(to.clone());
        Ok(())
    }

    /// Gives leadership up and stands for none within `quiet`, so that another is elected: for a leader that still
    /// keeps its lease by beats, and yet gets nothing done. Where nobody else can lead, it stands again after that.
    pub fn step_aside(&mut self, now: BootNs, quiet: Duration) {
        self.at(now);
        if self.is_leader() {
            self.step_down(StepDown::Aside);
            self.aside_until = self.now + quiet;
        }
    }

    pub(crate) fn begin_transfer(&mut self, to: NodeId) {
        self.hold_own_lease();
        let (term, until) = (self.hard.term, self.now + self.settings.t_lost);
        let State::Leader(leading) = &mut self.state else { return };
        let token = leading.next_token(term);
        leading.transfer = Some(Transfer { to, token, until, sent: false });
        self.urge_transfer();
    }

    /// Asks the successor to stand once its log is complete.
    pub(crate) fn urge_transfer(&mut self) {
        let last = self.log.last().index;
        let State::Leader(leading) = &mut self.state else { return };
        let Some(transfer) = &mut leading.transfer else { return };
        let complete = leading.progress.get(&transfer.to).is_some_and(|p| p.matched == last);
        if complete && !transfer.sent {
            transfer.sent = true;
            let (to, token) = (transfer.to.clone(), transfer.token);
            self.send_free(&to, Body::TransferNow { token });
        }
    }

    pub(crate) fn transfer_deadline(&self) -> Option<BootNs> {
        let State::Leader(leading) = &self.state else { return None };
        leading.transfer.as_ref().map(|t| t.until)
    }

    /// The successor did not take over: the hand-over is called off.
    pub(crate) fn transfer_due(&mut self) {
        let State::Leader(leading) = &mut self.state else { return };
        let Some(transfer) = leading.transfer.take() else { return };
        self.lock.cancelled = transfer.token.seq;
        let leaving = leading.leaving;
        self.events.push(Event::TransferFailed { to: transfer.to });
        if leaving {
            self.step_down(StepDown::Removed);
        }
    }

    /// Hand-overs of this leader through this number are over.
    pub(crate) fn cancelled_transfers(&self) -> u64 {
        match &self.state {
            State::Leader(leading) => leading.transfers - u64::from(leading.transfer.is_some()),
            State::Follower | State::PreCandidate(_) | State::Candidate(_) | State::Failed => 0,
        }
    }

    pub(crate) fn on_transfer_now(&mut self, from: &NodeId, term: Term, token: TransferToken) {
        let asked = term == self.hard.term && token.term == term && self.leader.as_ref() == Some(from);
        if !asked || !self.stands() {
            return;
        }
        match self.state {
            State::Follower => self.campaign(term.next(), Some(token)),
            State::PreCandidate(_) | State::Candidate(_) | State::Leader(_) | State::Failed => {}
        }
    }
}
