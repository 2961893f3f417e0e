//! One pair of voters is cut from each other, on machines under load: leadership settles with one whom all hear.

use super::host::{MS, T_LOST_MS};
use super::scenarios::run;
use super::world::World;
use ha_consensus::{Body, Raft};
use ha_model::StoreId;
use std::collections::BTreeMap;

/// One kind of trouble around the cut pair.
#[derive(Clone, Copy, Debug)]
struct Load {
    voters: usize,
    is_cut: bool,
    /// Each beat is late by up to this.
    late_beats_ms: u64,
    /// Hosts stand still for up to this, one after another.
    stall_ms: u64,
    /// Percent of words lost.
    loss: u64,
    write_ms: Option<u64>,
    /// The leader hands over to a voter that hears whom it does not, as `ha-core` does.
    hands_over: bool,
    /// The pair is cut before the first election.
    from_start: bool,
    /// Who dies once the pair is cut.
    dies: Option<usize>,
}

/// Leaderships that began in the span, and who leads at its end.
struct Seen {
    elections: u64,
    moves: u64,
    leader: Option<usize>,
}

fn up(world: &World, i: usize) -> bool {
    world.raft(i).is_some() && world.hosts[i].frozen_until <= world.t
}

/// What `ha-core` does: before `t_lost`, leadership goes to one who hears the node that the leader alone misses.
fn hand_over(world: &mut World, not_before: &mut BTreeMap<usize, u64>) {
    let Some(leader) = world.leader().filter(|l| up(world, *l)) else { return };
    let now = world.hosts[leader].clock(world.t);
    let progress = world.raft(leader).map(Raft::progress).unwrap_or_default();
    for id in 0..world.hosts.len() {
        let heard = progress.get(&world.hosts[id].id).and_then(|p| p.heard_at);
        let is_cut = world.cut.contains(&(id, leader));
        let silent =
            is_cut && heard.is_some_and(|at| now.since(at).as_millis() > u128::from(T_LOST_MS * 6 / 10));
        let waits = not_before.get(&id).is_some_and(|at| world.t < *at);
        if id == leader || !silent || waits || world.raft(id).is_none() {
            continue;
        }
        let hears = |v: &usize| *v != leader && *v != id && up(world, *v) && !world.cut.contains(&(id, *v));
        if let Some(to) = (0..world.hosts.len()).find(hears) {
            not_before.insert(id, world.t + T_LOST_MS * MS);
            let to = world.hosts[to].id.clone();
            world.input(leader, |raft, now| drop(raft.transfer(now, &to)));
        }
    }
}

/// Cuts a from b, and looks on for `secs`.
fn cut_pair(seed: u64, load: Load, secs: u64) -> (World, Seen) {
    let mut world = World::new(seed, load.voters, load.voters);
    if !load.from_start {
        run(&mut world, 3 * T_LOST_MS);
    }
    if load.is_cut {
        world.cut.extend([(0, 1), (1, 0)]);
    }
    world.weather.late_beats_ms = load.late_beats_ms;
    world.weather.loss = load.loss;
    world.weather.write_ms = load.write_ms;
    if let Some(i) = load.dies {
        world.crash(i);
    }
    let before = (world.ledger.elections, world.ledger.moves);
    let (mut not_before, mut next_stall) = (BTreeMap::new(), 0);
    let end = world.t + secs * 1000 * MS;
    while world.t < end {
        if load.stall_ms > 0 && world.t >= next_stall {
            let i = usize::try_from(world.rng.range(0, load.voters as u64)).unwrap();
            world.hosts[i].frozen_until = world.t + world.rng.range(0, load.stall_ms) * MS;
            next_stall = world.t + world.rng.range(50, 600) * MS;
        }
        run(&mut world, 25);
        if load.hands_over {
            hand_over(&mut world, &mut not_before);
        }
    }
    let (elections, moves) = (world.ledger.elections - before.0, world.ledger.moves - before.1);
    let leader = world.leader();
    (world, Seen { elections, moves, leader })
}

const CALM: Load = Load {
    voters: 3,
    is_cut: true,
    late_beats_ms: 0,
    stall_ms: 0,
    loss: 0,
    write_ms: None,
    hands_over: false,
    from_start: false,
    dies: None,
};

/// At most one change of leader by the cut (to one whom all hear), and one by the load; and whoever leads after a
/// change is heard by all.
fn settles(load: Load, seeds: u64) {
    let mut moved = 0;
    for seed in 0..seeds {
        let (_, seen) = cut_pair(seed, load, 30);
        assert!(seen.moves <= 2, "seed {seed}: {} changes of leader: {load:?}", seen.moves);
        let is_well_led = seen.moves == 0 || seen.leader.is_none_or(|l| l >= 2);
        assert!(is_well_led, "seed {seed}: then {:?} leads: {load:?}", seen.leader);
        moved += seen.moves;
    }
    if load.hands_over || load.from_start {
        assert!(moved >= seeds, "there was nothing to settle: {load:?}");
    }
}

