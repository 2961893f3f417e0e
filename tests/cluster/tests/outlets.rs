//! Outlets that do not know, do not exist or are somebody else's, and agents that call them off all the same.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation, Writer, edit_cluster_file};
use ha_lab::clock::boot_ns;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// An agent that gives up soon, so that a refusal is known within a test's time.
fn impatient(text: &str) -> String {
    text.replace("snmp_version = \"2c\"", "power_timeout = \"1\", snmp_version = \"2c\"")
        .replace("\nagent = \"fence_pdu_snmp\"", "\nagent = \"fence_pdu_snmp\"\ntimeout = \"4s\"")
}

fn plan() -> Plan {
    Plan { prepare: |spec| edit_cluster_file(spec, impatient), ..Plan::default() }
        .time("fence_retry_max", "2s")
        .time("off_dwell", "500ms")
}

fn owned_by_gamma() -> Plan {
    Plan { prefer: BTreeMap::from([("gamma".to_string(), 10_000)]), ..plan() }
}

/// S7: the relay has cut, but the switch does not say so: that is no proof.
fn unknown_outlet(lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..owned_by_gamma() });
    cluster.wait_owner("gamma", LONG);
    cluster.pdu_fault("pdu-a", json!({"unknown": [3], "lying": lie})).unwrap();
    cluster.freeze("gamma").unwrap();
    if !lie {
        cluster.wait_cut("gamma");
    }
    cluster.wait_problem("alpha", &["fence of gamma", "outlet 3", "unknown"], LONG);
    cluster.hold_nothing_runs(Duration::from_secs(2));
    cluster.mend_switch("pdu-a", lie);
    cluster.wait_blocks_of_others("gamma", 20);
    cluster
}

