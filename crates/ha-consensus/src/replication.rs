//! The leader's side of the log: append, feed each follower, commit.
//!
//! Must not know: when elections start, how leases are counted. Invariants (S5): a leader only appends; only an
//! entry of its own term is committed by counting; its own entries count once they are durable.

use crate::log::{Entry, LogPos, Payload};
use crate::message::{Body, Identity};
use crate::node::Raft;
use crate::progress::{Flow, Progress};
use crate::ready::{Event, StepDown};
use crate::state::{Leading, State};
use ha_model::{BootNs, Index, NodeId, Term};
use std::collections::BTreeMap;
use std::fmt::Debug;

impl<P: Clone + PartialEq + Debug> Raft<P> {
    pub(crate) fn become_leader(&mut self) {
        let last = self.log.last().index;
        let mut nodes = self.membership().nodes();
        nodes.remove(&self.settings.node);
        let progress: BTreeMap<NodeId, Progress> = nodes
            .into_iter()
            .map(|node| {
                let mut progress = Progress::new(last, self.now);
                progress.identity = self.peers.get(&node).and_then(|p| p.identity);
                (node, progress)
            })
            .collect();
        self.state = State::Leader(Box::new(Leading {
            since: self.now,
            progress,
            transfer: None,
            transfers: 0,
            leaving: false,
        }));
        self.lock.term = self.hard.term;
        self.lock.cancelled = 0;
        self.attempts = 0;
        self.leader = Some(self.settings.node.clone());
        self.term_leader.clone_from(&self.leader);
        self.events.push(Event::BecameLeader { term: self.hard.term });
        self.append([Payload::Noop]);
    }

    pub(crate) fn step_down(&mut self, why: StepDown) {
        self.hold_own_lease();
        self.events.push(Event::SteppedDown { term: self.hard.term, why });
        self.state = State::Follower;
        self.contact = self.now;
        self.leader = None;
    }

    /// A member is in a higher term and so cannot follow: this leader stands again above it. It gives its lease
    /// up for that as in a hand-over, to itself; no follower has to wait for silence.
    pub(crate) fn outvote(&mut self, from: &NodeId, term: Term) {
        let members = self.membership();
        let store = self.peers.store_of(from);
        let barred = store.is_none_or(|s| self.peers.bar(from, s, members).is_some());
        if barred || !members.contains(from) {
            return;
        }
        let State::Leader(leading) = &mut self.state else { return };
        let token = leading.next_token(self.hard.term);
        self.step_down(StepDown::HigherTerm);
        if self.may_stand() {
            self.campaign(term.next(), Some(token));
        } else {
            self.enter_term(term, None);
        }
    }

    /// Appends entries of this leader's term, and sends them on. They may travel before they are durable here.
    pub(crate) fn append(&mut self, payloads: impl IntoIterator<Item = Payload<P>>) -> Index {
        assert!(self.is_leader(), "S5: only a leader appends of its own accord");
        let first = self.log.last().index.next();
        for payload in payloads {
            let index = self.log.last().index.next();
            if let Payload::Membership(membership) = &payload {
                self.history.push(index, membership.clone());
            }
            self.log.push(Entry { index, term: self.hard.term, payload });
        }
        self.hard.acked = self.log.last().index;
        self.hard.promised = self.hard.promised.max(self.hard.acked);
        self.durable.touch();
        self.sync_progress();
        self.feed_all();
        first
    }

    fn sync_progress(&mut self) {
        let mut nodes = self.membership().nodes();
        nodes.remove(&self.settings.node);
        let (last, now) = (self.log.last().index, self.now);
        let State::Leader(leading) = &mut self.state else { return };
        leading.progress.retain(|node, _| nodes.contains(node));
        for node in nodes {
            let identity = self.peers.get(&node).and_then(|p| p.identity);
            leading.progress.entry(node).or_insert_with(|| {
                let mut progress = Progress::new(last, now);
                progress.identity = identity;
                progress
            });
        }
    }

    pub(crate) fn feed_all(&mut self) {
        let State::Leader(leading) = &self.state else { return };
        for node in leading.progress.keys().cloned().collect::<Vec<_>>() {
            self.feed(&node);
        }
    }

