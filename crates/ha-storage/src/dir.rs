//! The directory of a store: its lock, its file, and what happens to a damaged one.
//!
//! Invariant: `store.redb` under its name is always a store that was completely created, so an empty or cut file
//! there is damage.

use crate::error::OpenError;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use redb::backends::FileBackend;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The store.
pub(crate) const FILE: &str = "store.redb";
/// The store while it is being created.
const NEW: &str = "store.redb.new";
/// The last damaged store, kept to be looked at; one only, so that a failing disk does not fill itself.
const CORRUPT: &str = "store.redb.corrupt";
const LOCK: &str = "lock";

fn failed(at: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    let at = at.to_owned();
    move |source| OpenError::Io { at, doing, source }
}

/// Makes the directory where missing and takes its lock, held while the file lives.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir, "creating it"))?;
    let path = dir.join(LOCK);
    let file = options().create(true).truncate(false).open(&path).map_err(failed(&path, "creating it"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(e)) => Err(failed(&path, "locking it")(e)),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// The store's file if there is one.
///
/// Whatever the page cache holds is thrown away first: after a failed sync the kernel keeps the unwritten pages and
/// calls them clean, so a restarted daemon would read, and acknowledge, what is not on the disk.
pub(crate) fn existing(dir: &Path) -> Result<Option<FileBackend>, OpenError> {
    let path = dir.join(FILE);
    let file = match options().open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed(&path, "opening it"))?,
    };
    file.sync_data().map_err(failed(&path, "syncing it"))?;
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
        .map_err(|e| failed(&path, "dropping its cached pages")(e.into()))?;
    let empty = file.metadata().map_err(failed(&path, "reading its length"))?.len() == 0;
    if empty {
        return Err(OpenError::Corrupt { why: "the file is empty".into() });
    }
    backend(&path, file).map(Some)
}

fn backend(path: &Path, file: File) -> Result<FileBackend, OpenError> {
    FileBackend::new(file).map_err(|e| failed(path, "locking it")(io::Error::other(e.to_string())))
}

/// An empty file to create a store in.
pub(crate) fn begin(dir: &Path) -> Result<FileBackend, OpenError> {
    let path = dir.join(NEW);
    let file = options().create(true).truncate(true).open(&path).map_err(failed(&path, "creating it"))?;
    backend(&path, file)
}

/// Gives the created store its name, durably.
pub(crate) fn publish(dir: &Path) -> Result<FileBackend, OpenError> {
    let path = dir.join(FILE);
    fs::rename(dir.join(NEW), &path).map_err(failed(&path, "naming it"))?;
    sync_dir(dir)?;
    let file = options().open(&path).map_err(failed(&path, "opening it"))?;
    backend(&path, file)
}

/// Moves a damaged store out of the way.
pub(crate) fn set_aside(dir: &Path) -> Result<PathBuf, OpenError> {
    let kept = dir.join(CORRUPT);
    fs::rename(dir.join(FILE), &kept).map_err(failed(&kept, "setting the damaged store aside"))?;
    sync_dir(dir)?;
    Ok(kept)
}

fn sync_dir(dir: &Path) -> Result<(), OpenError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(failed(dir, "syncing it"))
}
