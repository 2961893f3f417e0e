//! A running cluster: put up, acted on, gone when dropped.
//!
//! Must not know: what a scenario is about.

use crate::dump;
use crate::judge::Judge;
use crate::plan::{Plan, SecondPdu};
use ha_lab::cluster::{ClusterPlan, DAEMON, Programs, install, with_daemon};
use ha_lab::{AliveRound, AliveWatch, ArpWatch, Client, ClientSpec, Lab, LabSpec, Remote, find_program};
use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Limit of waits for what normally takes up to two seconds; the machine may be very busy.
pub const SOON: Duration = Duration::from_secs(20);
/// Limit of waits that contain a time of the cluster's own (a dwell, a grace), or a switch's.
pub const LONG: Duration = Duration::from_secs(60);
/// Limit for a cluster to form with profile `fast`: while a machine is so busy that heartbeats come later than `t_lost`,
/// nobody leads for long.
const FAST_FORMS: Duration = Duration::from_secs(150);
/// How often a condition is looked at that costs a process to look at.
const LOOK: Duration = Duration::from_millis(25);

/// A cluster of real daemons, its client and its watch over the address.
pub struct Cluster {
    lab: Lab,
    client: Client,
    arp: ArpWatch,
    alive: Option<AliveWatch>,
    tells_failures: bool,
    orderly_until_ns: Cell<u64>,
    // After the lab: its directory goes when everything in it has ended.
    dir: TempDir,
}

impl std::ops::Deref for Cluster {
    type Target = Remote;
    fn deref(&self) -> &Remote {
        &self.lab
    }
}

/// All hosts here would share one disk, as no cluster does: when it is busy writing what was compiled before, every log
/// stands still at once. Tests of the disk bring their own.
pub(crate) fn memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

impl Cluster {
    /// Puts it up; a machine that does not permit that fails the test and says why.
    pub fn start(plan: Plan) -> Self {
        let within = plan.within.clone().unwrap_or_else(memory);
        let dir = tempfile::Builder::new().prefix("ha-ct-").tempdir_in(within).expect("a directory there");
        let names: Vec<&str> = plan.hosts.iter().map(String::as_str).collect();
        let programs = programs();
        let mut spec = LabSpec::usual(dir.path().join("lab"), &names);
        if plan.second_pdu == SecondPdu::Redundant {
            spec.pdus[1].outlets = spec.pdus[0].outlets.clone();
        }
        (plan.adjust)(&mut spec);
        let mut spec = with_daemon(spec, &programs).expect("the programs are built");
        spec.program = Some(programs.agents.join("ha-lab"));
        let cluster = ClusterPlan {
            profile: plan.profile.clone(),
            face: plan.face,
            timing: plan.times(),
            resources: plan.resources(&spec),
            more: plan.more_toml.clone(),
        };
        install(&spec, &programs.hactl, &cluster).expect("the plan is a valid cluster file");
        (plan.prepare)(&mut spec);
        let lab = Lab::start(spec).unwrap_or_else(|e| {
            let missing: Vec<String> = ha_lab::check::check().iter().map(|f| f.to_string()).collect();
            panic!("{e}\nthis machine:\n{}", missing.join("\n"));
        });
        let target = ClientSpec::http(SocketAddr::new(plan.address, 80));
        let client = lab.client("client", &target).expect("the client starts");
        let arp = lab.arp_watch("arp", plan.address).expect("the watch starts");
        let alive = plan.watches_processes.then(|| lab.alive_watch("alive").expect("the watch starts"));
        let (tells_failures, orderly_until_ns) = (plan.tells_failures, Cell::new(0));
        let cluster = Self { lab, client, arp, alive, tells_failures, orderly_until_ns, dir };
        if plan.wait_for_service {
            let limit = if plan.profile == "fast" { FAST_FORMS } else { LONG };
            cluster.client.wait_ok(limit).expect("the service answers");
            cluster.wait("the cluster to be quiet", limit, || cluster.is_quiet());
        }
        cluster
    }

    /// Waits until the client gets an answer and the cluster has nothing left to do.
    pub fn wait_for_service(&self) {
        self.client.wait_ok(LONG).expect("the service answers");
        self.wait("the cluster to be quiet", LONG, || self.is_quiet());
    }

