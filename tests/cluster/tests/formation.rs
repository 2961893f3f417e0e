//! Clusters that begin, or begin again: who is waited for, who is fenced, what is said meanwhile.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation, Writer, edit_cluster_file};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn impatient(text: &str) -> String {
    text.replace("\nagent = \"fence_pdu_snmp\"", "\nagent = \"fence_pdu_snmp\"\ntimeout = \"1s\"")
}

fn plan() -> Plan {
    Plan { prepare: |spec| edit_cluster_file(spec, impatient), ..Plan::default() }
        .time("startup_wait", "3s")
        .time("fence_retry_max", "2s")
        .time("off_dwell", "500ms")
}

/// Puts a cluster up that has run, and takes all its power away. The owner then.
fn after_a_life() -> (Cluster, String) {
    let cluster = Cluster::start(plan());
    let owner = cluster.owner();
    let hosts = cluster.hosts_named();
    let lab = cluster.lab();
    std::thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(|| lab.power_off(host).unwrap());
        }
    });
    (cluster, owner)
}

fn power_on(cluster: &Cluster, hosts: &[String]) {
    let lab = cluster.lab();
    std::thread::scope(|scope| {
        for host in hosts {
            scope.spawn(|| lab.power_on(host).unwrap());
        }
    });
}

/// All power lost; the owner comes back first, alone, and may do nothing; then the others.
#[test]
fn all_power_lost_and_the_owner_returns_first() {
    let (cluster, owner) = after_a_life();
    cluster.power_on(&owner).unwrap();
    cluster.wait_problem(&owner, &["no quorum", "mend the power or network of"], SOON);
    cluster.hold_nothing_runs(Duration::from_secs(1));
    power_on(&cluster, &cluster.others(&[&owner]));
    cluster.wait_for_service();
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    assert!(cluster.hosts_named().iter().all(|h| cluster.switched_off(h) == 0), "nobody had to be fenced");
}

/// All power lost; the owner comes back last, within the wait for it: nobody is fenced.
#[test]
fn all_power_lost_and_the_owner_returns_last() {
    let (cluster, owner) = after_a_life();
    let others = cluster.others(&[&owner]);
    power_on(&cluster, &others);
    cluster.wait_problem(&others[0], &[&owner], SOON);
    cluster.power_on(&owner).unwrap();
    cluster.wait_for_service();
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    assert_eq!(cluster.switched_off(&owner), 0, "it came in time");
}

/// S2: two of three after an earlier life; the third, which owned everything, is fenced when its time is up.
#[test]
fn two_of_three_fence_the_owner_that_does_not_return() {
    let (cluster, owner) = after_a_life();
    let others = cluster.others(&[&owner]);
    power_on(&cluster, &others);
    cluster.wait_problem(&others[0], &["resource vip", &owner], SOON);
    cluster.wait_owner_other_than(&owner, LONG);
    // Its outlet was switched off first.
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    // Its outlet is switched on again, and it is there again.
    cluster.wait_for_service();
    assert!(cluster.host_state(&owner).unwrap().is_on);
}

/// S2 S7: the same with a dead switch: nothing starts, status says why; the mended switch is enough.
#[test]
fn two_of_three_with_a_dead_switch_wait_for_it() {
    let (cluster, owner) = after_a_life();
    cluster.pdu_fault("pdu-a", json!({"unreachable": true})).unwrap();
    let others = cluster.others(&[&owner]);
    power_on(&cluster, &others);
    let why = ["fence of", &owner, "pdu-a outlet", "hactl fence confirm"];
    cluster.wait_problem(&others[0], &why, LONG);
    cluster.wait_problem(&others[0], &["resource vip", &owner, "hactl fence confirm"], SOON);
    cluster.hold_nothing_runs(Duration::from_secs(2));
    cluster.pdu_fault("pdu-a", Value::Null).unwrap();
    cluster.wait_owner_other_than(&owner, LONG);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// The owner freezes, then the two others lose their power: when they are back nothing but their disks knows what it
/// may run, and it is fenced before anything is taken from it.
fn frozen_owner_outlives_the_others(lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..plan() });
    let owner = cluster.owner();
    let others = cluster.others(&[&owner]);
    cluster.freeze(&owner).unwrap();
    others.iter().for_each(|host| cluster.lab().power_off(host).unwrap());
    cluster.mend_switch("pdu-a", lie);
    power_on(&cluster, &others);
    cluster.wait_blocks_of_others(&owner, 5);
    if lie {
        cluster.silence_daemon(&owner);
        cluster.thaw(&owner).unwrap();
    }
    cluster.wait_blocks_of_others(&owner, 50);
    cluster
}

