//! One life of a store: sessions of commits, each ended in some way; what was acknowledged when.
//!
//! The commits are those of a daemon: votes and what is remembered of peers with each, entries, lost tails, snapshots
//! with compaction, installed snapshots, the stamp of the last order acted on.

use super::disk::{Act, Disk, Restart, Sync, SyncFailure};
use super::rng::Rng;
use ha_model::{BootNs, EffectId};
use ha_storage::{ApplyError, Batch, Completion, Contents, Found, OpenError, Store, StoreWriter};
use std::sync::mpsc::{Receiver, channel};

/// From this many operations on, this is what a store must give back.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Operations of the disk before.
    pub acts: usize,
    /// The newest state that was acknowledged, or that an opened store gave back: its daemon acts on it.
    pub acked: usize,
    /// A state that was written and not acknowledged.
    pub may: Option<usize>,
    /// The acknowledged one before: what a store may fall back to when it is damaged, if it says so.
    pub before: usize,
}

/// A life, for the judge.
#[derive(Debug)]
pub struct Life {
    /// The medium at its beginning.
    pub start: Vec<u8>,
    pub history: Vec<Act>,
    pub marks: Vec<Mark>,
    pub states: Vec<Contents>,
    /// Rules broken while it lived.
    pub broken: Vec<String>,
    /// Syncs that failed.
    pub failed_syncs: usize,
}

/// Which syncs fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failing {
    Never,
    /// Now and then, in every way.
    Any,
    /// One in each session, in this way.
    Each(SyncFailure),
}

/// How the disk and the daemon's start behave.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub sync: Sync,
    pub restart: Restart,
    pub failing: Failing,
}

/// A store that was created and closed: the medium, and what it holds.
pub fn created() -> (Vec<u8>, Contents) {
    let disk = Disk::new(Vec::new(), Sync::Works, 0);
    let (store, _) = Store::open_backend(disk.clone()).unwrap();
    let empty = Contents {
        store: store.id(),
        meta: Default::default(),
        first: 1,
        log: Vec::new(),
        snapshot: None,
        rolled_back: false,
    };
    store.close().unwrap();
    (disk.restart(Restart::DropsCache).contents(), empty)
}

/// What creating a store does to an empty disk.
pub fn created_acts() -> Vec<Act> {
    let disk = Disk::new(Vec::new(), Sync::Works, 0);
    Store::open_backend(disk.clone()).unwrap().0.close().unwrap();
    disk.history()
}

/// What the store holds after `batch`. Written from the documentation of [`Batch`], not from its code.
fn after(before: &Contents, batch: &Batch) -> Contents {
    let mut now = before.clone();
    now.meta.extend(batch.meta.iter().cloned());
    if batch.snapshot.is_some() {
        now.snapshot.clone_from(&batch.snapshot);
    }
    if let Some(from) = batch.truncate_from {
        now.log.retain(|(index, _)| *index < from);
    }
    if let Some(through) = batch.drop_through {
        now.log.retain(|(index, _)| *index > through);
        now.first = now.first.max(through + 1);
    }
    now.log.extend(batch.append.iter().cloned());
    now
}

/// A batch as a daemon writes it.
fn batch(now: &Contents, rng: &mut Rng) -> Batch {
    let mut batch = Batch::default();
    if rng.chance(20) {
        batch.meta.push(("acted".into(), rng.bytes(9)));
        if rng.chance(50) {
            return batch;
        }
    }
    batch.meta.push(("hard".into(), rng.bytes(24)));
    let len = 20 + rng.below(100);
    batch.meta.push(("peers".into(), rng.bytes(len)));
    let mut next = now.first + now.log.len() as u64;
    if rng.chance(15) {
        next = now.first + rng.below(now.log.len() + 1) as u64;
        batch.truncate_from = Some(next);
    }
    if rng.chance(15) {
        let len = 100 + rng.below(20_000);
        batch.snapshot = Some(rng.bytes(len));
        // Sometimes from a leader, behind the end of the log.
        let through = if rng.chance(25) { next + 5 } else { now.first + rng.below(now.log.len()) as u64 };
        batch.drop_through = Some(through);
        next = next.max(through + 1);
    }
    for _ in 0..rng.below(5) {
        let longest = [40, 300, 300, 5_000, 30_000][rng.below(5)];
        let len = 8 + rng.below(longest);
        batch.append.push((next, rng.bytes(len)));
        next += 1;
    }
    batch
}

/// Who writes: the store itself, or the thread that the daemon gives it to.
enum Writing {
    Plain(Box<Store>),
    Thread { writer: StoreWriter, done: Receiver<Completion>, next: u64 },
}

impl Writing {
    fn of(store: Store, by_thread: bool) -> Self {
        if !by_thread {
            return Writing::Plain(Box::new(store));
        }
        let (tx, done) = channel();
        let writer = StoreWriter::start(store, || BootNs(1), move |c| tx.send(c).unwrap()).unwrap();
        Writing::Thread { writer, done, next: 1 }
    }

    fn write(&mut self, batches: &[Batch]) -> Result<(), ApplyError> {
        match self {
            Writing::Plain(store) => store.apply_group(batches),
            Writing::Thread { writer, done, next } => {
                writer.submit(EffectId(*next), batches[0].clone()).unwrap();
                *next += 1;
                match done.recv().unwrap() {
                    Completion::Persisted(_) => Ok(()),
                    Completion::PersistFailed(_, e) => Err(e),
                }
            }
        }
    }
}

