//! What is written is there after any stop; what failed is never acknowledged. Guards S16, S13.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, Fault, append, entry};
use ha_storage::*;

fn intact(disk: Disk) -> Contents {
    match Store::open_backend(disk).unwrap().1 {
        Found::Intact(contents) => contents,
        other => panic!("not intact: {other:?}"),
    }
}

fn meta(key: &str, value: &str) -> Batch {
    Batch { meta: vec![(key.into(), value.into())], ..Batch::default() }
}

#[test]
fn everything_applied_is_there_after_a_power_cut() {
    let disk = Disk::default();
    let (mut store, found) = Store::open_backend(disk.clone()).unwrap();
    assert_eq!(found, Found::Fresh(store.id()));
    store.apply(&meta("vote", "term 3 for alpha")).unwrap();
    store.apply(&append(1..=9)).unwrap();
    store.apply(&Batch { truncate_from: Some(8), ..append(8..=10) }).unwrap();
    let snapshot = Some(b"state at 4".to_vec());
    store.apply(&Batch { snapshot: snapshot.clone(), drop_through: Some(4), ..Batch::default() }).unwrap();

    let contents = intact(disk.after_power_cut());
    assert_eq!(contents.store, store.id());
    assert_eq!(contents.meta["vote"], b"term 3 for alpha");
    assert_eq!(contents.first, 5);
    assert_eq!(contents.log, (5..=10).map(entry).collect::<Vec<_>>());
    assert_eq!(contents.snapshot, snapshot);
    assert!(!contents.rolled_back);
}

#[test]
fn the_log_goes_on_after_an_installed_snapshot() {
    let disk = Disk::default();
    let (mut store, _) = Store::open_backend(disk.clone()).unwrap();
    store.apply(&append(1..=3)).unwrap();
    let install = Batch {
        snapshot: Some(b"at 90".to_vec()),
        drop_through: Some(90),
        truncate_from: Some(1),
        ..append(91..=91)
    };
    store.apply(&install).unwrap();
    let contents = intact(disk.after_power_cut());
    assert_eq!((contents.first, contents.log), (91, vec![entry(91)]));
    let (mut store, _) = Store::open_backend(disk.after_power_cut()).unwrap();
    assert_eq!(
        store.apply(&append(93..=93)),
        Err(ApplyError::Refused(BatchError::Gap { expected: 92, found: 93 })),
        "the bounds are read back"
    );
    assert_eq!(store.apply(&append(92..=92)), Ok(()), "a refusal leaves the store usable");
}

#[test]
fn one_commit_is_one_sync() {
    let disk = Disk::default();
    let (mut store, _) = Store::open_backend(disk.clone()).unwrap();
    for index in 1..=20 {
        let before = disk.syncs();
        store.apply(&append(index..=index)).unwrap();
        assert_eq!(disk.syncs() - before, 1, "commit {index}");
    }
    let before = disk.syncs();
    let group: Vec<Batch> = (21..=40).map(|i| append(i..=i)).collect();
    store.apply_group(&group).unwrap();
    assert_eq!(disk.syncs() - before, 1, "twenty batches in a group");
    assert_eq!(intact(disk.after_power_cut()).log.len(), 40);
}

#[test]
fn after_a_failed_sync_write_or_full_disk_everything_is_refused() {
    for fault in [Fault::Sync, Fault::Write, Fault::Full] {
        let disk = Disk::default();
        let (mut store, _) = Store::open_backend(disk.clone()).unwrap();
        store.apply(&append(1..=5)).unwrap();
        disk.fail(fault);
        let big = Batch { append: vec![(6, vec![0; 2 << 20])], ..Batch::default() };
        assert!(matches!(store.apply(&big), Err(ApplyError::Failed { .. })), "{fault:?}");
        disk.fail(Fault::None);
        assert!(
            matches!(store.apply(&append(6..=6)), Err(ApplyError::Failed { .. })),
            "{fault:?}: the disk recovered, but what is on it is unknown until it is read again"
        );
        assert!(store.failure().is_some());
        drop(store);
        let contents = intact(disk.after_power_cut());
        assert_eq!(contents.log, (1..=5).map(entry).collect::<Vec<_>>(), "{fault:?}");
    }
}

#[test]
fn a_failure_at_any_write_loses_nothing_acknowledged() {
    let mut point = 0;
    loop {
        let disk = Disk::default();
        let (mut store, _) = Store::open_backend(disk.clone()).unwrap();
        store.apply(&append(1..=3)).unwrap();
        disk.fail_after_writes(point);
        let result = store.apply(&append(4..=6));
        // The bytes that did arrive are on the medium: a crash in the middle of the commit.
        let contents = intact(Disk::of(disk.bytes()));
        let expected = if result.is_ok() { 6 } else { 3 };
        let held = contents.log.len();
        assert!(held == expected || (result.is_err() && held == 6), "{held} entries after {point} writes");
        if result.is_ok() {
            assert!(point > 2, "the faults were before the commit's end");
            break;
        }
        point += 1;
    }
}

#[test]
fn a_torn_commit_is_rolled_back_and_said_so() {
    let disk = Disk::default();
    let (mut store, _) = Store::open_backend(disk.clone()).unwrap();
    store.apply(&append(1..=3)).unwrap();
    disk.fail(Fault::Sync);
    assert!(store.apply(&append(4..=4)).is_err());
    // Only the first page, with the new root, arrived; the data it points to did not.
    let contents = intact(disk.torn_at(4096));
    assert_eq!(contents.log.len(), 3);
    assert!(contents.rolled_back);
}

#[test]
fn limits_are_refused_before_anything_is_written() {
    let disk = Disk::default();
    let (mut store, _) = Store::open_backend(disk.clone()).unwrap();
    for n in 0..META_KEYS_MAX {
        store.apply(&meta(&format!("key {n}"), "")).unwrap();
    }
    let writes = disk.writes();
    assert_eq!(store.apply(&meta("one more", "")), Err(ApplyError::Refused(BatchError::TooManyKeys)));
    assert_eq!(disk.writes(), writes);
    assert_eq!(store.apply(&meta("key 0", "again")), Ok(()), "a known key is replaced");
    assert_eq!(intact(disk.after_power_cut()).meta["key 0"], b"again");
}
