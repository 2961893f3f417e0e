//! Stories of bars: a store that was put back has no vote until the members have done without it *since*, and then it has one
//! again, whoever was away meanwhile (S10).

use super::host::T_LOST_MS;
use super::scenarios::{change, commits, cut, named, propose, raft, run};
use super::world::World;
use ha_consensus::{BarReason, Body, ChangeError, Entry, Payload};
use ha_model::Index;

const A: usize = 0;
const B: usize = 1;
const D: usize = 3;
const E: usize = 4;

/// `voters` of `hosts` vote, the others are learners; `a` leads.
fn with_learners(seed: u64, hosts: usize, voters: usize) -> World {
    let mut world = World::new(seed, hosts, voters);
    run(&mut world, 3 * T_LOST_MS);
    assert_eq!(world.leader(), Some(A));
    let (vote, listen): (Vec<_>, Vec<_>) = (0..hosts).partition(|i| *i < voters);
    let set = named(&world, &vote, &listen);
    change(&mut world, A, set).unwrap();
    run(&mut world, T_LOST_MS);
    world
}

/// `b` starts from a copy of its disk that lacks what it acknowledged since.
fn put_back(world: &mut World) {
    let yesterday = world.hosts[B].disk.clone();
    assert!(commits(world, A));
    world.crash(B);
    world.hosts[B].disk = yesterday;
    world.start(B);
    run(world, T_LOST_MS);
}

fn barred(world: &World, by: usize) -> Option<BarReason> {
    raft(world, by).barred(&world.hosts[B].id)
}

/// Votes `b` out, with the rest of `voters`, and in again in the place of the last of them.
fn out_and_in(world: &mut World, voters: &[usize]) {
    let (last, rest) = voters.split_last().unwrap();
    let set = named(world, voters, &[B]);
    change(world, A, set).unwrap();
    run(world, T_LOST_MS / 2);
    let with_b: Vec<usize> = rest.iter().copied().chain([B]).collect();
    let set = named(world, &with_b, &[*last]);
    change(world, A, set).unwrap();
    run(world, T_LOST_MS / 2);
}

/// Five voters; all know that `b` was put back. `e` sleeps while `b` is voted out and in.
fn one_slept(seed: u64, more: usize) -> World {
    let mut world = with_learners(seed, 6, 5);
    put_back(&mut world);
    for i in [A, 2, D, E] {
        assert_eq!(barred(&world, i), Some(BarReason::Regressed));
    }
    world.crash(E);
    out_and_in(&mut world, &[A, 2, E, 5, D]);
    for _ in 0..more {
        propose(&mut world, A).unwrap();
        run(&mut world, 50);
    }
    assert_eq!(barred(&world, A), None);
    assert!(!world.hosts[B].disk.hard.no_vote, "b votes again");
    world
}

/// S10: what `e` remembers is over, though its log does not say so yet.
#[test]
fn a_claim_from_before_its_removal_strips_no_voter() {
    let mut world = one_slept(41, 0);
    world.cut.extend([(A, E), (E, A)]);
    world.start(E);
    run(&mut world, T_LOST_MS / 2);
    assert_eq!(barred(&world, E), Some(BarReason::Regressed), "e knows no better yet");
    assert!(!world.hosts[B].disk.hard.no_vote, "S10: nothing that b promised since is missing");
    assert_eq!(barred(&world, A), None, "and nobody is told otherwise");
    world.cut.clear();
    run(&mut world, T_LOST_MS);
    cut(&mut world, 2);
    cut(&mut world, 5);
    assert!(commits(&mut world, A), "a, b and e are three of five");
}

/// S10: one append brings the removal and the naming after it; both are in the log before either is committed there.
#[test]
fn a_bar_ends_where_removal_and_naming_come_together() {
    let mut world = one_slept(42, 0);
    world.start(E);
    run(&mut world, T_LOST_MS);
    assert_eq!(raft(&world, E).commit_index(), raft(&world, A).commit_index());
    assert_eq!(barred(&world, E), None, "it was voted out and in since");
}

/// S10: a snapshot holds both; who was away counts the voter all the same.
#[test]
fn a_bar_ends_where_a_snapshot_holds_the_removal() {
    let mut world = one_slept(43, 60);
    assert!(raft(&world, A).snapshot().meta.pos > world.hosts[E].disk.last(), "compacted beyond its log");
    world.start(E);
    run(&mut world, T_LOST_MS);
    assert!(world.ledger.installs > 0);
    assert_eq!(raft(&world, E).commit_index(), raft(&world, A).commit_index());
    assert_eq!(barred(&world, E), None, "it was voted out and in since");
}

/// S10: what it remembers is true, and it did not live to see it end.
#[test]
fn who_slept_since_before_a_store_was_put_back_strips_no_voter() {
    let mut world = with_learners(47, 6, 5);
    let yesterday = world.hosts[B].disk.clone();
    assert!(
        commits(&mut world, A) && commits(&mut world, A),
        "what is remembered is written with the next entry"
    );
    world.crash(E);
    world.crash(B);
    world.hosts[B].disk = yesterday;
    world.start(B);
    run(&mut world, T_LOST_MS);
    out_and_in(&mut world, &[A, 2, E, 5, D]);
    assert!(!world.hosts[B].disk.hard.no_vote, "b votes again");
    world.cut.extend([(A, E), (E, A)]);
    world.start(E);
    run(&mut world, T_LOST_MS / 2);
    assert_eq!(barred(&world, E), Some(BarReason::Regressed), "e knows that b lacks something");
    world.cut.clear();
    run(&mut world, T_LOST_MS);
    world.crash(B);
    world.start(B);
    run(&mut world, T_LOST_MS);
    assert!((0..6).all(|i| barred(&world, i).is_none()) && !world.hosts[B].disk.hard.no_vote);
}

