//! `Raft`: one node's part in the vote, its state, and how its inputs are routed.
//!
//! Pure: no clock, no I/O, no randomness but the seed. After each input the caller takes `take_ready`. Invariants
//! (S5, S10, S15, S16) are asserted where they would break, in release builds too.

use crate::durable::Durable;
use crate::log::{Entry, Log, LogPos, Payload, Snapshot, SnapshotMeta};
use crate::membership::{History, Membership};
use crate::message::{Body, Identity, Message};
use crate::peers::{Peers, Speaker};
use crate::ready::{Event, NoVote, PersistId, Ready, StepDown};
use crate::rng::Rng;
use crate::settings::{HardState, Restored, Settings, StartError};
use crate::state::{Lock, State};
use ha_model::{BootNs, Index, NodeId, StoreId, Term};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// A snapshot arriving in pieces.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Incoming {
    pub(crate) meta: SnapshotMeta,
    pub(crate) total: u64,
    pub(crate) bytes: Vec<u8>,
}

/// One node of the vote. `P` is the application's payload.
#[derive(Clone, Debug, Hash)]
pub struct Raft<P> {
    pub(crate) settings: Settings<P>,
    pub(crate) identity: Identity,
    pub(crate) rng: Rng,
    pub(crate) now: BootNs,
    pub(crate) started_at: BootNs,
    pub(crate) state: State,
    pub(crate) hard: HardState,
    pub(crate) log: Log<P>,
    pub(crate) history: History,
    pub(crate) snapshot: Snapshot,
    pub(crate) incoming: Option<Incoming>,
    pub(crate) commit: Index,
    pub(crate) applied: Index,
    pub(crate) durable: Durable<P>,
    pub(crate) peers: Peers,
    pub(crate) events: Vec<Event>,
    /// The leader of `hard.term`, where known.
    pub(crate) leader: Option<NodeId>,
    /// Who led in `hard.term`, even if silent since: there is never another.
    pub(crate) term_leader: Option<NodeId>,
    told_leader: Option<NodeId>,
    /// When the leader was last heard; the start, before that.
    pub(crate) contact: BootNs,
    /// When the newest beat of the leader of this term was sent, by its clock.
    pub(crate) leader_sent: Option<BootNs>,
    /// What it was promised when that came in.
    pub(crate) promise: Duration,
    /// The log is the same as the leader's of this term through here.
    pub(crate) verified: Index,
    pub(crate) lock: Lock,
    /// No own election before this: a vote was given, or a retry waits.
    pub(crate) quiet_until: BootNs,
    /// It stepped aside, and lets others stand until then.
    pub(crate) aside_until: BootNs,
    /// Elections tried since a leader was last heard.
    pub(crate) attempts: u32,
    pub(crate) snapshot_wanted: bool,
}

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// A node at its start. The caller takes the first `Ready` at once: it may hold a first write. Entries after
    /// the restored snapshot come again through `Ready::committed`; the snapshot itself the caller has.
    ///
    /// # Errors
    /// Settings that are not safe, or restored state that contradicts itself.
    pub fn new(
        settings: Settings<P>,
        restored: Restored<P>,
        now: BootNs,
        seed: u64,
    ) -> Result<Self, StartError> {
        settings.check()?;
        let blank = |membership| Snapshot {
            meta: SnapshotMeta { pos: LogPos::default(), membership },
            data: Arc::from([]),
        };
        let (hard, snapshot, entries, memory, is_new) = match restored {
            Restored::Fresh { voters, learners } => {
                let membership = Membership::formed(&voters, &learners);
                if membership.voters.len().is_multiple_of(2) {
                    return Err(StartError::EvenVoters(membership.voters.len()));
                }
                (HardState::default(), blank(membership), Vec::new(), Vec::new(), true)
            }
            Restored::Intact { hard, snapshot, log, peers } => (hard, snapshot, log, peers, false),
            Restored::Corrupt | Restored::Wiped => {
                let hard = HardState { no_vote: true, ..HardState::default() };
                (hard, blank(Membership::default()), Vec::new(), Vec::new(), true)
            }
        };
        let log = restore_log(&snapshot.meta, entries)?;
        if hard.term < log.last().term {
            return Err(StartError::Inconsistent("the term is older than the log"));
        }
        if hard.acked > log.last().index {
            return Err(StartError::Inconsistent("the log lacks entries that were acknowledged"));
        }
        let pos = snapshot.meta.pos;
        let mut history = History::new(pos.index, snapshot.meta.membership.clone());
        for entry in log.iter_from(pos.index.next()) {
            if let Payload::Membership(membership) = &entry.payload {
                history.push(entry.index, membership.clone());
            }
        }
        let mut durable = Durable::new(log.last().index, hard.clone());
        if is_new {
            durable.start_with(snapshot.clone());
        }
        let why_none = if hard.regressed.is_some() { NoVote::PutBack } else { NoVote::StoreLost };
        let events = if hard.no_vote { vec![Event::NoVote(why_none)] } else { Vec::new() };
        let identity = Identity {
            store: settings.store,
            session: settings.session,
            restored: hard.mark(),
            promised: hard.promised,
            regressed: hard.regressed,
        };
        let mut raft = Self {
            settings,
            identity,
            rng: Rng::new(seed),
            now,
            started_at: now,
            state: State::Follower,
            hard,
            log,
            history,
            snapshot,
            incoming: None,
            commit: pos.index,
            applied: pos.index,
            durable,
            peers: Peers::restored(memory),
            events,
            leader: None,
            term_leader: None,
            told_leader: None,
            contact: now,
            leader_sent: None,
            promise: Duration::ZERO,
            verified: Index(0),
            lock: Lock::default(),
            quiet_until: now,
            aside_until: now,
            attempts: 0,
            snapshot_wanted: false,
        };
        raft.regain_vote();
        Ok(raft)
    }

    /// Time passed. Late or needless ticks do no harm.
    pub fn tick(&mut self, now: BootNs) {
        self.at(now);
        self.run_timers();
    }

    /// A message arrived on the authenticated stream of `from`.
    pub fn receive(&mut self, now: BootNs, from: &NodeId, message: Message<P>) {
        self.at(now);
        if *from != self.settings.node && self.hear(from, &message.identity) {
            let Message { term, identity, body } = message;
            match body {
                Body::PreVote { for_term, last, named } => {
                    self.on_pre_vote(from, &identity, for_term, last, named);
                }
                Body::PreVoteReply { for_term, granted } => {
                    self.on_pre_vote_reply(from, identity.store, term, for_term, granted);
                }
                Body::Vote { last, transfer, named } => {
                    self.on_vote(from, &identity, term, last, transfer, named);
                }
                Body::VoteReply { granted } => self.on_vote_reply(from, identity.store, term, granted),
                Body::Append { prev, entries, commit } => {
                    self.on_append(from, term, prev, entries, commit);
                }
                Body::AppendAck { matched } => self.on_append_ack(from, &identity, term, matched),
                Body::AppendReject { prev, hint, blank } => {
                    self.on_append_reject(from, term, prev, hint, blank);
                }
                Body::Chunk { meta, offset, total, bytes } => {
                    self.on_chunk(from, term, meta, offset, total, &bytes);
                }
                Body::ChunkAck { index, received } => self.on_chunk_ack(from, term, index, received),
                Body::TransferNow { token } => self.on_transfer_now(from, term, token),
            }
        }
        self.run_timers();
    }

    /// The write `id` is durable. Writes are confirmed in the order they were handed out.
    pub fn persisted(&mut self, now: BootNs, id: PersistId) {
        self.at(now);
        self.durable.confirmed(id);
        self.vote_for_self();
        self.advance_leader_commit();
        self.run_timers();
    }

    /// The write `id` failed: this node acknowledges nothing more until it is restarted (S16).
    pub fn persist_failed(&mut self, now: BootNs, _id: PersistId) {
        self.at(now);
        if self.durable.failed {
            return;
        }
        if self.is_leader() {
            self.step_down(StepDown::StoreFailed);
        }
        self.durable.fail();
        self.state = State::Failed;
        self.events.push(Event::NoVote(NoVote::WriteFailed));
    }

    /// The stream to `peer` was established anew: whatever was under way on the old one may be lost, and nothing of
    /// it (nor beats under its keys) comes after this call. To be called before the first word of the new one.
    pub fn peer_reset(&mut self, now: BootNs, peer: &NodeId) {
        self.at(now);
        self.peers.reset(peer);
        self.resend(peer);
        self.run_timers();
    }

    /// All there is to do since the last call. To be called after each input.
    #[must_use]
    pub fn take_ready(&mut self) -> Ready<P> {
        let urgent = std::mem::take(&mut self.peers.urgent);
        let peers = &self.peers;
        let (persist, messages) = self.durable.flush(&self.hard, &self.log, || peers.memory(), urgent);
        let install_snapshot = self.durable.installed.take();
        if let Some(snapshot) = &install_snapshot {
            self.applied = snapshot.meta.pos.index;
        }
        let committed = self.take_committed();
        self.want_snapshot();
        self.tell_leader();
        Ready { persist, messages, install_snapshot, committed, events: std::mem::take(&mut self.events) }
    }

    /// Entries that are committed and durable here, not yet handed out.
    fn take_committed(&mut self) -> Vec<Entry<P>> {
        if self.durable.installing() {
            return Vec::new();
        }
        let through = self.commit.min(self.durable.last);
        if through <= self.applied {
            return Vec::new();
        }
        let entries = self.log.range(self.applied.next(), through);
        assert_eq!(entries.len() as u64, through.0 - self.applied.0, "S5: a committed entry is missing");
        self.applied = through;
        entries
    }

    pub(crate) fn at(&mut self, now: BootNs) {
        self.now = self.now.max(now);
    }

    /// Takes note of a speaker; false where it must not be listened to.
    pub(crate) fn hear(&mut self, from: &NodeId, identity: &Identity) -> bool {
        let members = self.history.newest().1;
        let speaker = self.peers.speaks(self.now, self.settings.t_lost, from, identity, members);
        if let Some((store, why)) = self.peers.new_bar(from, members) {
            self.events.push(Event::VoteBarred { node: from.clone(), store, why });
        }
        match speaker {
            Speaker::Void => false,
            Speaker::Known => true,
            Speaker::New => {
                self.restart_progress(from, identity);
                true
            }
        }
    }

    pub(crate) fn message(&self, body: Body<P>) -> Message<P> {
        Message { term: self.hard.term, identity: self.identity, body }
    }

    /// Sends once all that this node has decided so far is durable.
    pub(crate) fn send_held(&mut self, to: &NodeId, body: Body<P>) {
        let message = self.message(body);
        self.durable.hold(to.clone(), message);
    }

    /// Sends at once; only for what promises nothing.
    pub(crate) fn send_free(&mut self, to: &NodeId, body: Body<P>) {
        let message = self.message(body);
        self.durable.free(to.clone(), message);
    }

    /// Whether what `store` says for `node` counts in a set that demands `required`.
    pub(crate) fn counts(&self, node: &NodeId, store: StoreId, required: Option<StoreId>) -> bool {
        if *node == self.settings.node {
            return !self.hard.no_vote && store == self.settings.store && required.is_none_or(|r| r == store);
        }
        self.peers.counts(node, store, required, self.membership())
    }

    /// The newest membership in the log, committed or not: the one that counts.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        self.history.newest().1
    }

    /// Tells of another leader, once for all that changed since it was last told.
    fn tell_leader(&mut self) {
        if self.told_leader != self.leader {
            self.told_leader.clone_from(&self.leader);
            let (term, leader) = (self.hard.term, self.leader.clone());
            self.events.push(Event::LeaderChanged { term, leader });
        }
    }

    /// Enters a higher term; `vote` for its leader where one is known.
    pub(crate) fn enter_term(&mut self, term: Term, vote: Option<NodeId>) {
        assert!(term > self.hard.term, "S5: terms only grow: {term} after {}", self.hard.term);
        self.hard.term = term;
        self.hard.voted_for = vote;
        self.hard.acked = Index(0);
        self.durable.touch();
        self.verified = Index(0);
        self.leader_sent = None;
        self.leader = None;
        self.term_leader = None;
        if let State::PreCandidate(_) | State::Candidate(_) = self.state {
            self.state = State::Follower;
        }
    }
}

fn restore_log<P: Clone>(snapshot: &SnapshotMeta, mut entries: Vec<Entry<P>>) -> Result<Log<P>, StartError> {
    let consecutive = entries.windows(2).all(|w| w[1].index == w[0].index.next() && w[1].term >= w[0].term);
    if !consecutive {
        return Err(StartError::Inconsistent("a gap in the log"));
    }
    let Some(first) = entries.first() else { return Ok(Log::after(snapshot.pos)) };
    let base = if first.index == snapshot.pos.index.next() {
        snapshot.pos
    } else if first.index == Index(1) {
        LogPos::default()
    } else if first.index <= snapshot.pos.index {
        entries.remove(0).pos()
    } else {
        return Err(StartError::Inconsistent("a gap between snapshot and log"));
    };
    let mut log = Log::after(base);
    for entry in entries {
        if entry.term < log.last().term {
            return Err(StartError::Inconsistent("the log's terms fall"));
        }
        log.push(entry);
    }
    if log.term_at(snapshot.pos.index) != Some(snapshot.pos.term) {
        return Err(StartError::Inconsistent("the log does not hold the snapshot's entry"));
    }
    Ok(log)
}
