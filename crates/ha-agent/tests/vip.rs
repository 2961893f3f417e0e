//! The `vip` agent between two hosts (network namespaces joined by a cable); the peer's packet socket is the judge.
#![allow(clippy::unwrap_used)]

mod common;

use common::lan::{Lan, ip, ip_says};
use ha_agent::{
    Action, AddressCheck, Agents, AgentsConfig, Cancel, CgroupRoot, Gate, Outcome, ResourceAgent,
    ResourceJob, boot_now,
};
use std::time::{Duration, Instant};

const VIP: [u8; 4] = [10, 0, 0, 100];
const V4: &str = "10.0.0.100/24";
const V6: &str = "fd00::100/64";
/// After the repetitions at 50 and 200 ms, before the one at 1 s.
const THREE_ROUNDS: Duration = Duration::from_millis(400);

struct Host {
    agents: Agents,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = CgroupRoot::marked("vip", "an address needs no process");
        let config = AgentsConfig {
            root,
            state_dir: dir.path().into(),
            fence_dirs: vec![],
            ocf_root: dir.path().into(),
        };
        let (agents, _) = Agents::new(config).unwrap();
        // One thread, which stays in this test's namespace; one worker would be in it too, being its child.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { agents, runtime, _dir: dir }
    }

    fn run(&self, action: Action, address: &str) -> Outcome {
        self.run_job(job(action, address, "eth0"))
    }

    fn run_job(&self, job: ResourceJob) -> Outcome {
        self.runtime.block_on(self.agents.run(job))
    }
}

fn job(action: Action, address: &str, interface: &str) -> ResourceJob {
    ResourceJob {
        instance: "vip".into(),
        agent: ResourceAgent::Vip,
        action,
        options: [("address", address), ("interface", interface)]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        timeout: Duration::from_secs(5),
        gate: Gate::always(),
        interval: Duration::ZERO,
        address_check: AddressCheck::Short,
        cancel: Cancel::default(),
    }
}

fn is_arp(frame: &[u8]) -> bool {
    frame[12..14] == [8, 6] && frame[38..42] == VIP
}

/// Sender and target protocol address are the address.
fn is_gratuitous(frame: &[u8]) -> bool {
    is_arp(frame) && frame[28..32] == VIP
}

fn is_probe(frame: &[u8]) -> bool {
    is_arp(frame) && frame[28..32] == [0; 4]
}

fn is_neighbour_message(frame: &[u8], kind: u8) -> bool {
    let target = "fd00::100".parse::<std::net::Ipv6Addr>().unwrap().octets();
    frame.len() >= 78
        && frame[12..14] == [0x86, 0xdd]
        && frame[20] == 58
        && frame[54] == kind
        && frame[62..78] == target
}

fn assert_never(outcome: &Outcome, says: &str) {
    assert!(
        matches!(outcome, Outcome::NeverStarted { why } if why.contains(says)),
        "expected `{says}`: {outcome}"
    );
}

fn assert_failed(outcome: &Outcome, says: &str) {
    assert!(
        matches!(outcome, Outcome::Failed { reason, .. } if reason.contains(says)),
        "expected `{says}`: {outcome}"
    );
}

