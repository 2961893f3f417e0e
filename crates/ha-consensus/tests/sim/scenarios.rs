//! One story each, in calm weather: what a reader of the design would try first.

use super::host::{MS, T_LOST_MS};
use super::world::World;
use ha_consensus::{Body, ChangeError, ProposeError, Raft, Role, TransferError, Voter, VoterSet};
use ha_model::{NodeId, Term};

pub fn run(world: &mut World, ms: u64) {
    world.run(world.t + ms * MS, &mut |_| {});
}

/// Three voters (and `extra` hosts that are not members yet) with a leader and bound stores.
pub fn formed(seed: u64, extra: usize) -> (World, usize) {
    let mut world = World::new(seed, 3 + extra, 3);
    run(&mut world, 3 * T_LOST_MS);
    let leader = world.leader().expect("a leader after three T_lost");
    (world, leader)
}

pub fn raft(world: &World, i: usize) -> &Raft<u64> {
    world.raft(i).expect("it runs")
}

/// A cluster of `voters`, and its leader.
pub fn formed_of(seed: u64, voters: usize) -> (World, usize) {
    let mut world = World::new(seed, voters, voters);
    run(&mut world, 3 * T_LOST_MS);
    let leader = world.leader().expect("a leader after three T_lost");
    (world, leader)
}

fn others(world: &World, i: usize) -> Vec<usize> {
    (0..world.hosts.len()).filter(|o| *o != i).collect()
}

pub fn cut(world: &mut World, i: usize) {
    for o in others(world, i) {
        world.cut.extend([(i, o), (o, i)]);
    }
}

pub fn named(world: &World, voters: &[usize], learners: &[usize]) -> VoterSet {
    VoterSet {
        voters: voters
            .iter()
            .map(|i| Voter { node: world.hosts[*i].id.clone(), store: Some(world.hosts[*i].disk.store) })
            .collect(),
        learners: learners.iter().map(|i| world.hosts[*i].id.clone()).collect(),
    }
}

pub fn change(world: &mut World, leader: usize, set: VoterSet) -> Result<(), ChangeError> {
    let mut answer = None;
    world.input(leader, |raft, now| answer = Some(raft.change_voters(now, set).map(drop)));
    answer.unwrap()
}

pub fn propose(world: &mut World, i: usize) -> Result<(), ProposeError> {
    let mut answer = None;
    world.input(i, |raft, now| answer = Some(raft.propose(now, vec![1]).map(drop)));
    answer.unwrap()
}

/// Whether what the leader proposes now gets committed within a second.
pub fn commits(world: &mut World, leader: usize) -> bool {
    propose(world, leader).unwrap();
    let index = raft(world, leader).last_log().index;
    run(world, 1000);
    raft(world, leader).commit_index() >= index
}

#[test]
fn a_cluster_forms_and_binds_its_stores() {
    let (world, leader) = formed(1, 0);
    assert_eq!(leader, 0, "the first by name stands first");
    for i in 0..3 {
        let members = raft(&world, i).membership();
        assert!(members.voters.values().all(Option::is_some), "{members:?}");
        assert_eq!(raft(&world, i).leader(), Some(&world.hosts[0].id));
    }
    assert_eq!(world.ledger.elections, 1);
}

#[test]
fn nobody_stands_before_a_quorum_is_heard() {
    let mut world = World::new(2, 3, 3);
    world.crash(1);
    world.crash(2);
    run(&mut world, 20 * T_LOST_MS);
    assert_eq!((raft(&world, 0).term(), raft(&world, 0).role()), (Term(0), Role::Follower));
    assert_eq!(world.sent, 0, "nothing to say to nobody");
    world.start(1);
    run(&mut world, 2 * T_LOST_MS);
    assert!(world.leader().is_some());
}

#[test]
fn the_next_by_rank_takes_over_in_t_lost() {
    let (mut world, leader) = formed(3, 0);
    world.crash(leader);
    run(&mut world, T_LOST_MS - 1);
    assert!(world.leader().is_none(), "not before T_lost");
    run(&mut world, 250);
    assert_eq!(world.leader(), Some(1), "b before c");
    assert_eq!(world.ledger.elections, 2, "one election, no collision");
}

