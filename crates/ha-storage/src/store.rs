//! The store: opened once, written by one caller.
//!
//! One transaction is one `fdatasync` (redb's one-phase commit: data and root are written, then synced; a torn
//! root fails its checksum at the next open and the commit before it counts). It must not be told what the
//! records mean.

use crate::batch::{Batch, BatchError, META_KEYS_MAX, check_sizes};
use crate::dir;
use crate::error::{ApplyError, OpenError};
use crate::layout::{self, LoadError, Loaded, Manifest};
use crate::roots::Watched;
use ha_model::StoreId;
use redb::{Builder, Database, DatabaseError, Durability, ReadableDatabase, StorageBackend, StorageError};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// redb's page cache. Everything is held by the core already, so the default of 1 GiB would only be locked memory.
pub const CACHE_BYTES: usize = 4 << 20;

/// Everything that was durable when the store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Identity of the store; with the node's name, of the voter.
    pub store: StoreId,
    /// Named records.
    pub meta: BTreeMap<String, Vec<u8>>,
    /// First index that the log holds, or would hold: one after the last dropped.
    pub first: u64,
    /// The log, without gaps, from `first` on.
    pub log: Vec<(u64, Vec<u8>)>,
    /// The snapshot, if one was ever written.
    pub snapshot: Option<Vec<u8>>,
    /// The newest transaction on disk was incomplete and was rolled back. After a power cut this is a write that
    /// was never acknowledged; a disk that lost an acknowledged write looks the same from here, and shows to
    /// peers as a regression.
    pub rolled_back: bool,
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing was there; a store with this new id was created.
    Fresh(StoreId),
    /// Everything that was written.
    Intact(Contents),
    /// Damage. The file was set aside, and an empty store with a new id took its place: the vote is lost with the
    /// old id (S16).
    Corrupt {
        /// What does not fit.
        why: String,
        /// Where the damaged file is now.
        kept_as: PathBuf,
        /// Id of the empty store.
        store: StoreId,
    },
}

/// A store, open for writing.
pub struct Store {
    db: Option<Database>,
    manifest: Manifest,
    meta_keys: BTreeSet<String>,
    failed: Option<String>,
    _lock: Option<File>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("manifest", &self.manifest).field("failed", &self.failed).finish()
    }
}

impl Store {
    /// Opens the store in `dir`, creating directory and store where missing. Only one process at a time.
    pub fn open(dir: &Path) -> Result<(Store, Found), OpenError> {
        let lock = dir::lock(dir)?;
        let opened = match dir::existing(dir) {
            Ok(Some(backend)) => Self::open_existing(backend),
            Ok(None) => {
                let (mut store, id) = Self::create_in(dir)?;
                store._lock = Some(lock);
                return Ok((store, Found::Fresh(id)));
            }
            Err(e) => Err(e),
        };
        let (mut store, found) = match opened {
            Ok((store, contents)) => (store, Found::Intact(contents)),
            Err(OpenError::Corrupt { why }) => {
                let kept_as = dir::set_aside(dir)?;
                tracing::error!(%why, kept_as = %kept_as.display(), "store is corrupt, an empty one replaces it");
                let (store, id) = Self::create_in(dir)?;
                (store, Found::Corrupt { why, kept_as, store: id })
            }
            Err(e) => return Err(e),
        };
        store._lock = Some(lock);
        Ok((store, found))
    }

    /// Opens or creates a store on a backend; there, damage is an error, since nothing can be set aside.
    pub fn open_backend(backend: impl StorageBackend) -> Result<(Store, Found), OpenError> {
        let len = backend.len().map_err(|source| io_error("reading its length", source))?;
        if len == 0 {
            let store = Self::create(backend)?;
            let id = store.id();
            return Ok((store, Found::Fresh(id)));
        }
        Self::open_existing(backend).map(|(store, contents)| (store, Found::Intact(contents)))
    }

    /// A new store beside the name, then renamed: the name never stands for a half-made store.
    fn create_in(dir: &Path) -> Result<(Store, StoreId), OpenError> {
        Self::create(dir::begin(dir)?)?.close()?;
        let backend = dir::publish(dir)?;
        let (store, contents) = Self::open_existing(backend)?;
        Ok((store, contents.store))
    }

