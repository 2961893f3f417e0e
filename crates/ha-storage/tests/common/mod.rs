//! A disk in memory that fails on command, and forgets what was not synced when the power goes.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses its part.

use ha_storage::{Batch, StorageBackend};
use std::io;
use std::sync::{Arc, Mutex};

/// What the disk does from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fault {
    #[default]
    None,
    /// Every write fails (EIO).
    Write,
    /// Every sync fails (EIO) and nothing of what was written since the last one is kept.
    Sync,
    /// Growing or writing beyond the present length fails (ENOSPC).
    Full,
}

#[derive(Default, Debug)]
struct State {
    synced: Vec<u8>,
    current: Vec<u8>,
    fault: Fault,
    syncs: u64,
    writes: u64,
    /// Writes after this many fail; with `Fault::None` none do.
    writes_left: Option<u64>,
}

/// Clones share one disk.
#[derive(Clone, Default, Debug)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub fn fail(&self, fault: Fault) {
        self.0.lock().unwrap().fault = fault;
    }
    pub fn syncs(&self) -> u64 {
        self.0.lock().unwrap().syncs
    }
    pub fn writes(&self) -> u64 {
        self.0.lock().unwrap().writes
    }
    /// After `n` further writes every write fails.
    pub fn fail_after_writes(&self, n: u64) {
        self.0.lock().unwrap().writes_left = Some(n);
    }
    /// What is on the medium after a power cut now: the last synced state. The old handle no longer matters.
    pub fn after_power_cut(&self) -> Disk {
        Disk::of(self.0.lock().unwrap().synced.clone())
    }
    /// What the medium holds if of the unsynced state only bytes before `cut` arrived.
    pub fn torn_at(&self, cut: usize) -> Disk {
        let state = self.0.lock().unwrap();
        let mut bytes = state.synced.clone();
        bytes.resize(state.current.len().max(bytes.len()), 0);
        let cut = cut.min(state.current.len());
        bytes[..cut].copy_from_slice(&state.current[..cut]);
        Disk::of(bytes)
    }
    pub fn of(bytes: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(State { synced: bytes.clone(), current: bytes, ..State::default() })))
    }
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().current.clone()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().current.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let at = offset as usize;
        let from = state.current.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(from);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.fault == Fault::Full && len as usize > state.current.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.current.resize(len as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.fault == Fault::Sync {
            return Err(io::Error::from_raw_os_error(5));
        }
        state.syncs += 1;
        state.synced = state.current.clone();
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let end = offset as usize + data.len();
        match state.fault {
            Fault::Write => return Err(io::Error::from_raw_os_error(5)),
            // A full disk takes no new block: in a sparse file that is any write into a hole.
            Fault::Full => return Err(io::ErrorKind::StorageFull.into()),
            Fault::None | Fault::Sync => {}
        }
        match &mut state.writes_left {
            Some(0) => return Err(io::Error::from_raw_os_error(5)),
            Some(n) => *n -= 1,
            None => {}
        }
        state.writes += 1;
        if end > state.current.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        state.current[offset as usize..end].copy_from_slice(data);
        Ok(())
    }
}

pub fn entry(index: u64) -> (u64, Vec<u8>) {
    (index, format!("entry {index}").into_bytes())
}

pub fn append(indices: std::ops::RangeInclusive<u64>) -> Batch {
    Batch { append: indices.map(entry).collect(), ..Batch::default() }
}
