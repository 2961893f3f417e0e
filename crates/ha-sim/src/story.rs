//! One life: faults by the schedule, then everything is mended, and the cluster must be well within a bound and stay so.

use crate::check::Judged;
use crate::rng::Rng;
use crate::schedule::{LIFE_MS, Schedule, surely};
use crate::shape::Shape;
use crate::tally::Tally;
use crate::world::{MS, Pace, S, Violation, World, forget_snapshots};
use ha_consensus::Limits;

/// Small bounds, so that logs are compacted and snapshots sent in short lives, and a log that is not is seen (S13).
#[must_use]
pub fn limits() -> Limits {
    Limits { log_tail: 16, snapshot_after: 48, log_entries: 256, ..Limits::default() }
}

/// How long the faults take that come where a life had too few.
const ENCORE_MS: u64 = 20_000;

/// What came of a life.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first rule that was broken.
    pub broken: Option<Violation>,
    /// What occurred.
    pub tally: Tally,
    /// Over every line of the journal and its time.
    pub hash: u64,
    /// The end of the journal.
    pub journal: Vec<String>,
}

/// Shape and schedule of a seed.
#[must_use]
pub fn of_seed(seed: u64) -> (Shape, Schedule) {
    let shape = Shape::of_seed(&mut Rng::new(seed, 0));
    let schedule = Schedule::of_seed(&mut Rng::new(seed, 1), &shape);
    (shape, schedule)
}

/// Rules that the core asserts itself: its message begins with their name.
const ASSERTED: [(&str, &str); 4] =
    [("S3:", "abort S3"), ("S5:", "abort S5"), ("S10:", "abort S10"), ("S16:", "abort S16")];

/// Which rule a panic is about; a plain "abort" is about none.
fn asserted(text: &str) -> &'static str {
    ASSERTED.iter().find(|(begins, _)| text.starts_with(begins)).map_or("abort", |(_, rule)| rule)
}

/// Lives it. The seed says what neither shape nor schedule say: every delay.
#[must_use]
pub fn live(seed: u64, shape: &Shape, schedule: &Schedule, pace: Pace) -> Outcome {
    live_judged(seed, shape, schedule, pace, Judged::Every)
}

/// The same, judged by these rules.
#[must_use]
pub fn live_judged(seed: u64, shape: &Shape, schedule: &Schedule, pace: Pace, judged: Judged) -> Outcome {
    forget_snapshots();
    let mut world = World::new(seed, shape);
    (world.pace, world.judged) = (pace, judged);
    // A core's own assertion ends the daemon in the field; here it ends the life.
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let begin = world.t;
        for entry in &schedule.0 {
            world.run_until(begin + entry.at_ms * MS, |_| false);
            if world.broken.is_some() {
                return;
            }
            world.act(&entry.act);
            world.show();
        }
        world.run_until(begin + LIFE_MS * MS, |_| false);
        world.mend();
        if !world.ledger.is_full() {
            encore(&mut world, shape);
        }
        world.tally.thin = u64::from(!world.ledger.is_full());
        world.check_replicas();
        if seed.is_multiple_of(3) {
            world.disturb();
            world.becomes_well();
        }
    }));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        world.fail(asserted(&text), text);
    }
    world.tally.simulated_ns = world.t - S;
    world.tally.lied = u64::from(world.has_lied);
    Outcome {
        broken: world.broken.take(),
        tally: world.tally.clone(),
        hash: world.hash,
        journal: world.journal.iter().cloned().collect(),
    }
}

/// Where nothing ran when the faults came, they come once more, now that something does.
fn encore(world: &mut World, shape: &Shape) {
    if world.broken.is_some() {
        return;
    }
    world.is_healed = false;
    let begin = world.t;
    let acts = surely(&mut world.rng, shape, ENCORE_MS);
    for entry in acts {
        world.run_until(begin + entry.at_ms * MS, |_| false);
        world.act(&entry.act);
        world.show();
    }
    world.run_until(begin + ENCORE_MS * MS, |_| false);
    world.mend();
}
