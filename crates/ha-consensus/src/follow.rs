//! The follower's side of the log: accept entries and snapshots of the term's leader.
//!
//! Must not know: who else follows. Invariants (S5, S16): committed entries are never cut or replaced; what is
//! acknowledged is durable, and counted in the hard state, before the acknowledgement leaves.

use crate::log::{Entry, Log, LogPos, Payload, Snapshot, SnapshotMeta};
use crate::membership::History;
use crate::message::Body;
use crate::node::{Incoming, Raft};
use crate::ready::StepDown;
use crate::state::State;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{Index, NodeId, Term};
use std::fmt::Debug;

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// Follows the leader of a term that is not older than this node's.
    pub(crate) fn follow(&mut self, leader: &NodeId, term: Term) {
        if term > self.hard.term {
            if self.is_leader() {
                self.step_down(StepDown::HigherTerm);
            }
            self.enter_term(term, Some(leader.clone()));
        }
        assert!(!self.is_leader(), "S5: {leader} leads in term {term}, and so does this node");
        match self.state {
            State::PreCandidate(_) | State::Candidate(_) => self.state = State::Follower,
            State::Follower | State::Leader(_) | State::Failed => {}
        }
        let known = self.term_leader.get_or_insert_with(|| leader.clone());
        assert!(known == leader, "S5: two leaders in term {term}: {known} and {leader}");
        if self.hard.voted_for.is_none() {
            // To follow is to have voted: a store that forgets its vote cannot give it twice in this term.
            self.hard.voted_for = Some(leader.clone());
            self.durable.touch();
        }
        self.leader = Some(leader.clone());
        self.contact = self.now;
        self.attempts = 0;
    }

    /// Whether this store knows no members yet: entries alone would not tell it who they are.
    fn is_blank(&self) -> bool {
        self.membership().voters.is_empty()
    }

    pub(crate) fn on_append(
        &mut self,
        from: &NodeId,
        term: Term,
        prev: LogPos,
        entries: Vec<Entry<P>>,
        commit: Index,
    ) {
        if self.durable.failed {
            return;
        }
        if term < self.hard.term {
            // Tells a leader of the past that it is over.
            let hint = self.log.last().index;
            self.send_held(from, Body::AppendReject { prev: prev.index, hint, blank: false });
            return;
        }
        self.follow(from, term);
        if !is_run(prev, &entries) {
            return;
        }
        let matches = prev.index <= self.commit || self.log.term_at(prev.index) == Some(prev.term);
        if self.is_blank() || !matches {
            let hint = self.log.conflict_hint(prev.index, self.commit);
            let blank = self.is_blank();
            self.send_held(from, Body::AppendReject { prev: prev.index, hint, blank });
            return;
        }
        let matched = entries.last().map_or(prev.index, |e| e.index);
        self.accept(entries);
        self.acknowledge(from, matched);
        self.advance_follower_commit(commit);
    }

    /// Takes over what is missing; cuts what contradicts.
    fn accept(&mut self, entries: Vec<Entry<P>>) {
        for entry in entries {
            match self.log.term_at(entry.index) {
                Some(term) if term == entry.term => continue,
                None if entry.index <= self.log.base().index => continue,
                Some(_) => {
                    let (at, commit) = (entry.index, self.commit);
                    assert!(at > commit, "S5: the leader contradicts committed entry {at} (commit {commit})");
                    assert!(
                        at > self.verified,
                        "S5: the leader contradicts itself at {at} within term {}",
                        self.hard.term
                    );
                    self.log.truncate(at);
                    self.history.truncate(at);
                    self.durable.truncated(at);
                }
                None => {}
            }
            if let Payload::Membership(membership) = &entry.payload {
                self.history.push(entry.index, membership.clone());
            }
            self.log.push(entry);
        }
        self.regain_vote();
    }

    /// The log is the leader's through `matched`; said once that is durable.
    fn acknowledge(&mut self, leader: &NodeId, matched: Index) {
        self.verified = self.verified.max(matched);
        if matched > self.hard.acked {
            self.hard.acked = matched;
            self.hard.promised = self.hard.promised.max(matched);
            self.durable.touch();
        }
        if sabotage::is(Sabotage::AckBeforeWrite) {
            return self.send_free(leader, Body::AppendAck { matched });
        }
        self.send_held(leader, Body::AppendAck { matched });
    }

    /// The leader of this term has committed through `commit`.
    pub(crate) fn advance_follower_commit(&mut self, commit: Index) {
        let known = commit.min(self.verified);
        if known > self.commit {
            self.set_commit(known);
        }
    }

    pub(crate) fn on_chunk(
        &mut self,
        from: &NodeId,
        term: Term,
        meta: SnapshotMeta,
        offset: u64,
        total: u64,
        bytes: &[u8],
    ) {
        if self.durable.failed {
            return;
        }
        let index = meta.pos.index;
        if term < self.hard.term {
            self.send_held(from, Body::ChunkAck { index, received: 0 });
            return;
        }
        self.follow(from, term);
        let known = self.log.term_at(index) == Some(meta.pos.term);
        if !self.is_blank() && (index <= self.commit || known) {
            // The log has it already: a committed prefix is the same everywhere.
            self.incoming = None;
            self.acknowledge(from, index.max(self.verified));
            self.advance_follower_commit(index);
            return;
        }
        let same = self.incoming.as_ref().is_some_and(|i| i.meta == meta && i.total == total);
        if !same {
            if total > self.settings.limits.snapshot_bytes as u64 {
                return;
            }
            self.incoming = Some(Incoming { meta, total, bytes: Vec::new() });
        }
        let Some(incoming) = &mut self.incoming else { return };
        let room = incoming.total - incoming.bytes.len() as u64;
        if offset == incoming.bytes.len() as u64 && bytes.len() as u64 <= room {
            incoming.bytes.extend_from_slice(bytes);
        }
        let received = incoming.bytes.len() as u64;
        if received < total {
            self.send_held(from, Body::ChunkAck { index, received });
        } else if let Some(whole) = self.incoming.take() {
            self.install(from, whole);
        }
    }

    fn install(&mut self, leader: &NodeId, whole: Incoming) {
        let pos = whole.meta.pos;
        assert!(
            pos.index > self.commit || self.is_blank(),
            "S5: a snapshot at {} would replace committed entries",
            pos.index
        );
        self.log = Log::after(pos);
        self.history = History::new(pos.index, whole.meta.membership.clone());
        self.snapshot = Snapshot { meta: whole.meta, data: whole.bytes.into() };
        self.durable.replaced(self.snapshot.clone());
        self.commit = pos.index;
        let members = &self.snapshot.meta.membership;
        self.peers.prune(pos.index, members, members);
        self.regain_vote();
        self.acknowledge(leader, pos.index);
    }
}

/// Whether the entries follow `prev` without a gap, in terms that do not fall.
fn is_run<P>(prev: LogPos, entries: &[Entry<P>]) -> bool {
    let mut last = prev;
    entries.iter().all(|entry| {
        let fits = entry.index == last.index.next() && entry.term >= last.term;
        last = entry.pos();
        fits
    })
}