    fn create(backend: impl StorageBackend) -> Result<Store, OpenError> {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).map_err(|_| {
            io_error("drawing its id", std::io::Error::other("the system gave no random numbers"))
        })?;
        let (db, _) = open_database(backend)?;
        let mut store = Store {
            db: Some(db),
            manifest: Manifest::fresh(StoreId(u128::from_le_bytes(id))),
            meta_keys: BTreeSet::new(),
            failed: None,
            _lock: None,
        };
        match store.apply(&Batch::default()) {
            Ok(()) => Ok(store),
            Err(e) => Err(io_error("creating it", std::io::Error::other(e.to_string()))),
        }
    }

    fn open_existing(backend: impl StorageBackend) -> Result<(Store, Contents), OpenError> {
        let (db, rolled_back) = open_database(backend)?;
        let loaded = guarded(|| layout::load(&db.begin_read()?))
            .unwrap_or_else(|panic| Err(LoadError::Corrupt(format!("reading it panicked: {panic}"))));
        match loaded {
            Ok(Loaded::Intact(manifest, contents)) => {
                let meta_keys = contents.meta.keys().cloned().collect();
                let store = Store { db: Some(db), manifest, meta_keys, failed: None, _lock: None };
                Ok((store, Contents { rolled_back, ..contents }))
            }
            Ok(Loaded::OtherFormat(found)) => Err(OpenError::OtherFormat { found, known: layout::FORMAT }),
            Err(LoadError::Corrupt(why)) => Err(OpenError::Corrupt { why }),
            Err(LoadError::Redb(redb::Error::Io(source))) if !is_damage(&source) => {
                Err(io_error("reading it", source))
            }
            Err(LoadError::Redb(e)) => Err(OpenError::Corrupt { why: e.to_string() }),
        }
    }

    /// Identity of this store.
    #[must_use]
    pub fn id(&self) -> StoreId {
        self.manifest.store
    }

    /// Whether an earlier failure makes the store refuse everything, and which.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Writes a batch. `Ok` means that it is durable.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), ApplyError> {
        self.apply_group(std::slice::from_ref(batch))
    }

    /// Writes several batches in one transaction, in order: one sync for all. `Ok` means that all are durable; a
    /// refused one refuses the group.
    pub fn apply_group<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a Batch> + Clone,
    ) -> Result<(), ApplyError> {
        if let Some(why) = &self.failed {
            return Err(ApplyError::Failed { why: why.clone() });
        }
        let after = self.manifest_after(batches.clone())?;
        let db = self.db.as_ref().expect("the database is there until close");
        let written = guarded(|| write(db, &self.manifest, &after, batches.clone()));
        let failure = match written {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(e.to_string()),
            Err(panic) => Some(format!("writing panicked: {panic}")),
        };
        if let Some(why) = failure {
            self.failed = Some(why.clone());
            return Err(ApplyError::Failed { why });
        }
        for batch in batches {
            self.meta_keys.extend(batch.meta.iter().map(|(key, _)| key.clone()));
        }
        self.manifest = after;
        Ok(())
    }

    /// How many of these batches, from the first, can be written; and why the next cannot.
    pub(crate) fn acceptable<'a>(
        &self,
        batches: impl Iterator<Item = &'a Batch> + Clone,
    ) -> (usize, Option<BatchError>) {
        let Err(why) = self.manifest_after(batches.clone()) else { return (usize::MAX, None) };
        let mut fit = 0;
        while self.manifest_after(batches.clone().take(fit + 1)).is_ok() {
            fit += 1;
        }
        (fit, Some(why))
    }

    fn manifest_after<'a>(
        &self,
        batches: impl IntoIterator<Item = &'a Batch>,
    ) -> Result<Manifest, BatchError> {
        let mut bounds = self.manifest.bounds();
        let mut after = self.manifest;
        let mut new_keys = BTreeSet::new();
        for batch in batches {
            check_sizes(batch)?;
            bounds = bounds.after(batch)?;
            after.has_snapshot |= batch.snapshot.is_some();
            new_keys.extend(
                batch.meta.iter().map(|(key, _)| key.as_str()).filter(|key| !self.meta_keys.contains(*key)),
            );
        }
        if self.meta_keys.len() + new_keys.len() > META_KEYS_MAX {
            return Err(BatchError::TooManyKeys);
        }
        after.meta_records += new_keys.len() as u64;
        (after.first, after.next) = (bounds.first, bounds.next);
        Ok(after)
    }

    /// Closes the store, so that the next open needs no repair. Dropping does the same, without saying what failed.
    pub fn close(mut self) -> Result<(), OpenError> {
        let db = self.db.take().expect("the database is there until close");
        match guarded(|| db.close()) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(io_error("closing it", std::io::Error::other(e.to_string()))),
            Err(panic) => Err(io_error("closing it", std::io::Error::other(panic))),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let db = self.db.take();
        // redb may panic on a disk that failed below it; the failure was reported when it happened.
        let _ = guarded(|| drop(db));
    }
}

