//! A host's disk at the level of whole writes: what was acknowledged is there after a crash, what was not may be lost.

use crate::act;
use ha_consensus::{HardState, Mark, PeerMemory, Persist, Restored, Snapshot};
use ha_model::{ClusterConfig, EffectId, LogEntry, PlanId, StoreId, Term};
use std::collections::{BTreeMap, VecDeque};

/// What it holds.
#[derive(Clone, Default, Hash, Debug)]
pub struct Stored {
    pub hard: HardState,
    pub snapshot: Option<Snapshot>,
    pub log: BTreeMap<u64, ha_consensus::Entry<LogEntry>>,
    pub peers: Vec<PeerMemory>,
    pub acted: (Term, PlanId),
}

/// A write that is not durable yet.
#[derive(Clone, Hash, Debug)]
pub struct Write {
    pub id: EffectId,
    pub votes: Option<Box<Persist<LogEntry>>>,
    pub acted: Option<(Term, PlanId)>,
    pub since: u64,
}

/// The disk.
#[derive(Clone, Hash, Debug)]
pub struct Disk {
    pub id: StoreId,
    pub stored: Stored,
    copy: Option<Stored>,
    pub writes: VecDeque<Write>,
    pub free_at: u64,
    pub how: act::Disk,
    /// A write failed: the daemon takes part no more until it is started again.
    pub has_failed: bool,
    /// It was put back from a copy that had promised less.
    pub has_regressed: bool,
    /// Since when the write that failed was to be done: it is never done, and heartbeats say so.
    pub failed_since: Option<u64>,
}

impl Stored {
    /// What a daemon finds at its start.
    pub fn restored(&self, config: &ClusterConfig) -> Restored<LogEntry> {
        let Some(snapshot) = self.snapshot.clone() else {
            return Restored::Fresh { voters: config.voters(), learners: config.learners() };
        };
        let log = self.log.values().cloned().collect();
        Restored::Intact { hard: self.hard.clone(), snapshot, log, peers: self.peers.clone() }
    }
}

impl Disk {
    pub fn new(id: StoreId) -> Self {
        Self {
            id,
            stored: Stored::default(),
            copy: None,
            writes: VecDeque::new(),
            free_at: 0,
            how: act::Disk::Sound,
            has_failed: false,
            has_regressed: false,
            failed_since: None,
        }
    }

    /// How long the oldest write takes already.
    pub fn write_age(&self, t: u64) -> u64 {
        self.failed_since.or_else(|| self.writes.front().map(|w| w.since)).map_or(0, |since| t - since)
    }

    /// Everything up to this index is durable.
    pub fn durable_through(&self) -> u64 {
        let snapshot = self.stored.snapshot.as_ref().map_or(0, |s| s.meta.pos.index.0);
        self.stored.log.last_key_value().map_or(snapshot, |(i, _)| *i)
    }

    /// The oldest write becomes durable.
    pub fn write(&mut self, write: Write) {
        let to = &mut self.stored;
        if let Some(p) = write.votes {
            (to.hard, to.peers) = (p.hard, p.peers);
            to.snapshot = p.snapshot.or(to.snapshot.take());
            if p.reset_log {
                to.log.clear();
            }
            if let Some(through) = p.discard_through {
                to.log = to.log.split_off(&(through.0 + 1));
            }
            if let Some(from) = p.truncate_from {
                to.log.split_off(&from.0);
            }
            to.log.extend(p.append.into_iter().map(|e| (e.index.0, e)));
        }
        to.acted = write.acted.unwrap_or(to.acted);
    }

    pub fn copy(&mut self) {
        self.copy = Some(self.stored.clone());
    }

    /// Whether a copy was made: there is an older state to come back to.
    pub fn has_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// How far the copy has promised.
    pub fn copied_mark(&self) -> Option<Mark> {
        self.copy.as_ref().map(|c| c.hard.mark())
    }

    /// Somebody puts the copy in its place.
    pub fn restore(&mut self) {
        if let Some(copy) = &self.copy {
            self.has_regressed |= copy.hard.mark() < self.stored.hard.mark();
            self.stored = copy.clone();
        }
    }

    /// An empty one in its place.
    pub fn replace(&mut self, id: StoreId) {
        *self = Self::new(id);
    }
}
