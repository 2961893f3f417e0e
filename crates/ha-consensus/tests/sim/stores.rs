//! Stories of stores: new, lost, put back from a copy, failing. Guards S10 S16.

use super::host::{Disk, T_LOST_MS};
use super::scenarios::{change, commits, cut, formed, named, propose, raft, run};
use super::world::World;
use ha_consensus::{BarReason, Body, Message, Role};
use ha_model::StoreId;

#[test]
fn a_learner_joins_from_nothing_and_becomes_a_voter() {
    let (mut world, leader) = formed(12, 1);
    for _ in 0..50 {
        propose(&mut world, leader).unwrap();
        run(&mut world, 30);
    }
    assert!(raft(&world, leader).snapshot().meta.pos.index.0 > 0, "compacted");
    assert_eq!(raft(&world, 3).role(), Role::Learner);
    let set = named(&world, &[0, 1, 2], &[3]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 1000);
    assert_eq!(raft(&world, 3).commit_index(), raft(&world, leader).commit_index());
    assert!(world.ledger.installs > 0, "by a snapshot");
    assert!(world.hosts[3].disk.hard.no_vote);
    let set = named(&world, &[0, 1, 3], &[2]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 500);
    cut(&mut world, 1);
    assert!(commits(&mut world, leader), "with the vote of the new one");
    assert!(!world.hosts[3].disk.hard.no_vote);
}

#[test]
fn a_restored_disk_is_barred_until_it_is_voted_out_and_in() {
    let (mut world, leader) = formed(13, 1);
    let set = named(&world, &[0, 1, 2], &[3]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 1000);
    let yesterday = world.hosts[1].disk.clone();
    assert!(commits(&mut world, leader));
    world.crash(1);
    world.hosts[1].disk = yesterday;
    world.start(1);
    run(&mut world, 500);
    let b = world.hosts[1].id.clone();
    for i in [0, 2] {
        assert_eq!(raft(&world, i).barred(&b), Some(BarReason::Regressed), "S10: all who knew better");
    }
    assert_eq!(raft(&world, 1).commit_index(), raft(&world, leader).commit_index(), "it still gets the log");
    cut(&mut world, 2);
    assert!(!commits(&mut world, leader), "S10: its acknowledgements do not count");
    run(&mut world, 2 * T_LOST_MS);
    assert!(world.leader().is_none(), "nor for a lease or a vote");
    // The memory outlives those who remember.
    world.cut.clear();
    world.crash(leader);
    world.start(leader);
    run(&mut world, 3 * T_LOST_MS);
    let leader = world.leader().expect("a and c");
    assert_eq!(raft(&world, leader).barred(&b), Some(BarReason::Regressed));
    let rest = |world: &World, x: usize| named(world, &[0, 2, x], &[4 - x]);
    let set = rest(&world, 3);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 500);
    let set = rest(&world, 1);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 500);
    assert_eq!(raft(&world, leader).barred(&b), None);
    cut(&mut world, 2 - leader);
    assert!(commits(&mut world, leader), "b votes again");
}

/// S10: the voter that knew better told it, and it says so itself to one that was away and knows nothing.
#[test]
fn a_restored_disk_confesses_to_a_voter_that_never_heard_it() {
    let (mut world, _) = formed(32, 0);
    world.crash(2);
    let yesterday = world.hosts[1].disk.clone();
    run(&mut world, 3 * T_LOST_MS);
    let leader = world.leader().expect("two of three");
    assert!(commits(&mut world, leader));
    world.crash(1);
    world.hosts[1].disk = yesterday;
    world.start(1);
    run(&mut world, T_LOST_MS);
    let hard = &world.hosts[1].disk.hard;
    assert!(hard.regressed.is_some() && hard.no_vote, "it was told, and wrote it down");
    world.crash(0);
    world.crash(1);
    world.start(1);
    world.start(2);
    run(&mut world, 6 * T_LOST_MS);
    assert!(world.leader().is_none(), "two of three, and both lack what the third committed");
    world.start(0);
    run(&mut world, 6 * T_LOST_MS);
    let leader = world.leader().expect("the two that may vote");
    assert!(commits(&mut world, leader));
}