#[test]
fn ipv4_is_probed_added_announced_in_both_forms_and_removed() {
    let (lan, host) = (Lan::new(), Host::new());
    assert_eq!(host.run(Action::Probe, V4), Outcome::NotRunning);
    let sniffer = lan.sniff();
    let began = Instant::now();
    assert_eq!(host.run(Action::Start, V4), Outcome::Running);
    assert!(began.elapsed() < Duration::from_millis(120), "{:?}", began.elapsed());
    let frames = sniffer.collect(100, THREE_ROUNDS, is_arp);
    let kinds: Vec<(bool, u8)> = frames.iter().map(|(_, f)| (is_probe(f), f[21])).collect();
    let (probe, request, reply) = ((true, 1), (false, 1), (false, 2));
    assert_eq!(kinds, [probe, probe, request, reply, request, reply, request, reply]);
    let gap = |a: usize, b: usize| frames[b].0 - frames[a].0;
    for (_, frame) in &frames {
        assert_eq!((&frame[..6], &frame[22..28]), (&[0xff; 6][..], &[2, 0, 0, 0, 0, 1][..]));
    }
    assert!(gap(2, 6) < THREE_ROUNDS);

    assert_eq!(host.run(Action::Start, V4), Outcome::Running, "a second start");
    assert_eq!(ip_says("-4 addr show dev eth0").matches("10.0.0.100/24").count(), 1);
    assert_eq!(host.run(Action::Monitor, V4), Outcome::Running);
    assert_eq!(host.run(Action::Stop, V4), Outcome::NotRunning);
    assert!(!ip_says("addr").contains("10.0.0.100"));
    assert_eq!(host.run(Action::Stop, V4), Outcome::NotRunning, "a second stop");
    assert_eq!(host.run(Action::Monitor, V4), Outcome::NotRunning);
    let late = sniffer.collect(1, Duration::from_millis(1200), is_gratuitous);
    assert!(late.is_empty(), "announced after the stop");
}

#[test]
fn ipv4_in_use_is_refused_with_the_owners_mac() {
    let (lan, host) = (Lan::new(), Host::new());
    lan.on_peer(|| ip("addr add 10.0.0.100/24 dev eth0"));
    let sniffer = lan.sniff();
    let outcome = host.run(Action::Start, V4);
    assert_never(&outcome, "10.0.0.100 is in use by another host: 02:00:00:00:00:02 answers for it on eth0");
    assert!(!ip_says("addr").contains("10.0.0.100"));
    assert!(
        sniffer.collect(1, Duration::from_millis(100), is_gratuitous).is_empty(),
        "a refused start claims nothing"
    );

    lan.on_peer(|| ip("addr del 10.0.0.100/24 dev eth0"));
    assert_eq!(host.run(Action::Start, V4), Outcome::Running, "free again");
}

#[test]
fn ipv6_is_solicited_added_usable_and_advertised() {
    let (lan, host) = (Lan::new(), Host::new());
    let sniffer = lan.sniff();
    let began = Instant::now();
    assert_eq!(host.run(Action::Start, V6), Outcome::Running);
    assert!(began.elapsed() < Duration::from_millis(120), "{:?}", began.elapsed());
    let says = ip_says("-6 addr show dev eth0");
    let line = says.lines().find(|l| l.contains("fd00::100/64")).unwrap();
    assert!(line.contains("nodad") && !line.contains("tentative"), "{line}");
    let all = |f: &[u8]| is_neighbour_message(f, 135) || is_neighbour_message(f, 136);
    let frames = sniffer.collect(100, THREE_ROUNDS, all);
    let ours: Vec<u8> = frames.iter().map(|(_, f)| f[54]).collect();
    assert_eq!(ours, [135, 135, 136, 136, 136]);
    let solicitation = &frames[0].1;
    assert_eq!((&solicitation[..6], &solicitation[22..38]), (&[0x33, 0x33, 0xff, 0, 1, 0][..], &[0; 16][..]));
    let advertisement = &frames[2].1;
    assert_eq!(advertisement[..6], [0x33, 0x33, 0, 0, 0, 1]);
    assert_eq!((advertisement[58], &advertisement[78..86]), (0x20, &[2, 1, 2, 0, 0, 0, 0, 1][..]));
    assert_eq!(host.run(Action::Start, V6), Outcome::Running, "a second start");
    assert_eq!(host.run(Action::Monitor, V6), Outcome::Running);
    assert_eq!(host.run(Action::Stop, V6), Outcome::NotRunning);
    assert!(!ip_says("addr").contains("fd00::100"));
}

/// Otherwise the node's own connections would come from an address that moves away under them (RFC 6724).
#[test]
fn an_ipv6_address_is_no_source_of_the_nodes_own_connections() {
    let (_lan, host) = (Lan::new(), Host::new());
    ip("-6 addr add fd00::11/64 dev eth0 nodad");
    assert_eq!(host.run(Action::Start, V6), Outcome::Running);
    let route = ip_says("-6 route get fd00::12");
    assert!(route.contains("src fd00::11"), "{route}");
}

