//! What is written, what is being written, and what waits for a write (S16).
//!
//! Must not know: why anything is written. Invariants: writes complete in order; a held message leaves only when
//! every write handed out (or due) when it was made is durable; after a failed write nothing held ever leaves; the same
//! words to the same receiver are held once, however often they were asked for (S13).

use crate::log::{Entry, Log, Snapshot};
use crate::message::Message;
use crate::peers::PeerMemory;
use crate::ready::{Persist, PersistId};
use crate::settings::HardState;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{Index, NodeId};
use std::collections::VecDeque;

/// Messages with their receivers.
type Addressed<P> = Vec<(NodeId, Message<P>)>;

/// A write under way.
#[derive(Clone, Debug, Hash)]
struct Pending<P> {
    id: PersistId,
    last: Index,
    hard: HardState,
    install: Option<Snapshot>,
    held: Addressed<P>,
}

/// The bookkeeping of writes.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Durable<P> {
    pending: VecDeque<Pending<P>>,
    next_id: u64,
    /// Log entries through here are durable.
    pub(crate) last: Index,
    /// The hard state as durable.
    pub(crate) hard: HardState,
    /// First entry not yet handed out.
    unwritten: Index,
    hard_dirty: bool,
    truncate_from: Option<Index>,
    discard_through: Option<Index>,
    snapshot: Option<Snapshot>,
    reset_log: bool,
    install: Option<Snapshot>,
    held: Addressed<P>,
    free: Addressed<P>,
    /// An installed snapshot that became durable.
    pub(crate) installed: Option<Snapshot>,
    pub(crate) failed: bool,
}

impl<P: Clone + PartialEq> Durable<P> {
    pub(crate) fn new(last: Index, hard: HardState) -> Self {
        Self {
            pending: VecDeque::new(),
            next_id: 1,
            last,
            hard,
            unwritten: last.next(),
            hard_dirty: false,
            truncate_from: None,
            discard_through: None,
            snapshot: None,
            reset_log: false,
            install: None,
            held: Vec::new(),
            free: Vec::new(),
            installed: None,
            failed: false,
        }
    }

    /// The hard state changed.
    pub(crate) fn touch(&mut self) {
        self.hard_dirty = true;
    }

    /// Sends once every write due now is durable.
    pub(crate) fn hold(&mut self, to: NodeId, message: Message<P>) {
        let words = (to, message);
        // While a disk stands still the leader asks again and again.
        let is_held = |held: &Addressed<P>| held.contains(&words);
        if !is_held(&self.held) && !self.pending.iter().any(|p| is_held(&p.held)) {
            self.held.push(words);
        }
    }

    /// Sends at once: depends on no write.
    pub(crate) fn free(&mut self, to: NodeId, message: Message<P>) {
        self.free.push((to, message));
    }

    /// The log was cut at `from`.
    pub(crate) fn truncated(&mut self, from: Index) {
        let before = Index(from.0 - 1);
        if from < self.unwritten {
            self.truncate_from = Some(self.truncate_from.map_or(from, |t| t.min(from)));
            self.unwritten = from;
        }
        self.last = self.last.min(before);
        for pending in &mut self.pending {
            pending.last = pending.last.min(before);
        }
    }

    /// The log was replaced by a snapshot from the leader.
    pub(crate) fn replaced(&mut self, snapshot: Snapshot) {
        self.unwritten = snapshot.meta.pos.index.next();
        self.truncate_from = None;
        self.discard_through = None;
        self.reset_log = true;
        self.last = Index(0);
        for pending in &mut self.pending {
            pending.last = Index(0);
            pending.install = None;
        }
        self.installed = None;
        self.install = Some(snapshot.clone());
        self.snapshot = Some(snapshot);
    }

    /// An own snapshot was taken, and the log dropped through `discard`.
    pub(crate) fn compacted(&mut self, snapshot: Snapshot, discard: Option<Index>) {
        self.snapshot = Some(snapshot);
        self.discard_through = discard.or(self.discard_through);
    }