    /// Waits for a condition.
    #[track_caller]
    pub fn wait(&self, what: &str, limit: Duration, mut is_true: impl FnMut() -> bool) {
        let end = Instant::now() + limit;
        while !is_true() {
            assert!(Instant::now() < end, "waited {limit:?} for {what}");
            std::thread::sleep(LOOK);
        }
    }

    /// Holds a condition for some time: for what must *not* happen within a bound of the cluster's own.
    #[track_caller]
    pub fn hold(&self, what: &str, span: Duration, mut is_true: impl FnMut() -> bool) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            assert!(is_true(), "{what}: no longer");
            std::thread::sleep(LOOK);
        }
    }

    /// The lab's own interface.
    pub fn lab(&self) -> &Remote {
        &self.lab
    }

    /// The outside client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The watch over who owns the address.
    pub fn arp(&self) -> &ArpWatch {
        &self.arp
    }

    /// The watch over processes, where there is one.
    pub fn alive(&self) -> Option<&AliveWatch> {
        self.alive.as_ref()
    }

    pub(crate) fn alive_rounds(&self) -> Vec<AliveRound> {
        self.alive.as_ref().map(|watch| watch.rounds().expect("the watch's records")).unwrap_or_default()
    }

    /// Pid of the lab's outermost process.
    pub fn outer_pid(&self) -> u32 {
        self.lab.outer_pid()
    }

    /// Its directory.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().join("lab")
    }

    /// Names of its hosts.
    pub fn hosts_named(&self) -> Vec<String> {
        self.lab.spec().hosts.iter().map(|h| h.name.clone()).collect()
    }

    /// The hosts that are none of these.
    pub fn others(&self, than: &[&str]) -> Vec<String> {
        self.hosts_named().into_iter().filter(|h| !than.contains(&h.as_str())).collect()
    }

    /// Judges by what has been recorded since it started.
    pub fn judge(&self) -> Judge {
        Judge::of(self)
    }

    /// Up to now the owner changed in order; the judge asks for no cut of power behind these changes.
    pub fn mark_orderly(&self) {
        self.orderly_until_ns.set(ha_lab::clock::boot_ns());
    }

    pub(crate) fn orderly_until_ns(&self) -> u64 {
        self.orderly_until_ns.get()
    }

    /// Makes the switches say what they are asked to and do nothing: the negative control of a safety test.
    pub fn make_switches_lie(&self) {
        for pdu in &self.lab.spec().pdus {
            self.lab.pdu_fault(&pdu.name, serde_json::json!({"lying": true})).expect("the switch listens");
        }
    }

    /// Runs a shell script in a host; it must succeed. Its output.
    #[track_caller]
    pub fn sh(&self, host: &str, script: &str) -> String {
        let out = self.lab.exec(host, &["bash", "-c", script], SOON).expect("the lab answers");
        assert!(out.is_success(), "`{script}` in {host}: {out:?}");
        out.stdout
    }

    /// Kills the daemon of a host; its init starts it again unless it was held (`hold_service`).
    pub fn kill_daemon(&self, host: &str) {
        self.lab.kill_service(host, DAEMON, libc::SIGKILL).expect("the daemon runs");
    }

    /// The present incarnation of a host that is on.
    #[track_caller]
    pub fn boot_id(&self, host: &str) -> String {
        self.lab.host_state(host).expect("the lab answers").boot_id.unwrap_or_else(|| panic!("{host} is off"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() && self.tells_failures {
            dump::dump(self);
        }
    }
}

/// The programs that were built beside this test.
fn programs() -> Programs {
    let lab = find_program().unwrap_or_else(|e| panic!("{e}"));
    let dir = lab.parent().expect("a program is in a directory").to_path_buf();
    let needed = ["hanode", "hactl", "fence_pdu_snmp", "fence_pdu_http"];
    let missing: Vec<_> = needed.iter().filter(|p| !dir.join(p).is_file()).collect();
    assert!(
        missing.is_empty(),
        "no {missing:?} in {}: cargo build -p hanode -p hactl -p ha-lab -p fence_pdu_snmp -p fence_pdu_http",
        dir.display()
    );
    Programs { hanode: dir.join("hanode"), hactl: dir.join("hactl"), agents: dir }
}
