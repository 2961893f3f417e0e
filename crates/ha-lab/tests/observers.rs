//! The outside observers and the ledger: outages, owners, order.
#![allow(clippy::unwrap_used)]

mod common;

use common::{SOON, spec, start, web};
use ha_lab::{ClientSpec, PROGRAM, PowerEffect, ServiceSpec, wait_for};

const VIP: &str = "10.0.0.100";

fn take_vip(lab: &common::Place, host: &str) {
    lab.sh(host, &format!("ip address add {VIP}/24 dev eth0"));
}

#[test]
fn a_client_sees_the_outage_who_answers_and_from_which_mac() {
    let mut plan = spec(&["alpha", "beta"]);
    plan.1 = plan.1.with_service(&web(&format!("{VIP}:80")));
    let lab = start(plan);
    take_vip(&lab, "alpha");
    let client = lab.client("c", &ClientSpec::parse(&format!("http://{VIP}/")).unwrap()).unwrap();
    let first = client.wait_ok(SOON).unwrap();
    let alpha = lab.host_state("alpha").unwrap();
    let words: Vec<_> = first.line.split(' ').map(String::from).collect();
    assert_eq!((words[0].as_str(), Some(words[1].clone())), ("alpha", alpha.boot_id));
    assert_eq!(first.mac.as_deref(), Some("02:00:48:41:00:0b"));
    // Let there be a run of answers: the outage below must begin after the last of them.
    client.wait_ok(SOON).unwrap();

    lab.power_off("alpha").unwrap();
    client.wait_fail(SOON).unwrap();
    take_vip(&lab, "beta");
    // Without a gratuitous ARP the client keeps the dead host's MAC until its kernel asks again.
    lab.exec("client", &["ip", "neigh", "flush", "all"], SOON).unwrap();
    let last = client.wait_ok_from("beta", SOON).unwrap();
    assert_eq!(last.mac.as_deref(), Some("02:00:48:41:00:0c"));

    let journal = lab.power_journal().unwrap();
    let off = journal.iter().find(|r| r.effect == PowerEffect::Off).unwrap();
    let outages = client.outages().unwrap();
    let of_power: Vec<_> = outages
        .iter()
        .filter(|o| o.first_ok_ns.is_some_and(|end| end > off.began_ns) && o.last_ok_ns < off.t_ns)
        .collect();
    assert_eq!(of_power.len(), 1, "{outages:?} around {off:?}");
    let records = client.records().unwrap();
    let within = |r: &&ha_lab::ProbeRecord| {
        r.ok && r.end_ns > of_power[0].last_ok_ns && r.end_ns < of_power[0].first_ok_ns.unwrap()
    };
    assert_eq!(records.iter().filter(within).count(), 0, "an answer within the outage");
    assert!(of_power[0].length_ms().unwrap() > 0.0);
}

#[test]
fn a_frozen_host_is_an_outage_though_its_kernel_answers() {
    let mut plan = spec(&["alpha"]);
    plan.1 = plan.1.with_service(&web("10.0.0.11:80"));
    let lab = start(plan);
    let client = lab.client("c", &ClientSpec::parse("http://10.0.0.11/").unwrap()).unwrap();
    client.wait_ok(SOON).unwrap();
    lab.freeze("alpha").unwrap();
    let failed = client.wait_fail(SOON).unwrap();
    assert_eq!(failed.line, "no answer in time");
    let script = "timeout 2 bash -c 'echo > /dev/tcp/10.0.0.11/80' && echo accepted";
    let out = lab.exec("client", &["bash", "-c", script], SOON).unwrap();
    assert_eq!(out.stdout, "accepted\n", "its kernel should still take connections");
    lab.thaw("alpha").unwrap();
    client.wait_ok(SOON).unwrap();
    assert!(client.outages().unwrap().iter().any(|o| o.first_ok_ns.is_some()));
    lab.unwatch("c").unwrap();
    assert!(lab.unwatch("c").is_err());
}

