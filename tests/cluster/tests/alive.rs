//! What the watch over processes adds to the judge: an owner that is neither heard nor seen lives all the same. Guards S1 S2.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation, Writer};

fn watched() -> Cluster {
    Cluster::start(Plan { watches_processes: true, writer: Writer::First, ..Plan::default() })
}

/// Each move in order, and the fence at the end, in one life: the owner before had ended each time.
#[test]
fn owners_that_let_go_and_one_that_is_cut_are_taken_over_from() {
    let cluster = watched();
    let mut owner = cluster.owner();
    for _ in 0..2 {
        let asked = cluster.others(&[&owner])[0].clone();
        cluster.hactl_ok(&asked, &["resource", "move", "vip", &asked, "--for", "3s"]);
        owner = cluster.wait_owner(&asked, LONG).host;
        cluster.wait_blocks(&owner, 10);
    }
    cluster.freeze(&owner).unwrap();
    let new = cluster.wait_owner_other_than(&owner, SOON);
    cluster.wait_blocks(&new.host, 10);
    let judge = cluster.judge();
    assert!(!judge.alive.is_empty());
    assert!(judge.answering().len() >= 4, "{:?}", judge.answering());
    assert_eq!(judge.unproven_takeovers(), []);
}

/// Frozen for good behind a lying switch: it never answers or writes again, so only the process table tells of it.
#[test]
fn control_a_frozen_owner_behind_a_lying_switch_lives_beside_the_next() {
    let cluster = watched();
    let old = cluster.answer();
    cluster.make_switches_lie();
    cluster.freeze(&old.host).unwrap();
    cluster.wait_blocks_of_others(&old.host, 50);
    let found = cluster.judge().unproven_takeovers();
    assert!(found.iter().any(|v| matches!(v, Violation::TwoAlive { .. })), "{found:?}");
    assert!(found.iter().any(|v| matches!(v, Violation::NotCut(_))), "{found:?}");
}
