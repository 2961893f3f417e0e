//! What a stranger on the wire can send: noise, forgeries, recordings. None of it changes who is present, none of it
//! keeps a dead node alive, and all of it is told.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation, Writer, helper};
use ha_lab::Remote;
use std::path::PathBuf;
use std::time::Duration;

const PORT: u16 = 5407;
/// A takeover whose owner is lost after `t_lost` (1 s) is over by then.
const USUAL_TAKEOVER: Duration = Duration::from_secs(6);

fn plan() -> Plan {
    Plan { adjust: |spec| spec.tools.push(helper()), ..Plan::default() }.time("off_dwell", "30s")
}

fn start() -> Cluster {
    Cluster::start(plan())
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

    /// Records what `from` says to everybody.
    fn of_all(cluster: &Cluster, from: &str) -> Self {
        let tapes: Vec<Tape> =
            cluster.others(&[from]).iter().map(|to| Self::record(cluster, from, to)).collect();
        Self::joined(&tapes)
    }

    /// One tape of all of these: each frame comes again soon, whichever tape it is from.
    fn joined(tapes: &[Tape]) -> Self {
        let file = tapes[0].file.with_extension("joined");
        let text: String = tapes.iter().map(|tape| std::fs::read_to_string(&tape.file).unwrap()).collect();
        std::fs::write(&file, text).unwrap();
        Self { file }
    }

    /// Forged in each way, by the word with which each is refused. The key's name is bytes 4 to 11, the number 12 to
    /// 19, then comes what is sealed.
    fn forgeries(&self) -> Vec<Tape> {
        let ways: [(&str, &[usize]); 4] =
            [("number", &[15]), ("sealed", &[15, 25]), ("key", &[4]), ("link", &[3, 15])];
        ways.iter().map(|(name, offsets)| self.forged(name, offsets)).collect()
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

/// What a stranger sends keeps nobody alive: while the tape is played again and again the owner falls, and is lost,
/// fenced and taken over from in the usual time. That the tape arrives is told by these words before the owner falls.
fn keeps_nobody_alive(cluster: &Cluster, owner: &str, tape: &Tape, words: &[&str], fall: impl Fn()) {
    let lab = cluster.lab();
    let told = || {
        let hosts = cluster.others(&[owner]).into_iter();
        let journals: Vec<_> = hosts.map(|host| refusals(cluster, &host)).collect();
        let counts = journals.iter().flat_map(|text| words.iter().map(|word| text.matches(word).count()));
        counts.collect::<Vec<_>>()
    };
    let before = told();
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                tape.play(lab, 5, 1_000);
            }
        });
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            cluster.wait(&format!("both receivers to tell of {words:?}"), SOON, || {
                // The first line may still be about what came before.
                told().iter().zip(&before).all(|(now, before)| *now >= before + 2)
            });
            fall();
            cluster.wait_owner_other_than(owner, USUAL_TAKEOVER);
        }));
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        judged.unwrap();
    });
    assert_eq!(cluster.judge().fenced_takeovers(), []);
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
    let tape = Tape::of_all(&cluster, &owner);
    let forgeries = tape.forgeries();
    tape.play(cluster.lab(), 20, 200);
    for forged in &forgeries {
        forged.play(cluster.lab(), 20, 200);
    }
    for other in cluster.others(&[&owner]) {
        wait_refused(&cluster, &other, "replayed");
        wait_refused(&cluster, &other, "forged");
        wait_refused(&cluster, &other, "under no present key");
    }
    // A forged number far ahead must not make the true ones look old.
    cluster.hold_undisturbed(&owner, Duration::from_secs(2));
    assert_eq!(leadership(&cluster), before);
    assert_eq!(cluster.owner(), owner);
    assert!(cluster.events(&owner).iter().all(|e| !e.contains("lost")));
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    let words = ["replayed", "forged", "under no present key"];
    let all: Vec<Tape> = std::iter::once(tape).chain(forgeries).collect();
    keeps_nobody_alive(&cluster, &owner, &Tape::joined(&all), &words, || cluster.freeze(&owner).unwrap());
}

/// A recording does not keep a dead node alive.
#[test]
fn a_recording_does_not_keep_a_dead_node_alive() {
    let cluster = start();
    let owner = cluster.owner();
    let tape = Tape::of_all(&cluster, &owner);
    keeps_nobody_alive(&cluster, &owner, &tape, &["replayed"], || cluster.power_off(&owner).unwrap());
}

/// Recordings of earlier sessions of the sender, of the receivers, of both.
fn recording_of_an_earlier_session(of_sender: bool, of_receivers: bool) {
    let cluster = Cluster::start(plan().long_grants());
    let owner = cluster.owner();
    let others = cluster.others(&[&owner]);
    let tape = Tape::of_all(&cluster, &owner);
    let restarted = others.iter().filter(|_| of_receivers).chain(Some(&owner).filter(|_| of_sender));
    // One after the other: two of three always lead on.
    for host in restarted {
        cluster.kill_daemon(host);
        let asked = cluster.others(&[host])[0].clone();
        cluster.wait_event(&asked, &[host, "its daemon restarted, same boot"], LONG);
        cluster.wait("the cluster to be quiet", LONG, || cluster.is_quiet());
    }
    assert_eq!(cluster.owner(), owner);
    assert!(cluster.hosts_named().iter().all(|h| cluster.switched_off(h) == 0));
    let words = ["under no present key"];
    keeps_nobody_alive(&cluster, &owner, &tape, &words, || cluster.freeze(&owner).unwrap());
}

#[test]
fn a_recording_keeps_nobody_alive_after_a_restart_of_its_sender() {
    recording_of_an_earlier_session(true, false);
}

#[test]
fn a_recording_keeps_nobody_alive_after_a_restart_of_its_receivers() {
    recording_of_an_earlier_session(false, true);
}

#[test]
fn a_recording_keeps_nobody_alive_after_a_restart_of_both_its_ends() {
    recording_of_an_earlier_session(true, true);
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

#[test]
fn control_a_deadlocked_core_of_the_leader_behind_a_lying_switch_leaves_its_services_writing() {
    let cluster = deadlocked_core(true, true);
    let found = cluster.judge().two_owners();
    assert!(found.iter().any(|v| matches!(v, Violation::OldBlock { .. })), "{found:?}");
}
