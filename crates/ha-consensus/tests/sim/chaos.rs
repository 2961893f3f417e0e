//! Swarm faults: each seed picks its own mix, so that rare pairs of faults meet often.

use super::host::{Disk, MS, T_LOST_MS};
use super::world::{Happening, Weather, World};
use ha_consensus::{Raft, Voter, VoterSet};
use ha_model::NodeId;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Crash,
    Restart,
    CutOne,
    CutHalf,
    CutOneWay,
    Heal,
    Freeze,
    Transfer,
    Change,
    WriteFails,
    Wipe,
    Weather,
    Blink,
    Aside,
}

const ALL: [Fault; 14] = [
    Fault::Crash,
    Fault::Restart,
    Fault::CutOne,
    Fault::CutHalf,
    Fault::CutOneWay,
    Fault::Heal,
    Fault::Freeze,
    Fault::Transfer,
    Fault::Change,
    Fault::WriteFails,
    Fault::Wipe,
    Fault::Weather,
    Fault::Blink,
    Fault::Aside,
];

/// One seed: chaos, then calm; safety throughout, progress at the end.
pub fn run(seed: u64, chaos_ms: u64) -> World {
    let mut world = World::new(seed, 5, if seed.is_multiple_of(2) { 3 } else { 5 });
    let mut mix: Vec<Fault> = ALL.into_iter().filter(|_| world.rng.chance(60)).collect();
    mix.extend([Fault::Restart, Fault::Heal, Fault::Restart, Fault::Heal]);
    let pace = world.rng.range(100, 1500);
    world.at(0, Happening::Propose);
    world.at(1500 * MS, Happening::Fault);
    world.run(chaos_ms * MS, &mut |world| {
        let fault = *world.rng.pick(&mix);
        inject(world, fault);
        let next = world.t + world.rng.range(1, pace) * MS;
        world.at(next, Happening::Fault);
    });
    calm(&mut world, seed);
    world
}

fn inject(world: &mut World, fault: Fault) {
    let n = world.hosts.len();
    let i = usize::try_from(world.rng.range(0, n as u64)).unwrap();
    let up = world.hosts[i].raft.is_some() && world.hosts[i].frozen_until <= world.t;
    // A leader is hit as often as all others together.
    let i = match (world.leader(), world.rng.chance(50)) {
        (Some(leader), true) if world.hosts[leader].frozen_until <= world.t => leader,
        _ => i,
    };
    match fault {
        Fault::Crash => world.crash(i),
        Fault::Restart => restart_all(world),
        Fault::CutOne => (0..n).for_each(|o| {
            world.cut.extend([(i, o), (o, i)]);
        }),
        Fault::CutHalf => {
            let side: Vec<bool> = (0..n).map(|_| world.rng.chance(50)).collect();
            world.cut = (0..n * n).map(|k| (k / n, k % n)).filter(|(a, b)| side[*a] != side[*b]).collect();
        }
        Fault::CutOneWay => (0..n).for_each(|o| {
            if world.rng.chance(70) {
                world.cut.insert((i, o));
            }
        }),
        Fault::Heal => heal(world),
        Fault::Freeze => world.hosts[i].frozen_until = world.t + world.rng.range(50, 3 * T_LOST_MS) * MS,
        Fault::Transfer => {
            let to = world.rng.pick(&world.hosts).id.clone();
            world.input(i, |raft, now| drop(raft.transfer(now, &to)));
        }
        Fault::Change => change(world),
        Fault::WriteFails => {
            if up && let Some(lost) = world.hosts[i].writing.front().map(|p| p.id) {
                world.hosts[i].writing.clear();
                world.input(i, |raft, now| raft.persist_failed(now, lost));
            }
        }
        Fault::Blink => {
            // Back at once, and it hears everyone but the leader: what it promised is forgotten, not void.
            if let Some(leader) = world.leader().filter(|l| *l != i) {
                world.crash(i);
                world.cut.extend([(i, leader), (leader, i)]);
                world.start(i);
            }
        }
        Fault::Aside => {
            let quiet = std::time::Duration::from_millis(world.rng.range(0, 3 * T_LOST_MS));
            world.input(i, |raft, now| raft.step_aside(now, quiet));
        }
        Fault::Wipe => wipe(world, i),
        Fault::Weather => {
            world.weather = Weather {
                write_ms: None,
                loss: *world.rng.pick(&[0, 0, 5, 30]),
                duplicate: *world.rng.pick(&[0, 10, 50]),
                slow: *world.rng.pick(&[0, 1, 10, 40]),
                slow_disk: world.rng.chance(20),
                stale_beats: *world.rng.pick(&[0, 20, 60]),
                late_beats_ms: 0,
            };
        }
    }
}

