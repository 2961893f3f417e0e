//! What a stranger on the wire can send: noise, forgeries, recordings. None of it changes who is present, none of it
//! keeps a dead node alive, and all of it is told.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation, Writer, helper};
use ha_lab::Remote;
use std::path::PathBuf;
use std::time::Duration;

const PORT: u16 = 5407;

fn start() -> Cluster {
    Cluster::start(
        Plan { adjust: |spec| spec.tools.push(helper()), ..Plan::default() }.time("off_dwell", "30s"),
    )
}

/// Runs the helper where the bridges are.
fn wire(lab: &Remote, args: &[&str]) {
    let program = helper().display().to_string();
    let argv: Vec<&str> = std::iter::once(program.as_str()).chain(args.iter().copied()).collect();
    let out = lab.exec_lab(&argv, LONG).unwrap();
    assert!(out.is_success(), "{args:?}: {out:?}");
}

/// The recording of heartbeats.
struct Tape {
    file: PathBuf,
}

impl Tape {
    /// Records what `from` says to `to` on both heartbeat links, at the far end of `to`'s cables.
    fn record(cluster: &Cluster, from: &str, to: &str) -> Self {
        let file = cluster.dir().join(format!("{from}-{to}.tape"));
        let number = cluster.spec().host(from).unwrap().number.to_string();
        let ports = [format!("{to}.net0"), format!("{to}.net1")];
        wire(cluster.lab(), &["record", file.to_str().unwrap(), "10", &number, &ports[0], &ports[1]]);
        Self { file }
    }

    fn play(&self, lab: &Remote, rounds: u32, pause_us: u32) {
        wire(lab, &["replay", self.file.to_str().unwrap(), &rounds.to_string(), &pause_us.to_string()]);
    }

    /// The same with these bytes of each heartbeat changed (offsets from its beginning).
    fn forged(&self, name: &str, offsets: &[usize]) -> Self {
        let file = self.file.with_extension(name);
        let text = std::fs::read_to_string(&self.file).unwrap();
        let mut out = String::new();
        for line in text.lines() {
            let (port, frame) = line.split_once(' ').unwrap();
            let mut frame = frame.as_bytes().to_vec();
            for offset in offsets {
                // After 42 bytes of Ethernet, IPv4 and UDP; the lower digit of the byte.
                let digit = &mut frame[2 * (42 + offset) + 1];
                *digit = if *digit == b'0' { b'1' } else { b'0' };
            }
            out += &format!("{port} {}\n", String::from_utf8(frame).unwrap());
        }
        std::fs::write(&file, out).unwrap();
        Self { file }
    }
}

/// Who leads, in which term: any doubt of anybody about anybody changes it.
fn leadership(cluster: &Cluster) -> (String, u64) {
    let mut found = None;
    cluster.wait("a leader and its term", SOON, || {
        let leader = cluster.leader();
        found = cluster.status_json(&leader)["term"].as_u64().map(|term| (leader, term));
        found.is_some()
    });
    found.unwrap()
}

/// What a daemon said it refused at its heartbeat port.
fn refusals(cluster: &Cluster, host: &str) -> String {
    let journal = cluster.journal(host);
    let lines = journal.lines().filter(|l| l.contains("datagrams refused at the heartbeat port"));
    lines.collect::<Vec<_>>().join("\n")
}

fn wait_refused(cluster: &Cluster, host: &str, word: &str) {
    cluster.wait(&format!("{host} to tell of `{word}`"), SOON, || refusals(cluster, host).contains(word));
}

