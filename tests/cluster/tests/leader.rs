//! The leader goes in the middle of what it began. Guards S1 S2 S5 S17.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation, Writer, exec_resource};
use serde_json::json;

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
    let cluster = killed_between_off_and_proof(true);
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}

/// The daemon that leads is killed at the same moment, and comes back.
#[test]
fn a_leader_restarted_between_off_and_proof_ends_the_fence() {
    let cluster = Cluster::start(Plan::default());
    let old = cluster.place_owner(false);
    let leader = cluster.leader();
    cluster.pdu_fault("pdu-a", json!({"answers_late_ms": 800})).unwrap();
    cluster.freeze(&old.host).unwrap();
    cluster.wait_cut(&old.host);
    cluster.kill_daemon(&leader);
    let new = cluster.wait_owner_other_than(&old.host, LONG);
    cluster.wait_blocks(&new.host, 20);
    let judge = cluster.judge();
    assert_eq!(judge.fenced_takeovers(), []);
    assert!(cluster.others(&[&old.host]).iter().all(|h| judge.cuts_of(h) == 0), "{:?}", judge.power);
}

/// Each host's starts of the slow service, in its own /var/lib/ha.
fn starts(cluster: &Cluster) -> Vec<(String, usize)> {
    let lines = |host: &String| {
        let text = std::fs::read_to_string(cluster.host_dir(host).join("data/slow.starts"));
        (host.clone(), text.unwrap_or_default().lines().count())
    };
    cluster.hosts_named().iter().map(lines).collect()
}

/// The start takes 3 s, its leader dies after the first: the host that it was ordered on goes on with it, and
/// nobody else begins.
#[test]
fn a_start_outlives_the_leader_that_ordered_it() {
    let start = format!(
        "bash -c 'echo start >> /var/lib/ha/slow.starts; sleep 3; touch /run/slow.ready; \
         exec {} writer --ledger 10.0.9.50:7000'",
        ha_lab::PROGRAM
    );
    let options = [("start", start.as_str()), ("check", "test -e /run/slow.ready")];
    let slow = exec_resource("slow", &options, "locks = [\"disk\"]\nenabled = false");
    let cluster = Cluster::start(Plan { writer: Writer::None, more_toml: slow, ..Plan::default() });
    let leader = cluster.leader();
    // Everything is kept off the leader, so that its death takes no service with it.
    cluster.hactl_ok(&leader, &["node", "standby", &leader]);
    cluster.wait("the leader to be empty", SOON, || cluster.is_quiet() && cluster.owner() != leader);
    cluster.hactl_ok(&leader, &["resource", "start", "slow"]);
    cluster.wait("the start to be under way", SOON, || starts(&cluster).iter().any(|(_, count)| *count > 0));
    let begun = starts(&cluster);
    let (host, _) = begun.iter().find(|(_, count)| *count > 0).unwrap().clone();
    assert_ne!(host, leader);
    cluster.power_off(&leader).unwrap();
    cluster.wait_blocks(&host, 100);
    cluster.wait("the start to be known", SOON, || cluster.state_of(&host, "resources", "slow") == "running");
    assert_eq!(starts(&cluster), begun, "one start, on one host");
    let judge = cluster.judge();
    assert!(judge.ledger.iter().all(|block| block.host == host), "{:?}", judge.owners());
    assert_eq!(judge.two_owners(), []);
    assert_eq!(judge.cuts_of(&host), 0);
}
