//! A disk with a cache: what was written since the last sync may survive a power cut in any part.
//!
//! It keeps a history of all that reached it, so that the medium can be rebuilt as it would be after a power cut behind
//! any operation. It must not know what the bytes mean.

use super::medium::{Change, Medium};
use super::rng::Rng;
use ha_storage::StorageBackend;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// Sectors are written whole or not at all.
pub const SECTOR: usize = 512;
/// The cache marks whole pages as written.
pub const PAGE: usize = 4096;

/// What a sync does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sync {
    /// It works.
    Works,
    /// It says so and does nothing: a disk that lies.
    Lies,
}

/// How a sync fails, with EIO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncFailure {
    /// Nothing was written; all of it is written by the next sync that works.
    Stays,
    /// Some of it was written. The cache calls the rest clean: it is read, and no later sync writes it.
    CalledClean,
    /// Some of it was written, and the cache forgot the rest.
    Forgotten,
}

/// What a daemon that starts does with the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart {
    /// It syncs the file and drops its cached pages, as `dir::existing` does.
    DropsCache,
    /// It believes the cache.
    KeepsCache,
}

/// What happened to the disk, in order.
#[derive(Clone, Debug)]
pub enum Act {
    /// Something was written or the length was set; not yet synced.
    Change(Change),
    /// Everything that was pending is on the medium.
    Synced,
    /// A sync failed: what of the pending changes the medium has; the rest is gone.
    Failed(Vec<Change>),
}

#[derive(Debug)]
struct State {
    cache: Vec<u8>,
    medium: Medium,
    /// Pages that the cache calls clean although the medium has other bytes.
    stale: Vec<usize>,
    history: Vec<Act>,
    sync: Sync,
    /// The handle that works; those before it belong to daemons that are gone.
    handle: u64,
    /// Operations until the daemon is killed.
    killed_in: Option<usize>,
    /// Syncs until one fails, and how.
    sync_fails: Option<(usize, SyncFailure)>,
    /// Reads until one fails (EIO), once.
    read_fails: Option<usize>,
    reads: usize,
    rng: Rng,
}

/// One handle on the disk: what a daemon opened. Clones share the disk.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    handle: u64,
}

impl Disk {
    pub fn new(medium: Vec<u8>, sync: Sync, seed: u64) -> Disk {
        let state = State {
            cache: medium.clone(),
            medium: Medium::of(medium),
            stale: Vec::new(),
            history: Vec::new(),
            sync,
            handle: 0,
            killed_in: None,
            sync_fails: None,
            read_fails: None,
            reads: 0,
            rng: Rng::new(seed),
        };
        Disk { state: Arc::new(Mutex::new(state)), handle: 0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Operations that changed or synced the disk so far.
    pub fn acts(&self) -> usize {
        self.state().history.len()
    }

    pub fn history(&self) -> Vec<Act> {
        self.state().history.clone()
    }

    /// What a daemon reads.
    pub fn contents(&self) -> Vec<u8> {
        self.state().cache.clone()
    }

    pub fn reads(&self) -> usize {
        self.state().reads
    }

    /// From now on the daemon is dead: its handle does nothing any more. Gives the handle of the next one.
    pub fn restart(&self, how: Restart) -> Disk {
        let mut state = self.state();
        state.handle += 1;
        (state.killed_in, state.sync_fails, state.read_fails) = (None, None, None);
        if how == Restart::DropsCache {
            state.synced();
            state.cache = state.medium.bytes().to_vec();
            state.stale.clear();
        }
        Disk { state: Arc::clone(&self.state), handle: state.handle }
    }

    /// Kills the daemon after so many further operations.
    pub fn kill_in(&self, acts: usize) {
        self.state().killed_in = Some(acts);
    }

    /// The sync after `after` others fails.
    pub fn fail_sync(&self, after: usize, how: SyncFailure) {
        self.state().sync_fails = Some((after, how));
    }

    /// The read after `after` others fails.
    pub fn fail_read(&self, after: usize) {
        self.state().read_fails = Some(after);
    }

    /// The state for one operation of this handle, unless its daemon is dead.
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.handle != self.handle { Err(io::Error::other("the daemon is dead")) } else { Ok(state) }
    }

    /// The same for an operation that changes the disk, and may be the daemon's last.
    fn acting(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.alive()?;
        match &mut state.killed_in {
            Some(0) => {
                state.handle += 1;
                return Err(io::Error::other("the daemon is killed"));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(state)
    }
}

impl State {
    fn change(&mut self, change: Change) {
        self.medium.pend(change.clone());
        self.history.push(Act::Change(change));
    }

    fn synced(&mut self) {
        if self.sync == Sync::Lies {
            return;
        }
        self.medium.sync();
        self.history.push(Act::Synced);
    }

    fn sync_failed(&mut self, how: SyncFailure) {
        if how == SyncFailure::Stays {
            return;
        }
        let landed = self.medium.some_landed(&mut self.rng);
        self.medium.only(&landed);
        self.history.push(Act::Failed(landed));
        if how == SyncFailure::Forgotten {
            self.cache = self.medium.bytes().to_vec();
        } else {
            let medium = self.medium.bytes();
            let differs = |page: &usize| {
                let at =
                    |bytes: &[u8]| bytes.iter().skip(page * PAGE).take(PAGE).copied().collect::<Vec<_>>();
                at(&self.cache) != at(medium)
            };
            self.stale = (0..self.cache.len().div_ceil(PAGE)).filter(differs).collect();
        }
    }

    /// The change that a write means to the medium: whole pages where the cache had called them clean.
    fn written(&mut self, at: usize, end: usize) -> Change {
        let pages = at / PAGE..end.div_ceil(PAGE);
        let touched = |page: &usize| pages.contains(page);
        if !self.stale.iter().any(touched) {
            return Change::Write { at, bytes: self.cache[at..end].into() };
        }
        self.stale.retain(|page| !touched(page));
        let (at, end) = (pages.start * PAGE, (pages.end * PAGE).min(self.cache.len()));
        Change::Write { at, bytes: self.cache[at..end].into() }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.alive()?;
        state.reads += 1;
        match state.read_fails {
            Some(0) => {
                state.read_fails = None;
                return Err(io::Error::from_raw_os_error(5));
            }
            Some(left) => state.read_fails = Some(left - 1),
            None => {}
        }
        let at = offset as usize;
        let from = state.cache.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(from);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.acting()?;
        let len = len as usize;
        state.cache.resize(len, 0);
        state.change(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.acting()?;
        match state.sync_fails {
            Some((0, how)) => {
                state.sync_fails = None;
                state.sync_failed(how);
                return Err(io::Error::from_raw_os_error(5));
            }
            Some((left, how)) => state.sync_fails = Some((left - 1, how)),
            None => {}
        }
        state.synced();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.acting()?;
        let (at, end) = (offset as usize, offset as usize + data.len());
        if end > state.cache.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        state.cache[at..end].copy_from_slice(data);
        let change = state.written(at, end);
        state.change(change);
        Ok(())
    }
}
