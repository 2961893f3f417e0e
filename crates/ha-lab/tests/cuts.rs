//! Cuts: exactly what was asked, every protocol, open connections too.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, SOON, spec, start};
use ha_lab::{Direction, PROGRAM, ServiceSpec, wait_for};

/// Datagrams to a closed port that arrived at a host, over IPv4 and IPv6: the kernel counts them.
fn arrived(lab: &Place, host: &str) -> (u64, u64) {
    let v4 = "awk '/^Udp:/ && n++ { print $3 }' /proc/net/snmp";
    let v6 = "awk '/^Udp6NoPorts/ { print $2 }' /proc/net/snmp6";
    let text = lab.sh(host, &format!("{v4}; {v6}"));
    let mut numbers = text.lines().map(|l| l.trim().parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Sends three datagrams of each family from one host to another on link `i`, without asking ARP for the way (that
/// would need both directions), and checks how many arrive.
#[track_caller]
fn expect(lab: &Place, from: &str, to: &str, i: usize, expected: (u64, u64)) {
    let host = lab.spec().host(to).unwrap();
    let (n, mac) = (host.number, ha_lab::spec::mac(i, host.number));
    let v4 = ha_lab::spec::ipv4(&lab.spec().links[i], n);
    let v6 = ha_lab::spec::ipv6(i, n);
    let before = arrived(lab, to);
    lab.sh(
        from,
        &format!(
            "ip neigh replace {v4} lladdr {mac} dev eth{i} nud permanent;
             ip neigh replace {v6} lladdr {mac} dev eth{i} nud permanent;
             for i in 1 2 3; do echo > /dev/udp/{v4}/9; echo > /dev/udp/{v6}/9; done"
        ),
    );
    let fresh = || {
        let after = arrived(lab, to);
        (after.0 - before.0, after.1 - before.1)
    };
    // A bridge delivers before the sender's system call returns, unless the machine is so busy that it defers it.
    if expected == ALL {
        let _ = wait_for("datagrams", SOON, || Ok(fresh() >= ALL));
    } else {
        lab.sh(to, "sleep 0.05");
    }
    assert_eq!(fresh(), expected, "{from} to {to} on link {i}");
}

const ALL: (u64, u64) = (3, 3);
const NONE: (u64, u64) = (0, 0);

#[test]
fn one_way_is_one_way_on_every_link_in_every_family() {
    let lab = start(spec(&["alpha", "beta", "gamma"]));
    for i in 0..3 {
        expect(&lab, "alpha", "beta", i, ALL);
        expect(&lab, "beta", "alpha", i, ALL);
    }
    lab.cut("alpha", "beta", Direction::AToB, None).unwrap();
    for i in 0..3 {
        expect(&lab, "alpha", "beta", i, NONE);
        expect(&lab, "beta", "alpha", i, ALL);
        expect(&lab, "gamma", "beta", i, ALL);
    }
    lab.heal().unwrap();
    expect(&lab, "alpha", "beta", 0, ALL);
}

#[test]
fn one_link_is_one_link_and_the_cut_outlives_a_power_cycle() {
    let lab = start(spec(&["alpha", "beta"]));
    lab.cut("alpha", "beta", Direction::Both, Some("net1")).unwrap();
    for _ in 0..2 {
        expect(&lab, "alpha", "beta", 1, NONE);
        expect(&lab, "beta", "alpha", 1, NONE);
        expect(&lab, "alpha", "beta", 0, ALL);
        expect(&lab, "beta", "alpha", 2, ALL);
        lab.power_off("beta").unwrap();
        lab.power_on("beta").unwrap();
    }
    assert!(lab.cut("alpha", "nobody", Direction::Both, None).is_err());
}

#[test]
fn arp_is_cut_too() {
    let lab = start(spec(&["alpha", "beta"]));
    lab.cut("alpha", "beta", Direction::Both, Some("net0")).unwrap();
    // A broadcast question: the only kind of frame that an address-based rule would let through.
    lab.sh("alpha", "echo > /dev/udp/10.0.0.12/9; true");
    let seen = lab.sh("beta", "ip neigh show 10.0.0.11 dev eth0");
    assert_eq!(seen, "", "beta heard alpha's ARP");
    lab.heal().unwrap();
    lab.sh("alpha", "ip neigh flush all; echo > /dev/udp/10.0.0.12/9; true");
    wait_for("beta to hear alpha's ARP", SOON, || {
        Ok(lab.sh("beta", "ip neigh show 10.0.0.11 dev eth0").contains("02:00:48:41:00:0b"))
    })
    .unwrap();
}

#[test]
fn a_cut_host_is_cut_from_all_and_may_keep_its_switch() {
    let lab = start(spec(&["alpha", "beta", "gamma"]));
    let reaches_pdu = || {
        let out = lab.exec("alpha", &["timeout", "1", "bash", "-c", "echo > /dev/tcp/10.0.9.1/80"], SOON);
        out.unwrap().is_success()
    };
    lab.cut_host_keep_pdu("alpha").unwrap();
    for i in 0..3 {
        expect(&lab, "alpha", "beta", i, NONE);
        expect(&lab, "gamma", "alpha", i, NONE);
    }
    expect(&lab, "beta", "gamma", 0, ALL);
    assert!(reaches_pdu());
    lab.cut_host("alpha").unwrap();
    assert!(!reaches_pdu());
    lab.heal().unwrap();
    assert!(reaches_pdu());
}

#[test]
fn an_open_connection_is_cut_and_a_pulled_cable_shows() {
    let mut plan = spec(&["alpha", "beta"]);
    let args = [PROGRAM, "writer", "--ledger", "10.0.9.50:7000", "--every-ms", "2"];
    plan.1 = plan.1.with_service(&ServiceSpec::new("writer", &args));
    let lab = start(plan);
    let blocks =
        |host: &str| Ok::<_, ha_lab::LabError>(lab.ledger()?.iter().filter(|r| r.host == host).count());
    let more = |host: &str, n: usize| {
        let before = blocks(host).unwrap();
        wait_for("blocks", SOON, || Ok(blocks(host)? >= before + n)).unwrap();
    };
    more("alpha", 5);
    lab.cut("alpha", "ledger", Direction::Both, None).unwrap();
    let at_cut = blocks("alpha").unwrap();
    more("beta", 100);
    assert_eq!(blocks("alpha").unwrap(), at_cut, "an established connection went on through the cut");
    lab.heal().unwrap();
    more("alpha", 5);

    lab.link_down("alpha", "mgmt").unwrap();
    assert_eq!(lab.sh("alpha", "cat /sys/class/net/eth2/carrier"), "0\n");
    assert_eq!(lab.host_state("alpha").unwrap().pulled, ["mgmt"]);
    lab.power_off("alpha").unwrap();
    lab.power_on("alpha").unwrap();
    assert_eq!(lab.sh("alpha", "cat /sys/class/net/eth2/carrier"), "0\n", "a boot plugged the cable");
    let at_boot = blocks("alpha").unwrap();
    more("beta", 50);
    assert_eq!(blocks("alpha").unwrap(), at_boot);
    lab.link_up("alpha", "mgmt").unwrap();
    more("alpha", 5);
}

#[test]
fn loss_loses_a_share_and_delay_works_or_names_what_is_missing() {
    let lab = start(spec(&["alpha", "beta"]));
    lab.impair("alpha", "net0", 0, 100).unwrap();
    expect(&lab, "alpha", "beta", 0, NONE);
    expect(&lab, "beta", "alpha", 0, NONE);
    expect(&lab, "alpha", "beta", 1, ALL);
    lab.heal().unwrap();
    expect(&lab, "alpha", "beta", 0, ALL);
    match lab.impair("alpha", "net0", 30, 0) {
        Ok(()) => assert!(lab.exec_lab(&["tc", "qdisc"], SOON).unwrap().stdout.contains("delay 30ms")),
        Err(e) => assert!(e.to_string().contains("CONFIG_NET_SCH_NETEM"), "{e}"),
    }
    lab.heal().unwrap();
}
