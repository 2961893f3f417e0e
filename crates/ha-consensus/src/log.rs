//! The replicated log in memory: a base, then entries without a gap; and the snapshot it may start after.
//!
//! Must not know: roles, peers, time, what is durable. Invariants: indexes are consecutive; terms never fall.

use crate::membership::Membership;
use ha_model::{Index, Term};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// A position in a log. Ordered as "at least as up to date" is (Raft §5.4.1): by term, then by index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Hash, Serialize, Deserialize)]
pub struct LogPos {
    /// Term of the entry there.
    pub term: Term,
    /// Its index.
    pub index: Index,
}

/// What an entry holds.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub enum Payload<P> {
    /// The first entry of a new leader: commits what earlier terms left (Raft §5.4.2).
    Noop,
    /// The members from this entry on.
    Membership(Membership),
    /// The application's.
    App(P),
}

/// One entry of the log.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct Entry<P> {
    /// Position, from 1.
    pub index: Index,
    /// Term of the leader that made it.
    pub term: Term,
    /// Content.
    pub payload: Payload<P>,
}

impl<P> Entry<P> {
    pub(crate) fn pos(&self) -> LogPos {
        LogPos { term: self.term, index: self.index }
    }
}

/// What a snapshot stands for.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last entry it contains; zero for the formation of a cluster.
    pub pos: LogPos,
    /// The members in force there.
    pub membership: Membership,
}

/// The application's state at one position of the log.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// Where, and who the members were.
    pub meta: SnapshotMeta,
    /// The application's bytes; empty at formation.
    pub data: Arc<[u8]>,
}

/// The entries held in memory.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Log<P> {
    base: LogPos,
    entries: VecDeque<Entry<P>>,
}

impl<P: Clone> Log<P> {
    /// An empty log that goes on after `base`.
    pub(crate) fn after(base: LogPos) -> Self {
        Self { base, entries: VecDeque::new() }
    }

    pub(crate) fn base(&self) -> LogPos {
        self.base
    }

    pub(crate) fn last(&self) -> LogPos {
        self.entries.back().map_or(self.base, Entry::pos)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn offset(&self, index: Index) -> Option<usize> {
        let offset = index.0.checked_sub(self.base.index.0)?.checked_sub(1)?;
        usize::try_from(offset).ok()
    }

    pub(crate) fn get(&self, index: Index) -> Option<&Entry<P>> {
        self.entries.get(self.offset(index)?)
    }

    pub(crate) fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.get(index).map(|e| e.term)
    }

    pub(crate) fn push(&mut self, entry: Entry<P>) {
        let last = self.last();
        assert_eq!(entry.index, last.index.next(), "S5: a gap in the log");
        assert!(entry.term >= last.term, "S5: the term falls at {}: {}", entry.index, entry.term);
        self.entries.push_back(entry);
    }

    /// Drops `from` and what follows.
    pub(crate) fn truncate(&mut self, from: Index) {
        let keep = self.offset(from).expect("nothing at or before the base is ever dropped from the end");
        self.entries.truncate(keep);
    }

    /// Drops entries through `index`, which becomes the base.
    pub(crate) fn compact(&mut self, index: Index) {
        if index <= self.base.index {
            return;
        }
        let term = self.term_at(index).expect("compaction ends at an entry of the log");
        self.entries.retain(|e| e.index > index);
        self.base = LogPos { term, index };
    }

    /// Entries in `from ..= through`, cloned.
    pub(crate) fn range(&self, from: Index, through: Index) -> Vec<Entry<P>> {
        self.iter_from(from).take_while(|e| e.index <= through).cloned().collect()
    }

    pub(crate) fn iter_from(&self, from: Index) -> impl Iterator<Item = &Entry<P>> {
        let offset = self.offset(from).unwrap_or(0);
        self.entries.range(offset.min(self.entries.len())..)
    }

    /// Where a leader should look next after a mismatch at `index`: before the whole term that stands there
    /// (Raft §5.3), never before `floor`.
    pub(crate) fn conflict_hint(&self, index: Index, floor: Index) -> Index {
        let last = self.last().index;
        if index > last {
            return last;
        }
        let Some(term) = self.term_at(index) else { return floor };
        let mut hint = index;
        while hint > floor && self.term_at(hint) == Some(term) {
            hint = Index(hint.0 - 1);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(terms: &[u64]) -> Log<u32> {
        let mut log = Log::after(LogPos::default());
        for (i, term) in terms.iter().enumerate() {
            let index = Index(i as u64 + 1);
            log.push(Entry { index, term: Term(*term), payload: Payload::Noop });
        }
        log
    }

    #[test]
    fn truncate_compact_and_look_up() {
        let mut l = log(&[1, 1, 2, 2, 3]);
        l.truncate(Index(5));
        assert_eq!(l.last(), LogPos { term: Term(2), index: Index(4) });
        l.compact(Index(2));
        assert_eq!(l.base(), LogPos { term: Term(1), index: Index(2) });
        assert_eq!(l.term_at(Index(1)), None);
        assert_eq!(l.term_at(Index(2)), Some(Term(1)));
        assert!(l.get(Index(2)).is_none());
        assert_eq!(l.range(Index(3), Index(3)).len(), 1);
        assert_eq!(l.range(Index(1), Index(9)).len(), 2);
        assert_eq!(l.iter_from(Index(9)).count(), 0);
    }

    #[test]
    fn up_to_date_is_term_then_index() {
        let at = |t, i| LogPos { term: Term(t), index: Index(i) };
        assert!(at(3, 1) > at(2, 9));
        assert!(at(2, 9) > at(2, 8));
    }

    #[test]
    fn hints_skip_a_whole_term_and_stop_at_the_floor() {
        let l = log(&[1, 1, 2, 2, 2]);
        assert_eq!(l.conflict_hint(Index(9), Index(0)), Index(5));
        assert_eq!(l.conflict_hint(Index(5), Index(0)), Index(2));
        assert_eq!(l.conflict_hint(Index(5), Index(4)), Index(4));
        assert_eq!(l.conflict_hint(Index(2), Index(0)), Index(0));
    }

    #[test]
    #[should_panic(expected = "S5: a gap")]
    fn a_gap_aborts() {
        let mut l = log(&[1]);
        l.push(Entry { index: Index(3), term: Term(1), payload: Payload::Noop });
    }

    #[test]
    #[should_panic(expected = "the term falls")]
    fn a_falling_term_aborts() {
        let mut l = log(&[2]);
        l.push(Entry { index: Index(2), term: Term(1), payload: Payload::Noop });
    }
}