/// L5: noise of every size at both ports of the leader and of the owner.
#[test]
fn noise_changes_nothing_and_is_told() {
    let cluster = start();
    let (owner, before) = (cluster.owner(), leadership(&cluster));
    let mut targets = vec![owner.clone(), before.0.clone()];
    targets.dedup();
    let events = cluster.events(&owner).len();
    let helper = helper().display().to_string();
    let lab = cluster.lab();
    std::thread::scope(|scope| {
        for host in &targets {
            let at = format!("10.0.0.{}:{PORT}", lab.spec().host(host).unwrap().number);
            let helper = &helper;
            scope.spawn(move || {
                // A heartbeat's smallest size is 64, its largest 1088; 65507 is the largest of UDP.
                let noise =
                    ["spray", &at, "500", "0", "3", "63", "64", "300", "1088", "1089", "9000", "65507"];
                let argv: Vec<&str> = std::iter::once(helper.as_str()).chain(noise).collect();
                let out = lab.exec("client", &argv, LONG).unwrap();
                assert!(out.is_success(), "{out:?}");
                for bytes in ["1", "5", "100000"] {
                    let out = lab.exec("client", &[helper, "babble", &at, bytes], LONG).unwrap();
                    assert!(out.is_success(), "{out:?}");
                }
            });
        }
        cluster.hold_undisturbed(&owner, Duration::from_secs(3));
    });
    for host in &targets {
        wait_refused(&cluster, host, "no heartbeats");
        wait_refused(&cluster, host, "under no present key");
        let journal = cluster.journal(host);
        assert!(journal.contains("refused 10.0.0.200"), "the stream's side tells too:\n{journal}");
    }
    assert_eq!(leadership(&cluster), before);
    assert_eq!(cluster.events(&owner).len(), events, "{:#?}", cluster.events(&owner));
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// S13: strangers who connect and say nothing do not keep a restarted daemon out.
#[test]
fn silent_connections_keep_nobody_out() {
    let cluster = start();
    let owner = cluster.owner();
    let other = cluster.others(&[&owner])[0].clone();
    let lab = cluster.lab();
    let targets: Vec<String> =
        lab.spec().hosts.iter().map(|h| format!("10.0.0.{}:{PORT}", h.number)).collect();
    let (helper, ended) = (helper().display().to_string(), std::sync::atomic::AtomicBool::new(false));
    // One way only, so that the attacked port is the only one.
    for host in cluster.hosts_named() {
        cluster.link_down(&host, "net1").unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut argv = vec![helper.as_str(), "loiter", "100", "1"];
            argv.extend(targets.iter().map(String::as_str));
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                lab.exec("client", &argv, LONG).unwrap();
            }
        });
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cluster.hold_undisturbed(&owner, Duration::from_secs(1));
            cluster.kill_daemon(&other);
            cluster.wait_event(&owner, &[&other, "its daemon restarted, same boot"], SOON);
            cluster.wait("the restarted daemon to follow", SOON, || {
                cluster.status_json(&other)["leader"].is_string()
            });
            cluster.hold_undisturbed(&owner, Duration::from_secs(1));
        }));
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        judged.unwrap();
    });
    assert!(cluster.hosts_named().iter().all(|h| cluster.switched_off(h) == 0));
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// Recordings and forgeries of the present session.
#[test]
fn recordings_and_forgeries_of_the_present_session_are_refused() {
    let cluster = start();
    let (owner, before) = (cluster.owner(), leadership(&cluster));
    let other = cluster.others(&[&owner])[0].clone();
    let tape = Tape::record(&cluster, &owner, &other);
    // The key's name is bytes 4 to 11, the number 12 to 19, then comes what is sealed.
    let forgeries = [
        tape.forged("number", &[15]),
        tape.forged("sealed", &[15, 25]),
        tape.forged("key", &[4]),
        tape.forged("link", &[3, 15]),
    ];
    tape.play(cluster.lab(), 20, 200);
    for forged in &forgeries {
        forged.play(cluster.lab(), 20, 200);
    }
    wait_refused(&cluster, &other, "replayed");
    wait_refused(&cluster, &other, "forged");
    wait_refused(&cluster, &other, "under no present key");
    // A forged number far ahead must not make the true ones look old.
    cluster.hold_undisturbed(&owner, Duration::from_secs(2));
    assert_eq!(leadership(&cluster), before);
    assert_eq!(cluster.owner(), owner);
    assert!(cluster.events(&owner).iter().all(|e| !e.contains("lost")));
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// A recording does not keep a dead node alive: it is lost, fenced and taken over from in its usual time.
#[test]
fn a_recording_does_not_keep_a_dead_node_alive() {
    let cluster = start();
    let owner = cluster.owner();
    let others = cluster.others(&[&owner]);
    let tapes: Vec<Tape> = others.iter().map(|to| Tape::record(&cluster, &owner, to)).collect();
    cluster.power_off(&owner).unwrap();
    let lab = cluster.lab();
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for tape in &tapes {
            let ended = &ended;
            scope.spawn(move || {
                while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                    tape.play(lab, 10, 2_000);
                }
            });
        }
        let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cluster.wait_owner_other_than(&owner, Duration::from_secs(6))
        }));
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        taken.unwrap();
    });
    others.iter().for_each(|host| wait_refused(&cluster, host, "replayed"));
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// Recordings of earlier sessions: after a restart of the sender, of the receiver, of both.
#[test]
fn recordings_of_earlier_sessions_are_refused() {
    let cluster = start();
    let owner = cluster.owner();
    let others = cluster.others(&[&owner]);
    let (from, to) = (&others[0], &others[1]);
    for restarted in [vec![from], vec![to], vec![from, to]] {
        let tape = Tape::record(&cluster, from, to);
        let told = refusals(&cluster, to).matches("under no present key").count();
        let earlier = leadership(&cluster);
        for host in &restarted {
            cluster.kill_daemon(host);
        }
        cluster.wait("the daemons to be back", LONG, || {
            restarted.iter().all(|h| cluster.host_state(h).unwrap().services.contains_key("hanode"))
                && cluster.is_quiet()
        });
        // A leader whose daemon died is followed until it is missed: its successor must be in office.
        let must_change = restarted.iter().any(|h| **h == earlier.0);
        let mut before = leadership(&cluster);
        cluster.wait("leadership is settled", LONG, || {
            before = leadership(&cluster);
            (!must_change || before.1 > earlier.1) && cluster.is_quiet()
        });
        tape.play(cluster.lab(), 50, 1_000);
        cluster.wait(&format!("{to} to tell of it after a restart of {restarted:?}"), SOON, || {
            refusals(&cluster, to).matches("under no present key").count() > told
        });
        assert_eq!(leadership(&cluster), before);
    }
    assert_eq!(cluster.owner(), owner);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    assert!(cluster.hosts_named().iter().all(|h| cluster.switched_off(h) == 0));
}