#[test]
fn two_that_return_fence_the_frozen_owner_that_outlived_them() {
    let cluster = frozen_owner_outlives_the_others(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_two_that_return_believe_a_lie_and_the_frozen_owner_writes_on() {
    let cluster = frozen_owner_outlives_the_others(true);
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}

/// A fresh cluster without one of its members: its outlet was never read on, so nothing proves it off but a human.
#[test]
fn a_fresh_cluster_with_two_of_three_says_what_it_waits_for() {
    let plan = Plan { adjust: |spec| spec.hosts[2].powered = false, wait_for_service: false, ..plan() };
    let cluster = Cluster::start(plan);
    cluster.wait_problem("alpha", &["forming", "waits for gamma"], SOON);
    let why = cluster.wait_problem("alpha", &["fence of gamma", "never read on while it was up"], LONG);
    assert!(why.contains("hactl fence confirm gamma"), "{why}");
    cluster.hold_nothing_runs(Duration::from_secs(1));
    cluster.hactl_ok("alpha", &["fence", "confirm", "gamma", "--yes-i-made-sure-it-is-off"]);
    cluster.wait_owner_other_than("gamma", SOON);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    // An off that would have proven nothing was not sent.
    assert!(cluster.power_journal().unwrap().iter().all(|r| r.effect != ha_lab::PowerEffect::Off));
    // The way back in: whoever confirmed it starts it.
    cluster.power_on("gamma").unwrap();
    cluster.wait_for_service();
    assert!(cluster.host_state("gamma").unwrap().is_on);
}

/// The same; the missing member comes up after all.
#[test]
fn a_fresh_cluster_starts_when_its_last_member_comes() {
    let plan = Plan {
        adjust: |spec| spec.hosts[2].powered = false,
        wait_for_service: false,
        ..plan().time("startup_wait", "60s")
    };
    let cluster = Cluster::start(plan);
    cluster.wait_problem("beta", &["forming", "waits for gamma"], SOON);
    cluster.hold_nothing_runs(Duration::from_secs(1));
    cluster.power_on("gamma").unwrap();
    cluster.wait_for_service();
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// Four members are three voters and a learner; the learner owns and is taken over from like anybody.
#[test]
fn four_members_form_and_fail_over() {
    let plan = Plan {
        hosts: ["alpha", "beta", "gamma", "delta"].map(String::from).to_vec(),
        prefer: BTreeMap::from([("delta".to_string(), 10_000)]),
        writer: Writer::InFront,
        ..plan()
    };
    let cluster = Cluster::start(plan);
    cluster.wait_owner("delta", LONG);
    cluster.mark_orderly();
    let status = cluster.status_json("alpha");
    let votes: Vec<&str> =
        status["nodes"].as_array().unwrap().iter().filter_map(|n| n["vote"].as_str()).collect();
    assert_eq!(votes.iter().filter(|v| **v == "voter").count(), 3, "{status}");
    assert_eq!(votes.iter().filter(|v| **v == "learner").count(), 1, "{status}");
    cluster.power_off("delta").unwrap();
    let new = cluster.wait_owner_other_than("delta", SOON);
    assert_eq!(cluster.judge().until(new.end_ns).fenced_takeovers(), []);
    // It comes back as a new boot, and what prefers it moves there.
    cluster.wait_owner("delta", LONG);
    cluster.wait_for_service();
    let judge = cluster.judge();
    assert_eq!(judge.two_owners(), []);
    assert_eq!(judge.cuts_of("delta"), 1);
}