/// S5: who lost its disk starts as a founder, from its file; so does a voter that was cut off from the first moment. Two of
/// three, and the third has the log.
#[test]
fn a_replaced_disk_and_a_blank_voter_found_no_second_cluster() {
    let mut world = World::new(31, 3, 3);
    cut(&mut world, 2);
    run(&mut world, 3 * T_LOST_MS);
    let leader = world.leader().expect("two of three");
    assert!(commits(&mut world, leader));
    let other = 1 - leader;
    world.crash(other);
    world.hosts[other].disk = Disk::new(99);
    world.start(other);
    run(&mut world, T_LOST_MS / 2);
    world.cut.clear();
    world.crash(leader);
    world.start(leader); // nobody leads, and all three may stand
    run(&mut world, 6 * T_LOST_MS);
    let leads = world.leader().expect("the one with the log, by the vote of the blank one");
    assert_eq!(leads, leader);
    assert!(commits(&mut world, leader));
}

/// S5: as above, and the term has changed since: the one that has the log stood and was not elected, and so has promised nothing in
/// its newest term, and its commit index starts again with its daemon.
#[test]
fn a_failed_candidacy_does_not_hide_the_log_from_two_founders() {
    let mut world = World::new(33, 3, 3);
    cut(&mut world, 2);
    run(&mut world, 3 * T_LOST_MS);
    assert_eq!(world.leader(), Some(0));
    assert!(commits(&mut world, 0));
    let term = raft(&world, 0).term();
    world.crash(1);
    world.hosts[1].disk = Disk::new(99);
    world.crash(0);
    world.start(0);
    world.cut = [(0, 1), (1, 0), (1, 2), (2, 1)].into();
    world.start(1);
    // Its vote requests are lost; then, from the moment on at which all hear each other, all its questions.
    world.hold = Some(|m| matches!(m.body, Body::Vote { .. }));
    run(&mut world, 3 * T_LOST_MS);
    assert!(world.hosts[0].disk.hard.term > term, "it stood");
    world.hold = Some(|m| {
        m.identity.store == StoreId(1) && matches!(m.body, Body::PreVote { .. } | Body::Vote { .. })
    });
    world.cut.clear();
    world.crash(0);
    world.start(0);
    run(&mut world, 6 * T_LOST_MS);
    assert_eq!(world.leader(), None, "S5: the two others have nothing, and would found a second cluster");
    world.hold = None;
    run(&mut world, 6 * T_LOST_MS);
    assert_eq!(world.leader(), Some(0), "by the vote of the blank one");
    assert!(commits(&mut world, 0));
}

#[test]
fn a_new_store_has_no_vote_until_it_is_named() {
    let (mut world, leader) = formed(14, 0);
    world.crash(2);
    world.hosts[2].disk = Disk::new(99);
    world.hosts[2].wiped = true;
    world.start(2);
    run(&mut world, 1500);
    let c = world.hosts[2].id.clone();
    assert_eq!(raft(&world, leader).barred(&c), Some(BarReason::OtherStore));
    assert_eq!(raft(&world, 2).role(), Role::Learner);
    // Its restart must not make it forget that it has no vote.
    world.crash(2);
    world.start(2);
    cut(&mut world, 1);
    run(&mut world, T_LOST_MS / 2);
    assert!(!commits(&mut world, leader));
    world.cut.clear();
    run(&mut world, 3 * T_LOST_MS);
    let leader = world.leader().expect("a and b");
    let set = named(&world, &[0, 1, 2], &[]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 500);
    assert_eq!(raft(&world, leader).barred(&c), None);
    cut(&mut world, 1 - leader);
    assert!(commits(&mut world, leader), "the new store votes");
}

