//! The daemon of the owner dies, its services live on. Guards S1 S2 S18.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Answer, Cluster, LONG, Plan, SOON, Violation, Writer};
use ha_lab::clock::boot_ns;
use ha_lab::cluster::DAEMON;
use std::time::Duration;

/// How long a host may be without its daemon here.
const GRACE: Duration = Duration::from_secs(3);

fn plan() -> Plan {
    Plan { writer: Writer::First, ..Plan::default() }.long_grants().time("daemon_grace", "3s")
}

fn restarted(leads: bool) {
    found_again(&Cluster::start(plan()), leads, |_| {});
}

/// The owner's daemon is killed and comes back on a host changed meanwhile; returns the owner.
fn found_again(cluster: &Cluster, leads: bool, change: impl Fn(&str)) -> String {
    let before = cluster.place_owner(leads);
    change(&before.host);
    let blocks = cluster.ledger().unwrap().len();
    cluster.kill_daemon(&before.host);
    nobody_is_fenced(cluster, GRACE + Duration::from_secs(2));
    served_throughout(cluster, &before, blocks);
    before.host
}

#[track_caller]
fn nobody_is_fenced(cluster: &Cluster, span: Duration) {
    cluster.hold("nobody is fenced", span, || {
        cluster.power_journal().unwrap().iter().all(|r| r.effect != ha_lab::PowerEffect::Off)
    });
}

/// The service ran on while its daemon was away, and the daemon that came back looks after it.
#[track_caller]
fn served_throughout(cluster: &Cluster, before: &Answer, blocks: usize) {
    cluster.wait("the cluster to be quiet", LONG, || cluster.is_quiet());
    // The same processes answer and write, without a pause that a restart would make.
    let judge = cluster.judge();
    let process = (before.host.clone(), before.pid);
    assert!(
        judge.answers.iter().filter(|a| a.t_ns >= before.t_ns).all(|a| (a.host.clone(), a.pid) == process)
    );
    assert!(judge.ledger[blocks..].windows(2).all(|w| w[1].block > w[0].block), "the writer went on");
    assert_eq!(judge.two_owners(), []);
    // And the daemon looks after them again.
    cluster.sh(&before.host, &format!("kill -KILL {}", before.pid));
    cluster.wait("another process to answer", SOON, || cluster.answer().pid != before.pid);
    assert_eq!(cluster.owner(), before.host);
}

/// The daemon of the owner is stopped in order (SIGTERM), and started again only when a silent host would be lost. Of two
/// nodes the one with the lower name keeps their stream up; the other must find out by itself that no daemon is there.
fn stopped(place: impl FnOnce(&Cluster) -> Answer) {
    let away = Duration::from_secs(3); // Three times T_lost.
    let grace = Duration::from_secs(8);
    let cluster = Cluster::start(plan().time("daemon_grace", "8s"));
    let before = place(&cluster);
    let blocks = cluster.ledger().unwrap().len();
    cluster.hold_service(&before.host, DAEMON).unwrap();
    cluster.lab().kill_service(&before.host, DAEMON, libc::SIGTERM).unwrap();
    nobody_is_fenced(&cluster, away);
    assert!(!has_daemon(&cluster, &before.host), "it was told to end");
    cluster.release_service(&before.host, DAEMON).unwrap();
    nobody_is_fenced(&cluster, grace);
    served_throughout(&cluster, &before, blocks);
}

fn has_daemon(cluster: &Cluster, host: &str) -> bool {
    cluster.host_state(host).unwrap().services.contains_key(DAEMON)
}

