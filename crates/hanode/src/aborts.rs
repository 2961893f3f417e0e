//! A core that fails twice at the same entry is not started a third time by itself: what is deterministic would fail
//! again and again, and on node after node.
//!
//! Kept beside the store in one small file. Another version of the daemon may know better and starts afresh; so does
//! an operator who removes the file.

use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Beside the store.
const NAME: &str = "aborted.json";
/// So many times at one entry.
const HOLD_AT: u32 = 2;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Aborts {
    version: String,
    /// Newest entry that was applied when the core failed.
    applied: u64,
    count: u32,
}

/// The daemon does not start.
#[derive(Debug, thiserror::Error)]
#[error(
    "in hold: after entry {applied} of the log the core failed {count} times in a row (the journal of those starts says how); \
     upgrade hanode, or remove {file} to try once more, and report it"
)]
pub struct Held {
    applied: u64,
    count: u32,
    file: PathBuf,
}

/// Whether the daemon may start.
///
/// # Errors
/// It failed too often at the same place.
pub fn check(dir: &Path) -> Result<(), Held> {
    match read(dir) {
        Some(Aborts { applied, count, .. }) if count >= HOLD_AT => {
            Err(Held { applied, count, file: dir.join(NAME) })
        }
        Some(_) | None => Ok(()),
    }
}

/// The entry at which this version failed before.
pub fn noted(dir: &Path) -> Option<u64> {
    read(dir).map(|a| a.applied)
}

/// It was passed: what failed there once is no longer in a row.
pub fn forget(dir: &Path) {
    if let Err(error) = fs::remove_file(dir.join(NAME)) {
        tracing::warn!("that the core failed once cannot be forgotten: {error}");
    }
}

/// The core failed, having applied that entry last.
///
/// # Errors
/// The system's.
pub fn note(dir: &Path, applied: u64) -> io::Result<()> {
    let before = read(dir).filter(|a| a.applied == applied).map_or(0, |a| a.count);
    let aborts = Aborts { version: VERSION.to_owned(), applied, count: before.saturating_add(1) };
    let new = dir.join(format!("{NAME}.new"));
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(&aborts)?)?;
    file.sync_all()?;
    fs::rename(&new, dir.join(NAME))
}

/// What this version noted. A file that cannot be read keeps no daemon from starting.
fn read(dir: &Path) -> Option<Aborts> {
    let aborts: Aborts = serde_json::from_slice(&fs::read(dir.join(NAME)).ok()?).ok()?;
    (aborts.version == VERSION).then_some(aborts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    #[test]
    fn twice_at_one_entry_holds_and_elsewhere_is_another_matter() {
        let dir = dir();
        for (applied, may_start) in [(7, true), (8, true), (8, false), (9, true)] {
            note(dir.path(), applied).expect("it is kept");
            assert_eq!(check(dir.path()).is_ok(), may_start, "after {applied}");
        }
    }

    #[test]
    fn what_was_passed_is_forgotten() {
        let dir = dir();
        note(dir.path(), 7).expect("it is kept");
        assert_eq!(noted(dir.path()), Some(7));
        forget(dir.path());
        assert_eq!(noted(dir.path()), None);
        note(dir.path(), 7).expect("it is kept");
        assert!(check(dir.path()).is_ok(), "not in a row");
    }

    #[test]
    fn another_version_and_a_torn_file_start_afresh() {
        let dir = dir();
        let older = Aborts { version: "0.0.0".to_owned(), applied: 7, count: 5 };
        fs::write(dir.path().join(NAME), serde_json::to_vec(&older).expect("JSON")).expect("written");
        assert!(check(dir.path()).is_ok());
        fs::write(dir.path().join(NAME), b"{\"vers").expect("written");
        assert!(check(dir.path()).is_ok());
        note(dir.path(), 7).expect("it is kept");
        assert!(check(dir.path()).is_ok(), "once, by this version");
    }
}