/// A vote takes two writes, which here take longer than the longest first wait (half of T_lost).
#[test]
fn disks_slower_than_the_first_wait_for_votes_still_elect() {
    for seed in 0..10 {
        let (mut world, leader) = formed(seed, 0);
        world.weather.write_ms = Some(300);
        world.crash(leader);
        run(&mut world, 8 * T_LOST_MS);
        assert!(world.leader().is_some(), "seed {seed}: term {:?}", raft(&world, 1).term());
    }
}

#[test]
fn idle_is_silent() {
    let (mut world, _) = formed(4, 0);
    let before = (world.sent, world.writes);
    run(&mut world, 20 * T_LOST_MS);
    assert_eq!((world.sent, world.writes), before, "L7: beats alone keep a stable cluster");
}

#[test]
fn one_that_hears_nobody_disturbs_nobody() {
    let (mut world, leader) = formed(5, 0);
    let term = raft(&world, leader).term();
    world.cut.extend([(0, 2), (1, 2)]);
    run(&mut world, 20 * T_LOST_MS);
    world.cut.clear();
    run(&mut world, 5 * T_LOST_MS);
    assert_eq!((world.leader(), raft(&world, leader).term()), (Some(leader), term), "L5");
}

#[test]
fn one_that_misses_only_the_leader_gets_no_pre_vote() {
    let (mut world, leader) = formed(20, 0);
    let term = raft(&world, leader).term();
    world.cut.insert((leader, 2));
    run(&mut world, 20 * T_LOST_MS);
    assert!(world.sent_by(2) > 0, "it asked");
    assert_eq!(raft(&world, 2).term(), term, "and b, which hears the leader, refused: no term is spent");
    assert_eq!(world.leader(), Some(leader));
}

#[test]
fn a_leader_that_is_not_heard_steps_down() {
    let (mut world, leader) = formed(6, 0);
    cut(&mut world, leader);
    run(&mut world, T_LOST_MS * 795 / 1000);
    let clock = world.hosts[leader].clock(world.t);
    let lease = raft(&world, leader).lease_until();
    assert!(lease.is_none_or(|until| until <= clock), "the lease ends before others may stand: {lease:?}");
    assert!(raft(&world, leader).is_leader());
    run(&mut world, T_LOST_MS / 4);
    assert!(!raft(&world, leader).is_leader(), "check-quorum");
}

#[test]
fn a_frozen_leader_wakes_up_without_lease() {
    let (mut world, leader) = formed(7, 0);
    world.hosts[leader].frozen_until = world.t + 5 * T_LOST_MS * MS;
    run(&mut world, 5 * T_LOST_MS - 1);
    assert_eq!(world.leader().map(|l| l != leader), Some(true));
    let host = &world.hosts[leader];
    let until = host.raft.as_ref().unwrap().lease_until().expect("as it was when it froze");
    assert!(until < host.clock(world.t), "what it last claimed is over");
    run(&mut world, 500);
    assert!(!raft(&world, leader).is_leader());
}

/// The judge sees every claim to a lease, also of who stands still.
#[test]
fn voters_of_a_shorter_t_lost_keep_the_promises_that_they_gave_and_no_others_are_counted_on() {
    for seed in 0..20 {
        let (mut world, leader) = formed(seed, 0);
        for (i, host) in world.hosts.iter_mut().enumerate() {
            host.t_lost_ms = if i == leader { T_LOST_MS } else { T_LOST_MS / 4 };
        }
        for i in (0..world.hosts.len()).filter(|i| *i != leader) {
            world.crash(i);
            world.start(i);
            run(&mut world, T_LOST_MS * 2);
        }
        let Some(leader) = world.leader() else { panic!("seed {seed}: nobody leads") };
        assert!(commits(&mut world, leader), "seed {seed}");
        world.hosts[leader].frozen_until = world.t + T_LOST_MS * 3 / 4 * MS;
        run(&mut world, 3 * T_LOST_MS);
        assert!(world.leader().is_some(), "seed {seed}");
    }
}

fn step_aside(world: &mut World, leader: usize, quiet_ms: u64) {
    let quiet = std::time::Duration::from_millis(quiet_ms);
    world.input(leader, |raft, now| raft.step_aside(now, quiet));
    assert!(!raft(world, leader).is_leader() && raft(world, leader).lease_until().is_none());
}