/// A life that is being lived.
pub struct Living {
    pub disk: Disk,
    pub life: Life,
    pub rng: Rng,
    world: World,
}

impl Living {
    /// On a medium whose store must give back one of the states of `mark`.
    pub fn on(medium: Vec<u8>, states: Vec<Contents>, mark: Mark, world: World, seed: u64) -> Living {
        let disk = Disk::new(medium.clone(), world.sync, seed);
        let marks = vec![Mark { acts: 0, ..mark }];
        let life =
            Life { start: medium, history: Vec::new(), marks, states, broken: Vec::new(), failed_syncs: 0 };
        Living { disk, life, rng: Rng::new(seed), world }
    }

    fn mark(&self) -> Mark {
        self.life.marks[self.life.marks.len() - 1]
    }

    fn acknowledged(&mut self, state: usize) {
        let last = self.mark();
        let before = if state == last.acked { last.before } else { last.acked };
        self.life.marks.push(Mark { acts: self.disk.acts(), acked: state, may: None, before });
    }

    /// Opens the store and holds it to what it must give back.
    pub fn open(&mut self) -> Option<Store> {
        let mark = self.mark();
        match Store::open_backend(self.disk.clone()) {
            Ok((store, Found::Intact(found))) => {
                let found = Contents { rolled_back: false, ..found };
                let given = [Some(mark.acked), mark.may].into_iter().flatten();
                match given.into_iter().find(|state| self.life.states[*state] == found) {
                    Some(state) => {
                        self.acknowledged(state);
                        return Some(store);
                    }
                    None => self.broken("a store opened again holds what it should not"),
                }
            }
            Ok((_, other)) => self.broken(&format!("a store opened again is {other:?}")),
            Err(OpenError::Io { .. }) => {}
            Err(e) => self.broken(&format!("a store does not open again: {e}")),
        }
        None
    }

    fn broken(&mut self, what: &str) {
        self.life.broken.push(format!("after {} operations: {what}", self.disk.acts()));
    }

    /// One commit. False when the store is no good any more.
    fn commit(&mut self, writing: &mut Writing) -> bool {
        let mark = self.mark();
        let mut now = self.life.states[mark.acked].clone();
        let group = if matches!(writing, Writing::Plain(_)) { 1 + self.rng.below(3) } else { 1 };
        let mut batches = Vec::new();
        for _ in 0..group {
            let batch = batch(&now, &mut self.rng);
            now = after(&now, &batch);
            batches.push(batch);
        }
        let state = self.life.states.len();
        self.life.states.push(now);
        self.life.marks.push(Mark { acts: self.disk.acts(), may: Some(state), ..mark });
        match writing.write(&batches) {
            Ok(()) => {
                self.acknowledged(state);
                true
            }
            Err(ApplyError::Failed { .. }) => {
                if writing.write(&[Batch::default()]).is_ok() {
                    self.broken("a store that failed took another write");
                }
                false
            }
            Err(e) => {
                self.broken(&format!("refused: {e}"));
                false
            }
        }
    }

    /// A start of the daemon, some commits, and an end: closed, killed, killed in the middle, or a sync that failed.
    fn session(&mut self) {
        let faulty_open = self.world.failing == Failing::Any && self.rng.chance(15);
        let fault = if matches!(self.world.failing, Failing::Each(_)) { 0 } else { self.rng.below(4) };
        if faulty_open {
            self.fault(fault, 5);
        }
        let Some(store) = self.open() else { return };
        if !faulty_open {
            self.fault(fault, 40);
        }
        let mut writing = Writing::of(store, self.rng.chance(30));
        for _ in 0..3 + self.rng.below(8) {
            if !self.commit(&mut writing) {
                break;
            }
        }
        if self.rng.chance(50) {
            // Killed: what the daemon would write at its end does not reach the disk.
            self.disk.kill_in(0);
        }
    }

    fn fault(&mut self, fault: usize, within: usize) {
        let any = [SyncFailure::Stays, SyncFailure::CalledClean, SyncFailure::Forgotten][self.rng.below(3)];
        match fault {
            0 | 3 if self.world.failing != Failing::Never => {
                let how = if let Failing::Each(how) = self.world.failing { how } else { any };
                self.disk.fail_sync(self.rng.below(within / 5), how);
                self.life.failed_syncs += 1;
            }
            1 => self.disk.kill_in(self.rng.below(within)),
            _ => {}
        }
    }

    /// The next session's disk.
    pub fn restart(&mut self) {
        self.disk = self.disk.restart(self.world.restart);
    }

    /// Opens the store, commits once, and is killed.
    pub fn short(mut self) -> Life {
        if let Some(store) = self.open() {
            self.commit(&mut Writing::of(store, false));
            self.disk.kill_in(0);
        }
        self.ended()
    }

    fn ended(mut self) -> Life {
        self.life.history = self.disk.history();
        self.life
    }
}

/// A life of some sessions, all from one seed.
pub fn live(seed: u64, world: World) -> Life {
    let (medium, empty) = created();
    let mark = Mark { acts: 0, acked: 0, may: None, before: 0 };
    let mut living = Living::on(medium, vec![empty], mark, world, seed);
    for session in 0..2 + living.rng.below(4) {
        if session > 0 {
            living.restart();
        }
        living.session();
        if !living.life.broken.is_empty() {
            break;
        }
    }
    living.ended()
}
