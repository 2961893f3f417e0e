//! The leader goes in the middle of what it began. Guards S1 S2 S5 S17.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, Plan, SOON, Violation, Writer, exec_resource};
use serde_json::json;
use std::collections::BTreeMap;

/// The leader's power goes when the switch has cut the owner's (or says so) and has not answered yet: two of five are
/// gone, and who leads next must find out for itself.
fn killed_between_off_and_proof(lie: bool) -> Cluster {
    let hosts = ["alpha", "beta", "gamma", "delta", "epsilon"].map(String::from).to_vec();
    let cluster = Cluster::start(Plan { hosts, writer: Writer::First, ..Plan::default() });
    let old = cluster.place_owner(false);
    let leader = cluster.leader();
    cluster.pdu_fault("pdu-a", json!({"answers_late_ms": 800, "lying": lie})).unwrap();
    cluster.freeze(&old.host).unwrap();
    if lie {
        cluster.wait_off_sent(&old.host);
    } else {
        cluster.wait_cut(&old.host);
    }
    cluster.power_off(&leader).unwrap();
    cluster.wait_blocks_of_others(&old.host, 5);
    if lie {
        cluster.silence_daemon(&old.host);
    }
    assert_eq!(cluster.thaw(&old.host).is_ok(), lie);
    cluster.wait_blocks_of_others(&old.host, 50);
    cluster
}

#[test]
fn the_next_leader_ends_the_fence_that_the_last_one_began() {
    let cluster = killed_between_off_and_proof(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_the_next_leader_believes_a_lie_as_well() {
    old_owner_writes_on(&killed_between_off_and_proof(true));
}

fn old_owner_writes_on(cluster: &Cluster) {
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}

/// The daemon that leads is killed at the same moment, and comes back. The cluster, and who owned before.
fn restarted_between_off_and_proof(lie: bool) -> (Cluster, String) {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..Plan::default() });
    let old = cluster.place_owner(false).host;
    let leader = cluster.leader();
    cluster.pdu_fault("pdu-a", json!({"answers_late_ms": 800, "lying": lie})).unwrap();
    cluster.freeze(&old).unwrap();
    if lie {
        cluster.wait_off_sent(&old);
    } else {
        cluster.wait_cut(&old);
    }
    cluster.kill_daemon(&leader);
    cluster.wait_blocks_of_others(&old, 5);
    if lie {
        cluster.silence_daemon(&old);
        cluster.thaw(&old).unwrap();
    }
    cluster.wait_blocks_of_others(&old, 50);
    (cluster, old)
}

#[test]
fn a_leader_restarted_between_off_and_proof_ends_the_fence() {
    let (cluster, old) = restarted_between_off_and_proof(false);
    let judge = cluster.judge();
    assert_eq!(judge.fenced_takeovers(), []);
    assert!(cluster.others(&[&old]).iter().all(|h| judge.cuts_of(h) == 0), "{:?}", judge.power);
}

#[test]
fn control_a_leader_restarted_between_off_and_proof_believes_a_lie_as_well() {
    old_owner_writes_on(&restarted_between_off_and_proof(true).0);
}

/// Where each host notes the starts of the slow service: one line each, whether it was the only one there.
const STARTS: &str = "/var/lib/ha/slow.starts";

/// The starts on each host that has begun one.
fn starts(cluster: &Cluster) -> BTreeMap<String, String> {
    let noted = |host: String| {
        let text = std::fs::read_to_string(cluster.host_dir(&host).join("data/slow.starts")).ok()?;
        text.ends_with('\n').then_some((host, text))
    };
    cluster.hosts_named().into_iter().filter_map(noted).collect()
}

/// A cluster in which a start of 3 s is under way, and where.
fn slow_start(is_on_the_leader: bool) -> (Cluster, String) {
    let start = format!(
        "bash -c 'exec 9>/run/slow.lock; flock -n 9 && echo alone >> {STARTS} || echo beside another >> {STARTS}; \
         sleep 3; touch /run/slow.ready; exec {} writer --ledger 10.0.9.50:7000'",
        ha_lab::PROGRAM
    );
    let options = [("start", start.as_str()), ("check", "test -e /run/slow.ready")];
    let slow = exec_resource("slow", &options, "locks = [\"disk\"]\nenabled = false");
    let cluster = Cluster::start(Plan { writer: Writer::None, more_toml: slow, ..Plan::default() });
    let leader = cluster.leader();
    // Everything on the leader, or nothing, so that its death takes no service with it.
    let others = cluster.others(&[&leader]);
    let empty = if is_on_the_leader { others } else { vec![leader.clone()] };
    empty.iter().for_each(|host| cluster.hactl_ok(&leader, &["node", "standby", host]));
    cluster.wait("these hosts to be empty", SOON, || cluster.is_quiet() && !empty.contains(&cluster.owner()));
    cluster.hactl_ok(&leader, &["resource", "start", "slow"]);
    cluster.wait("the start to be under way", SOON, || !starts(&cluster).is_empty());
    // All may run it again: what keeps the next leader from starting it elsewhere is not a standby.
    empty.iter().for_each(|host| cluster.hactl_ok(&leader, &["node", "online", host]));
    assert_eq!(cluster.leader(), leader);
    let host = starts(&cluster).into_keys().next().unwrap();
    assert_eq!(host == leader, is_on_the_leader);
    (cluster, host)
}

/// Runs on that host, was never begun anywhere else nor twice at a time, and nobody was fenced for it. How often it was
/// begun there.
fn was_started_only_on(cluster: &Cluster, host: &str) -> usize {
    cluster.wait_blocks(host, 100);
    cluster.wait("the start to be known", SOON, || cluster.state_of(host, "resources", "slow") == "running");
    let judge = cluster.judge();
    assert!(judge.ledger.iter().all(|block| block.host == host), "{:?}", judge.owners());
    assert_eq!(judge.two_owners(), []);
    assert_eq!(judge.cuts_of(host), 0, "{:?}", judge.power);
    let begun = starts(cluster);
    assert_eq!(begun.keys().collect::<Vec<_>>(), [host]);
    let lines: Vec<&str> = begun[host].lines().collect();
    assert!(lines.iter().all(|line| *line == "alone"), "{lines:?}");
    lines.len()
}

/// The host that it was ordered on goes on with it, and nobody else begins.
#[test]
fn a_start_outlives_the_leader_that_ordered_it() {
    let (cluster, host) = slow_start(false);
    cluster.power_off(&cluster.leader()).unwrap();
    assert_eq!(was_started_only_on(&cluster, &host), 1);
}

/// The daemon that ordered it and runs it dies. What it left half done is ended and done again, on the same host.
#[test]
fn a_start_whose_daemon_dies_is_done_again_in_the_same_place() {
    let (cluster, host) = slow_start(true);
    cluster.kill_daemon(&host);
    assert!(was_started_only_on(&cluster, &host) <= 2);
}