    /// Sends `to` what it lacks, within its window.
    pub(crate) fn feed(&mut self, to: &NodeId) {
        while let Some(body) = self.next_for(to) {
            self.send_free(to, body);
        }
    }

    fn next_for(&mut self, to: &NodeId) -> Option<Body<P>> {
        let now = self.now;
        let State::Leader(leading) = &mut self.state else { return None };
        let progress = leading.progress.get_mut(to)?;
        let (last, limits) = (self.log.last().index, &self.settings.limits);
        let due = match &progress.flow {
            Flow::Probe { sent } | Flow::Snapshot { sent, .. } => !sent,
            Flow::Stream => progress.next <= last && progress.in_flight.len() < limits.in_flight,
        };
        if !due {
            return None;
        }
        progress.moved_at = now;
        let prev = Index(progress.next.0 - 1);
        let prev_term = self.log.term_at(prev);
        if prev_term.is_none() && !matches!(progress.flow, Flow::Snapshot { .. }) {
            progress.flow = Flow::Snapshot { snapshot: self.snapshot.clone(), received: 0, sent: false };
        }
        if let Flow::Snapshot { snapshot, received, sent } = &mut progress.flow {
            *sent = true;
            let from = usize::try_from(*received).unwrap_or(usize::MAX).min(snapshot.data.len());
            let to = (from + limits.message_bytes).min(snapshot.data.len());
            return Some(Body::Chunk {
                meta: snapshot.meta.clone(),
                offset: from as u64,
                total: snapshot.data.len() as u64,
                bytes: snapshot.data[from..to].to_vec(),
            });
        }
        let mut bytes = 0;
        let mut entries = Vec::new();
        for entry in self.log.iter_from(progress.next).take(limits.message_entries) {
            let size = match &entry.payload {
                Payload::App(payload) => (self.settings.size_of)(payload),
                Payload::Noop | Payload::Membership(_) => 0,
            };
            if !entries.is_empty() && bytes + size > limits.message_bytes {
                break;
            }
            bytes += size;
            entries.push(entry.clone());
        }
        match &mut progress.flow {
            Flow::Probe { sent } => *sent = true,
            Flow::Stream => {
                progress.next = Index(progress.next.0 + entries.len() as u64);
                progress.in_flight.push_back(Index(progress.next.0 - 1));
            }
            Flow::Snapshot { .. } => {}
        }
        let prev = LogPos { term: prev_term?, index: prev };
        Some(Body::Append { prev, entries, commit: self.commit })
    }

    fn progress_of(&mut self, from: &NodeId) -> Option<&mut Progress> {
        let State::Leader(leading) = &mut self.state else { return None };
        leading.progress.get_mut(from)
    }

    /// Whether an answer is for this leader in this term; a higher term is taken up.
    fn answers_me(&mut self, from: &NodeId, term: Term) -> bool {
        if self.is_leader() && term > self.hard.term {
            self.outvote(from, term);
        }
        self.is_leader() && term == self.hard.term
    }

    pub(crate) fn on_append_ack(&mut self, from: &NodeId, identity: &Identity, term: Term, matched: Index) {
        if !self.answers_me(from, term) {
            return;
        }
        let last = self.log.last().index;
        assert!(matched <= last, "S5: {from} acknowledged {matched}, the leader's log ends at {last}");
        let now = self.now;
        let Some(progress) = self.progress_of(from) else { return };
        progress.identity = Some(*identity);
        progress.acknowledged(matched, now);
        let mark = crate::message::Mark { term, index: matched };
        self.peers.promised(from, identity, mark, matched);
        self.advance_leader_commit();
        self.feed(from);
        self.urge_transfer();
    }

    pub(crate) fn on_append_reject(
        &mut self,
        from: &NodeId,
        term: Term,
        prev: Index,
        hint: Index,
        blank: bool,
    ) {
        if !self.answers_me(from, term) {
            return;
        }
        let (now, snapshot) = (self.now, self.snapshot.clone());
        let Some(progress) = self.progress_of(from) else { return };
        if blank {
            if !matches!(progress.flow, Flow::Snapshot { .. }) {
                progress.flow = Flow::Snapshot { snapshot, received: 0, sent: false };
            }
        } else {
            progress.rejected(prev, hint, now);
        }
        self.feed(from);
    }

