//! The writing thread: order, group commit, bounds, and the age of the oldest write. Guards S16, S13.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, Fault, append};
use ha_model::{BootNs, EffectId};
use ha_storage::*;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

static NOW: AtomicU64 = AtomicU64::new(1);

/// A clock that moves at every look, so that each submission has a time of its own.
fn clock() -> BootNs {
    BootNs(NOW.fetch_add(1, Ordering::Relaxed))
}

/// A disk whose syncs wait while the gate is shut.
#[derive(Debug, Clone, Default)]
struct Gated {
    disk: Disk,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Gated {
    fn shut(&self, shut: bool) {
        *self.gate.0.lock().unwrap() = shut;
        self.gate.1.notify_all();
    }
}

impl StorageBackend for Gated {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        let shut = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(shut, |shut| *shut).unwrap());
        self.disk.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset, data)
    }
}

fn start(backend: impl StorageBackend) -> (StoreWriter, Receiver<Completion>) {
    let (store, _) = Store::open_backend(backend).unwrap();
    let (tx, rx) = channel();
    (StoreWriter::start(store, clock, move |c| tx.send(c).unwrap()).unwrap(), rx)
}

fn next(rx: &Receiver<Completion>) -> Completion {
    rx.recv_timeout(Duration::from_secs(10)).expect("a completion within 10 s")
}

#[test]
fn completions_come_in_order_and_after_the_sync() {
    let gated = Gated::default();
    let (writer, done) = start(gated.clone());
    let age = writer.outstanding_since();
    gated.shut(true);
    for n in 1..=200 {
        writer.submit(EffectId(n), append(n..=n)).unwrap();
    }
    assert!(done.try_recv().is_err(), "nothing is acknowledged while the sync waits");
    let oldest = age.load(Ordering::Acquire);
    assert_ne!(oldest, 0);
    assert!(oldest < clock().0);
    let before = gated.disk.syncs();
    gated.shut(false);
    for n in 1..=200 {
        assert_eq!(next(&done), Completion::Persisted(EffectId(n)));
        assert!(gated.disk.syncs() > before, "acknowledged before a sync");
    }
    let syncs = gated.disk.syncs() - before;
    assert!(syncs <= 1 + 200u64.div_ceil(GROUP_MAX as u64), "{syncs} syncs for 200 queued batches");
    assert_eq!(age.load(Ordering::Acquire), 0, "nothing is outstanding");
}

#[test]
fn the_oldest_write_stays_visible_after_a_failure_and_all_later_fail() {
    let disk = Disk::default();
    let (writer, done) = start(disk.clone());
    let age = writer.outstanding_since();
    writer.submit(EffectId(1), append(1..=1)).unwrap();
    assert_eq!(next(&done), Completion::Persisted(EffectId(1)));
    disk.fail(Fault::Sync);
    let before = clock().0;
    writer.submit(EffectId(2), append(2..=2)).unwrap();
    assert!(matches!(next(&done), Completion::PersistFailed(EffectId(2), ApplyError::Failed { .. })));
    let failed_at = age.load(Ordering::Acquire);
    assert!(failed_at > before);
    disk.fail(Fault::None);
    writer.submit(EffectId(3), append(2..=2)).unwrap();
    assert!(matches!(next(&done), Completion::PersistFailed(EffectId(3), ApplyError::Failed { .. })));
    assert_eq!(age.load(Ordering::Acquire), failed_at, "a dead disk is not mistaken for an idle one");
}

#[test]
fn a_refused_batch_fails_alone() {
    let disk = Disk::default();
    let gated = Gated { disk: disk.clone(), ..Gated::default() };
    let (writer, done) = start(gated.clone());
    gated.shut(true);
    writer.submit(EffectId(1), append(1..=1)).unwrap();
    for (id, index) in [(2, 2), (3, 9), (4, 3)] {
        writer.submit(EffectId(id), append(index..=index)).unwrap();
    }
    gated.shut(false);
    assert_eq!(next(&done), Completion::Persisted(EffectId(1)));
    assert_eq!(next(&done), Completion::Persisted(EffectId(2)));
    let gap = BatchError::Gap { expected: 3, found: 9 };
    assert_eq!(next(&done), Completion::PersistFailed(EffectId(3), ApplyError::Refused(gap)));
    assert_eq!(next(&done), Completion::Persisted(EffectId(4)));
    drop(writer);
    let (_, found) = Store::open_backend(Disk::of(disk.bytes())).unwrap();
    assert!(matches!(found, Found::Intact(c) if c.log.len() == 3));
}

#[test]
fn the_queue_is_bounded_and_never_blocks() {
    let gated = Gated::default();
    let (writer, done) = start(gated.clone());
    gated.shut(true);
    let mut taken = 0;
    let refused = loop {
        match writer.submit(EffectId(taken), Batch::default()) {
            Ok(()) => taken += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(refused, SubmitError::Full { waiting: QUEUE_MAX, .. }));
    gated.shut(false);
    for n in 0..taken {
        assert_eq!(next(&done), Completion::Persisted(EffectId(n)), "what was taken is written");
    }
    gated.shut(true);
    let big = Batch { snapshot: Some(vec![0; VALUE_MAX]), ..Batch::default() };
    let mut taken = 0;
    while writer.submit(EffectId(taken), big.clone()).is_ok() {
        taken += 1;
    }
    let most = (QUEUE_BYTES_MAX / VALUE_MAX) as u64;
    assert!((most..=2 * most).contains(&taken), "{taken} snapshots of 16 MiB were taken");
    gated.shut(false);
}

#[test]
fn dropping_the_writer_writes_what_is_queued() {
    let disk = Disk::default();
    let (writer, _done) = start(disk.clone());
    for n in 1..=50 {
        writer.submit(EffectId(n), append(n..=n)).unwrap();
    }
    drop(writer);
    let (_, found) = Store::open_backend(Disk::of(disk.bytes())).unwrap();
    assert!(matches!(found, Found::Intact(c) if c.log.len() == 50));
}
