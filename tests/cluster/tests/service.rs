//! A service dies, or does not stop. Guards S1 S2 S7 L2.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation, Writer, exec_resource};
use ha_lab::clock::boot_ns;
use serde_json::json;
use std::time::Duration;

#[test]
fn a_killed_service_answers_again_where_it_was() {
    let mut plan = Plan::default();
    // Its death is noticed at once: the next check comes long after this test.
    for (_, toml) in &mut plan.front {
        *toml = toml.replace("interval = \"1s\"", "interval = \"10m\"");
    }
    assert!(plan.front[1].1.contains("10m"), "{:?}", plan.front);
    let cluster = Cluster::start(plan);
    let before = cluster.answer();
    cluster.sh(&before.host, &format!("kill -KILL {}", before.pid));
    let mut again = None;
    cluster.wait("another process to answer", SOON, || {
        again = cluster.answers_since(before.t_ns).into_iter().find(|a| a.pid != before.pid);
        again.is_some()
    });
    let again = again.unwrap();
    assert_eq!((&again.host, &again.mac), (&before.host, &before.mac));
    cluster.wait("the cluster to be quiet", LONG, || cluster.is_quiet());
    let judge = cluster.judge();
    assert_eq!(judge.two_owners(), []);
    // The address never left: no round found another MAC, and nobody was fenced.
    let mac = cluster.mac_of(&before.host);
    assert!(judge.rounds.iter().filter(|r| r.t_ns >= before.t_ns).all(|r| r.macs.iter().all(|m| *m == mac)));
    assert!(cluster.hosts_named().iter().all(|h| judge.cuts_of(h) == 0), "{:?}", judge.power);
}

#[test]
fn a_service_that_dies_again_and_again_moves_without_a_fence() {
    let cluster = Cluster::start(Plan::default());
    let before = cluster.answer();
    let mut last = before.clone();
    // The default threshold is 3 failures.
    for _ in 0..3 {
        cluster.sh(&last.host, &format!("kill -KILL {}", last.pid));
        let gone = last.clone();
        cluster.wait("another process to answer", SOON, || {
            let now = cluster.answers_since(gone.t_ns).pop();
            last = now.unwrap_or_else(|| gone.clone());
            (&last.host, last.pid) != (&gone.host, gone.pid)
        });
    }
    assert_ne!(last.host, before.host);
    cluster.wait_blocks(&last.host, 10);
    let judge = cluster.judge();
    assert_eq!(judge.two_owners(), []);
    assert!(cluster.hosts_named().iter().all(|h| judge.cuts_of(h) == 0), "{:?}", judge.power);
    cluster.hactl_ok(&last.host, &["resource", "cleanup", "web"]);
    cluster.wait("the failures to be forgotten", SOON, || {
        let status = cluster.status_json(&last.host);
        let rows = status["resources"].as_array().cloned().unwrap_or_default();
        rows.iter().any(|r| r["name"] == "web" && r["failures"].as_array().is_some_and(Vec::is_empty))
    });
}

/// The last member of the group cannot be stopped: only the power of its host ends it and those before it.
fn stubborn(stop: &str) -> Plan {
    let stubborn =
        exec_resource("stubborn", &[("start", "sleep infinity"), ("stop", stop)], "stop_timeout = \"1s\"");
    Plan { writer: Writer::First, ..Plan::default() }.also("stubborn", stubborn)
}

fn stop_fails(stop: &str, lie: bool) -> Cluster {
    let cluster = Cluster::start(stubborn(stop));
    let old = cluster.answer();
    if lie {
        cluster.pdu_fault("pdu-a", json!({"lying": true, "slow_ms": 300})).unwrap();
    }
    cluster.hactl_ok(&cluster.leader(), &["node", "standby", &old.host]);
    if lie {
        // A lie about a host that speaks is seen through.
        cluster.wait_off_sent(&old.host);
        cluster.silence_daemon(&old.host);
    }
    cluster.wait_blocks_of_others(&old.host, 50);
    cluster
}

/// S7: the switch says off and the owner goes on speaking: it is not believed, nothing moves, and the mended switch is
/// enough.
#[test]
fn a_lie_about_an_owner_that_speaks_is_not_believed() {
    let cluster = Cluster::start(stubborn("false").time("fence_retry_max", "2s"));
    let old = cluster.answer();
    let other = cluster.others(&[&old.host])[0].clone();
    cluster.make_switches_lie();
    cluster.hactl_ok(&other, &["node", "standby", &old.host]);
    let why = ["fence of", &old.host, "read off, yet", "goes on sending heartbeats"];
    cluster.wait_problem(&other, &why, SOON);
    let since = boot_ns();
    cluster.hold("nobody else writes", Duration::from_secs(3), || {
        let ledger = cluster.ledger().unwrap();
        ledger.iter().filter(|b| b.t_ns >= since).all(|b| b.host == old.host)
    });
    cluster.mend_switch("pdu-a", false);
    cluster.wait_blocks_of_others(&old.host, 20);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn a_stop_that_fails_fences_its_host() {
    let cluster = stop_fails("false", false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn a_stop_that_does_not_end_fences_its_host() {
    let cluster = stop_fails("sleep infinity", false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_a_stop_that_fails_and_a_lie_are_a_takeover_from_a_living_host() {
    was_not_cut(&stop_fails("false", true));
}

#[test]
fn control_a_stop_that_does_not_end_and_a_lie_are_a_takeover_from_a_living_host() {
    was_not_cut(&stop_fails("sleep infinity", true));
}

fn was_not_cut(cluster: &Cluster) {
    let found = cluster.judge().fenced_takeovers();
    assert!(found.iter().any(|v| matches!(v, Violation::NotCut(_))), "{found:?}");
}

/// A service that does not hear SIGTERM is killed within its time: that is a stop like any other.
#[test]
fn a_service_deaf_to_sigterm_is_killed_and_nobody_is_fenced() {
    let start = "bash -c 'trap : TERM; while :; do sleep 0.1; done'";
    let deaf = exec_resource("deaf", &[("start", start)], "stop_timeout = \"2s\"");
    let cluster = Cluster::start(Plan::default().also("deaf", deaf));
    let old = cluster.answer();
    // pgrep: 0 for found, 1 for none, anything else for not having looked.
    let look = || cluster.exec(&old.host, &["pgrep", "-f", "trap : TERM"], SOON).unwrap();
    assert_eq!(look().code, Some(0), "it is seen while it runs: {:?}", look());
    cluster.hactl_ok(&old.host, &["node", "standby", &old.host]);
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    cluster.wait_blocks(&new.host, 20);
    let judge = cluster.judge();
    assert_eq!(judge.two_owners(), []);
    assert!(cluster.hosts_named().iter().all(|h| judge.cuts_of(h) == 0), "{:?}", judge.power);
    assert_eq!(look().code, Some(1), "nothing of it is left: {:?}", look());
}