#[test]
fn a_candidate_that_knows_only_the_old_store_gets_no_vote_from_the_new() {
    let (mut world, leader) = formed(19, 0);
    // c comes back empty, and a, which led, is gone for good: b alone has the log, and c must not complete a quorum,
    // not even while b has not heard yet that another store speaks for c.
    world.crash(leader);
    world.crash(2);
    world.hosts[2].disk = Disk::new(99);
    world.hosts[2].wiped = true;
    world.start(2);
    world.cut.insert((2, 1));
    run(&mut world, 300);
    let last = raft(&world, 1).last_log();
    let (term, identity) = (raft(&world, 1).term().next(), raft(&world, 1).identity());
    let named = raft(&world, 1).membership().named(&world.hosts[2].id);
    assert!(named.is_some());
    run(&mut world, T_LOST_MS);
    let b = world.hosts[1].id.clone();
    let vote = Message { term, identity, body: Body::Vote { last, transfer: None, named } };
    world.input(2, |raft, now| raft.receive(now, &b, vote));
    run(&mut world, 100);
    assert_eq!(world.hosts[2].disk.hard.voted_for, None, "S16: named is another store than this");
}

#[test]
fn a_change_that_its_new_voters_have_not_heard_of_can_still_be_completed() {
    let (mut world, leader) = formed(21, 2);
    let set = named(&world, &[0, 1, 2], &[3, 4]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 1000);
    // d and e joined empty: without a vote until they are named. Those who name them need one of their votes.
    world.cut.extend([(leader, 3), (leader, 4)]);
    let set = named(&world, &[2, 3, 4], &[0, 1]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 100);
    assert!(raft(&world, 2).membership().is_joint() && !raft(&world, 3).membership().is_joint());
    world.crash(leader);
    run(&mut world, 4 * T_LOST_MS);
    let new = world.leader().expect("b or c, with a vote of d or e");
    assert_eq!(raft(&world, new).membership().voters.len(), 3);
    assert!(!raft(&world, new).membership().is_joint() && !world.hosts[3].disk.hard.no_vote);
}

#[test]
fn a_new_store_is_elected_by_one_that_has_not_heard_of_it() {
    let mut world = World::new(22, 5, 5);
    run(&mut world, 3 * T_LOST_MS);
    let leader = world.leader().expect("a leader after three T_lost");
    assert_eq!(leader, 0);
    world.crash(3);
    world.hosts[3].disk = Disk::new(99);
    world.hosts[3].wiped = true;
    world.start(3);
    cut(&mut world, 1);
    run(&mut world, 1000);
    let set = named(&world, &[0, 1, 3], &[2, 4]);
    change(&mut world, leader, set).unwrap();
    run(&mut world, 500);
    assert_eq!(raft(&world, 3).membership().voters.len(), 3, "committed by a and the new d");
    world.crash(leader);
    world.cut.clear();
    let d = world.hosts[3].id.clone();
    run(&mut world, 200);
    assert_eq!(raft(&world, 1).barred(&d), Some(BarReason::OtherStore));
    run(&mut world, 4 * T_LOST_MS);
    assert_eq!(world.leader(), Some(3), "b votes for it: its log goes beyond, and names the new store");
}

#[test]
fn a_failed_write_ends_all_acknowledgement() {
    let (mut world, leader) = formed(15, 0);
    propose(&mut world, leader).unwrap();
    let lost = world.hosts[leader].writing.front().unwrap().id;
    world.hosts[leader].writing.clear();
    world.input(leader, |raft, now| raft.persist_failed(now, lost));
    assert_eq!(raft(&world, leader).role(), Role::Failed);
    let sent = world.sent_by(leader);
    run(&mut world, 5 * T_LOST_MS);
    assert_eq!(world.sent_by(leader), sent, "S16: not a word");
    let new = world.leader().expect("the others go on");
    let part = raft(&world, leader).beat_parts(world.hosts[leader].clock(world.t))(&world.hosts[new].id);
    assert!(part.ack.is_none() && !part.leads, "S16: no acknowledgement by beat either");
    world.crash(leader);
    world.start(leader);
    run(&mut world, 1000);
    assert_eq!(raft(&world, leader).commit_index(), raft(&world, new).commit_index());
}
