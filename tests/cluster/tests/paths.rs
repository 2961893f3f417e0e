//! The fence paths are tested again and again while nothing happens: one that breaks is told before it is needed.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON};
use serde_json::{Value, json};

/// A path that had worked breaks and is mended; nobody asks for a test of it.
#[test]
fn a_fence_path_that_breaks_later_is_told_and_so_is_its_mending() {
    let cluster = Cluster::start(Plan::default().time("path_test", "1s"));
    let before = cluster.answer();
    let asked = cluster.others(&[&before.host])[0].clone();
    let hosts = cluster.hosts_named();
    let works = |host: &str| format!("fence path pdu-a to {host} works (read on)");
    let is_broken = |host: &str| format!("fence path pdu-a to {host} is broken");
    // For each path: how often it was told to work, and to be broken.
    let told = || {
        let events = cluster.events(&asked);
        let count = |what: String| events.iter().filter(|e| e.contains(&what)).count();
        hosts.iter().map(|host| (count(works(host)), count(is_broken(host)))).collect::<Vec<_>>()
    };
    let at_join = told();
    assert!(at_join.iter().all(|(works, _)| *works > 0), "{at_join:?}");
    let switched = cluster.power_journal().unwrap();

    cluster.pdu_fault("pdu-a", json!({"failing": true})).unwrap();
    for host in &hosts {
        cluster.wait_problem(&asked, &[&format!("fence path pdu-a to {host} does not work: ")], SOON);
        cluster.wait_event(&asked, &[&is_broken(host), &format!("hactl fence test {host}")], SOON);
    }
    cluster.pdu_fault("pdu-a", Value::Null).unwrap();
    cluster.wait("every path to work again", LONG, || cluster.is_quiet());
    let once_more: Vec<_> = at_join.iter().map(|(works, broken)| (works + 1, broken + 1)).collect();
    cluster.wait(&format!("{once_more:?} to be told of {hosts:?}"), SOON, || told() == once_more);

    // None of it did anything to anybody.
    assert_eq!(cluster.power_journal().unwrap(), switched);
    let after = cluster.answer();
    assert_eq!((after.host, after.pid), (before.host, before.pid));
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}
