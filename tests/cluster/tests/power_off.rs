//! The owner loses its power: the majority proves it off and takes over.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, Plan, SOON};

/// S1 S2 L2
#[test]
fn the_owner_loses_its_power() {
    let cluster = Cluster::start(Plan::default());
    let old = cluster.answer();
    cluster.power_off(&old.host).unwrap();
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    cluster.wait("the new owner's blocks", SOON, || {
        cluster.ledger().unwrap().last().is_some_and(|b| b.host == new.host)
    });
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}
