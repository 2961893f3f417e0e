//! A member that no fence device reaches: nothing exclusive is taken from it or given to it, and status says why.
//! Guards S2 S7.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, edit_cluster_file};
use ha_lab::PowerEffect;
use std::collections::BTreeMap;
use std::time::Duration;

const WAIVER: &str = "i-accept-that-unfenced-members-block-recovery";

/// Without the outlet of gamma.
fn without_outlet(text: &str) -> String {
    text.replace(", gamma = [\"3\"]", "")
}

/// The same, accepted by its name.
fn waived(text: &str) -> String {
    format!("waivers = [\"{WAIVER}\"]\n{}", without_outlet(text))
}

fn plan() -> Plan {
    Plan { prepare: |spec| edit_cluster_file(spec, waived), ..Plan::default() }.time("startup_wait", "3s")
}

/// The words of `hactl status`, without its line ends and columns.
fn words_of_status(cluster: &Cluster, host: &str) -> String {
    let out = cluster.hactl(host, &["status"]);
    out.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits for the reason of a resource; `hactl status` has the same words.
fn wait_blocked(cluster: &Cluster, words: &[&str]) {
    let all = [&["resource vip is blocked"], words].concat();
    cluster.wait_problem("alpha", &all, LONG);
    cluster.wait(&format!("status to say {words:?}"), SOON, || {
        let status = words_of_status(cluster, "alpha");
        words.iter().all(|word| status.contains(word))
    });
}

fn confirm_gamma(cluster: &Cluster) {
    cluster.hactl_ok("alpha", &["fence", "confirm", "gamma", "--yes-i-made-sure-it-is-off"]);
}

/// Formation: gamma was never seen and cannot be fenced, so it may run anything.
#[test]
fn a_forming_cluster_starts_nothing_while_an_unseen_member_cannot_be_fenced() {
    let plan = Plan { adjust: |spec| spec.hosts[2].powered = false, wait_for_service: false, ..plan() };
    let cluster = Cluster::start(plan);
    cluster.wait_problem("alpha", &["forming", "waits for gamma"], SOON);
    let why =
        ["gamma has no fence path", "was not seen since the cluster formed", "hactl fence confirm gamma"];
    wait_blocked(&cluster, &why);
    cluster.wait_problem("alpha", &["node gamma is unseen", "hactl fence confirm gamma"], SOON);
    assert!(words_of_status(&cluster, "alpha").contains(WAIVER));
    cluster.hold_nothing_runs(Duration::from_secs(3));
    assert_eq!(cluster.judge().owners(), [], "nor did anything before");
    // A human who made sure is enough.
    confirm_gamma(&cluster);
    cluster.wait_owner_other_than("gamma", SOON);
    cluster.power_on("gamma").unwrap();
    cluster.wait_for_service();
    assert_eq!(cluster.judge().two_owners(), []);
    assert!(cluster.power_journal().unwrap().iter().all(|r| r.effect != PowerEffect::Off), "nobody was cut");
}

/// The owner is lost and cannot be fenced: nothing is taken from it but by a human's word.
#[test]
fn nothing_is_taken_from_a_lost_owner_that_cannot_be_fenced() {
    let prefer = BTreeMap::from([("gamma".to_string(), 10_000)]);
    let cluster = Cluster::start(Plan { prefer, ..plan() });
    cluster.wait_owner("gamma", LONG);
    cluster.power_off("gamma").unwrap();
    let why = ["gamma has no fence path", "is lost while it may hold something", "hactl fence confirm gamma"];
    wait_blocked(&cluster, &why);
    cluster.wait_problem("alpha", &["node gamma is lost", "it has no fence path"], SOON);
    cluster.hold_nothing_runs(Duration::from_secs(3));
    confirm_gamma(&cluster);
    cluster.wait_owner_other_than("gamma", SOON);
    assert_eq!(cluster.judge().two_owners(), []);
    assert!(cluster.hosts_named().iter().all(|h| cluster.switched_off(h) == 0), "no switch had a part in it");
}

/// Nobody accepted it: gamma is given nothing exclusive, and status says so from the beginning.
#[test]
fn a_member_without_fence_path_is_shown_as_such_and_given_nothing() {
    let plan = Plan {
        // Banned there, the group could not be lost with it: such a file is accepted without a waiver.
        prefer: BTreeMap::from([("gamma".to_string(), -1_000_000)]),
        prepare: |spec| edit_cluster_file(spec, without_outlet),
        wait_for_service: false,
        ..Plan::default()
    };
    let cluster = Cluster::start(plan);
    assert_ne!(cluster.owner(), "gamma");
    cluster.wait_problem("alpha", &["node gamma is online: gamma has no fence path"], SOON);
    assert!(words_of_status(&cluster, "alpha").contains("gamma has no fence path"));
    let allowed = cluster.cluster_file().replace("gamma = -1000000", "gamma = 10000");
    assert_ne!(allowed, cluster.cluster_file());
    cluster.write_config("alpha", "allowed.toml", &allowed);
    let refused = cluster.hactl("alpha", &["config", "apply", "/etc/ha/allowed.toml"]);
    assert!(!refused.is_success(), "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("gamma can run what has one owner") && said.contains(WAIVER), "{said}");
    assert_ne!(cluster.owner(), "gamma");
}
