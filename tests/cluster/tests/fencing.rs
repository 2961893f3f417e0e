//! Fencing that goes wrong: switches that are dead, lie or do not know; outlets that are not the node's; and the
//! operator's ways out. Judged by who answers, what reaches the disk and what the power switch truly did.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{
    Cluster, LONG, Plan, SOON, SecondPdu, Violation, Writer, edit_cluster_file, helper, write_secret,
};
use ha_lab::PowerEffect;
use ha_lab::cluster::DAEMON;
use serde_json::{Value, json};
use std::time::Duration;

/// A fence device that gives up soon, so that a dead switch is known within a test's time.
fn impatient(text: &str) -> String {
    text.replace("\nagent = \"fence_pdu_snmp\"", "\nagent = \"fence_pdu_snmp\"\ntimeout = \"1s\"")
}

fn plan() -> Plan {
    Plan { prepare: |spec| edit_cluster_file(spec, impatient), ..Plan::default() }
        .time("fence_retry_max", "2s")
        .time("off_dwell", "500ms")
}

fn unreachable() -> Value {
    json!({"unreachable": true})
}

/// S2 S7 L3: without a proof nothing moves, status says why and what to type, and the mended switch is enough.
fn dead_switch(lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..plan() });
    let old = cluster.owner();
    let other = cluster.others(&[&old])[0].clone();
    cluster.pdu_fault("pdu-a", unreachable()).unwrap();
    cluster.freeze(&old).unwrap();
    cluster.wait_event(&other, &[&old, "attempt 1 did not prove it off"], LONG);
    let why = cluster.wait_problem(&other, &["fence of", &old, "hactl fence confirm"], SOON);
    assert!(why.contains("pdu-a outlet"), "{why}");
    cluster.wait_problem(&other, &["resource vip", &old, "hactl fence confirm"], SOON);
    cluster.hold_nothing_runs(Duration::from_secs(3));
    cluster.mend_switch("pdu-a", lie);
    cluster.wait_blocks_of_others(&old, 20);
    cluster
}

#[test]
fn a_dead_switch_blocks_recovery_until_it_is_back() {
    let cluster = dead_switch(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    cluster.wait_for_service();
}

#[test]
fn control_a_dead_switch_that_comes_back_with_a_lie_is_a_takeover_from_a_living_host() {
    was_not_cut(&dead_switch(true));
}

/// What a control must find.
fn was_not_cut(cluster: &Cluster) {
    let found = cluster.judge().fenced_takeovers();
    assert!(found.iter().any(|v| matches!(v, Violation::NotCut(_))), "{found:?}");
}

/// S7: a human's word is taken only of a node that nobody hears, and is enough then.
#[test]
fn a_human_confirms_what_the_dead_switch_cannot() {
    let cluster = Cluster::start(plan());
    let old = cluster.owner();
    let other = cluster.others(&[&old])[0].clone();
    let confirm = ["fence", "confirm", &old, "--yes-i-made-sure-it-is-off"];
    let refused = cluster.hactl(&other, &confirm);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("hears it") || refused.stderr.contains("leads"), "{refused:?}");
    cluster.pdu_fault("pdu-a", unreachable()).unwrap();
    cluster.power_off(&old).unwrap();
    cluster.wait_event(&other, &[&old, "attempt 1 did not prove it off"], LONG);
    cluster.hold_nothing_runs(Duration::from_secs(1));
    cluster.hactl_ok(&other, &confirm);
    cluster.wait_owner_other_than(&old, SOON);
    let history = cluster.hactl(&other, &["fence", "history", &old]).stdout;
    assert!(history.contains("confirmed off by"), "{history}");
    assert_eq!(cluster.judge().cut_takeovers(), []);
    cluster.pdu_fault("pdu-a", Value::Null).unwrap();
    cluster.power_on(&old).unwrap();
    cluster.wait_for_service();
}

/// A human is believed like a switch: what he makes sure of wrongly is a second owner, and the judge sees it.
#[test]
fn control_a_human_who_confirms_a_living_owner_makes_two() {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..plan() });
    let old = cluster.place_owner(false).host;
    let other = cluster.others(&[&old])[0].clone();
    cluster.pdu_fault("pdu-a", unreachable()).unwrap();
    cluster.freeze(&old).unwrap();
    cluster.wait_event(&other, &[&old, "attempt 1 did not prove it off"], LONG);
    cluster.hactl_ok(&other, &["fence", "confirm", &old, "--yes-i-made-sure-it-is-off"]);
    cluster.wait_blocks_of_others(&old, 5);
    cluster.silence_daemon(&old);
    cluster.thaw(&old).unwrap();
    cluster.wait_blocks_of_others(&old, 50);
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}

