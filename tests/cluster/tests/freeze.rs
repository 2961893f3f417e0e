//! The owner freezes in the middle of its writes and goes on later: "too busy to answer is not dead". Guards S1 S2 S7.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Answer, Cluster, Plan, SOON, Violation, Writer};
use ha_lab::clock::boot_ns;
use ha_lab::cluster::SwitchFace;
use serde_json::json;

/// Thawed when the new owner has written: a frozen host is no dead host, only its power makes sure.
fn thawed_after_the_takeover(leads: bool, lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..Plan::default() });
    let old = cluster.place_owner(leads);
    freeze_and_thaw(cluster, &old, lie)
}

/// The same with the shortest times; who leads is left to chance.
fn thawed_after_the_takeover_fast(lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..Plan::default().fast() });
    let old = cluster.answer();
    freeze_and_thaw(cluster, &old, lie)
}

fn freeze_and_thaw(cluster: Cluster, old: &Answer, lie: bool) -> Cluster {
    if lie {
        cluster.make_switches_lie();
    }
    cluster.freeze(&old.host).unwrap();
    cluster.wait_blocks_of_others(&old.host, 5);
    if lie {
        cluster.silence_daemon(&old.host);
    }
    // A host without power cannot be thawed; the ledger says whether something was left of it.
    let is_thawed = cluster.thaw(&old.host).is_ok();
    assert_eq!(is_thawed, lie);
    cluster.wait_blocks_of_others(&old.host, 50);
    cluster
}

#[test]
fn a_frozen_owner_writes_nothing_after_the_takeover() {
    let cluster = thawed_after_the_takeover(false, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn a_frozen_owner_that_leads_writes_nothing_after_the_takeover() {
    let cluster = thawed_after_the_takeover(true, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_a_frozen_owner_that_keeps_its_power_writes_after_the_takeover() {
    writes_after_the_takeover(&thawed_after_the_takeover(false, true));
}

#[test]
fn control_a_frozen_owner_that_leads_and_keeps_its_power_writes_after_the_takeover() {
    writes_after_the_takeover(&thawed_after_the_takeover(true, true));
}

/// What a control must find.
fn writes_after_the_takeover(cluster: &Cluster) {
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}

#[test]
fn with_the_fast_profile_a_frozen_owner_writes_nothing_after_the_takeover() {
    let cluster = thawed_after_the_takeover_fast(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_with_the_fast_profile_a_frozen_owner_that_keeps_its_power_writes_after_the_takeover() {
    writes_after_the_takeover(&thawed_after_the_takeover_fast(true));
}

/// Thawed while the off command waits in the switch: what it does until its power goes, it does before the takeover.
/// Its own grant does not stop it, so it writes in that time for certain.
fn thawed_before_the_power_goes(face: SwitchFace, lie: bool) -> Cluster {
    let plan = Plan { face, writer: Writer::First, ..Plan::default() };
    let cluster = Cluster::start(plan.long_grants());
    let old = cluster.place_owner(false);
    cluster.pdu_fault("pdu-a", json!({"slow_ms": 400, "lying": lie})).unwrap();
    cluster.freeze(&old.host).unwrap();
    cluster.wait_off_sent(&old.host);
    if lie {
        // A lie about a host that speaks is seen through.
        cluster.silence_daemon(&old.host);
    }
    let thawed_ns = boot_ns();
    // Refused of a host without power: then the switch was faster than this test, which has seen nothing.
    cluster.thaw(&old.host).unwrap();
    cluster.wait("a block of the thawed owner", SOON, || {
        let ledger = cluster.ledger().unwrap();
        ledger.iter().any(|b| b.incarnation == old.incarnation && b.t_ns >= thawed_ns)
    });
    cluster.wait_blocks_of_others(&old.host, 50);
    cluster
}

#[test]
fn an_owner_thawed_before_its_power_goes_writes_nothing_after_the_takeover() {
    for face in [SwitchFace::Snmp, SwitchFace::Http] {
        let cluster = thawed_before_the_power_goes(face, false);
        assert_eq!(cluster.judge().fenced_takeovers(), [], "{face:?}");
    }
}

#[test]
fn control_an_owner_thawed_before_a_lie_is_taken_over_from_alive() {
    for face in [SwitchFace::Snmp, SwitchFace::Http] {
        writes_after_the_takeover(&thawed_before_the_power_goes(face, true));
    }
}

/// Thawed between the command, which the switch obeys at once, and the answer to it.
fn thawed_before_the_read_back(lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..Plan::default() });
    let old = cluster.place_owner(false);
    cluster.pdu_fault("pdu-a", json!({"answers_late_ms": 400, "lying": lie})).unwrap();
    cluster.freeze(&old.host).unwrap();
    if lie {
        cluster.wait_off_sent(&old.host);
        cluster.silence_daemon(&old.host);
    } else {
        cluster.wait_cut(&old.host);
    }
    assert_eq!(cluster.thaw(&old.host).is_ok(), lie);
    cluster.wait_blocks_of_others(&old.host, 50);
    cluster
}

#[test]
fn an_owner_thawed_before_the_read_back_is_gone() {
    let cluster = thawed_before_the_read_back(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_an_owner_thawed_before_the_read_back_of_a_lie_is_taken_over_from_alive() {
    writes_after_the_takeover(&thawed_before_the_read_back(true));
}
