//! Log disks that are full or fail: the node acknowledges nothing more and says which disk; the cluster goes on, and an
//! owner with such a disk is fenced.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation, Writer, make_disks_breakable};
use ha_lab::clock::boot_ns;
use serde_json::json;
use std::time::Duration;

/// `write_age_max` of these tests.
const WRITE_AGE_MAX: Duration = Duration::from_secs(3);

fn plan() -> Plan {
    Plan { prepare: make_disks_breakable, ..Plan::default() }
        .time("write_age_max", "3s")
        .time("off_dwell", "30s")
}

/// Something that the log must hold.
fn write_something(cluster: &Cluster, by: &str) {
    cluster.hactl(by, &["resource", "cleanup"]);
}

/// S16: an owner whose syncs fail is lost for its disk, fenced within the bound, and taken over from.
fn owner_with_failing_syncs(leads: bool) {
    let cluster = Cluster::start(plan());
    let owner = cluster.place_owner(leads).host;
    let since = break_disk_of(&cluster, &owner);
    let new = cluster.wait_owner_other_than(&owner, LONG);
    let cut = cluster.wait_cut(&owner);
    let age = Duration::from_nanos(cut.began_ns - since);
    assert!(age < WRITE_AGE_MAX + Duration::from_secs(4), "cut after {age:?}");
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    cluster.hactl_ok(&new.host, &["resource", "cleanup"]);
}

/// Breaks it and waits until the daemon says so; when that began.
fn break_disk_of(cluster: &Cluster, owner: &str) -> u64 {
    cluster.break_disk(owner);
    let since = boot_ns();
    write_something(cluster, &cluster.others(&[owner])[0]);
    cluster.wait("its journal to name the disk", SOON, || {
        let journal = cluster.journal(owner);
        journal.contains("writing the log failed") && journal.contains("Input/output error")
    });
    since
}

#[test]
fn an_owner_whose_syncs_fail_is_fenced() {
    owner_with_failing_syncs(false);
}

#[test]
fn a_leading_owner_whose_syncs_fail_is_fenced() {
    owner_with_failing_syncs(true);
}

/// The switch lies, and its daemon falls silent when the switch is asked.
fn failing_syncs_and_a_lie(leads: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..plan() }.long_grants());
    let owner = cluster.place_owner(leads).host;
    cluster.pdu_fault("pdu-a", json!({"lying": true, "slow_ms": 300})).unwrap();
    break_disk_of(&cluster, &owner);
    is_lied_about(&cluster, &owner);
    cluster
}

fn is_lied_about(cluster: &Cluster, owner: &str) {
    cluster.wait_off_sent(owner);
    cluster.silence_daemon(owner);
    cluster.wait_blocks_of_others(owner, 50);
}

/// What a control must find.
fn writes_on(cluster: &Cluster) {
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}

#[test]
fn control_an_owner_whose_syncs_fail_and_that_keeps_its_power_writes_on() {
    writes_on(&failing_syncs_and_a_lie(false));
}

#[test]
fn control_a_leading_owner_whose_syncs_fail_and_that_keeps_its_power_writes_on() {
    writes_on(&failing_syncs_and_a_lie(true));
}

/// A node that owns nothing and cannot write: an alarm that names the disk, and the service never notices.
#[test]
fn a_follower_whose_syncs_fail_is_an_alarm_and_no_more() {
    let cluster = Cluster::start(plan());
    let owner = cluster.owner();
    let leader = cluster.leader();
    let bad = cluster.hosts_named().into_iter().find(|h| *h != owner && *h != leader).unwrap();
    cluster.break_disk(&bad);
    write_something(&cluster, &leader);
    cluster.wait_problem(&leader, &[&bad, "writing the log failed", "Input/output error"], SOON);
    cluster.wait_problem(&leader, &["node", &bad, "log disk"], SOON);
    cluster.hactl_ok(&leader, &["resource", "cleanup"]);
    cluster.hold_undisturbed(&owner, Duration::from_secs(1));
    assert_eq!(cluster.owner(), owner);
    // A mended disk and a restart bring it back.
    cluster.sh(&bad, "rm /run/ha-lab/disk-fails");
    cluster.kill_daemon(&bad);
    cluster.wait_for_service();
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    assert_eq!(cluster.switched_off(&bad), 0, "it held nothing");
}

/// The same with a disk that is full: the one of gamma, which owns.
fn full_log_disk(lie: bool) -> Cluster {
    let plan = Plan {
        adjust: |spec| spec.hosts[2].powered = false,
        wait_for_service: false,
        writer: Writer::First,
        prefer: [("gamma".to_string(), 10_000)].into(),
        ..Plan::default().time("write_age_max", "3s").time("off_dwell", "30s")
    };
    let cluster = Cluster::start(if lie { plan.long_grants() } else { plan });
    cluster.put_data_on_small_disk("gamma", 16);
    cluster.power_on("gamma").unwrap();
    cluster.wait_owner("gamma", LONG);
    cluster.wait_for_service();
    if lie {
        cluster.pdu_fault("pdu-a", json!({"lying": true, "slow_ms": 300})).unwrap();
    }
    cluster.fill_disk("gamma");
    let text = cluster.cluster_file();
    // Texts of some size, until the log needs a page that the disk has not got.
    let mut size = 0;
    cluster.wait("the journal of gamma to name the disk", LONG, || {
        size += 1;
        let padding = "# a long line of a comment, as generated files have them\n".repeat(3_000 + size);
        cluster.write_config("alpha", "long.toml", &format!("{padding}{text}"));
        cluster.hactl("alpha", &["--timeout", "3s", "config", "apply", "/etc/ha/long.toml"]);
        let journal = cluster.journal("gamma");
        journal.contains("writing the log failed") && journal.contains("No space left on device")
    });
    if lie {
        is_lied_about(&cluster, "gamma");
    }
    cluster
}

#[test]
fn an_owner_whose_log_disk_is_full_is_fenced() {
    let cluster = full_log_disk(false);
    cluster.wait_owner_other_than("gamma", LONG);
    cluster.wait_cut("gamma");
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    cluster.hactl_ok("alpha", &["resource", "cleanup"]);
}

#[test]
fn control_an_owner_whose_log_disk_is_full_and_that_keeps_its_power_writes_on() {
    writes_on(&full_log_disk(true));
}