fn heal(world: &mut World) {
    world.cut.clear();
    for from in 0..world.hosts.len() {
        for to in 0..world.hosts.len() {
            if from != to {
                world.at(world.t, Happening::Reset { from, to });
            }
        }
    }
}

fn restart_all(world: &mut World) {
    for i in 0..world.hosts.len() {
        if world.hosts[i].raft.is_none() {
            if world.rng.chance(50) {
                let t = world.t;
                world.hosts[i].reboot_clock(t);
            }
            world.start(i);
        }
    }
}

/// Any odd set of three or five; nodes whose store was replaced get their new one named.
fn change(world: &mut World) {
    let Some(leader) = world.leader() else { return };
    let mut hosts: Vec<usize> = (0..world.hosts.len()).collect();
    for k in (1..hosts.len()).rev() {
        let other = usize::try_from(world.rng.range(0, k as u64 + 1)).unwrap();
        hosts.swap(k, other);
    }
    let voters = if world.rng.chance(50) { 3 } else { 5 };
    let set = VoterSet {
        voters: hosts[..voters]
            .iter()
            .map(|i| &world.hosts[*i])
            .map(|h| Voter { node: h.id.clone(), store: Some(h.disk.store) })
            .collect(),
        learners: hosts[voters..].iter().map(|i| world.hosts[*i].id.clone()).collect::<Vec<NodeId>>(),
    };
    world.input(leader, |raft, now| drop(raft.change_voters(now, set)));
}

/// The disk is lost; one at a time, as a minority may fail. It comes back empty under a new store id.
fn wipe(world: &mut World, i: usize) {
    let someone_waits = world.hosts.iter().any(|h| h.wiped || h.disk.hard.no_vote);
    let settled = world.raft(i).is_some_and(|r| {
        let members = r.membership();
        !members.is_joint()
            && members.voters.len() >= 3
            && members.binds(&world.hosts[i].id, world.hosts[i].disk.store)
    });
    if someone_waits || !settled {
        return;
    }
    world.crash(i);
    let fresh = 1000 + u128::from(world.rng.next());
    let lost = std::mem::replace(&mut world.hosts[i].disk, Disk::new(fresh));
    world.hosts[i].lost_disk = Some(lost);
    world.hosts[i].wiped = true;
    world.start(i);
}

/// All faults end. A leader is found within a bound, lost stores are replaced, and all agree (L1, L6).
fn calm(world: &mut World, seed: u64) {
    world.weather = Weather::default();
    for i in 0..world.hosts.len() {
        world.hosts[i].frozen_until = 0;
        if world.raft(i).is_some_and(|r| r.role() == ha_consensus::Role::Failed) {
            world.crash(i);
        }
    }
    restart_all(world);
    heal(world);
    let mut quiet = |_: &mut World| {};
    await_leader(world, seed);
    for _ in 0..20 {
        world.run(world.t + 500 * MS, &mut quiet);
        if world.hosts.iter().all(|h| !h.disk.hard.no_vote && !h.wiped) {
            break;
        }
        change(world);
    }
    // A last round in which every host is a member, so that all must catch up.
    for _ in 0..20 {
        let leader = await_leader(world, seed);
        let members = world.raft(leader).unwrap().membership();
        if world.hosts.iter().all(|h| members.contains(&h.id)) && !members.is_joint() {
            break;
        }
        change(world);
        world.run(world.t + 500 * MS, &mut quiet);
    }
    world.propose();
    world.run(world.t + 2 * T_LOST_MS * MS, &mut quiet);
    let leader = await_leader(world, seed);
    let commit = world.raft(leader).map(Raft::commit_index).unwrap();
    let members = world.raft(leader).unwrap().membership().clone();
    for host in &world.hosts {
        if members.contains(&host.id) {
            let behind = commit.0.saturating_sub(host.applied.0);
            assert!(behind <= 40, "seed {seed}: {} is {behind} behind after calm", host.id);
        }
    }
}

/// L1: a leader within a bound.
fn await_leader(world: &mut World, seed: u64) -> usize {
    for _ in 0..16 {
        if let Some(leader) = world.leader() {
            return leader;
        }
        world.run(world.t + T_LOST_MS / 2 * MS, &mut |_| {});
    }
    panic!("L1: seed {seed}: no leader after eight T_lost of calm");
}