#[test]
fn an_outlet_whose_state_is_unknown_proves_nothing() {
    let cluster = unknown_outlet(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_a_switch_that_then_knows_the_outlet_off_falsely_is_a_takeover_from_a_living_host() {
    was_not_cut(&unknown_outlet(true));
}

/// What a control must find.
fn was_not_cut(cluster: &Cluster) {
    let found = cluster.judge().fenced_takeovers();
    assert!(found.iter().any(|v| matches!(v, Violation::NotCut(_))), "{found:?}");
}

/// S7: the command went to another outlet; the node's own still reads on.
fn wrong_outlet(lie: bool) -> Cluster {
    let cluster = Cluster::start(Plan { writer: Writer::First, ..owned_by_gamma() });
    cluster.wait_owner("gamma", LONG);
    cluster.pdu_fault("pdu-a", json!({"wrong_outlet": true})).unwrap();
    cluster.freeze("gamma").unwrap();
    cluster.wait_problem("alpha", &["fence of gamma", "outlet 3 still reads on"], LONG);
    cluster.hold_nothing_runs(Duration::from_secs(1));
    cluster.mend_switch("pdu-a", lie);
    cluster.wait_blocks_of_others("gamma", 20);
    cluster
}

#[test]
fn a_switch_that_acts_on_another_outlet_proves_nothing() {
    let cluster = wrong_outlet(false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_a_switch_that_then_calls_the_right_outlet_off_falsely_is_a_takeover_from_a_living_host() {
    was_not_cut(&wrong_outlet(true));
}

/// A node whose outlet cannot exist takes nothing exclusive, and the cluster says why.
#[test]
fn a_node_with_an_impossible_outlet_runs_nothing_exclusive() {
    let plan = Plan {
        prepare: |spec| edit_cluster_file(spec, |t| t.replace("gamma = [\"3\"]", "gamma = [\"57\"]")),
        wait_for_service: false,
        ..owned_by_gamma()
    };
    let cluster = Cluster::start(plan);
    let owner = cluster.owner();
    assert_ne!(owner, "gamma", "it is preferred and must not be taken");
    cluster.wait_problem("alpha", &["node gamma", "pdu-a"], SOON);
    cluster.wait_problem("alpha", &["fence path pdu-a to gamma does not work", "outlet 57"], SOON);
    for host in ["alpha", "beta"] {
        cluster.hactl_ok("alpha", &["node", "standby", host]);
    }
    cluster.wait("the service to stop", SOON, || cluster.state_of("alpha", "resources", "vip") != "running");
    cluster.client().wait_fail(SOON).unwrap();
    cluster.hold_nothing_runs(Duration::from_secs(2));
    cluster.wait_problem("alpha", &["resource vip", "gamma"], SOON);
    assert_eq!(cluster.judge().two_owners(), []);
}

/// S7: Debian's agent calls an outlet off that is not there. Its word is taken only when that was accepted by name.
#[test]
fn an_agent_that_calls_a_missing_outlet_off_is_not_believed() {
    let plan = Plan {
        prepare: |spec| {
            edit_cluster_file(spec, |text| {
                text.replace("\"fence_pdu_snmp\"", "\"/usr/sbin/fence_apc_snmp\"")
            });
        },
        wait_for_service: false,
        ..plan()
    };
    let cluster = Cluster::start(plan);
    cluster.wait_problem("alpha", &["fence path pdu-a to beta", "which cannot exist, off"], LONG);
    cluster.wait_problem("alpha", &["resource vip"], SOON);
    cluster.hold_nothing_runs(Duration::from_secs(1));
    let waiver = "waivers = [\"i-accept-data-loss-when-the-agent-calls-missing-outlets-off\"]\n";
    cluster.write_config("alpha", "waived.toml", &format!("{waiver}{}", cluster.cluster_file()));
    cluster.hactl_ok("alpha", &["config", "apply", "/etc/ha/waived.toml"]);
    let owner = cluster.owner();
    let status = cluster.status_json("alpha");
    assert!(status["waivers"].to_string().contains("missing-outlets-off"), "{status}");
    // And the foreign agent fences: off, read back, proof. Nobody else cuts the frozen owner's power.
    cluster.freeze(&owner).unwrap();
    cluster.wait_owner_other_than(&owner, LONG);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// The configured outlet is not the owner's: it reads off, and the owner writes on.
fn another_feeds_nobody(plan: Plan) -> Cluster {
    let plan = Plan {
        writer: Writer::First,
        // Outlet 8 is on and feeds nobody.
        prepare: |spec| {
            edit_cluster_file(spec, |t| impatient(&t.replace("gamma = [\"3\"]", "gamma = [\"8\"]")));
        },
        ..plan
    };
    let cluster = Cluster::start(plan);
    cluster.wait_owner("gamma", LONG);
    cluster
}

/// S7: who goes on speaking was not cut, whatever its outlet reads: no proof, an alarm, and nobody takes over.
#[test]
fn a_node_that_is_heard_although_its_outlet_reads_off_is_not_proven_off() {
    let cluster = another_feeds_nobody(owned_by_gamma());
    let since = boot_ns();
    cluster.hactl_ok("alpha", &["fence", "off", "gamma", "--yes"]);
    let why = ["gamma", "read off, yet gamma goes on sending heartbeats", "correct the outlets of gamma"];
    cluster.wait_problem("alpha", &why, SOON);
    cluster.hold("nobody takes over from it", Duration::from_secs(4), || {
        let blocks = cluster.ledger().unwrap();
        cluster.answers_since(since).iter().all(|a| a.host == "gamma")
            && blocks.iter().filter(|b| b.t_ns >= since).all(|b| b.host == "gamma")
    });
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// One that has fallen silent is believed off by the same reading.
#[test]
fn control_a_silent_node_whose_outlet_is_anothers_is_taken_over_from_alive() {
    let cluster = another_feeds_nobody(owned_by_gamma().time("daemon_grace", "2s"));
    cluster.silence_daemon("gamma");
    cluster.wait_blocks_of_others("gamma", 20);
    was_not_cut(&cluster);
}
