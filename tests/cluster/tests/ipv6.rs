//! A cluster by IPv6: its address, asked for and watched by neighbour discovery, and its links. Guards S1 S2 L2.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, Plan, SOON, Violation, edit_cluster_file};
use ha_lab::LabSpec;
use ha_lab::clock::boot_ns;
use ha_lab::spec::{ipv4, ipv6};

/// Heartbeats and streams by the hosts' IPv6 addresses alone (the switch has no other than IPv4).
fn links_by_ipv6(spec: &mut LabSpec) {
    edit_cluster_file(spec, |text| {
        let mut text = text.to_string();
        for host in &spec.hosts {
            for (index, link) in spec.links.iter().enumerate() {
                let (old, new) = (ipv4(link, host.number), ipv6(index, host.number));
                text = text.replace(&format!("\"{old}\""), &format!("\"{new}\""));
            }
        }
        text
    });
}

/// The owner's power goes: another MAC answers for the address, and its owner told everybody unasked.
fn failover(plan: Plan) -> Cluster {
    let cluster = Cluster::start(plan.ipv6());
    let old = cluster.answer();
    let old_mac = cluster.mac_of(&old.host);
    cluster.arp().wait_macs(&[&old_mac], SOON).unwrap();
    let since = boot_ns();
    cluster.power_off(&old.host).unwrap();
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    let new_mac = cluster.mac_of(&new.host);
    assert_eq!(new.mac.as_deref(), Some(new_mac.as_str()), "the client's own neighbour table");
    cluster.arp().wait_macs(&[&new_mac], SOON).unwrap();
    cluster.wait("an unsolicited advertisement", SOON, || {
        let rounds = cluster.arp().rounds().unwrap();
        let mut announced = rounds.iter().filter(|r| r.t_ns >= since).flat_map(|r| &r.announced);
        announced.any(|mac| *mac == new_mac)
    });
    cluster.wait_blocks(&new.host, 10);
    cluster
}

#[test]
fn an_ipv6_address_moves_when_its_owner_loses_its_power() {
    let cluster = failover(Plan::default());
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn a_cluster_with_ipv6_links_fails_over() {
    let cluster = failover(Plan { prepare: links_by_ipv6, ..Plan::default() });
    let status = cluster.status_json(&cluster.any_host());
    let links: Vec<_> = status["nodes"].as_array().unwrap().iter().map(|n| n["links"].to_string()).collect();
    assert!(links.iter().all(|l| l.contains("fd00:4841:") && !l.contains("10.0.0.")), "{links:?}");
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// Two owners of an IPv6 address are seen by neighbour discovery.
#[test]
fn control_an_owner_of_an_ipv6_address_that_keeps_its_power_is_a_second_owner() {
    let cluster = Cluster::start(Plan::default().ipv6());
    let old = cluster.place_owner(false);
    cluster.make_switches_lie();
    cluster.cut_host(&old.host).unwrap();
    cluster.silence_daemon(&old.host);
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    cluster.heal().unwrap();
    cluster.wait_blocks(&new.host, 50);
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::TwoMacs(_))), "{found:?}");
}
