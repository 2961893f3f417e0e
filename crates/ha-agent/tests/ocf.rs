//! OCF agents: our own that misbehave as told, and Debian's, unmodified. Needs root and the package `resource-agents`.
#![allow(clippy::unwrap_used)]

mod common;

use common::service::{Bench, bench, config, job, reason};
use common::{is_alive, until};
use ha_agent::ocf::code::CODES;
use ha_agent::{Action, Agents, Gate, Outcome, ResourceAgent, ResourceJob};
use ha_model::{BootNs, Severity};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// A bench with the agent `ocf:test:it`, made of this script; `$state` is a directory of its own.
fn with_agent(test: &str, script: &str) -> Bench {
    let bench = bench(test);
    let dir = bench.dir.path().join("ocf/resource.d/test");
    fs::create_dir_all(&dir).unwrap();
    let text = format!("#!/bin/sh\nstate={}\n{script}\n", bench.dir.path().display());
    let path = dir.join("it");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    bench
}

fn ocf(agent: &str, action: Action, parameters: &[(&str, &str)]) -> ResourceJob {
    ResourceJob { agent: ResourceAgent::by_name(agent).unwrap(), ..job(action, parameters) }
}

async fn act(bench: &Bench, action: Action) -> Outcome {
    bench.agents.run(ocf("ocf:test:it", action, &[])).await
}

fn severity(outcome: &Outcome) -> Severity {
    let Outcome::Failed { severity, .. } = outcome else { panic!("expected a failure, got {outcome}") };
    *severity
}

/// An agent that leaves a process in the background, as most do.
const SERVICE: &str = r#"
case $1 in
start) sleep 300 & echo $! > $state/pid ;;
stop) [ -f $state/pid ] && kill $(cat $state/pid); rm -f $state/pid ;;
monitor) [ -f $state/pid ] && kill -0 $(cat $state/pid) 2>/dev/null || exit 7 ;;
esac
exit 0"#;

#[tokio::test]
async fn what_a_start_leaves_in_the_background_is_held_seen_and_ended() {
    let bench = with_agent("ocf-service", SERVICE);
    assert_eq!(act(&bench, Action::Probe).await, Outcome::NotRunning);
    assert_eq!(act(&bench, Action::Start).await, Outcome::Running);
    let held = bench.members();
    assert_eq!(held.len(), 1, "in its cgroup: {held:?}");
    assert_eq!(act(&bench, Action::Start).await, Outcome::Running, "a second start is the agent's to answer");
    assert_eq!(act(&bench, Action::Monitor).await, Outcome::Running);
    assert_eq!(act(&bench, Action::Stop).await, Outcome::NotRunning);
    until("its processes are gone", || held.iter().all(|pid| !is_alive(*pid))).await;
    assert_eq!(bench.members(), Vec::<i32>::new());
    assert_eq!(act(&bench, Action::Monitor).await, Outcome::NotRunning);
    assert_eq!(act(&bench, Action::Stop).await, Outcome::NotRunning, "a stop of what is stopped succeeds");
}

#[tokio::test]
async fn a_service_is_found_again_by_the_next_session_of_the_daemon() {
    let mut bench = with_agent("ocf-session", SERVICE);
    assert_eq!(act(&bench, Action::Start).await, Outcome::Running);
    let held = bench.members();
    bench.restart();
    assert_eq!(act(&bench, Action::Probe).await, Outcome::Running);
    assert_eq!(bench.members(), held);
    assert_eq!(act(&bench, Action::Stop).await, Outcome::NotRunning);
    assert!(held.iter().all(|pid| !is_alive(*pid)));
}