/// A core that stands still cannot be vouched for by the thread that sends heartbeats: its node is lost and fenced.
fn deadlocked_core(leads: bool, lie: bool) -> Cluster {
    let tools = |spec: &mut ha_lab::LabSpec| spec.tools.push(helper());
    let plan = Plan { adjust: tools, writer: Writer::First, ..Plan::default() };
    let cluster = Cluster::start(plan.time("off_dwell", "30s"));
    let owner = cluster.place_owner(leads).host;
    cluster.mend_switch("pdu-a", lie);
    let other = cluster.others(&[&owner])[0].clone();
    let lab = cluster.lab();
    let since = ha_lab::clock::boot_ns();
    let seconds = if lie { "15" } else { "30" };
    let stall = ["cluster-helper", "stall", "/run/ha-lab/hanode.pid", "core", seconds];
    std::thread::scope(|scope| {
        // It ends with its host's power.
        let held = scope.spawn(|| lab.exec(&owner, &stall, LONG).unwrap());
        if lie {
            return cluster.wait_blocks_of_others(&owner, 50);
        }
        cluster.wait_event(
            &other,
            &[&owner, "lost:", if leads { "" } else { "its core stands still" }],
            SOON,
        );
        cluster.wait_owner_other_than(&owner, SOON);
        let held = held.join().unwrap();
        assert!(held.stdout.starts_with("stopped"), "{held:?}");
    });
    if lie {
        return cluster;
    }
    let cut = cluster.wait_cut(&owner);
    // core_age_max is 2 s, and a leader that falls silent then is missed for t_lost more; the fence takes its part.
    let ms = (cut.began_ns - since) / 1_000_000;
    assert!((1_900..7_000).contains(&ms), "cut after {ms} ms");
    cluster
}

#[test]
fn a_deadlocked_core_behind_living_heartbeats_is_fenced() {
    let cluster = deadlocked_core(false, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn a_deadlocked_core_of_the_leader_is_fenced() {
    let cluster = deadlocked_core(true, false);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn control_a_deadlocked_core_behind_a_lying_switch_leaves_its_services_writing() {
    let cluster = deadlocked_core(false, true);
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}
