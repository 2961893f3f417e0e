//! The demonstration: three real daemons, one failover, judged by the outside client alone; then a lab to play with.
//!
//! Must not know: how the cluster works. What is shown of it are its own programs' words (`hactl`), what is judged are
//! the client's records.

mod play;
mod tell;

pub use play::{Play, play};

use crate::cluster::{ClusterPlan, Programs, VIP, install, with_daemon};
use crate::error::{Context, LabError, Result};
use crate::lab::{Lab, Remote, wait_for};
use crate::observe::{Client, ClientSpec};
use crate::outage::ProbeRecord;
use crate::spec::LabSpec;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tell::{say, show_hactl, step};

/// The hosts.
const HOSTS: [&str; 3] = ["alpha", "beta", "gamma"];
/// How long the cluster may take to note what the client has seen.
const NOTED: Duration = Duration::from_secs(5);
/// Name of the outside client.
const CLIENT: &str = "client";

/// How the demonstration runs.
#[derive(Debug, Clone)]
pub struct DemoSpec {
    /// Its directory; what an earlier demonstration left there is removed.
    pub dir: PathBuf,
    /// The cluster's programs.
    pub programs: Programs,
    /// The cluster.
    pub plan: ClusterPlan,
    /// End by itself.
    pub once: bool,
    /// How long the service may take to appear, at the start and after the power-off.
    pub limit: Duration,
}

/// Runs it. An error unless the outside client saw the service fail over.
pub fn run(spec: &DemoSpec) -> Result<()> {
    let dir = fresh_dir(&spec.dir)?;
    let lab_spec = with_daemon(LabSpec::usual(&dir, &HOSTS), &spec.programs)?;
    install(&lab_spec, &spec.programs.hactl, &spec.plan)?;
    step("Three hosts, a power switch, a client outside");
    let lab = Lab::start(lab_spec)?;
    say(&format!("each host is a set of namespaces of its own; logs in {}/hosts/*/log", dir.display()));
    let client = lab.client(CLIENT, &ClientSpec::parse(&format!("http://{VIP}/"))?)?;
    let seen = failover(&lab, &client, spec);
    if seen.is_err() {
        tell::daemon_logs(&lab);
    }
    seen?;
    if spec.once {
        return Ok(());
    }
    step("It stays up; Ctrl-C ends it and leaves nothing behind");
    say(&format!("cargo xtask demo {} NODE", Play::WORDS.join("|")));
    say("cargo xtask demo hactl …        any command of hactl");
    stay(&lab)
}

/// The one failover that is shown.
fn failover(lab: &Lab, client: &Client, spec: &DemoSpec) -> Result<()> {
    let before = client.wait_ok(spec.limit)?;
    let primary = host_of(&before)?;
    say(&format!("the client gets an answer from http://{VIP}/: {}", before.line));
    let settled = wait_for("everything to be as wished", spec.limit, || is_as_wished(lab, &primary));
    show_hactl(lab, &primary, &["status"]);
    settled?;

    step(&format!("Power off {primary}, which runs the service"));
    lab.power_off(&primary)?;
    let mut after = None;
    wait_for(&format!("another host than {primary} to answer"), spec.limit, || {
        let answer = client.wait_ok(spec.limit)?;
        let is_other = host_of(&answer)? != primary;
        after = is_other.then_some(answer);
        Ok(is_other)
    })?;
    let after = after.expect("the wait ends with it");
    let owner = host_of(&after)?;
    let records = client.records()?;
    let gone = tell::failover_outage(&records, &before, &after)
        .ok_or_else(|| LabError::Gone("the client's records show no failover".into()))?;
    say(&format!("the client gets an answer again: {}", after.line));
    say(&format!("outage that the client saw: {:.0} ms", gone.length_ms().unwrap_or_default()));
    tell::power_facts(lab, gone.last_ok_ns)?;
    // The client is faster than the log: the cluster notes the end of the failover a moment later.
    let _ = wait_for("the cluster to note the end", NOTED, || is_failover_noted(lab, &owner));
    show_hactl(lab, &owner, &["timeline"]);

    step(&format!("Power on {primary}; it comes back as a new incarnation"));
    let is_on = || Ok(lab.host_state(&primary)?.is_on);
    // The cluster switches a fenced node on again by itself; the button is for the case that it does not.
    if wait_for("the cluster to switch it on", Duration::from_secs(15), is_on).is_err() {
        lab.power_on(&primary)?;
    }
    let rejoined = wait_for(&format!("{primary} to rejoin"), spec.limit, || is_as_wished(lab, &owner));
    show_hactl(lab, &owner, &["status"]);
    rejoined
}

/// Whether the cluster has nothing to complain of, by its own word (`hactl --json`, docs/reference/json.md): only what is
/// shown waits for it. Warnings of the machine (no realtime scheduling for an ordinary user …) last for ever and do
/// not count.
fn is_as_wished(lab: &Remote, host: &str) -> Result<bool> {
    let status = ask_hactl(lab, host, "status")?;
    let count = |field: &str| status[field].as_array().map(Vec::len);
    Ok(count("problems").zip(count("warnings")).is_some_and(|(problems, warnings)| problems <= warnings))
}

/// Whether the newest failover of the timeline has its total time.
fn is_failover_noted(lab: &Remote, host: &str) -> Result<bool> {
    let timeline = ask_hactl(lab, host, "timeline")?;
    let newest = timeline["failovers"].as_array().and_then(|all| all.last());
    Ok(newest.is_some_and(|failover| failover["total_ms"].is_u64()))
}

/// The `data` of an answer; null when there is none.
fn ask_hactl(lab: &Remote, host: &str, command: &str) -> Result<serde_json::Value> {
    let out = lab.exec(host, &["hactl", "--json", command], Duration::from_secs(15))?;
    let mut answer: serde_json::Value = serde_json::from_str(&out.stdout).unwrap_or_default();
    Ok(answer["data"].take())
}

fn host_of(record: &ProbeRecord) -> Result<String> {
    let host = record.host().unwrap_or_default();
    match HOSTS.contains(&host) {
        true => Ok(host.to_string()),
        false => Err(LabError::Gone(format!("something else answers at {VIP}: `{}`", record.line))),
    }
}

/// Stays until the lab ends (Ctrl-C ends this process, and the lab with it).
fn stay(lab: &Remote) -> Result<()> {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        lab.hosts()?;
    }
}

/// An empty directory; one that holds an ended lab is emptied, anything else is refused.
fn fresh_dir(dir: &Path) -> Result<PathBuf> {
    let dir = std::path::absolute(dir).at("resolve", dir)?;
    if Remote::open(&dir).is_ok_and(|lab| lab.hosts().is_ok()) {
        return Err(LabError::Refused(format!("a demonstration runs in {} already", dir.display())));
    }
    let is_empty = std::fs::read_dir(&dir).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty && !dir.join(crate::outer::SPEC_FILE).exists() && !dir.join("cluster.toml").exists() {
        return Err(LabError::Refused(format!(
            "{} holds something else than a lab; choose another",
            dir.display()
        )));
    }
    if dir.exists() {
        std::fs::remove_dir_all(&dir).at("empty", &dir)?;
    }
    std::fs::create_dir_all(&dir).at("create", &dir)?;
    Ok(dir)
}