/// Moves the service to a host, of which another one is made the leader.
fn owned_by(cluster: &Cluster, owner: &str) -> Answer {
    if cluster.leader() == owner {
        cluster.hold_service(owner, DAEMON).unwrap();
        cluster.kill_daemon(owner);
        cluster.wait("its daemon to be gone", SOON, || !has_daemon(cluster, owner));
        let others = cluster.others(&[owner]);
        cluster.wait("another leader", SOON, || {
            let leads = |host: &String| cluster.status_json(host)["leader"].as_str().map(String::from);
            others.iter().all(|h| leads(h).is_some_and(|l| l != owner))
        });
        cluster.release_service(owner, DAEMON).unwrap();
        cluster.wait("its daemon to be back", LONG, || has_daemon(cluster, owner) && cluster.is_quiet());
    }
    if cluster.owner() != owner {
        let leader = cluster.leader();
        cluster.hactl_ok(&leader, &["resource", "move", "vip", owner, "--for", "3s"]);
        cluster.wait_owner(owner, SOON);
        cluster.wait("the move to be over", LONG, || cluster.is_quiet());
        cluster.mark_orderly();
    }
    assert_ne!(cluster.leader(), owner, "leadership moved while the service was placed");
    cluster.answer()
}

#[test]
fn services_outlive_a_stop_of_their_daemon_whose_name_is_higher_than_the_leaders() {
    stopped(|cluster| owned_by(cluster, "gamma"));
}

#[test]
fn services_outlive_a_stop_of_their_daemon_whose_name_is_lower_than_the_leaders() {
    stopped(|cluster| owned_by(cluster, "alpha"));
}

#[test]
fn services_outlive_a_stop_of_their_daemon_that_led() {
    stopped(|cluster| cluster.place_owner(true));
}

#[test]
fn services_outlive_their_daemon() {
    restarted(false);
}

#[test]
fn services_outlive_their_daemon_and_its_permission_for_cgroups() {
    let cluster = Cluster::start(plan());
    let read_only = |host: &str| drop(cluster.sh(host, "mount -o remount,bind,ro /sys/fs/cgroup"));
    let owner = found_again(&cluster, false, read_only);
    // What a stop is worth from now on is the operator's to know.
    let status = cluster.status_json(&owner);
    let warned = |row: &serde_json::Value| row.to_string().contains("run hanode as root");
    assert!(status["warnings"].as_array().is_some_and(|rows| rows.iter().any(warned)), "{status}");
    let seen =
        |row: &serde_json::Value| row.as_str().is_some_and(|text| text.contains("no cgroup for services"));
    assert!(status["problems"].as_array().is_some_and(|rows| rows.iter().any(seen)), "{status}");
}

#[test]
fn services_outlive_their_daemon_that_led() {
    restarted(true);
}

fn kept_dead(leads: bool, lie: bool) -> Cluster {
    let cluster = Cluster::start(plan());
    let old = cluster.place_owner(leads);
    if lie {
        cluster.make_switches_lie();
    }
    cluster.hold_service(&old.host, DAEMON).unwrap();
    let killed_ns = boot_ns();
    cluster.kill_daemon(&old.host);
    cluster.wait_blocks_of_others(&old.host, 50);
    if !lie {
        let judge = cluster.judge();
        let cut_ns = cluster.wait_cut(&old.host).began_ns;
        assert!(cut_ns - killed_ns >= GRACE.as_nanos() as u64, "its services were well all that time");
        // They served meanwhile.
        let last = judge.answers.iter().rfind(|a| a.host == old.host).unwrap();
        assert!(last.t_ns - killed_ns >= GRACE.as_nanos() as u64 / 2, "{last:?}, killed at {killed_ns}");
    }
    cluster
}

#[test]
fn a_daemon_that_stays_dead_is_fenced_after_its_grace() {
    let cluster = kept_dead(false, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn a_daemon_that_led_and_stays_dead_is_fenced_after_its_grace() {
    let cluster = kept_dead(true, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_a_host_without_daemon_that_keeps_its_power_serves_on() {
    serves_on(&kept_dead(false, true));
}

#[test]
fn control_a_host_without_the_daemon_that_led_and_that_keeps_its_power_serves_on() {
    serves_on(&kept_dead(true, true));
}

fn serves_on(cluster: &Cluster) {
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}