#[test]
fn one_that_stepped_aside_lets_others_lead() {
    let (mut world, leader) = formed(22, 0);
    step_aside(&mut world, leader, 8 * T_LOST_MS);
    run(&mut world, T_LOST_MS + 250);
    let next = world.leader().expect("another within one silence");
    assert!(next != leader && commits(&mut world, next));
    let to = world.hosts[leader].id.clone();
    world.input(next, |raft, now| raft.transfer(now, &to).unwrap());
    run(&mut world, T_LOST_MS + 500);
    assert_eq!((world.leader(), world.ledger.transfers_failed), (Some(next), 1), "nor by a hand-over");
    world.crash(next);
    run(&mut world, T_LOST_MS + 250);
    let third = 3 - leader - next;
    assert_eq!(world.leader(), Some(third), "it votes, and the first by name would have stood before");
}

#[test]
fn one_that_stepped_aside_votes_for_others_though_it_hears_more() {
    let (mut world, leader) = formed(24, 0);
    world.cut.extend([(1, 2), (2, 1)]);
    run(&mut world, 3 * T_LOST_MS);
    assert_eq!((world.leader(), leader), (Some(0), 0), "who hears all");
    step_aside(&mut world, leader, 8 * T_LOST_MS);
    run(&mut world, T_LOST_MS * 3 / 2);
    assert!(world.leader().is_some_and(|l| l != leader), "{:?}", world.leader());
}

#[test]
fn one_that_stepped_aside_stands_again_where_nobody_else_can_lead() {
    let (mut world, leader) = formed(23, 0);
    world.crash(2);
    world.hold = Some(|message| matches!(message.body, Body::Append { .. }));
    propose(&mut world, leader).unwrap();
    run(&mut world, 100); // it alone has that entry: the other cannot be elected
    step_aside(&mut world, leader, 4 * T_LOST_MS);
    run(&mut world, 3900);
    assert_eq!(world.leader(), None);
    world.hold = None;
    run(&mut world, 1000);
    assert_eq!(world.leader(), Some(leader));
}

#[test]
fn leadership_is_handed_over_at_once() {
    let (mut world, leader) = formed(8, 0);
    let to = world.hosts[2].id.clone();
    world.input(leader, |raft, now| raft.transfer(now, &to).unwrap());
    assert_eq!(raft(&world, leader).lease_until(), None, "given up first");
    assert!(matches!(propose(&mut world, leader), Err(ProposeError::Transferring { .. })));
    run(&mut world, 150);
    assert_eq!(world.leader(), Some(2), "in spite of the lease");
}

#[test]
fn a_hand_over_that_fails_gives_the_lease_back() {
    let (mut world, leader) = formed(9, 0);
    let to = world.hosts[1].id.clone();
    cut(&mut world, 1);
    world.input(leader, |raft, now| raft.transfer(now, &to).unwrap());
    run(&mut world, T_LOST_MS + 300);
    assert_eq!(world.ledger.transfers_failed, 1);
    assert!(raft(&world, leader).lease_until().is_some() && commits(&mut world, leader));
    world.input(leader, |raft, now| {
        assert_eq!(raft.transfer(now, &to), Err(TransferError::Silent(to.clone())))
    });
}

/// The hand-over is called off, and only then its request arrives.
fn late_hand_over(after_ms: u64) -> (World, usize) {
    let (mut world, leader) = formed(16, 0);
    let to = world.hosts[1].id.clone();
    world.hold = Some(|message| matches!(message.body, Body::TransferNow { .. }));
    world.input(leader, |raft, now| raft.transfer(now, &to).unwrap());
    while world.ledger.transfers_failed == 0 {
        run(&mut world, 1);
    }
    run(&mut world, after_ms);
    assert_eq!(world.release(), 1);
    run(&mut world, 90);
    (world, leader)
}

#[test]
fn a_late_hand_over_finds_no_lease_to_break() {
    // Nobody has heard yet that it is off: b is elected, and the judge sees that a claimed no lease meanwhile.
    let (world, leader) = late_hand_over(0);
    assert!(world.leader() != Some(leader));
    // All have heard it: the request is void.
    let (world, leader) = late_hand_over(300);
    assert_eq!(world.leader(), Some(leader));
    assert!(raft(&world, leader).lease_until().is_some());
}

#[test]
fn a_restart_does_not_free_from_a_promise() {
    let (mut world, leader) = formed(17, 0);
    cut(&mut world, leader);
    world.cut.retain(|pair| *pair != (0, 1) && *pair != (1, 0));
    run(&mut world, 3 * T_LOST_MS);
    assert_eq!(world.leader(), Some(leader), "it rests on b alone; c waits for its chance");
    cut(&mut world, leader);
    world.crash(1);
    world.start(1);
    run(&mut world, T_LOST_MS * 79 / 100);
    assert_eq!(world.ledger.elections, 1, "b promised, before it restarted");
    run(&mut world, 2 * T_LOST_MS);
    assert!(world.leader() != Some(leader), "then one of the two leads");
}

