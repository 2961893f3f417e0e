//! Supplies that hold their charge: the outlet reads off at once, the host lives on for a while. `off_settle` is to be
//! longer than that. Guards S1 S2 S7.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, Violation, Writer, exec_resource};
use serde_json::json;

/// The daemon stops where it is, its services do not know: they go on until the power is truly gone.
fn cut_with_charge(off_settle: &str, hold_up_ms: u64) -> Cluster {
    let plan = Plan { writer: Writer::First, ..Plan::default() }.time("off_settle", off_settle);
    let cluster = Cluster::start(plan);
    let old = cluster.place_owner(false);
    cluster.pdu_fault("pdu-a", json!({"hold_up_ms": hold_up_ms})).unwrap();
    cluster.silence_daemon(&old.host);
    cluster.wait_blocks_of_others(&old.host, 50);
    // It went on until its power went, neither stopped before nor cut by the command.
    let cut = cluster.wait_cut(&old.host);
    let last = cluster.ledger().unwrap().into_iter().rfind(|b| b.incarnation == old.incarnation).unwrap();
    assert!(cut.began_ns.abs_diff(last.t_ns) < 1_000_000_000, "it wrote to its end: {last:?}, {cut:?}");
    cluster
}

#[test]
fn readings_further_apart_than_the_charge_lasts_prove_the_power_off() {
    let cluster = cut_with_charge("2500ms", 1_000);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// A switch that is believed at once speaks the truth and still lies about the host.
#[test]
fn control_readings_without_a_distance_believe_in_an_owner_that_still_writes() {
    let cluster = cut_with_charge("0ms", 3_000);
    let found = cluster.judge().fenced_takeovers();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
    assert!(found.iter().any(|v| matches!(v, Violation::NotCut(_))), "{found:?}");
}

/// Even without a distance: who still speaks after it was read off is not off, so the next attempt must prove it. The owner is
/// well but for a stop that fails: its daemon speaks until the power is gone. The cluster, the owner and who then reads it off.
fn spoken_on_its_charge(hold_up_ms: u64) -> (Cluster, String) {
    let stubborn =
        exec_resource("stubborn", &[("start", "sleep infinity"), ("stop", "false")], "stop_timeout = \"1s\"");
    let plan = Plan { writer: Writer::First, ..Plan::default() }.also("stubborn", stubborn);
    let cluster = Cluster::start(plan);
    let old = cluster.answer().host;
    let other = cluster.others(&[&old])[0].clone();
    cluster.pdu_fault("pdu-a", json!({"hold_up_ms": hold_up_ms})).unwrap();
    cluster.hactl_ok(&other, &["node", "standby", &old]);
    cluster.wait_event(&other, &[&old, "did not prove it off", "goes on sending heartbeats"], LONG);
    (cluster, old)
}

#[test]
fn a_host_that_speaks_on_its_charge_is_not_proven_off() {
    let (cluster, old) = spoken_on_its_charge(1_500);
    cluster.wait_blocks_of_others(&old, 20);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// Silenced before the next attempt, it is believed off on its charge, as any that a switch lies about.
#[test]
fn control_a_host_that_falls_silent_on_its_charge_is_taken_over_from_alive() {
    let (cluster, old) = spoken_on_its_charge(12_000);
    cluster.silence_daemon(&old);
    cluster.wait_blocks_of_others(&old, 20);
    let found = cluster.judge().fenced_takeovers();
    assert!(found.iter().any(|v| matches!(v, Violation::NotCut(_))), "{found:?}");
}