#[test]
fn two_owners_of_an_address_are_seen() {
    let lab = start(spec(&["alpha", "beta"]));
    let watch = lab.arp_watch("owners", VIP.parse().unwrap()).unwrap();
    watch.wait_macs(&[], SOON).unwrap();
    take_vip(&lab, "alpha");
    watch.wait_macs(&["02:00:48:41:00:0b"], SOON).unwrap();
    assert_eq!(watch.double_owners().unwrap(), []);
    take_vip(&lab, "beta");
    watch.wait_macs(&["02:00:48:41:00:0b", "02:00:48:41:00:0c"], SOON).unwrap();
    assert!(!watch.double_owners().unwrap().is_empty());
    lab.sh("alpha", &format!("ip address del {VIP}/24 dev eth0"));
    watch.wait_macs(&["02:00:48:41:00:0c"], SOON).unwrap();
}

#[test]
fn two_owners_of_an_ipv6_address_are_seen_and_a_client_knows_the_mac() {
    const VIP6: &str = "fd00:4841::100";
    let mut plan = spec(&["alpha", "beta"]);
    plan.1 = plan.1.with_service(&web(&format!("[{VIP6}]:80")));
    let lab = start(plan);
    let take = |host: &str| lab.sh(host, &format!("ip address add {VIP6}/64 dev eth0 nodad"));
    let watch = lab.arp_watch("owners", VIP6.parse().unwrap()).unwrap();
    watch.wait_macs(&[], SOON).unwrap();
    take("alpha");
    watch.wait_macs(&["02:00:48:41:00:0b"], SOON).unwrap();
    let client = lab.client("c", &ClientSpec::parse(&format!("http://[{VIP6}]/")).unwrap()).unwrap();
    let answer = client.wait_ok(SOON).unwrap();
    assert_eq!((answer.host(), answer.mac.as_deref()), (Some("alpha"), Some("02:00:48:41:00:0b")));
    assert_eq!(watch.double_owners().unwrap(), []);
    take("beta");
    watch.wait_macs(&["02:00:48:41:00:0b", "02:00:48:41:00:0c"], SOON).unwrap();
    assert!(!watch.double_owners().unwrap().is_empty());
}

#[test]
fn the_ledger_holds_nothing_of_the_dead_and_shows_a_thawed_writer() {
    let mut plan = spec(&["alpha", "beta"]);
    let args = [PROGRAM, "writer", "--ledger", "10.0.9.50:7000", "--every-ms", "1"];
    plan.1 = plan.1.with_service(&ServiceSpec::new("writer", &args));
    let lab = start(plan);
    let count =
        |host: &str| Ok::<_, ha_lab::LabError>(lab.ledger()?.iter().filter(|r| r.host == host).count());
    let more = |host: &str| {
        let before = count(host).unwrap();
        wait_for("blocks", SOON, || Ok(count(host)? > before + 20)).unwrap();
    };
    more("alpha");
    let dead = lab.host_state("alpha").unwrap().boot_id.unwrap();
    lab.power_off("alpha").unwrap();
    let off = lab.power_journal().unwrap().iter().find(|r| r.effect == PowerEffect::Off).cloned().unwrap();
    more("beta");
    lab.power_on("alpha").unwrap();
    more("alpha");
    let ledger = lab.ledger().unwrap();
    assert!(ledger.iter().zip(1..).all(|(r, n)| r.arrival == n), "arrivals are numbered without gaps");
    // The block that had left before the links went down may still be on its way through the server.
    let late: Vec<_> =
        ledger.iter().filter(|r| r.incarnation == dead && r.t_ns > off.t_ns + 50_000_000).collect();
    assert_eq!(late, Vec::<&ha_lab::LedgerRecord>::new(), "a dead host wrote");
    assert!(ledger.iter().any(|r| r.host == "alpha" && r.incarnation != dead));
    let own: Vec<_> = ledger.iter().filter(|r| r.incarnation == dead).map(|r| r.block).collect();
    assert!(own.windows(2).all(|w| w[1] >= w[0]), "blocks of one writer are in order");

    // The hazard that fencing is for: a frozen writer goes on where it was.
    lab.freeze("alpha").unwrap();
    let frozen = count("alpha").unwrap();
    more("beta");
    assert!(count("alpha").unwrap() <= frozen + 1, "a frozen writer wrote");
    lab.thaw("alpha").unwrap();
    more("alpha");
}
