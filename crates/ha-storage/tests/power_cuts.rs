//! The power is cut behind every operation of many lives of a store, and whatever survives of the unsynced is opened:
//! no acknowledged record is lost, none is invented, no commit is half there. Guards S16.
//!
//! `HA_CRASH_POINTS=1000000 cargo test --release -p ha-storage --test power_cuts -- --nocapture` tries more.
#![allow(clippy::unwrap_used)]

mod crash;

use crash::disk::{Disk, Restart, Sync, SyncFailure};
use crash::judge::{Outcome, Tally, step};
use crash::life::{Failing, World, created_acts, live};
use crash::medium::{Cut, Medium};

use crash::rng::Rng;
use ha_storage::{Found, OpenError, Store};
/// Crash points of each of the two parts; `HA_CRASH_POINTS` sets another number.
const POINTS: usize = 5_100;

const SOUND: World = World { sync: Sync::Works, restart: Restart::DropsCache, failing: Failing::Any };

fn lives(first: u64, world: World, points: usize) -> Tally {
    let mut tally = Tally::default();
    for seed in first.. {
        if tally.points >= points {
            break;
        }
        let life = live(seed, world);
        tally.judge(&format!("seed {seed}"), &life, &mut Rng::new(!seed), points);
    }
    tally
}

fn part(first: u64) {
    let points = std::env::var("HA_CRASH_POINTS").map_or(POINTS, |n| n.parse().unwrap());
    let tally = lives(first, SOUND, points);
    println!("{}", tally.table());
    assert_eq!(tally.broken, Vec::<String>::new());
    assert!(tally.points >= points, "only {} of {points} crash points", tally.points);
    assert!(tally.failed_syncs >= points / 1000, "only {} syncs failed", tally.failed_syncs);
    for (outcome, least) in [
        (Outcome::Acknowledged, points / 4),
        (Outcome::InFlight, points / 50),
        (Outcome::SaidCorrupt, points / 200),
        (Outcome::SaidRolledBack, points / 2000),
    ] {
        let seen = tally.count(outcome);
        assert!(seen >= least, "{outcome:?} seen {seen} times: the lives do not test it");
    }
}

#[test]
fn s16_a_crash_at_any_operation_loses_nothing_acknowledged_part_1() {
    part(1);
}

#[test]
fn s16_a_crash_at_any_operation_loses_nothing_acknowledged_part_2() {
    part(1 << 32);
}

#[test]
fn s16_a_store_whose_creation_was_cut_holds_nothing() {
    let mut rng = Rng::new(7);
    let mut medium = Medium::of(Vec::new());
    for act in created_acts() {
        step(&mut medium, &act);
        for cut in Cut::ALL {
            let Some(image) = medium.after(cut, &mut rng) else { continue };
            match Store::open_backend(Disk::new(image, Sync::Works, 0)) {
                Ok((_, Found::Intact(found))) => {
                    assert!(found.log.is_empty() && found.meta.is_empty() && found.snapshot.is_none());
                }
                Ok((_, Found::Fresh(_))) | Err(OpenError::Corrupt { .. }) => {}
                other => panic!("{cut:?}: {other:?}"),
            }
        }
    }
}

/// Of so few points the judge must find a rule broken.
const CONTROL_POINTS: usize = 400;

fn lost(world: World) -> usize {
    let tally = lives(1, world, CONTROL_POINTS);
    println!("{}", tally.table());
    tally.broken.iter().filter(|b| b.contains("was acknowledged") || b.contains("does not open")).count()
}

#[test]
fn control_a_disk_that_lies_about_its_syncs_loses_what_was_acknowledged() {
    let lying = World { sync: Sync::Lies, restart: Restart::KeepsCache, failing: Failing::Never };
    assert!(lost(lying) > 0, "a disk that lies loses nothing: the judge sees nothing");
    assert_eq!(lost(World { sync: Sync::Works, ..lying }), 0, "the same lives without the lie");
}

#[test]
fn control_a_daemon_that_believes_the_cache_after_a_failed_sync_loses_what_it_acted_on() {
    let believing = World {
        sync: Sync::Works,
        restart: Restart::KeepsCache,
        failing: Failing::Each(SyncFailure::CalledClean),
    };
    assert!(lost(believing) > 0, "the cache may be believed: the judge sees nothing");
    assert_eq!(
        lost(World { restart: Restart::DropsCache, ..believing }),
        0,
        "the same lives without the belief"
    );
}