#[tokio::test]
async fn an_agent_is_given_its_parameters_and_nothing_of_the_daemons() {
    let bench = with_agent("ocf-env", "env > $state/env.$1\nexit 0");
    let parameters = [("ip", "10.0.0.9"), ("nic", "eth 0")];
    let outcome = bench.agents.run(ocf("ocf:test:it", Action::Start, &parameters)).await;
    assert_eq!(outcome, Outcome::Running);
    bench.agents.run(ocf("ocf:test:it", Action::Monitor, &parameters)).await;
    let seen = |action: &str| {
        let text = fs::read_to_string(bench.path(&format!("env.{action}"))).unwrap();
        let is_own =
            |l: &&str| !["PWD=", "_=", "SHLVL=", "OLDPWD=", "HANODE_LEASH"].iter().any(|p| l.starts_with(p));
        let mut lines: Vec<String> = text.lines().filter(is_own).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let root = bench.path("ocf");
    let expected = [
        "LC_ALL=C",
        "OCF_CHECK_LEVEL=0",
        "OCF_EXIT_REASON_PREFIX=ocf-exit-reason:",
        "OCF_RA_VERSION_MAJOR=1",
        "OCF_RA_VERSION_MINOR=1",
        "OCF_RESKEY_CRM_meta_interval=0",
        "OCF_RESKEY_CRM_meta_name=start",
        "OCF_RESKEY_CRM_meta_timeout=5000",
        "OCF_RESKEY_ip=10.0.0.9",
        "OCF_RESKEY_nic=eth 0",
        "OCF_RESOURCE_INSTANCE=web",
        "OCF_RESOURCE_PROVIDER=test",
        "OCF_RESOURCE_TYPE=it",
    ];
    let mut expected: Vec<String> = expected.map(str::to_owned).to_vec();
    expected.push(format!("OCF_ROOT={root}"));
    expected.push(format!("PATH={}", ha_agent::DEFAULT_PATH));
    expected.sort();
    assert_eq!(seen("start"), expected);
    assert!(seen("monitor").contains(&"OCF_RESKEY_CRM_meta_interval=10000".to_owned()));
}

#[tokio::test]
async fn each_exit_code_of_a_start_counts_as_the_standard_says_with_the_agents_reason() {
    let script = "[ $1 = start ] || exit 0\necho noise >&2\necho 'ocf-exit-reason:port 80 is taken' >&2\necho more >&2\nexit $OCF_RESKEY_code";
    let bench = with_agent("ocf-codes", script);
    for known in CODES.iter().filter(|c| c.code != 0) {
        let code = known.code.to_string();
        let outcome = bench.agents.run(ocf("ocf:test:it", Action::Start, &[("code", &code)])).await;
        let said = format!("start: exit code {code} ({}): port 80 is taken", known.words);
        assert_eq!((reason(&outcome), severity(&outcome)), (said.as_str(), known.severity), "{}", known.name);
    }
    let outcome = bench.agents.run(ocf("ocf:test:it", Action::Start, &[("code", "77")])).await;
    assert!(
        reason(&outcome).contains("exit code 77, which the standard does not name: port 80"),
        "{outcome}"
    );
    assert_eq!(severity(&outcome), Severity::Soft);
}

#[tokio::test]
async fn each_exit_code_of_a_monitor_says_whether_it_runs() {
    let bench = with_agent(
        "ocf-monitor",
        "[ $1 = monitor ] || exit 0\necho ocf-exit-reason:because >&2\nexit $OCF_RESKEY_code",
    );
    for known in CODES {
        let code = known.code.to_string();
        for action in [Action::Monitor, Action::Probe] {
            let outcome = bench.agents.run(ocf("ocf:test:it", action, &[("code", &code)])).await;
            match (known.code, action) {
                (0 | 8 | 190 | 191, _) => assert_eq!(outcome, Outcome::Running, "{code}"),
                (7, _) | (5, Action::Probe) => assert_eq!(outcome, Outcome::NotRunning, "{code}"),
                _ => {
                    let said = format!("monitor: exit code {code} ({}): because", known.words);
                    assert_eq!((reason(&outcome), severity(&outcome)), (said.as_str(), known.severity));
                }
            }
        }
    }
}

#[tokio::test]
async fn an_agent_that_says_not_running_while_its_processes_live_is_not_believed() {
    let bench = with_agent("ocf-lies", "case $1 in start) sleep 300 & ;; monitor) exit 7 ;; esac\nexit 0");
    assert_eq!(act(&bench, Action::Start).await, Outcome::Running);
    let outcome = act(&bench, Action::Monitor).await;
    assert!(reason(&outcome).contains("but 1 processes of it are left"), "{outcome}");
    let held = bench.members();
    assert_eq!(act(&bench, Action::Stop).await, Outcome::NotRunning, "what lingers is ended");
    assert!(held.iter().all(|pid| !is_alive(*pid)));
}

#[tokio::test]
async fn a_stop_that_says_no_has_failed_and_what_it_means_is_said() {
    let bench =
        with_agent("ocf-stop", "[ $1 = stop ] || exit 0\necho 'ocf-exit-reason:target is busy' >&2\nexit 1");
    assert_eq!(act(&bench, Action::Start).await, Outcome::Running);
    let outcome = act(&bench, Action::Stop).await;
    assert_eq!(reason(&outcome), "stop: exit code 1 (generic error): target is busy");
    let outcome = act(&bench, Action::Stop).await;
    assert!(matches!(outcome, Outcome::Failed { code: Some(1), .. }), "asked again: {outcome}");
}

/// It ignores SIGTERM, and so does its child; and it writes without end.
#[tokio::test]
async fn an_agent_that_hangs_is_ended_in_time_with_all_that_it_began() {
    let bench =
        with_agent("ocf-hangs", "trap '' TERM\nyes noise | head -c 20000000 >&2\nsleep 300 & sleep 300");
    for action in [Action::Start, Action::Monitor, Action::Stop] {
        let began = Instant::now();
        let outcome = bench
            .agents
            .run(ResourceJob { timeout: Duration::from_secs(2), ..ocf("ocf:test:it", action, &[]) });
        let outcome = outcome.await;
        assert!(reason(&outcome).contains("did not end within"), "{action:?}: {outcome}");
        assert!(began.elapsed() < Duration::from_secs(4), "{action:?}: {:?}", began.elapsed());
        assert_eq!(bench.members(), Vec::<i32>::new(), "{action:?}");
    }
    let commands = bench.root.leash(&["resource", "web", "commands"]);
    assert!(commands.is_empty(), "{:?}", commands.members());
}

#[tokio::test]
async fn a_start_without_a_grant_begins_nothing_and_one_that_outlives_it_leaves_nothing() {
    let bench = with_agent("ocf-grant", "echo $1 >> $state/calls\nsleep 0.3\nsleep 300 &\nexit 0");
    let closed = ResourceJob { gate: Gate::until(BootNs(0)), ..ocf("ocf:test:it", Action::Start, &[]) };
    let outcome = bench.agents.run(closed).await;
    assert!(matches!(outcome, Outcome::NeverStarted { .. }), "{outcome}");
    assert!(!bench.dir.path().join("calls").exists());
    let gate = Gate::until(BootNs(ha_agent::boot_now().0 + 100_000_000));
    let outcome = bench.agents.run(ResourceJob { gate, ..ocf("ocf:test:it", Action::Start, &[]) }).await;
    assert!(reason(&outcome).contains("the grant to run it lapsed"), "{outcome}");
    assert_eq!(bench.members(), Vec::<i32>::new());
}

#[tokio::test]
async fn an_agent_that_is_not_installed_runs_nothing_here() {
    let bench = bench("ocf-missing");
    assert_eq!(act(&bench, Action::Probe).await, Outcome::NotRunning);
    let outcome = act(&bench, Action::Start).await;
    assert!(
        matches!(&outcome, Outcome::NeverStarted { why } if why.starts_with("ocf:test:it: program ")),
        "{outcome}"
    );
    assert_eq!(act(&bench, Action::Stop).await, Outcome::NotRunning);
    let outcome = act(&bench, Action::Monitor).await;
    assert!(reason(&outcome).contains("does not exist"), "a monitor is asked of what ran: {outcome}");
}

/// Debian's own agents, unmodified.
fn debian(test: &str) -> Bench {
    let mut bench = bench(test);
    let config =
        ha_agent::AgentsConfig { ocf_root: "/usr/lib/ocf".into(), ..config(&bench.root, &bench.dir) };
    (bench.agents, bench.events) = Agents::new(config).unwrap();
    bench
}

async fn starts_and_stops(
    bench: &Bench,
    agent: &str,
    parameters: &[(&str, &str)],
    is_seen: impl Fn() -> bool,
) {
    let act = async |action| bench.agents.run(ocf(agent, action, parameters)).await;
    assert_eq!(act(Action::Probe).await, Outcome::NotRunning, "{agent}");
    assert_eq!(act(Action::Start).await, Outcome::Running, "{agent}");
    assert!(is_seen(), "{agent} did what it is for");
    assert_eq!(act(Action::Monitor).await, Outcome::Running, "{agent}");
    assert_eq!(act(Action::Stop).await, Outcome::NotRunning, "{agent}");
    assert!(!is_seen(), "{agent} undid it");
    assert_eq!(act(Action::Monitor).await, Outcome::NotRunning, "{agent}");
}

#[tokio::test]
async fn debians_dummy_starts_and_stops() {
    let bench = debian("ocf-dummy");
    let state = bench.path("dummy.state");
    starts_and_stops(&bench, "ocf:heartbeat:Dummy", &[("state", &state)], || fs::exists(&state).unwrap())
        .await;
}

#[tokio::test]
async fn debians_filesystem_mounts_and_unmounts() {
    let bench = debian("ocf-fs");
    let directory = bench.path("mounted");
    fs::create_dir(&directory).unwrap();
    let is_mounted = || fs::read_to_string("/proc/self/mounts").unwrap().contains(&directory);
    let parameters = [("device", "tmpfs"), ("directory", &*directory), ("fstype", "tmpfs")];
    starts_and_stops(&bench, "ocf:heartbeat:Filesystem", &parameters, is_mounted).await;
}