#[test]
fn an_advertisement_is_believed_by_a_real_neighbour() {
    let (lan, host) = (Lan::new(), Host::new());
    lan.on_peer(|| {
        ip("-6 addr add fd00::12/64 dev eth0 nodad");
        ip("-6 neigh add fd00::100 lladdr 02:00:00:00:00:99 nud stale dev eth0");
        ip("neigh add 10.0.0.100 lladdr 02:00:00:00:00:99 nud stale dev eth0");
    });
    assert_eq!(host.run(Action::Start, V6), Outcome::Running);
    assert_eq!(
        host.run_job(ResourceJob { instance: "vip4".into(), ..job(Action::Start, V4, "eth0") }),
        Outcome::Running
    );
    let end = Instant::now() + Duration::from_secs(3);
    let learned = || lan.on_peer(|| ip_says("neigh")).matches("02:00:00:00:00:01").count();
    while learned() < 2 {
        assert!(Instant::now() < end, "{}", lan.on_peer(|| ip_says("neigh")));
        std::thread::yield_now();
    }
}

#[test]
fn ipv6_in_use_is_refused_with_the_owners_mac() {
    let (lan, host) = (Lan::new(), Host::new());
    lan.on_peer(|| ip("addr add fd00::100/64 dev eth0 nodad"));
    assert_never(&host.run(Action::Start, V6), "02:00:00:00:00:02 answers for it on eth0");
    assert!(!ip_says("addr").contains("fd00::100"));
}

#[test]
fn unusable_interfaces_say_why() {
    let (lan, host) = (Lan::new(), Host::new());
    let outcome = host.run_job(job(Action::Start, V4, "eht0"));
    assert_never(&outcome, "interface `eht0` does not exist; did you mean `eth0`?");
    assert_never(&host.run(Action::Start, "10.0.0.100"), "write `10.0.0.100/24`");

    assert_eq!(host.run(Action::Start, V4), Outcome::Running);
    lan.on_peer(|| ip("link set eth0 down"));
    let end = Instant::now() + Duration::from_secs(3);
    loop {
        match host.run(Action::Monitor, V4) {
            Outcome::Failed { reason, .. } => {
                assert_eq!(reason, "10.0.0.100 is there, but interface eth0 has no carrier");
                break;
            }
            other => assert!(Instant::now() < end, "{other}"),
        }
    }
    assert_eq!(host.run(Action::Stop, V4), Outcome::NotRunning, "a dead cable does not hinder a stop");
    assert_never(&host.run(Action::Start, V4), "eth0 has no carrier");
    ip("link set eth0 down");
    assert_never(&host.run(Action::Start, V4), "ip link set eth0 up");
}

#[test]
fn a_grant_that_lapses_during_the_check_takes_nothing() {
    let (lan, host) = (Lan::new(), Host::new());
    let sniffer = lan.sniff();
    let mut start = job(Action::Start, V4, "eth0");
    start.gate = Gate::until(boot_now() + Duration::from_millis(25));
    assert_never(&host.run_job(start), "the grant to take 10.0.0.100 had lapsed");
    assert!(!ip_says("addr").contains("10.0.0.100"));
    assert!(sniffer.collect(1, Duration::from_millis(100), is_gratuitous).is_empty());
}

#[test]
fn announcements_end_with_the_grant_and_with_the_address() {
    let (lan, host) = (Lan::new(), Host::new());
    let gate = Gate::always();
    let mut start = job(Action::Start, V4, "eth0");
    start.gate = gate.clone();
    assert_eq!(host.run_job(start), Outcome::Running);
    gate.set(boot_now());
    let sniffer = lan.sniff();
    assert!(sniffer.collect(1, THREE_ROUNDS, is_gratuitous).is_empty(), "announced without a grant");
    assert_eq!(host.run(Action::Stop, V4), Outcome::NotRunning);

    assert_eq!(host.run(Action::Start, V4), Outcome::Running);
    ip("addr del 10.0.0.100/24 dev eth0");
    let sniffer = lan.sniff();
    assert!(sniffer.collect(1, THREE_ROUNDS, is_gratuitous).is_empty(), "announced an address that is gone");
    assert_eq!(host.run(Action::Monitor, V4), Outcome::NotRunning);
}

