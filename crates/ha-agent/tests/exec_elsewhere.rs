//! The `exec` agent where the daemon comes back in another cgroup, or with another permission, than the one in which it
//! started a service: that service is still found and stopped, and never started a second time (S7).
#![allow(clippy::unwrap_used)]

mod common;

use common::service::{Bench, SLEEP, bench, job, reason};
use common::{Tidy, is_alive, root, until};
use ha_agent::{Action, CgroupRoot, Outcome};
use std::fs;
use std::time::Duration;

/// The service runs below one root; the daemon is begun anew with another.
async fn moved(test: &str, from: &CgroupRoot, to: &CgroupRoot) -> (Bench, i32) {
    let mut bench = bench(test);
    bench.restart_below(from);
    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running);
    let members = from.leash(&["resource", "web", "service"]).members();
    let [first] = members.into_iter().collect::<Vec<_>>()[..] else { panic!("one process") };
    bench.restart_below(to);
    (bench, first)
}

/// What must hold wherever the daemon came back.
async fn is_found_stopped_and_started_once(bench: &Bench, first: i32, to: &CgroupRoot) {
    let here = to.leash(&["resource", "web", "service"]);
    assert!(here.is_empty(), "the new session's own leash holds nothing: the mark alone can tell");
    assert_eq!(bench.run(Action::Probe, SLEEP).await, Outcome::Running);
    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running);
    assert!(here.is_empty() && is_alive(first), "not started a second time");
    assert_eq!(bench.run(Action::Stop, SLEEP).await, Outcome::NotRunning);
    assert!(!is_alive(first), "a stop that is said to have succeeded ended the process");
    assert_eq!(bench.run(Action::Probe, SLEEP).await, Outcome::NotRunning);

    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running);
    assert_eq!(here.members().len(), 1, "what is started now is held by this session's leash");
    assert_eq!(bench.run(Action::Stop, SLEEP).await, Outcome::NotRunning);
}

#[tokio::test]
async fn a_daemon_back_in_another_cgroup_finds_its_service() {
    let (from, to) = (Tidy(root("else-from")), Tidy(root("else-to")));
    let (mut bench, first) = moved("else", &from.0, &to.0).await;
    is_found_stopped_and_started_once(&bench, first, &to.0).await;

    bench.restart_below(&from.0);
    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running);
    bench.restart_below(&to.0);
    assert_eq!(bench.run(Action::Monitor, SLEEP).await, Outcome::Running);
    let first = *from.0.leash(&["resource", "web", "service"]).members().first().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::SIGKILL).unwrap();
    assert_eq!(bench.events.recv().await.unwrap().instance, "web".into(), "its death is noticed");
    assert_eq!(bench.run(Action::Probe, SLEEP).await, Outcome::NotRunning);
}

#[tokio::test]
async fn a_daemon_that_lost_the_permission_for_cgroups_finds_its_service() {
    let from = Tidy(root("else-lost"));
    let to = CgroupRoot::marked(&format!("else-lost-{}", std::process::id()), "test");
    let (bench, first) = moved("else-lost-b", &from.0, &to).await;
    is_found_stopped_and_started_once(&bench, first, &to).await;
}

#[tokio::test]
async fn a_daemon_that_got_the_permission_for_cgroups_finds_its_service() {
    let from = CgroupRoot::marked(&format!("else-got-{}", std::process::id()), "test");
    let to = Tidy(root("else-got"));
    let (bench, first) = moved("else-got-b", &from, &to.0).await;
    is_found_stopped_and_started_once(&bench, first, &to.0).await;
}

#[tokio::test]
async fn the_cgroup_of_a_session_that_is_gone_held_nothing() {
    let (from, to) = (root("else-gone"), Tidy(root("else-gone-to")));
    let (bench, first) = moved("else-gone-b", &from, &to.0).await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::SIGKILL).unwrap();
    until("dead", || !is_alive(first)).await;
    let gone = from.directory().unwrap().to_path_buf();
    drop(Tidy(from));
    assert!(!gone.exists());
    assert_eq!(bench.run(Action::Probe, SLEEP).await, Outcome::NotRunning);
}

#[tokio::test]
async fn what_cannot_be_seen_is_neither_stopped_nor_started() {
    let mut bench = bench("unseen");
    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running);
    let mark = bench.path("state/ha-web.started");
    let note = fs::read_to_string(&mark).unwrap();
    assert!(note.contains("in cgroup:["), "{note}");
    let elsewhere = note.replace("cgroup:[", "cgroup:[1");
    for unseen in [elsewhere.as_str(), "", "cgroup /hanode"] {
        fs::write(&mark, unseen).unwrap();
        let other = Tidy(root("unseen-b"));
        bench.restart_below(&other.0);
        for action in [Action::Probe, Action::Monitor, Action::Start, Action::Stop] {
            let mut job = job(action, SLEEP);
            job.timeout = Duration::from_secs(1);
            let outcome = bench.agents.run(job).await;
            assert!(matches!(outcome, Outcome::Failed { .. }), "{action:?} with {unseen:?}: {outcome}");
            assert!(reason(&outcome).contains(&mark), "says what to remove: {outcome}");
        }
        assert!(other.0.leash(&["resource", "web", "service"]).is_empty(), "nothing was started");
        assert!(fs::exists(&mark).unwrap());
    }
    fs::write(&mark, &note).unwrap();
    assert_eq!(bench.run(Action::Stop, SLEEP).await, Outcome::NotRunning, "seen again: stopped");
}

#[tokio::test]
async fn a_service_without_process_keeps_its_root() {
    let mut bench = bench("else-none");
    let up = bench.path("up");
    let (start, stop, check) = (format!("touch {up}"), format!("rm {up}"), format!("test -e {up}"));
    let options = [("start", start.as_str()), ("stop", stop.as_str()), ("check", check.as_str())];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    let to = Tidy(root("else-none-to"));
    bench.restart_below(&to.0);
    assert_eq!(bench.run(Action::Probe, &options).await, Outcome::Running);
    assert_eq!(bench.run(Action::Stop, &options).await, Outcome::NotRunning);
    assert!(!fs::exists(&up).unwrap());
}
