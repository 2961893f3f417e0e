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

/// Stories told at once.
const THREADS: usize = 2;

/// Faults for so long, then mending.
const FAULTS_FOR: u64 = 25 * S;

/// After mending, all is well within: the waits for unseen nodes, for a fence's retry and for power on, and again.
const WELL_WITHIN: u64 = 120 * S;

/// Small bounds, so that logs are compacted and snapshots sent in short stories.
pub(in crate::node) fn limits() -> Limits {
    Limits { log_tail: 16, snapshot_after: 48, ..Limits::default() }
}

/// One story; what broke, with the end of the journal.
fn story(seed: u64, is_lying: bool) -> Result<(), String> {
    let mut world = World::new(seed);
    world.is_lying = is_lying;
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let formed = world.t + world.rng.range(0, 30 * S);
        world.run_until(formed, World::is_well);
        let end = world.t + FAULTS_FOR;
        while world.t < end {
            world.fault();
            let pause = world.rng.range(S / 10, 3 * S);
            world.run_until(world.t + pause, |_| false);
        }
        if !is_lying {
            world.mend();
            world.check_replicas();
        }
    }));
    run.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        let journal: Vec<_> = world.journal.iter().cloned().collect();
        format!("seed {seed} (cluster kind {}): {text}\n{}", world.kind, journal.join("\n"))
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|s| s.parse().ok())
}

/// What broke in the stories of these seeds.
fn stories(seeds: &[u64], is_lying: bool) -> Vec<String> {
    let half = seeds.len().div_ceil(THREADS);
    std::thread::scope(|scope| {
        let tell = |part: &[u64]| part.iter().filter_map(|s| story(*s, is_lying).err()).collect::<Vec<_>>();
        let parts: Vec<_> = seeds.chunks(half.max(1)).map(|part| scope.spawn(move || tell(part))).collect();
        parts.into_iter().flat_map(|p| p.join().expect("stories catch what breaks")).collect()
    })
}

#[test]
fn all_rules_hold_in_chaos_and_the_cluster_is_well_after_it() {
    let first = number("CHAOS_FROM").unwrap_or(1);
    let seeds: Vec<u64> = match number("CHAOS_SEED") {
        Some(seed) => vec![seed],
        None => (first..first + number("CHAOS_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let failed = stories(&seeds, false);
    if let Some(first) = failed.first() {
        let all: Vec<_> = failed.iter().map(|f| f.lines().next().unwrap_or_default().to_owned()).collect();
        panic!("{first}\n\n{} seeds failed:\n{}", failed.len(), all.join("\n"));
    }
}

#[test]
fn a_lying_switch_is_seen_by_the_judge() {
    let seeds: Vec<u64> = (1..=10).collect();
    let failed = stories(&seeds, true);
    assert!(failed.iter().any(|f| f.contains("S1: ")), "two owners must be seen: {failed:?}");
}