#[test]
fn a_cut_pair_of_three_settles_on_the_third() {
    for base in [CALM, Load { hands_over: true, ..CALM }, Load { from_start: true, ..CALM }] {
        settles(Load { late_beats_ms: 500, ..base }, 4);
        settles(Load { stall_ms: 600, write_ms: Some(150), ..base }, 4);
        settles(Load { late_beats_ms: 200, stall_ms: 700, ..base }, 4);
        settles(Load { late_beats_ms: 200, stall_ms: 500, loss: 10, ..base }, 4);
    }
}

#[test]
fn a_cut_pair_of_five_settles_on_one_whom_all_hear() {
    for base in [Load { hands_over: true, ..CALM }, Load { dies: Some(4), ..CALM }] {
        let base = Load { voters: 5, ..base };
        settles(Load { late_beats_ms: 500, ..base }, 4);
        settles(Load { stall_ms: 600, write_ms: Some(150), ..base }, 4);
        settles(Load { late_beats_ms: 100, stall_ms: 400, loss: 10, ..base }, 4);
    }
}

/// The leader stands still again and again for longer than a promise to it lasts, but not for `t_lost`. b, which
/// misses it, asks c for its vote all the time.
#[test]
fn a_leader_is_not_deposed_by_the_voter_that_misses_it() {
    for seed in 0..10 {
        let mut world = World::new(seed, 3, 3);
        for i in 0..3 {
            world.hosts[i].lease_percent = 70;
            world.crash(i);
            world.start(i);
        }
        run(&mut world, 3 * T_LOST_MS);
        world.cut.extend([(0, 1), (1, 0)]);
        run(&mut world, 3 * T_LOST_MS);
        for _ in 0..20 {
            world.hosts[0].frozen_until = world.t + T_LOST_MS * 78 / 100 * MS;
            run(&mut world, 2 * T_LOST_MS);
        }
        assert!(world.sent_by(1) > 20, "seed {seed}: b asked");
        assert_eq!((world.ledger.elections, world.leader()), (1, Some(0)), "seed {seed}");
    }
}

#[test]
fn who_hears_all_stands_first() {
    let (mut world, _) = super::scenarios::formed_of(40, 5);
    let b = world.hosts[1].id.clone();
    world.input(0, |raft, now| raft.transfer(now, &b).unwrap());
    run(&mut world, T_LOST_MS / 2);
    assert_eq!(world.leader(), Some(1));
    world.cut.extend([(0, 2), (2, 0)]);
    run(&mut world, 3 * T_LOST_MS);
    world.crash(1);
    world.hold = Some(|m| matches!(m.body, Body::PreVote { .. }) && [1, 3].contains(&m.identity.store.0));
    run(&mut world, T_LOST_MS + 250);
    assert_eq!(world.leader(), Some(3), "not a, which misses c, nor c, which misses a");
    assert_eq!(world.release(), 0, "they wait for their turn, after those that hear all");
    assert_eq!(world.ledger.elections, 3, "one election");
}

#[test]
fn a_cut_pair_does_not_form_a_cluster_that_one_of_them_leads() {
    let (world, seen) = cut_pair(41, Load { from_start: true, ..CALM }, 5);
    assert_eq!((seen.elections, seen.leader), (1, Some(2)), "term {:?}", world.raft(2).map(Raft::term));
}

/// c hears all and would be the better one, but what it asks never arrives: b leads, a little later.
#[test]
fn a_better_one_that_is_not_elected_is_not_waited_for_long() {
    for seed in 42..50 {
        let (mut world, leader) = super::scenarios::formed(seed, 0);
        assert_eq!(leader, 0);
        world.cut.extend([(0, 1), (1, 0)]);
        run(&mut world, 3 * T_LOST_MS);
        world.hold = Some(|m| matches!(m.body, Body::PreVote { .. }) && m.identity.store == StoreId(3));
        world.crash(0);
        world.start(0);
        run(&mut world, 19 * T_LOST_MS / 10);
        assert_eq!(world.ledger.elections, 1, "seed {seed}: first c is waited for");
        run(&mut world, 11 * T_LOST_MS / 10);
        assert!(matches!(world.leader(), Some(0 | 1)), "seed {seed}: {:?}", world.leader());
    }
}