fn io_error(doing: &'static str, source: std::io::Error) -> OpenError {
    OpenError::Io { at: PathBuf::from(dir::FILE), doing, source }
}

/// Runs `f`; a panic below (redb asserts on damaged pages) becomes an error with its message.
fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown panic").to_owned()
    })
}

/// Opens redb with every page verified. Also says whether the newest transaction was rolled back.
fn open_database(backend: impl StorageBackend) -> Result<(Database, bool), OpenError> {
    let (backend, header) = Watched::new(backend).map_err(|source| io_error("reading its header", source))?;
    let rolled_back = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&rolled_back);
    let opened = guarded(move || {
        Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            // redb reports 0.3 when a page of the newest root failed its checksum and the one before it is tried (redb 4.5
            // `do_repair`; a test holds this).
            .set_repair_callback(move |session| {
                if (0.2..0.5).contains(&session.progress()) {
                    seen.store(true, Ordering::Relaxed);
                }
            })
            .create_with_backend(backend)
    });
    match opened {
        // redb does not report a root whose header is damaged.
        Ok(Ok(db)) => Ok((db, header.newest_passed_over() || rolled_back.load(Ordering::Relaxed))),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => Err(OpenError::Locked { dir: dir::FILE.into() }),
        Ok(Err(DatabaseError::Storage(StorageError::Io(source)))) if !is_damage(&source) => {
            Err(io_error("opening it", source))
        }
        Ok(Err(e)) => Err(OpenError::Corrupt { why: e.to_string() }),
        Err(panic) => Err(OpenError::Corrupt { why: format!("opening it panicked: {panic}") }),
    }
}

/// redb reports a wrong magic number and a read past a torn end as I/O errors.
fn is_damage(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(e.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

fn write<'a>(
    db: &Database,
    before: &Manifest,
    after: &Manifest,
    batches: impl IntoIterator<Item = &'a Batch>,
) -> Result<(), redb::Error> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    {
        let mut manifest = txn.open_table(layout::MANIFEST)?;
        let mut meta = txn.open_table(layout::META)?;
        let mut log = txn.open_table(layout::LOG)?;
        let mut snapshot = txn.open_table(layout::SNAPSHOT)?;
        let mut bounds = before.bounds();
        for batch in batches {
            for (key, value) in &batch.meta {
                meta.insert(key.as_str(), layout::meta_record(key, value).as_slice())?;
            }
            if let Some(value) = &batch.snapshot {
                snapshot.insert(layout::ONLY, layout::snapshot_record(value).as_slice())?;
            }
            let next = bounds.after(batch).expect("checked before the transaction began");
            let dropped = bounds.first..next.first.min(bounds.next);
            let truncated = batch.truncate_from.unwrap_or(bounds.next)..bounds.next;
            for index in dropped.chain(truncated) {
                log.remove(index)?;
            }
            for (index, value) in &batch.append {
                log.insert(*index, layout::log_record(*index, value).as_slice())?;
            }
            bounds = next;
        }
        manifest.insert(layout::ONLY, after.to_record().as_slice())?;
    }
    txn.commit()?;
    Ok(())
}
