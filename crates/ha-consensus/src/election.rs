//! Votes: who stands when, who votes for whom.
//!
//! Must not know: the log beyond its end. Invariants (S5): one vote per term, durable before it is told; no vote
//! and no pre-vote while a promise to a leader holds, nor within one lease of the start; only the leader's own
//! hand-over opens that promise.

use crate::log::LogPos;
use crate::message::{Body, Identity, TransferToken};
use crate::node::Raft;
use crate::peers::BarReason;
use crate::quorum::Outcome;
use crate::ready::StepDown;
use crate::state::{Ballot, State};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, Index, NodeId, StoreId, Term};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// Most doublings of the wait for votes: a vote takes two durable writes, one here and one there, and on a disk that
/// needs longer for them than the first wait each term would be given up just before it is won.
const WAIT_DOUBLINGS_MAX: u32 = 3;

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// Whether a quorum (this node included) was heard within `t_lost`.
    pub(crate) fn hears_quorum(&self) -> bool {
        self.membership().tally(|node, required| self.is_heard(node, required).then_some(true))
            == Outcome::Won
    }

    /// Whether `node` was heard within `t_lost`, and with a store that counts where `required` is demanded.
    pub(crate) fn is_heard(&self, node: &NodeId, required: Option<StoreId>) -> bool {
        let recent =
            *node == self.settings.node || self.peers.heard_within(node, self.now, self.settings.t_lost);
        recent && self.voice_of(node).is_some_and(|store| self.counts(node, store, required))
    }

    pub(crate) fn voice_of(&self, node: &NodeId) -> Option<StoreId> {
        if *node == self.settings.node { Some(self.settings.store) } else { self.peers.store_of(node) }
    }

    /// Whether a quorum of other voters says that it hears a leader that this node does not.
    fn others_hear_a_leader(&self) -> bool {
        let hears = |node: &NodeId, required: Option<StoreId>| {
            let peer = self.peers.get(node)?;
            let fresh = self.peers.heard_within(node, self.now, self.settings.t_lost / 2);
            let store = peer.identity?.store;
            let hears = peer.hears_leader && peer.term >= self.hard.term;
            (fresh && hears && self.counts(node, store, required)).then_some(true)
        };
        self.membership().tally(hears) == Outcome::Won
    }

    /// Place among the voters heard within `t_lost`: those that miss fewer live voters first, then in order of their
    /// names; the silent leader has none.
    fn rank(&self) -> u32 {
        let me = &self.settings.node;
        let own = (self.deafness(me), me);
        let voters = self.membership().voter_nodes();
        let before = voters.iter().filter(|node| {
            self.leader.as_ref() != Some(node)
                && self.peers.heard_within(node, self.now, self.settings.t_lost)
                && (self.deafness(node), *node) < own
        });
        u32::try_from(before.count()).unwrap_or(u32::MAX)
    }

    /// When the next election of this node starts or the present one is given up.
    pub(crate) fn election_deadline(&self) -> Option<BootNs> {
        match &self.state {
            State::Follower => {
                let silent = self.contact + self.settings.t_lost;
                // Who is heard is counted when it matters: a leader that speaks is most of a life.
                if !self.may_stand() || (self.now >= silent && !self.hears_quorum()) {
                    return None;
                }
                let turn = if self.now < silent || self.attempts > 0 {
                    silent
                } else {
                    silent + self.settings.rank_delay * self.rank()
                };
                Some(
                    turn.max(self.quiet_until)
                        .max(self.aside_until)
                        .max(self.started_at + self.settings.start_wait.max(self.settings.t_lease)),
                )
            }
            State::PreCandidate(ballot) | State::Candidate(ballot) => Some(ballot.until),
            State::Leader(_) | State::Failed => None,
        }
    }

    /// The election timer ran out.
    pub(crate) fn election_due(&mut self) {
        match &self.state {
            State::Follower => {}
            State::PreCandidate(_) | State::Candidate(_) => self.state = State::Follower,
            State::Leader(_) | State::Failed => return,
        }
        self.leader = None;
        if !self.stands() || !self.hears_quorum() {
            return;
        }
        if self.attempts > 0 && self.others_hear_a_leader() {
            // Hopeless, and noise: they would refuse. Look again later.
            self.quiet_until = self.now + self.rng.retry(self.settings.retry_max);
            return;
        }
        if sabotage::is(Sabotage::NoPreVote) {
            return self.campaign(self.hard.term.next(), None);
        }
        self.ask_pre_votes();
    }

    fn ballot(&mut self, longest: Duration) -> Ballot {
        self.attempts = self.attempts.saturating_add(1);
        Ballot { votes: BTreeMap::new(), until: self.now + self.rng.retry(longest) }
    }

    /// Longest wait for votes; it doubles with each failed candidacy, of two attempts (pre-vote and vote) each.
    fn longest_vote(&self) -> Duration {
        self.settings.retry_max * (1 << (self.attempts / 2).min(WAIT_DOUBLINGS_MAX))
    }

    fn other_voters(&self) -> Vec<NodeId> {
        let mut nodes = self.membership().voter_nodes();
        nodes.remove(&self.settings.node);
        nodes.into_iter().collect()
    }

    fn ask_pre_votes(&mut self) {
        let mut ballot = self.ballot(self.settings.retry_max);
        ballot.votes.insert(self.settings.node.clone(), (self.settings.store, true));
        self.state = State::PreCandidate(ballot);
        let (for_term, last) = (self.hard.term.next(), self.log.last());
        for node in self.other_voters() {
            let named = self.membership().named(&node);
            self.send_free(&node, Body::PreVote { for_term, last, named });
        }
        self.count_ballot();
    }

    /// Stands for election in `term`. The own vote counts once it is durable, and only then the others are asked.
    pub(crate) fn campaign(&mut self, term: Term, token: Option<TransferToken>) {
        if self.locked(token) {
            // Promised to a leader that was heard since: its lease may still hold.
            self.state = State::Follower;
            self.quiet_until = self.now + self.rng.retry(self.settings.retry_max);
            return;
        }
        self.enter_term(term, Some(self.settings.node.clone()));
        let longest = self.longest_vote();
        self.state = State::Candidate(self.ballot(longest));
        let last = self.log.last();
        for node in self.other_voters() {
            let named = self.membership().named(&node);
            self.send_held(&node, Body::Vote { last, transfer: token, named });
        }
    }

    /// Whether this node must not vote now: it promised, or started less than a lease ago.
    pub(crate) fn locked(&self, token: Option<TransferToken>) -> bool {
        let is_new = self.now < self.started_at + self.settings.start_wait.max(self.settings.t_lease);
        let is_bound = self.lock.forbids(self.now, token);
        (is_new && !sabotage::is(Sabotage::NoStartWait))
            || (is_bound && !sabotage::is(Sabotage::BreakPromise))
    }

    /// Adds the own vote once the write that holds it is durable.
    pub(crate) fn vote_for_self(&mut self) {
        let node = &self.settings.node;
        let durable =
            self.durable.hard.term == self.hard.term && self.durable.hard.voted_for.as_ref() == Some(node);
        if let State::Candidate(ballot) = &mut self.state
            && durable
            && !ballot.votes.contains_key(node)
        {
            ballot.votes.insert(node.clone(), (self.settings.store, true));
            self.count_ballot();
        }
    }

    fn count_ballot(&mut self) {
        let (ballot, real) = match &self.state {
            State::PreCandidate(ballot) => (ballot, false),
            State::Candidate(ballot) => (ballot, true),
            State::Follower | State::Leader(_) | State::Failed => return,
        };
        let outcome = self.membership().tally(|node, required| {
            let (store, granted) = *ballot.votes.get(node)?;
            self.counts(node, store, required).then_some(granted)
        });
        match (outcome, real) {
            (Outcome::Won, false) => self.campaign(self.hard.term.next(), None),
            (Outcome::Won, true) => self.become_leader(),
            // Lost: wait for the retry; a leader may be heard before.
            (Outcome::Lost | Outcome::Open, _) => {}
        }
    }

    /// Whether this node has a vote, and the asker's store may get it.
    ///
    /// Two askers know more than this node: one whose log names this node's lost store by its new id (a joint change
    /// may need this vote to go on), and one under another store than this node's log names, whose log goes beyond
    /// (it stands only if that log names it). A store that forgot gets no vote at all.
    fn may_vote_for(&self, from: &NodeId, identity: &Identity, named: Option<StoreId>, last: LogPos) -> bool {
        let barred = match self.peers.bar(from, identity.store, self.membership()) {
            Some(BarReason::Regressed) => true,
            Some(BarReason::OtherStore) => last <= self.log.last(),
            None => false,
        };
        let is_named = named == Some(self.settings.store) && self.hard.regressed.is_none();
        let has_vote = !self.hard.no_vote || is_named;
        !barred && has_vote && !self.durable.failed && !self.would_found_anew(last)
    }

    /// Whether a log that ends there would found a cluster that exists already: who has nothing, a replaced disk above all,
    /// and one that never had anything are not two of three founders where the third has the log (S5).
    pub(crate) fn would_found_anew(&self, last: LogPos) -> bool {
        last.index == Index(0) && self.peers.know_history()
    }

    pub(crate) fn on_pre_vote(
        &mut self,
        from: &NodeId,
        identity: &Identity,
        for_term: Term,
        last: LogPos,
        named: Option<StoreId>,
    ) {
        if self.durable.failed {
            return;
        }
        let granted = self.may_vote_for(from, identity, named, last)
            && !self.is_leader()
            && !self.locked(None)
            && for_term > self.hard.term
            && last >= self.log.last();
        let better = granted && self.is_better_than(from, last);
        self.send_held(from, Body::PreVoteReply { for_term, granted: granted && !better });
        if better && self.leader.is_none() && self.now >= self.quiet_until {
            // Nobody leads, or the other would not ask: no need to wait for the silence to end.
            if let State::Follower = self.state {
                self.election_due();
            }
        }
    }

    pub(crate) fn on_pre_vote_reply(
        &mut self,
        from: &NodeId,
        store: StoreId,
        term: Term,
        for_term: Term,
        granted: bool,
    ) {
        if let State::PreCandidate(ballot) = &mut self.state {
            if granted && for_term == self.hard.term.next() {
                ballot.votes.insert(from.clone(), (store, true));
                self.count_ballot();
            } else if !granted && term > self.hard.term {
                self.enter_term(term, None);
                self.quiet_until = self.now + self.rng.retry(self.settings.retry_max);
            } else if !granted && for_term == self.hard.term.next() {
                ballot.votes.insert(from.clone(), (store, false));
            }
        }
    }

    pub(crate) fn on_vote(
        &mut self,
        from: &NodeId,
        identity: &Identity,
        term: Term,
        last: LogPos,
        transfer: Option<TransferToken>,
        named: Option<StoreId>,
    ) {
        if self.durable.failed {
            return;
        }
        if term < self.hard.term {
            self.send_held(from, Body::VoteReply { granted: false });
            return;
        }
        // While the promise holds, not even the term is taken over: a leader is alive (Raft §6).
        if !self.may_vote_for(from, identity, named, last) || self.locked(transfer) {
            return;
        }
        if term > self.hard.term {
            if self.is_leader() {
                self.step_down(StepDown::HigherTerm);
            }
            self.enter_term(term, None);
        }
        let free =
            self.hard.voted_for.as_ref().is_none_or(|v| v == from) || sabotage::is(Sabotage::VoteTwice);
        let is_long = last >= self.log.last() || sabotage::is(Sabotage::ShorterLogWins);
        let granted = free && self.leader.is_none() && is_long;
        if granted {
            self.hard.voted_for = Some(from.clone());
            self.durable.touch();
            self.quiet_until = self.now + self.rng.retry(self.settings.retry_max);
        }
        self.send_held(from, Body::VoteReply { granted });
    }

    pub(crate) fn on_vote_reply(&mut self, from: &NodeId, store: StoreId, term: Term, granted: bool) {
        if let State::Candidate(ballot) = &mut self.state {
            if term == self.hard.term {
                ballot.votes.insert(from.clone(), (store, granted));
                self.count_ballot();
            } else if term > self.hard.term {
                self.enter_term(term, None);
                self.quiet_until = self.now + self.rng.retry(self.settings.retry_max);
            }
        }
    }
}
