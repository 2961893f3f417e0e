//! Supplies that hold their charge: the outlet reads off at once, the host lives on for a while. `off_settle` is to be
//! longer than that. Guards S1 S2 S7.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, Plan, Violation, Writer};
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
    assert!(found.iter().any(|v| matches!(v, Violation::NotCut { .. })), "{found:?}");
}