#[test]
fn a_leader_that_meets_a_higher_term_stands_again_at_once() {
    let (mut world, leader) = formed(18, 0);
    world.crash(2);
    world.hosts[2].disk.hard.term = Term(40);
    world.hosts[2].disk.hard.acked = ha_model::Index(0);
    world.start(2);
    run(&mut world, T_LOST_MS / 2);
    assert_eq!(
        (world.leader(), raft(&world, leader).term()),
        (Some(leader), Term(41)),
        "nobody waits for silence"
    );
    assert_eq!(raft(&world, 2).leader(), Some(&world.hosts[leader].id));
    assert_eq!(world.ledger.outvoted, 1);
}

#[test]
fn a_removed_leader_hands_over() {
    let (mut world, leader) = formed(10, 2);
    let set = named(&world, &[0, 1, 2], &[3, 4]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 1000);
    let set = named(&world, &[1, 2, 3], &[4]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 600);
    let new = world.leader().expect("another leads without waiting for silence");
    assert!(new != leader && commits(&mut world, new));
}

/// The leader ends a change, only the voter whose vote that takes gets to know of it, and the leader is gone.
#[test]
fn l1_a_voter_that_is_being_removed_leads_once_more_where_its_log_is_needed() {
    let (mut world, leader) = formed(1, 1);
    let set = named(&world, &[0, 1, 2], &[3]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 1000);
    let set = named(&world, &[0, 1, 3], &[2]);
    change(&mut world, leader, set).unwrap();
    let has_begun = |world: &World, i: usize| raft(world, i).membership().outgoing.is_some();
    let has_ended = |world: &World, i: usize| {
        let members = raft(world, i).membership();
        members.outgoing.is_none() && members.is_voter(&world.hosts[3].id)
    };
    let wait = |world: &mut World, until: &dyn Fn(&World) -> bool| {
        while !until(world) {
            let soon = world.t + MS / 20;
            world.run(soon, &mut |_| {});
        }
    };
    wait(&mut world, &|w| has_begun(w, 1) && has_begun(w, 3));
    world.cut.extend([(leader, 1), (leader, 3)]);
    wait(&mut world, &|w| has_ended(w, 2));
    assert!(!has_ended(&world, 1) && !has_ended(&world, 3), "they know of it");
    world.crash(leader);
    run(&mut world, 20 * T_LOST_MS);
    let next = world.leader().expect("two of three voters live, and hear each other");
    assert!([1, 3].contains(&next), "{next} has no vote any more");
    assert!(has_ended(&world, 1) && commits(&mut world, next));
}

#[test]
fn changes_that_would_break_the_vote_are_refused() {
    let (mut world, leader) = formed(11, 1);
    let even = named(&world, &[0, 1], &[2]);
    assert_eq!(change(&mut world, leader, even), Err(ChangeError::EvenVoters(2)));
    let (strange, joint) = (named(&world, &[0, 1, 3], &[2]), named(&world, &[0], &[1, 2]));
    let d = world.hosts[3].id.clone();
    assert!(
        matches!(change(&mut world, leader, strange), Err(ChangeError::NotCaughtUp { node, .. }) if node == d)
    );
    let both = VoterSet { learners: vec![NodeId::from("a")], ..named(&world, &[0, 1, 2], &[]) };
    assert_eq!(change(&mut world, leader, both), Err(ChangeError::Twice(NodeId::from("a"))));
    assert!(change(&mut world, 1, joint.clone()).is_err(), "only the leader");
    change(&mut world, leader, joint.clone()).unwrap();
    assert!(raft(&world, leader).membership().is_joint());
    assert_eq!(change(&mut world, leader, joint), Err(ChangeError::InProgress));
    run(&mut world, 300);
    assert!(!raft(&world, leader).membership().is_joint(), "left by itself");
    assert_eq!(raft(&world, 1).role(), Role::Learner);
    let silent = named(&world, &[0, 1, 2], &[]);
    cut(&mut world, leader);
    run(&mut world, 2 * T_LOST_MS);
    assert_eq!(change(&mut world, leader, silent), Err(ChangeError::NoQuorum));
}
