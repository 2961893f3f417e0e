//! Watches which of redb's two roots is in use, below redb.
//!
//! redb keeps the roots of its last two commits. Where the header around the newest one is damaged it takes the older one and
//! says nothing, so the newest commit would be lost in silence (S16). It must not know more of redb's format than stands
//! here; the crash test holds it.

use redb::{BackendError, StorageBackend};
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Where the flags lie.
const FLAGS_AT: usize = 9;
/// Flag: which root is the newest.
const NEWEST: u8 = 1;
/// Flag: the named root is taken whatever the other one is. redb sets it when it recovers.
const TRUSTED: u8 = 4;
/// Where each root has the number of its commit, 8 bytes in little endian.
const COMMIT_AT: [usize; 2] = [168, 296];
/// Length of the header.
const HEADER: usize = 320;

/// The header as it was found, and its flags as they were last written.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    found: [u8; HEADER],
    flags: Arc<AtomicU8>,
}

impl Header {
    /// Whether redb, which has opened the file since, passed over the newest root. With the integrity check it commits once
    /// when it opens what was ever written, so the other root is named unless it had chosen the other one itself.
    pub fn newest_passed_over(&self) -> bool {
        let named = self.found[FLAGS_AT] & NEWEST;
        named == self.flags.load(Ordering::Relaxed) & NEWEST || self.names_the_older()
    }

    /// Whether the flags make redb believe the older root.
    fn names_the_older(&self) -> bool {
        let flags = self.found[FLAGS_AT];
        let commit = |root: u8| {
            let at = COMMIT_AT[usize::from(root)];
            u64::from_le_bytes(std::array::from_fn(|byte| self.found[at + byte]))
        };
        flags & TRUSTED != 0 && commit(flags & NEWEST) < commit(NEWEST - (flags & NEWEST))
    }
}

/// A backend whose flags are watched.
#[derive(Debug)]
pub(crate) struct Watched<B> {
    backend: B,
    flags: Arc<AtomicU8>,
}

impl<B: StorageBackend> Watched<B> {
    /// Watches `backend`; a file too short to have a header has an empty one.
    pub fn new(backend: B) -> io::Result<(Self, Header)> {
        let mut found = [0; HEADER];
        if backend.len()? >= HEADER as u64 {
            backend.read(0, &mut found)?;
        }
        let flags = Arc::new(AtomicU8::new(found[FLAGS_AT]));
        Ok((Self { backend, flags: Arc::clone(&flags) }, Header { found, flags }))
    }
}

impl<B: StorageBackend> StorageBackend for Watched<B> {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.backend.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.backend.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.backend.write(offset, data)?;
        let at = usize::try_from(offset).ok().and_then(|offset| FLAGS_AT.checked_sub(offset));
        if let Some(flags) = at.and_then(|at| data.get(at)) {
            self.flags.store(*flags, Ordering::Relaxed);
        }
        Ok(())
    }
    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
