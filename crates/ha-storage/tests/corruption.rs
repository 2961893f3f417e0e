//! Damage is found when the store is opened; it never panics and never passes. Guards S16.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, append};
use ha_storage::*;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

fn filled(disk: &Disk) -> Contents {
    let (mut store, _) = Store::open_backend(disk.clone()).unwrap();
    store.apply(&append(1..=40)).unwrap();
    let big = Batch {
        meta: vec![("vote".into(), vec![7; 100])],
        snapshot: Some(vec![3; 20_000]),
        ..Batch::default()
    };
    store.apply(&big).unwrap();
    store.close().unwrap();
    match Store::open_backend(Disk::of(disk.bytes())).unwrap().1 {
        Found::Intact(contents) => contents,
        other => panic!("{other:?}"),
    }
}

/// Opens damaged bytes: `None` when found corrupt.
fn reopened(bytes: Vec<u8>) -> Option<Contents> {
    match Store::open_backend(Disk::of(bytes)) {
        Ok((_, Found::Intact(contents))) => Some(contents),
        Ok((_, other)) => panic!("damage taken for {other:?}"),
        Err(OpenError::Corrupt { .. } | OpenError::OtherFormat { .. }) => None,
        Err(other) => panic!("damage taken for a failing disk: {other}"),
    }
}

#[test]
fn a_damaged_byte_anywhere_is_found_or_harmless() {
    let disk = Disk::default();
    let whole = filled(&disk);
    let bytes = disk.bytes();
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut found = 0;
    let mut tried = 0;
    // Every byte of the header, and a spread over all bytes in use.
    let spread = used.iter().copied().step_by(used.len() / 150);
    for at in (0..128).chain(spread) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        tried += 1;
        match reopened(damaged) {
            None => found += 1,
            Some(contents) => {
                let same = Contents { rolled_back: false, ..contents } == whole;
                assert!(same, "byte {at}: damage passed as contents");
            }
        }
    }
    assert!(found * 3 > tried, "only {found} of {tried} damages touched live data: the test tests nothing");
}

/// redb falls back to the root before without a report where the header is damaged.
#[test]
fn a_newest_root_that_is_damaged_is_not_passed_over_in_silence() {
    let disk = Disk::default();
    let (mut store, _) = Store::open_backend(disk.clone()).unwrap();
    for index in 1..=5 {
        store.apply(&append(index..=index)).unwrap();
    }
    let bytes = disk.after_power_cut().bytes();
    let mut said = 0;
    for at in 0..320 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let Some(contents) = reopened(damaged) else { continue };
        assert!(
            contents.log.len() == 5 || contents.rolled_back,
            "byte {at}: a commit is gone without a word"
        );
        said += usize::from(contents.log.len() < 5);
    }
    assert!(said > 50, "only {said} of the bytes made the newest root void: the test tests nothing");
}

#[test]
fn a_cut_file_is_corrupt_at_every_length() {
    let disk = Disk::default();
    filled(&disk);
    let bytes = disk.bytes();
    for tenth in 0..10 {
        for extra in [1, 4095, 4096] {
            let cut = (bytes.len() * tenth / 10 + extra).min(bytes.len() - 1);
            assert_eq!(reopened(bytes[..cut].to_vec()), None, "cut to {cut} of {}", bytes.len());
        }
    }
}

#[test]
fn another_file_is_corrupt() {
    assert_eq!(reopened(vec![0; 8192]), None);
    assert_eq!(reopened(vec![0xff; 100_000]), None);
}

/// Opens the raw database below the store, as a bug or a lost page would change it.
fn tamper(disk: &Disk, change: impl FnOnce(&redb::WriteTransaction)) {
    let db = redb::Builder::new().create_with_backend(disk.clone()).unwrap();
    let txn = db.begin_write().unwrap();
    change(&txn);
    txn.commit().unwrap();
}

const LOG: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("log");
const META: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("meta");
const SNAPSHOT: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("snapshot");
const MANIFEST: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("manifest");

#[test]
fn lost_rows_and_swapped_records_are_corrupt_although_every_page_is_sound() {
    type Change = fn(&redb::WriteTransaction);
    let changes: [(&str, Change); 8] = [
        ("where 1 is due", |t| drop(t.open_table(LOG).unwrap().remove(1).unwrap())),
        ("where 20 is due", |t| drop(t.open_table(LOG).unwrap().remove(20).unwrap())),
        ("log ends before 40", |t| drop(t.open_table(LOG).unwrap().remove(40).unwrap())),
        ("table log", |t| assert!(t.delete_table(LOG).unwrap())),
        ("0 meta records where 1", |t| drop(t.open_table(META).unwrap().remove("vote").unwrap())),
        ("snapshot present: false", |t| drop(t.open_table(SNAPSHOT).unwrap().remove(0).unwrap())),
        ("manifest is missing", |t| drop(t.open_table(MANIFEST).unwrap().remove(0).unwrap())),
        ("log entry 7: record fails its checksum", |t| {
            let mut log = t.open_table(LOG).unwrap();
            let other = log.remove(8).unwrap().unwrap().value().to_vec();
            log.insert(7, other.as_slice()).unwrap();
        }),
    ];
    for (expected, change) in changes {
        let disk = Disk::default();
        filled(&disk);
        let disk = Disk::of(disk.bytes());
        tamper(&disk, change);
        match Store::open_backend(Disk::of(disk.bytes())) {
            Err(OpenError::Corrupt { why }) => assert!(why.contains(expected), "{why:?}, not {expected:?}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

fn damage(file: &Path) {
    let mut file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&[0xaa; 4096]).unwrap();
}

#[test]
fn a_corrupt_store_is_kept_aside_and_costs_the_id() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("store");
    let (mut store, found) = Store::open(&dir).unwrap();
    let id = store.id();
    assert_eq!(found, Found::Fresh(id));
    store.apply(&append(1..=3)).unwrap();
    drop(store);
    damage(&dir.join("store.redb"));

    let (store, found) = Store::open(&dir).unwrap();
    let Found::Corrupt { kept_as, store: new, .. } = found else { panic!("{found:?}") };
    assert_ne!(new, id, "the vote goes with the id");
    assert_eq!(fs::read(kept_as).unwrap()[..4], [0xaa; 4], "the evidence is kept");
    drop(store);
    let Found::Intact(contents) = Store::open(&dir).unwrap().1 else { panic!("not intact") };
    assert_eq!((contents.store, contents.log.len()), (new, 0));
}

#[test]
fn an_emptied_file_is_corrupt_and_a_missing_one_is_fresh() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let id = store.id();
    drop(store);
    fs::write(dir.path().join("store.redb"), b"").unwrap();
    assert!(matches!(Store::open(dir.path()).unwrap().1, Found::Corrupt { .. }));
    fs::remove_file(dir.path().join("store.redb")).unwrap();
    let Found::Fresh(fresh) = Store::open(dir.path()).unwrap().1 else { panic!("not fresh") };
    assert_ne!(fresh, id);
}

#[test]
fn an_interrupted_creation_is_fresh() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("store.redb.new"), b"half a store").unwrap();
    assert!(matches!(Store::open(dir.path()).unwrap().1, Found::Fresh(_)));
}

#[test]
fn one_process_at_a_time_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(OpenError::Locked { .. })));
    let mode = fs::metadata(dir.path().join("store.redb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(store);
    assert!(Store::open(dir.path()).is_ok());
}