#[test]
fn an_address_elsewhere_on_this_host_is_a_failure_and_is_stopped_too() {
    let (_lan, host) = (Lan::new(), Host::new());
    ip("link add other type veth peer name other2");
    ip("link set other up");
    ip("addr add 10.0.0.100/24 dev other");
    // Not "never begun": that would free it for another node while this one answers for it.
    for action in [Action::Start, Action::Monitor] {
        assert_failed(&host.run(action, V4), "on interface other, not on eth0");
    }
    ip("link set other down");
    assert_failed(&host.run_job(job(Action::Start, V4, "eht0")), "did you mean `eth0`?");
    assert_eq!(host.run(Action::Stop, V4), Outcome::NotRunning);
    assert!(!ip_says("addr").contains("10.0.0.100"));

    ip("addr add 10.0.0.100/32 dev eth0");
    assert_failed(&host.run(Action::Start, V4), "on eth0 with prefix length 32, not 24");
    ip("addr add 10.0.0.100/24 dev eth0");
    assert_eq!(host.run(Action::Start, V4), Outcome::Running);
    ip("addr add 10.0.0.100/24 dev other");
    assert_failed(&host.run(Action::Start, V4), "on interface other of this node too");
    assert_eq!(host.run(Action::Stop, V4), Outcome::NotRunning);
    assert!(!ip_says("addr").contains("10.0.0.100"));
}

/// S7: the kernel's answer to the adding is an error, and the address is here all the same.
#[test]
fn an_adding_that_ends_in_an_error_is_a_failure_that_is_stopped() {
    let (lan, host) = (Lan::new(), Host::new());
    let mut start = job(Action::Start, V4, "eth0");
    // Its last probe is followed by two seconds of waiting: time to get in between.
    start.address_check = AddressCheck::Full;
    start.timeout = Duration::from_secs(20);
    let sniffer = lan.sniff();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(sniffer.collect(1, Duration::from_secs(10), is_probe).len(), 1);
            ip("addr add 10.0.0.100/24 dev eth0");
        });
        host.run_job(start)
    });
    assert_failed(&outcome, "adding 10.0.0.100/24 to eth0 failed: File exists");
    assert!(ip_says("addr").contains("10.0.0.100/24"));
    assert_eq!(host.run(Action::Stop, V4), Outcome::NotRunning);
    assert!(!ip_says("addr").contains("10.0.0.100"));
}

#[test]
fn stopping_keeps_the_other_addresses_of_the_network() {
    let (_lan, host) = (Lan::new(), Host::new());
    assert_eq!(host.run(Action::Start, "10.9.0.100/24"), Outcome::Running);
    ip("addr add 10.9.0.5/24 dev eth0");
    assert!(ip_says("addr show dev eth0").contains("10.9.0.5/24 scope global secondary"));
    assert_eq!(host.run(Action::Stop, "10.9.0.100/24"), Outcome::NotRunning);
    assert!(ip_says("addr show dev eth0").contains("10.9.0.5/24"), "the kernel removed it with ours");
}

#[test]
fn the_full_check_waits_as_long_as_the_rfc() {
    let (lan, host) = (Lan::new(), Host::new());
    let sniffer = lan.sniff();
    let mut start = job(Action::Start, V4, "eth0");
    start.address_check = AddressCheck::Full;
    start.timeout = Duration::from_secs(20);
    let began = Instant::now();
    assert_eq!(host.run_job(start), Outcome::Running);
    // RFC 5227: three probes 1 to 2 s apart, 2 s after the last.
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(sniffer.collect(4, Duration::from_millis(50), is_probe).len(), 3);
}