    /// Hands out what is due, and releases what waits for nothing.
    pub(crate) fn flush(
        &mut self,
        hard: &HardState,
        log: &Log<P>,
        peers: impl FnOnce() -> Vec<PeerMemory>,
        urgent: bool,
    ) -> (Option<Persist<P>>, Addressed<P>) {
        if self.failed {
            self.held.clear();
            return (None, std::mem::take(&mut self.free));
        }
        let last = log.last().index;
        let due = self.hard_dirty
            || urgent
            || self.snapshot.is_some()
            || self.truncate_from.is_some()
            || last >= self.unwritten;
        let persist = due.then(|| {
            let id = PersistId(self.next_id);
            self.next_id += 1;
            let append: Vec<Entry<P>> = log.range(self.unwritten, last);
            self.unwritten = last.next();
            self.hard_dirty = false;
            self.pending.push_back(Pending {
                id,
                last,
                hard: hard.clone(),
                install: self.install.take(),
                held: Vec::new(),
            });
            let mut written = hard.clone();
            if sabotage::is(Sabotage::ForgetVote) {
                written.voted_for = None;
            }
            Persist {
                id,
                hard: written,
                snapshot: self.snapshot.take(),
                reset_log: std::mem::take(&mut self.reset_log),
                discard_through: self.discard_through.take(),
                truncate_from: self.truncate_from.take(),
                append,
                peers: peers(),
            }
        });
        match self.pending.back_mut() {
            Some(newest) => newest.held.append(&mut self.held),
            None => self.free.append(&mut self.held),
        }
        (persist, std::mem::take(&mut self.free))
    }

    /// The oldest write is durable.
    pub(crate) fn confirmed(&mut self, id: PersistId) {
        if self.failed {
            return;
        }
        let done = self.pending.pop_front().expect("S16: a write was confirmed though none is under way");
        assert_eq!(done.id, id, "S16: writes were confirmed out of order");
        self.last = done.last;
        self.hard = done.hard;
        if done.install.is_some() {
            self.installed = done.install;
        }
        self.free.extend(done.held);
    }

    /// A write failed: whatever waits is dropped for good.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
        self.pending.clear();
        self.held.clear();
        self.installed = None;
    }

    /// Whether a snapshot from the leader is not yet durable.
    pub(crate) fn installing(&self) -> bool {
        self.install.is_some() || self.pending.iter().any(|p| p.install.is_some())
    }

    /// Where writes continue after a fresh start: everything at or before `base` is in the snapshot.
    pub(crate) fn start_with(&mut self, snapshot: Snapshot) {
        self.snapshot = Some(snapshot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Body, Identity, Mark};
    use ha_model::{SessionId, StoreId, Term};

    fn reply(granted: bool) -> Message<u8> {
        let mark = Mark { term: Term(1), index: Index(0) };
        let (promised, regressed) = (Index(0), None);
        let identity =
            Identity { store: StoreId(1), session: SessionId(1), restored: mark, promised, regressed };
        Message { term: Term(1), identity, body: Body::VoteReply { granted } }
    }

    #[test]
    fn s13_an_answer_that_waits_for_a_hanging_disk_is_held_once() {
        let (leader, other) = (NodeId::from("a"), NodeId::from("b"));
        let log = Log::after(crate::log::LogPos::default());
        let mut durable = Durable::new(Index(0), HardState::default());
        durable.touch();
        let mut write = None;
        for _ in 0..100 {
            durable.hold(leader.clone(), reply(true));
            durable.hold(other.clone(), reply(true));
            durable.hold(leader.clone(), reply(false));
            let (persist, free) = durable.flush(&HardState::default(), &log, Vec::new, false);
            write = write.or(persist.map(|p| p.id));
            assert!(free.is_empty(), "nothing leaves before the write");
        }
        durable.confirmed(write.expect("a write"));
        let (_, free) = durable.flush(&HardState::default(), &log, Vec::new, false);
        assert_eq!(free, [(leader.clone(), reply(true)), (other, reply(true)), (leader, reply(false))]);
    }
}