/// S7: a node that may have been cut is refused everything, but it is heard: no human's word is taken of it.
fn condemned_and_speaking(lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..plan() });
    let old = cluster.owner();
    let other = cluster.others(&[&old])[0].clone();
    cluster.pdu_fault("pdu-a", unreachable()).unwrap();
    cluster.freeze(&old).unwrap();
    cluster.wait_event(&other, &[&old, "attempt 1 did not prove it off"], LONG);
    cluster.thaw(&old).unwrap();
    // Its heartbeats are on the wire again.
    let (helper, tape) = (helper().display().to_string(), cluster.dir().join("tape").display().to_string());
    let number = cluster.spec().host(&old).unwrap().number.to_string();
    for host in cluster.others(&[&old]) {
        let record = [&helper, "record", &tape, "3", &number, &format!("{host}.net0")];
        assert!(cluster.exec_lab(&record, SOON).unwrap().is_success());
    }
    let confirm = ["fence", "confirm", &old, "--yes-i-made-sure-it-is-off"];
    cluster.hold("no word is taken of it", Duration::from_secs(3), || {
        let refused = cluster.hactl(&other, &confirm);
        refused.code == Some(1) && refused.stderr.contains("hears it")
    });
    if lie {
        cluster.silence_daemon(&old);
    }
    cluster.mend_switch("pdu-a", lie);
    cluster.wait_blocks_of_others(&old, 20);
    cluster
}

