//! The owner is cut off: from all, from one, on one link, one way. Guards S1 S2 S3 L5.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Answer, Cluster, LONG, Plan, SOON, Violation, Writer};
use ha_lab::Direction;
use serde_json::json;
use std::time::Duration;

/// Long enough for a wrong fence or move to show: several times `T_lost` (1 s).
const NOTHING_HAPPENS: Duration = Duration::from_secs(4);

/// The minority's owner is fenced and the cut ends when another one has taken over.
fn cut_from_all(leads: bool, lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan::default());
    let old = cluster.place_owner(leads);
    if lie {
        cluster.make_switches_lie();
    }
    cluster.cut_host(&old.host).unwrap();
    if lie {
        cluster.silence_daemon(&old.host);
    }
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    cluster.heal().unwrap();
    cluster.wait_blocks(&new.host, 50);
    cluster
}

#[test]
fn an_owner_cut_from_all_is_fenced_first() {
    let cluster = cut_from_all(false, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn an_owner_that_leads_and_is_cut_from_all_is_fenced_first() {
    let cluster = cut_from_all(true, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_an_owner_cut_from_all_that_keeps_its_power_is_a_second_owner() {
    two_macs_answer(&cut_from_all(false, true));
}

#[test]
fn control_an_owner_that_leads_is_cut_from_all_and_keeps_its_power_is_a_second_owner() {
    two_macs_answer(&cut_from_all(true, true));
}

fn two_macs_answer(cluster: &Cluster) {
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::TwoMacs(_))), "{found:?}");
}

/// Owner and one other node do not hear each other, the third hears both: nobody is fenced, the service stays.
fn cut_from_one(leads: bool) {
    let cluster = Cluster::start(Plan::default());
    let before = cluster.place_owner(leads);
    let other = if leads { cluster.others(&[&before.host])[0].clone() } else { cluster.leader() };
    cluster.cut(&before.host, &other, Direction::Both, None).unwrap();
    nothing_happens(&cluster, &before);
    let after = cluster.answer();
    assert_eq!((after.host, after.pid), (before.host, before.pid));
}

#[test]
fn an_owner_that_the_leader_alone_does_not_hear_stays() {
    cut_from_one(false);
}

#[test]
fn an_owner_that_leads_and_does_not_hear_one_of_two_stays() {
    cut_from_one(true);
}

#[test]
fn one_link_of_two_is_shown_and_changes_nothing() {
    let cluster = Cluster::start(Plan::default());
    // What is shown is what the leader hears.
    let before = cluster.place_owner(false);
    cluster.link_down(&before.host, "net1").unwrap();
    let asked = cluster.others(&[&before.host])[0].clone();
    let links = || {
        let status = cluster.status_json(&asked);
        let rows = status["nodes"].as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row["name"] == before.host.as_str()).unwrap_or_default()["links"].take()
    };
    let number = cluster.spec().host(&before.host).unwrap().number;
    let expected = json!([[format!("10.0.0.{number}"), true], [format!("192.168.7.{number}"), false]]);
    cluster.wait("the status to show the link", SOON, || links() == expected);
    nothing_happens(&cluster, &before);
    let after = cluster.answer();
    assert_eq!((after.host.as_str(), after.pid), (before.host.as_str(), before.pid));
    cluster.heal().unwrap();
    cluster.wait("the link to be well again", LONG, || cluster.is_quiet());
}

/// Nobody is fenced, and only this owner's host answers.
fn nothing_happens(cluster: &Cluster, owner: &Answer) {
    let mac = cluster.mac_of(&owner.host);
    cluster.hold("the owner stays and nobody is fenced", NOTHING_HAPPENS, || {
        let judge = cluster.judge();
        let mut since = judge.rounds.iter().filter(|round| round.t_ns >= owner.t_ns);
        since.all(|round| round.macs.iter().all(|m| *m == mac))
            && cluster.hosts_named().iter().all(|h| judge.cuts_of(h) == 0)
    });
    assert_eq!(cluster.judge().two_owners(), []);
}

/// What the owner sends to the other nodes is lost (or what they send to it); its clients hear it all the time.
fn one_way(outbound: bool, lie: bool) -> Cluster {
    let plan = Plan { writer: Writer::First, ..Plan::default() };
    let cluster = Cluster::start(if lie { plan.long_grants() } else { plan });
    let old = cluster.place_owner(false);
    if lie {
        cluster.pdu_fault("pdu-a", json!({"lying": true, "slow_ms": 300})).unwrap();
    }
    for other in cluster.others(&[&old.host]) {
        let (from, to) = if outbound { (&old.host, &other) } else { (&other, &old.host) };
        cluster.cut(from, to, Direction::AToB, None).unwrap();
    }
    if lie {
        cluster.wait_off_sent(&old.host);
        cluster.silence_daemon(&old.host);
    }
    cluster.wait_blocks_of_others(&old.host, 50);
    cluster
}

#[test]
fn an_owner_that_nobody_hears_is_fenced_though_it_hears_all() {
    let cluster = one_way(true, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn an_owner_that_hears_nobody_is_fenced_though_all_hear_it() {
    let cluster = one_way(false, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_an_owner_that_nobody_hears_and_that_keeps_its_power_writes_on() {
    let cluster = one_way(true, true);
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}

#[test]
fn control_an_owner_that_hears_nobody_and_that_keeps_its_power_writes_on() {
    let cluster = one_way(false, true);
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}
