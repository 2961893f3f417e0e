//! Many lives on all cores, and what they add up to.

use crate::Pace;
use crate::story::{Outcome, live, of_seed};
use crate::tally::Tally;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Broken lives that a batch remembers; the others are counted.
const KEPT: usize = 20;

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// What occurred.
    pub tally: Tally,
    /// Lives with too few faults, the first of them.
    pub thin: Vec<u64>,
    /// How many lives broke a rule.
    pub violations: u64,
    /// The first of them, by seed.
    pub broken: Vec<(u64, Outcome)>,
}

/// Lives these seeds on `threads` threads. `each` hears of every broken one, and says whether to go on.
pub fn run(
    seeds: std::ops::Range<u64>,
    threads: usize,
    each: impl Fn(u64, &Outcome) -> bool + Sync,
) -> Batch {
    let next = AtomicU64::new(seeds.start);
    let is_over = AtomicBool::new(false);
    let total = Mutex::new(Batch::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let (shape, schedule) = of_seed(seed);
                    let outcome = live(seed, &shape, &schedule, Pace::Silent);
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    total.tally += &outcome.tally;
                    if outcome.tally.thin > 0 && total.thin.len() < KEPT {
                        total.thin.push(seed);
                    }
                    if outcome.broken.is_some() {
                        if !each(seed, &outcome) {
                            is_over.store(true, Ordering::Relaxed);
                        }
                        total.violations += 1;
                        if total.broken.len() < KEPT {
                            total.broken.push((seed, outcome));
                        }
                    }
                }
            });
        }
    });
    let mut batch = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    batch.broken.sort_by_key(|(seed, _)| *seed);
    batch
}