#[test]
fn a_condemned_node_that_speaks_is_not_confirmed_off() {
    let cluster = condemned_and_speaking(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_a_condemned_node_that_falls_silent_before_a_lie_is_taken_over_from_alive() {
    was_not_cut(&condemned_and_speaking(true));
}

/// S2 S7: the first level is dead, the second cuts.
fn second_level(lie: bool) -> Cluster {
    let plan = Plan {
        writer: Writer::First,
        adjust: |spec| {
            // Two ways to one supply: the first ends in nothing that the lab feeds, the second is the power itself.
            spec.pdus[1].outlets = std::mem::take(&mut spec.pdus[0].outlets);
        },
        prepare: |spec| {
            write_secret(spec, "pdu-b", "1234");
            edit_cluster_file(spec, |text| {
                let snmp = "agent = \"fence_pdu_snmp\"\noptions = { ip = \"10.0.9.2\", snmp_version = \"2c\", \
                            community_file = \"/etc/ha/secrets/pdu-b\" }";
                let http = "agent = \"fence_pdu_http\"\ntimeout = \"5s\"\noptions = { ip = \"10.0.9.2\", \
                            model = \"dli\", username = \"admin\", password_file = \"/etc/ha/secrets/pdu-b\" }";
                let first = "\n[[fence]]\nname = \"pdu-a\"\nagent = \"fence_pdu_snmp\"\ntimeout = \"1s\"\n\
                             options = { ip = \"10.0.9.1\", snmp_version = \"2c\", \
                             community_file = \"/etc/ha/secrets/pdu-a\" }\n\
                             outlets = { alpha = [\"1\"], beta = [\"2\"], gamma = [\"3\"] }\n";
                let both =
                    text.replace(snmp, http).replacen("\n[[fence]]", &format!("{first}\n[[fence]]"), 1);
                let levels = ["alpha", "beta", "gamma"].map(|node| {
                    ["pdu-a", "pdu-b"]
                        .map(|pdu| format!("\n[[level]]\nnode = \"{node}\"\ndevices = [\"{pdu}\"]\n"))
                });
                both + &levels.concat().concat()
            });
        },
        ..Plan::default()
    };
    let cluster = Cluster::start(plan);
    let old = cluster.owner();
    let other = cluster.others(&[&old])[0].clone();
    cluster.pdu_fault("pdu-a", unreachable()).unwrap();
    cluster.mend_switch("pdu-b", lie);
    cluster.freeze(&old).unwrap();
    cluster.wait_blocks_of_others(&old, 20);
    cluster.wait_event(&other, &[&old, "proven off by pdu-b (level 2"], SOON);
    cluster
}

#[test]
fn the_second_level_takes_over() {
    let cluster = second_level(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    let cut = cluster.power_journal().unwrap().into_iter().find(|r| r.effect == PowerEffect::Off).unwrap();
    assert_eq!(cut.pdu.as_deref(), Some("pdu-b"));
}

#[test]
fn control_a_second_level_that_lies_is_a_takeover_from_a_living_host() {
    was_not_cut(&second_level(true));
}

/// S2 S7: a host with two supplies is off when both are; one dead switch of a level is no proof.
fn both_supplies(lie: bool) -> Cluster {
    let levels = ["alpha", "beta", "gamma"]
        .map(|node| format!("\n[[level]]\nnode = \"{node}\"\ndevices = [\"pdu-a\", \"pdu-b\"]\n"));
    let (second_pdu, writer) = (SecondPdu::Redundant, Writer::First);
    let cluster = Cluster::start(Plan { second_pdu, writer, more_toml: levels.concat(), ..plan() });
    let old = cluster.owner();
    let other = cluster.others(&[&old])[0].clone();
    cluster.pdu_fault("pdu-b", unreachable()).unwrap();
    cluster.freeze(&old).unwrap();
    cluster.wait_problem(&other, &["fence of", &old, "pdu-b outlet"], LONG);
    assert!(cluster.host_state(&old).unwrap().is_on, "its second supply carries it");
    cluster.hold_nothing_runs(Duration::from_secs(1));
    cluster.mend_switch("pdu-b", lie);
    cluster.wait_blocks_of_others(&old, 20);
    cluster
}

#[test]
fn both_supplies_must_be_off() {
    let cluster = both_supplies(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_one_lie_of_two_supplies_is_a_takeover_from_a_living_host() {
    was_not_cut(&both_supplies(true));
}

/// The operator's commands against the real thing.
#[test]
fn an_operator_tests_cuts_and_restores() {
    let cluster = Cluster::start(plan());
    let owner = cluster.owner();
    let target = cluster.others(&[&owner])[0].clone();
    let tested = cluster.hactl(&owner, &["fence", "test"]);
    assert!(tested.is_success(), "{tested:?}");
    for host in cluster.hosts_named() {
        assert!(tested.stdout.contains(&format!("pdu-a to {host}: works, read on")), "{tested:?}");
    }
    cluster.pdu_fault("pdu-a", json!({"failing": true})).unwrap();
    let broken = cluster.hactl(&owner, &["fence", "test", &target]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.stdout.contains(&format!("pdu-a to {target}: does not work")), "{broken:?}");
    cluster.pdu_fault("pdu-a", Value::Null).unwrap();

    cluster.hactl_ok(&owner, &["fence", "off", &target, "--yes"]);
    cluster.wait("its power to go", SOON, || !cluster.host_state(&target).unwrap().is_on);
    cluster.wait_problem(&owner, &["node", &target, "proven off", "hactl fence on"], SOON);
    // It was asked for: off_dwell (0.5 s) passes, and it stays off.
    cluster.hold("it is off", Duration::from_secs(2), || !cluster.host_state(&target).unwrap().is_on);
    let history = cluster.hactl(&owner, &["fence", "history", &target]).stdout;
    for word in ["asked by", "off requested via pdu-a outlet", "proven off by pdu-a (level 1, 2 readings)"] {
        let flat = history.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(word), "no `{word}` in: {history}");
    }
    cluster.hactl_ok(&owner, &["fence", "on", &target]);
    cluster.wait("its power to come", SOON, || cluster.host_state(&target).unwrap().is_on);
    cluster.wait_for_service();
    assert_eq!(cluster.owner(), owner, "the service never moved");
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// S9: a node that is fenced again and again is held, shown, and let in again by its name.
#[test]
fn a_node_fenced_three_times_is_held() {
    let prefer = std::collections::BTreeMap::from([("alpha".to_string(), 10_000)]);
    let cluster = Cluster::start(Plan { prefer, ..plan() });
    for round in 1..=3 {
        cluster.wait_owner("alpha", LONG);
        cluster.power_off("alpha").unwrap();
        cluster.wait_owner_other_than("alpha", LONG);
        cluster.wait("the fence", SOON, || cluster.switched_off("alpha") >= round);
    }
    cluster.wait_problem("beta", &["node alpha", "held", "hactl node online alpha"], SOON);
    cluster.hold("it stays off", Duration::from_secs(2), || !cluster.host_state("alpha").unwrap().is_on);
    cluster.hactl_ok("beta", &["node", "online", "alpha"]);
    cluster.wait_owner("alpha", LONG);
    assert_eq!(cluster.judge().two_owners(), []);
}

/// The negative control of this file: with a switch that lies the same judgement condemns.
#[test]
fn with_a_lying_switch_the_judge_sees_two_owners() {
    let cluster = Cluster::start(plan());
    let old = cluster.owner();
    cluster.make_switches_lie();
    // Cut off, not frozen: nobody else takes an address at which a frozen host's kernel still answers.
    cluster.cut_host(&old).unwrap();
    cluster.silence_daemon(&old);
    let new = cluster.wait_owner_other_than(&old, LONG).host;
    assert_ne!(cluster.judge().fenced_takeovers(), [], "nobody's power was cut");
    cluster.heal().unwrap();
    cluster.wait("two owners to be seen", SOON, || !cluster.judge().two_owners().is_empty());
    // The cluster itself tells of it when it hears the old owner again: too late.
    cluster.thaw_process(&old, DAEMON).unwrap();
    cluster.wait_problem(&new, &[&old, "is heard although its power was read off"], SOON);
}
