//! The `exec` agent after a restart of the daemon: a service is found again, followed and stopped.
#![allow(clippy::unwrap_used)]

mod common;

use common::service::{SLEEP, bench, config, job, reason};
use common::until;
use ha_agent::{Action, Agents, CgroupRoot, Outcome};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn a_restarted_daemon_finds_its_service_again() {
    let mut bench = bench("restart");
    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running);
    let before = bench.members();
    bench.restart();
    assert_eq!(bench.run(Action::Probe, SLEEP).await, Outcome::Running);
    assert_eq!(bench.members(), before, "the same process");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(before[0]), nix::sys::signal::SIGKILL).unwrap();
    let event =
        timeout(Duration::from_millis(50), bench.events.recv()).await.expect("noticed by pidfd").unwrap();
    assert_eq!(event.instance, "web".into());
    assert_eq!(bench.run(Action::Probe, SLEEP).await, Outcome::NotRunning);
}

#[tokio::test]
async fn a_check_that_passes_elsewhere_is_no_sign_of_life_here() {
    let mut bench = bench("elsewhere");
    let options = [("start", "sleep 300"), ("check", "true")];
    assert_eq!(bench.run(Action::Probe, &options).await, Outcome::NotRunning, "never started here");
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    bench.restart();
    let pid = nix::unistd::Pid::from_raw(bench.members()[0]);
    nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
    until("dead", || bench.members().is_empty()).await;
    assert_eq!(
        bench.run(Action::Probe, &options).await,
        Outcome::NotRunning,
        "died while the daemon was away"
    );
}

#[tokio::test]
async fn a_daemon_that_died_during_a_check_finds_its_service_well() {
    let mut bench = bench("midcheck");
    let options = [("start", "sleep 300"), ("check", "true")];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    let leaf = bench.root.leash(&["resource", "web", "commands"]).directory().unwrap();
    fs::create_dir_all(&leaf).unwrap();
    let script = format!("echo $$ > {}/cgroup.procs && exec sleep 300", leaf.display());
    let mut check = std::process::Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let pid = check.id().to_string();
    until("the check is under way", || fs::read_to_string(leaf.join("cgroup.procs")).unwrap().contains(&pid))
        .await;
    bench.restart();
    assert_eq!(bench.run(Action::Probe, &options).await, Outcome::Running);
    assert!(!check.wait().unwrap().success(), "it was killed");
}

/// What it leaves besides its processes, only its stop command knows.
#[tokio::test]
async fn a_service_that_died_while_no_daemon_ran_is_stopped_by_its_command() {
    let mut bench = bench("away");
    let stopped = bench.path("stopped");
    let stop = format!("touch {stopped}");
    let options = [("start", "sleep 300"), ("stop", stop.as_str())];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    bench.restart();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(bench.members()[0]), nix::sys::signal::SIGKILL)
        .unwrap();
    until("dead", || bench.members().is_empty()).await;
    let found = bench.run(Action::Probe, &options).await;
    assert!(reason(&found).contains("its stop command was not run since its start"), "{found}");
    assert_eq!(bench.run(Action::Stop, &options).await, Outcome::NotRunning);
    assert!(PathBuf::from(&stopped).exists());
    assert_eq!(bench.run(Action::Probe, &options).await, Outcome::NotRunning);
}

#[tokio::test]
async fn a_service_without_process_is_judged_by_its_check() {
    let mut bench = bench("processless");
    let up = bench.path("up");
    let (start, stop, check) = (format!("touch {up}"), format!("rm {up}"), format!("test -e {up}"));
    let options = [("start", start.as_str()), ("stop", stop.as_str()), ("check", check.as_str())];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    bench.restart();
    assert_eq!(bench.run(Action::Probe, &options).await, Outcome::Running);
    assert_eq!(bench.run(Action::Stop, &options).await, Outcome::NotRunning);
    assert!(!PathBuf::from(&up).exists());
    assert_eq!(
        bench.run(Action::Stop, &options).await,
        Outcome::NotRunning,
        "not stopped twice: rm would fail"
    );
}

#[tokio::test]
async fn without_cgroups_a_service_is_still_found_stopped_and_its_death_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let root = CgroupRoot::marked(dir.path().to_str().unwrap(), "test");
    let (mut agents, _) = Agents::new(config(&root, &dir)).unwrap();
    let leash = root.leash(&["resource", "web", "service"]);
    // The worker leaves the session of the service.
    let options = [("start", "sh -c 'setsid sleep 301 & exec sleep 300'")];
    assert_eq!(agents.run(job(Action::Start, &options)).await, Outcome::Running);
    until("both run", || leash.members().len() == 2).await;
    let mut events;
    (agents, events) = Agents::new(config(&root, &dir)).unwrap();
    assert_eq!(agents.run(job(Action::Probe, &options)).await, Outcome::Running);
    let main = leash
        .members()
        .into_iter()
        .find(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c == b"sleep\x00300\x00"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(main.unwrap()), nix::sys::signal::SIGKILL).unwrap();
    assert_eq!(events.recv().await.unwrap().instance, "web".into());
    assert_eq!(agents.run(job(Action::Stop, &options)).await, Outcome::NotRunning);
    assert!(leash.members().is_empty());
}
