//! What an operator orders: the service moves or restarts in order, nobody is fenced. Guards S1 L2 L6.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON};

/// Nobody lost its power, nobody was an owner twice, and the client is served again. (How long it was not is what the
/// bench measures.)
fn was_orderly(cluster: &Cluster) {
    cluster.answer();
    let judge = cluster.judge();
    assert_eq!(judge.two_owners(), []);
    assert!(cluster.hosts_named().iter().all(|h| judge.cuts_of(h) == 0), "{:?}", judge.power);
}

#[test]
fn standby_empties_a_node_and_online_fills_it_by_preference_only() {
    let cluster = Cluster::start(Plan::default());
    let old = cluster.answer();
    cluster.hactl_ok(&old.host, &["node", "standby", &old.host]);
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    cluster.wait_blocks(&new.host, 10);
    was_orderly(&cluster);
    cluster.hactl_ok(&old.host, &["node", "online", &old.host]);
    cluster
        .wait("the node to be online", SOON, || cluster.state_of(&old.host, "nodes", &old.host) == "online");
    cluster.wait("the cluster to be quiet", LONG, || cluster.is_quiet());
    // Nothing prefers it, and what runs stays.
    let now = cluster.answer();
    assert_eq!((now.host, now.pid), (new.host, new.pid));
}

#[test]
fn a_move_goes_where_it_is_told_and_ends_by_itself() {
    let cluster = Cluster::start(Plan::default());
    let old = cluster.answer();
    let target = cluster.others(&[&old.host])[1].clone();
    cluster.hactl_ok(&old.host, &["resource", "move", "vip", &target, "--for", "3s"]);
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    assert_eq!(new.host, target);
    cluster.wait_blocks(&target, 10);
    was_orderly(&cluster);
    // Elsewhere without a name, and back is as good as anywhere.
    cluster.hactl_ok(&old.host, &["resource", "move", "vip", "--for", "1s"]);
    let third = cluster.wait_owner_other_than(&target, SOON);
    assert_ne!(third.host, target);
    cluster.wait_blocks(&third.host, 10);
    was_orderly(&cluster);
}

#[test]
fn a_restart_is_a_new_process_in_the_same_place() {
    let cluster = Cluster::start(Plan::default());
    let before = cluster.answer();
    cluster.hactl_ok(&before.host, &["resource", "restart", "web"]);
    cluster.wait("another process to answer", SOON, || cluster.answer().pid != before.pid);
    assert_eq!(cluster.owner(), before.host);
    cluster.wait("the cluster to be quiet", LONG, || cluster.is_quiet());
    was_orderly(&cluster);
    let mac = cluster.mac_of(&before.host);
    assert!(cluster.arp().rounds().unwrap().iter().all(|r| r.macs.iter().all(|m| *m == mac)));
}

#[test]
fn a_stopped_resource_stays_stopped_until_it_is_started() {
    let cluster = Cluster::start(Plan::default());
    let before = cluster.answer();
    cluster.hactl_ok(&before.host, &["resource", "stop", "web"]);
    cluster.client().wait_fail(SOON).unwrap();
    cluster
        .wait("it to be stopped", SOON, || cluster.state_of(&before.host, "resources", "web") == "stopped");
    let since = ha_lab::clock::boot_ns();
    cluster.hactl_ok(&before.host, &["resource", "start", "web"]);
    let after = cluster.answer();
    assert!(after.t_ns >= since && (&after.host, after.pid) != (&before.host, before.pid), "{after:?}");
    cluster.wait("the cluster to be quiet", LONG, || cluster.is_quiet());
    assert_eq!(cluster.judge().two_owners(), []);
}