/// S10: it was away itself, and its snapshot holds both.
#[test]
fn who_slept_over_its_own_removal_and_naming_votes_again() {
    let mut world = with_learners(44, 4, 3);
    put_back(&mut world);
    assert!(world.hosts[B].disk.hard.no_vote);
    world.crash(B);
    out_and_in(&mut world, &[A, 2, D]);
    for _ in 0..60 {
        propose(&mut world, A).unwrap();
        run(&mut world, 50);
    }
    assert!(raft(&world, A).snapshot().meta.pos > world.hosts[B].disk.last(), "compacted beyond its log");
    world.start(B);
    run(&mut world, T_LOST_MS);
    assert!(world.ledger.installs > 0);
    assert!(!world.hosts[B].disk.hard.no_vote, "the members named it anew");
    cut(&mut world, 2);
    assert!(commits(&mut world, A), "a and b are two of three");
}

/// S10: what it acknowledged was lost with its leader, and lies beyond the log of those that go on. Named below that it would stay
/// barred: it is named when the log has come so far.
#[test]
fn nobody_is_named_below_what_he_forgot() {
    let mut world = with_learners(48, 6, 5);
    let yesterday = world.hosts[B].disk.clone();
    for i in 2..6 {
        world.cut.extend([(A, i), (i, A)]);
    }
    world.cut.insert((B, A));
    for _ in 0..4 {
        world.input(A, |raft, now| assert!(raft.propose(now, vec![1; 8]).is_ok()));
    }
    run(&mut world, T_LOST_MS / 2);
    let lost = world.hosts[B].disk.hard.promised;
    assert!(lost.0 >= yesterday.last().index.0 + 20, "b alone has it from a");
    world.crash(A);
    world.crash(B);
    world.hosts[B].disk = yesterday;
    world.start(B);
    run(&mut world, 4 * T_LOST_MS);
    let leader = world.leader().expect("three of five");
    assert_eq!(barred(&world, leader), Some(BarReason::Regressed));
    let set = named(&world, &[A, 2, D, E, 5], &[B]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, T_LOST_MS / 2);
    while raft(&world, leader).last_log().index < lost {
        let set = named(&world, &[A, 2, D, E, B], &[5]);
        let refused = change(&mut world, leader, set);
        assert!(matches!(refused, Err(ChangeError::NotCaughtUp { .. })), "{refused:?}");
        propose(&mut world, leader).unwrap();
        run(&mut world, 50);
    }
    let set = named(&world, &[A, 2, D, E, B], &[5]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, T_LOST_MS / 2);
    assert!((2..6).all(|i| barred(&world, i).is_none()) && !world.hosts[B].disk.hard.no_vote);
}

/// S10: the removal that it finds in its own log is older than what it forgot.
#[test]
fn a_removal_from_before_the_copy_gives_no_vote_back() {
    let mut world = with_learners(45, 4, 3);
    out_and_in(&mut world, &[A, 2, D]);
    put_back(&mut world);
    assert!(world.hosts[B].disk.hard.no_vote, "it was told");
    // Its commit index starts again at its snapshot, and passes its old removal.
    assert_eq!(world.hosts[B].disk.snapshot.as_ref().unwrap().meta.pos.index.0, 0);
    world.crash(B);
    world.start(B);
    for _ in 0..T_LOST_MS {
        run(&mut world, 1);
        assert!(raft(&world, B).hard_state().no_vote, "S10: b lacks what it acknowledged");
        if world.t.is_multiple_of(10_000_000) {
            propose(&mut world, A).unwrap();
        }
    }
    assert_eq!(barred(&world, A), Some(BarReason::Regressed));
}

/// The last that was committed before `b` was put back.
const LATE: u64 = 77;

fn is_late(entry: &Entry<u64>) -> bool {
    entry.payload == Payload::App(LATE)
}

/// S10: as above; the one voter that knows better dies while it still feeds it, and the one that is left lacks the tail too.
#[test]
fn a_removal_from_before_the_copy_makes_no_leader_that_lacks_what_is_committed() {
    let mut world = with_learners(46, 4, 3);
    out_and_in(&mut world, &[A, 2, D]);
    world.crash(D);
    let yesterday = world.hosts[B].disk.clone();
    cut(&mut world, 2);
    for i in 0..20 {
        let value = if i < 16 { 5 } else { LATE };
        world.input(A, |raft, now| assert!(raft.propose(now, vec![value]).is_ok()));
    }
    run(&mut world, T_LOST_MS / 5);
    assert_eq!(raft(&world, A).commit_index(), raft(&world, A).last_log().index, "by a and b");
    world.crash(B);
    world.hosts[B].disk = yesterday;
    world.hold = Some(|m| matches!(&m.body, Body::Append { entries, .. } if !entries.is_empty()));
    world.start(B);
    run(&mut world, 3 * T_LOST_MS / 10);
    assert!(world.hosts[B].disk.hard.no_vote, "it was told");
    world.crash(B);
    world.hold = Some(|m| matches!(&m.body, Body::Append { entries, .. } if entries.iter().any(is_late)));
    world.start(B);
    let most = Index(world.hosts[B].disk.last().index.0 + 16);
    for _ in 0..300 {
        if world.hosts[B].disk.last().index == most {
            break;
        }
        run(&mut world, 1);
    }
    assert_eq!(world.hosts[B].disk.last().index, most, "all but the last four");
    world.crash(A);
    world.hold = None;
    world.cut.clear();
    run(&mut world, 6 * T_LOST_MS);
    assert_eq!(world.leader(), None, "S5: b and c both lack what a has committed with b");
    world.start(A);
    run(&mut world, 4 * T_LOST_MS);
    assert!(world.leader().is_some());
}
