//! The thread that writes: a bounded queue in, completions out in the same order.
//!
//! Whatever has queued while a transaction was being synced goes into the next one together (group commit). It
//! must not know a clock: the caller gives one. Invariant: `Persisted` is said only after the sync (S16).

use crate::batch::{Batch, BatchError};
use crate::error::ApplyError;
use crate::store::Store;
use ha_model::{BootNs, EffectId};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Batches that may wait. The core has a few writes outstanding; thousands mean that the disk hangs.
pub const QUEUE_MAX: usize = 1024;
/// Bytes that may wait: as many as a few of the largest batches.
pub const QUEUE_BYTES_MAX: usize = 2 * crate::batch::BATCH_MAX;
/// Batches in one transaction, so that one write's delay stays bounded.
pub const GROUP_MAX: usize = 64;

/// How a submitted batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// It is durable.
    Persisted(EffectId),
    /// It is not known to be durable. After [`ApplyError::Failed`] every later batch fails too.
    PersistFailed(EffectId, ApplyError),
}

/// Why a batch was not taken into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The disk does not keep up; the batch was not queued.
    #[error("{waiting} writes wait for the disk ({bytes} bytes), no more are taken")]
    Full {
        /// Batches waiting.
        waiting: usize,
        /// Bytes waiting.
        bytes: usize,
    },
    /// The writer has ended.
    #[error("the store's writer has ended")]
    Ended,
}

struct Item {
    id: EffectId,
    batch: Batch,
    submitted: BootNs,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Item>,
    bytes: usize,
    /// Submission time of the oldest batch of the transaction being written.
    in_flight: Option<BootNs>,
    /// Submission time of the first batch that failed; never cleared.
    failed: Option<BootNs>,
    closing: bool,
    ended: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    outstanding_since: Arc<AtomicU64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes the oldest outstanding write; called under the lock, read without it.
    fn publish(&self, queue: &Queue) {
        let oldest = queue.failed.or(queue.in_flight).or(queue.waiting.front().map(|i| i.submitted));
        self.outstanding_since.store(oldest.map_or(0, |at| at.0.max(1)), Ordering::Release);
    }
}

/// Handle to the writing thread. Dropping it writes what is queued, then closes the store.
pub struct StoreWriter {
    shared: Arc<Shared>,
    clock: fn() -> BootNs,
    thread: Option<JoinHandle<()>>,
}

impl StoreWriter {
    /// Starts the thread. `on_done` runs on it, in the order of submission, and must not block; the thread owns it, so it
    /// is dropped when the thread ends, however it ends.
    pub fn start(
        store: Store,
        clock: fn() -> BootNs,
        on_done: impl FnMut(Completion) + Send + 'static,
    ) -> io::Result<StoreWriter> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            outstanding_since: Arc::default(),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(&of_thread, store, on_done))?;
        Ok(StoreWriter { shared, clock, thread: Some(thread) })
    }

    /// Queues a batch; its completion comes through `on_done`. Never blocks on the disk.
    pub fn submit(&self, id: EffectId, batch: Batch) -> Result<(), SubmitError> {
        let bytes = batch.bytes();
        let mut queue = self.shared.lock();
        if queue.ended {
            return Err(SubmitError::Ended);
        }
        if queue.waiting.len() >= QUEUE_MAX || queue.bytes + bytes > QUEUE_BYTES_MAX {
            return Err(SubmitError::Full { waiting: queue.waiting.len(), bytes: queue.bytes });
        }
        queue.waiting.push_back(Item { id, batch, submitted: (self.clock)() });
        queue.bytes += bytes;
        self.shared.publish(&queue);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Boot time in nanoseconds at which the oldest write still outstanding was submitted; 0 when there is none. A
    /// failed store leaves it standing, so that the age of the last durable write goes on growing.
    #[must_use]
    pub fn outstanding_since(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.outstanding_since)
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by the panic hook; `Ended` tells whoever submits.
            let _ = thread.join();
        }
    }
}

/// Marks the queue as ended however the thread ends.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
    }
}

fn run(shared: &Shared, mut store: Store, mut on_done: impl FnMut(Completion)) {
    let _end = End(shared);
    while let Some(group) = next_group(shared) {
        write_group(shared, &mut store, group, &mut on_done);
    }
    if store.failure().is_none()
        && let Err(error) = store.close()
    {
        tracing::warn!(%error, "store did not close cleanly; the next start will check it");
    }
}

/// Waits for work; `None` when the queue is empty and closing.
fn next_group(shared: &Shared) -> Option<Vec<Item>> {
    let mut queue = shared.lock();
    while queue.waiting.is_empty() {
        if queue.closing {
            return None;
        }
        queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    let count = queue.waiting.len().min(GROUP_MAX);
    let group: Vec<Item> = queue.waiting.drain(..count).collect();
    queue.bytes -= group.iter().map(|i| i.batch.bytes()).sum::<usize>();
    queue.in_flight = group.first().map(|i| i.submitted);
    shared.publish(&queue);
    Some(group)
}

fn write_group(
    shared: &Shared,
    store: &mut Store,
    mut group: Vec<Item>,
    on_done: &mut impl FnMut(Completion),
) {
    while !group.is_empty() {
        let (fit, refused) = store.acceptable(group.iter().map(|i| &i.batch));
        let rest = group.split_off(fit.min(group.len()));
        let written =
            if group.is_empty() { Ok(()) } else { store.apply_group(group.iter().map(|i| &i.batch)) };
        finish(shared, &group, rest.first(), &written, on_done);
        group = rest;
        if let Some(why) = refused {
            refuse_first(shared, &mut group, why, on_done);
        }
    }
}

/// Clears what was written from the outstanding mark, then reports it.
fn finish(
    shared: &Shared,
    done: &[Item],
    next: Option<&Item>,
    result: &Result<(), ApplyError>,
    on_done: &mut impl FnMut(Completion),
) {
    let mut queue = shared.lock();
    if let (Err(ApplyError::Failed { .. }), Some(first)) = (result, done.first()) {
        queue.failed.get_or_insert(first.submitted);
    }
    queue.in_flight = next.map(|i| i.submitted);
    shared.publish(&queue);
    drop(queue);
    for item in done {
        on_done(match result {
            Ok(()) => Completion::Persisted(item.id),
            Err(e) => Completion::PersistFailed(item.id, e.clone()),
        });
    }
}

fn refuse_first(
    shared: &Shared,
    group: &mut Vec<Item>,
    why: BatchError,
    on_done: &mut impl FnMut(Completion),
) {
    let refused = group.remove(0);
    finish(shared, &[refused], group.first(), &Err(ApplyError::Refused(why)), on_done);
}
