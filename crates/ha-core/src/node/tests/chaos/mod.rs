//! Chaos: random faults against whole clusters of cores, judged from outside after every event; then everything is
//! mended, and the cluster must be well again within a bound. The seed says everything: `CHAOS_SEED=n` runs one.

mod checks;
mod clusters;
mod faults;
mod host;
mod net;
mod outside;
mod rng;
mod world;

use ha_consensus::Limits;
use world::{S, World};

/// Seeds of one run of the test.
const SEEDS: u64 = 200;

/// Faults for so long, then mending.
const FAULTS_FOR: u64 = 25 * S;

/// After mending, all is well within: the waits for unseen nodes, for a fence's retry and for power on, and again.
const WELL_WITHIN: u64 = 120 * S;

/// Small bounds, so that logs are compacted and snapshots sent in short stories.
pub(in crate::node) fn limits() -> Limits {
    Limits { log_tail: 16, snapshot_after: 48, ..Limits::default() }
}

fn story(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let formed = world.t + world.rng.range(0, 30 * S);
        world.run_until(formed, World::is_well);
        let end = world.t + FAULTS_FOR;
        while world.t < end {
            world.fault();
            let pause = world.rng.range(S / 10, 3 * S);
            world.run_until(world.t + pause, |_| false);
        }
        world.mend();
        world.check_replicas();
    }));
    run.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        let journal: Vec<_> = world.journal.iter().cloned().collect();
        format!("seed {seed} (cluster kind {}): {text}\n{}", world.kind, journal.join("\n"))
    })
}

#[test]
fn chaos() {
    let seeds: Vec<u64> = match std::env::var("CHAOS_SEED").ok().and_then(|s| s.parse().ok()) {
        Some(seed) => vec![seed],
        None => {
            (1..=std::env::var("CHAOS_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(SEEDS)).collect()
        }
    };
    let failed: Vec<_> = seeds.into_iter().filter_map(|seed| story(seed).err()).collect();
    if let Some(first) = failed.first() {
        let all: Vec<_> = failed.iter().map(|f| f.lines().next().unwrap_or_default().to_owned()).collect();
        panic!("{first}\n\n{} seeds failed:\n{}", failed.len(), all.join("\n"));
    }
}