    pub(crate) fn on_chunk_ack(&mut self, from: &NodeId, term: Term, index: Index, received: u64) {
        if !self.answers_me(from, term) {
            return;
        }
        let now = self.now;
        let Some(progress) = self.progress_of(from) else { return };
        if let Flow::Snapshot { snapshot, received: known, sent } = &mut progress.flow
            && snapshot.meta.pos.index == index
            && *known != received
        {
            (*known, *sent) = (received, false);
            progress.moved_at = now;
        }
        self.feed(from);
    }

    /// A peer speaks with another store or session: what was known of its log is void.
    pub(crate) fn restart_progress(&mut self, from: &NodeId, identity: &Identity) {
        let (last, now) = (self.log.last().index, self.now);
        let Some(progress) = self.progress_of(from) else { return };
        let same_store = progress.identity.is_some_and(|i| i.store == identity.store);
        let mut fresh = Progress::new(last, now);
        fresh.identity = Some(*identity);
        if same_store {
            // Its promises outlast the restart: it waits one lease before it votes.
            (fresh.acked_sent, fresh.lease_sent) = (progress.acked_sent, progress.lease_sent);
            fresh.promise = progress.promise;
        }
        *progress = fresh;
        self.feed(from);
    }

    /// Sends again from what is known to match.
    pub(crate) fn resend(&mut self, to: &NodeId) {
        if let Some(progress) = self.progress_of(to) {
            progress.probe_from_match();
            self.feed(to);
        }
    }

    /// Followers that are heard, yet did not answer in time. Those that are silent are not written to.
    fn overdue(&self) -> impl Iterator<Item = (&NodeId, BootNs)> {
        let leading = match &self.state {
            State::Leader(leading) => Some(leading),
            State::Follower | State::PreCandidate(_) | State::Candidate(_) | State::Failed => None,
        };
        leading.into_iter().flat_map(|l| &l.progress).filter_map(|(node, progress)| {
            let heard = self.peers.heard_within(node, self.now, self.settings.t_lost);
            (progress.is_waiting() && heard).then_some((node, progress.moved_at + self.settings.retransmit))
        })
    }

    pub(crate) fn retransmit_deadline(&self) -> Option<BootNs> {
        self.overdue().map(|(_, at)| at).min()
    }

    pub(crate) fn retransmit_due(&mut self) {
        let now = self.now;
        let due: Vec<NodeId> =
            self.overdue().filter(|(_, at)| *at <= now).map(|(node, _)| node.clone()).collect();
        for node in due {
            self.resend(&node);
        }
    }

    /// Commits what a quorum holds durably.
    pub(crate) fn advance_leader_commit(&mut self) {
        let State::Leader(leading) = &self.state else { return };
        let reached = self.membership().reached(|node, required| {
            if *node == self.settings.node {
                return self.counts(node, self.settings.store, required).then_some(self.durable.last);
            }
            let progress = leading.progress.get(node)?;
            self.counts(node, progress.identity?.store, required).then_some(progress.matched)
        });
        let Some(index) = reached else { return };
        // Raft §5.4.2: entries of earlier terms are committed only by one of this term above them.
        if index > self.commit && self.log.term_at(index) == Some(self.hard.term) {
            self.set_commit(index);
            self.after_commit();
        }
    }

    /// The commit index moves on.
    pub(crate) fn set_commit(&mut self, index: Index) {
        assert!(index > self.commit, "S5: the commit index falls");
        assert!(index <= self.log.last().index, "S5: a commit beyond the end of the log");
        let before = std::mem::replace(&mut self.commit, index);
        let committed: Vec<_> = self.history.between(before, index).cloned().collect();
        for (index, membership) in committed {
            self.peers.prune(index, &membership, self.history.newest().1);
            self.events.push(Event::VotersChanged { index, membership });
        }
    }
}
