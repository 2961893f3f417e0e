//! The `exec` agent with services that have no process of their own (a mount, a container of another daemon; here a
//! file): while one may be active, nothing says that it is not. Guards S1 S7.
#![allow(clippy::unwrap_used)]

mod common;

use common::service::{Bench, bench, job, reason};
use common::{is_alive, until};
use ha_agent::{Action, Outcome};
use std::fs;
use std::time::Duration;
use tokio::time::timeout;

/// How long a stop here tries in vain: enough for its check to run once on a machine that stands still for a second.
const STOP: Duration = Duration::from_secs(3);

/// What the service leaves, and its options: all of them, or without `stop`.
struct Mount {
    up: String,
    start: String,
    stop: String,
    check: String,
}

impl Mount {
    fn new(bench: &Bench) -> Self {
        let up = bench.path("up");
        let (start, stop, check) = (format!("touch {up}"), format!("rm -f {up}"), format!("test -e {up}"));
        Self { up, start, stop, check }
    }

    fn all(&self) -> Vec<(&str, &str)> {
        vec![("start", &self.start), ("stop", &self.stop), ("check", &self.check)]
    }

    fn without_stop(&self) -> Vec<(&str, &str)> {
        vec![("start", &self.start), ("check", &self.check)]
    }

    fn is_up(&self) -> bool {
        fs::exists(&self.up).unwrap()
    }
}

fn assert_failed(outcome: &Outcome, says: &str) {
    assert!(matches!(outcome, Outcome::Failed { .. }) && reason(outcome).contains(says), "{outcome}");
}

/// The daemon dies in the middle of that start: after the file is there, with no process left or none to come.
async fn dies_while_it_starts(bench: &mut Bench, mount: &Mount, options: &[(&str, &str)]) {
    let (agents, start) = (bench.agents.clone(), job(Action::Start, options));
    let running = tokio::spawn(async move { agents.run(start).await });
    until("it is there", || mount.is_up()).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled(), "the start was still under way");
    bench.restart();
    until("no process is left", || bench.members().is_empty()).await;
}

async fn is_found_and_stopped(bench: &Bench, mount: &Mount, options: &[(&str, &str)]) {
    let found = bench.run(Action::Probe, options).await;
    assert!(matches!(found, Outcome::Failed { .. }), "something may be active: {found}");
    assert!(mount.is_up());
    assert_eq!(bench.run(Action::Stop, options).await, Outcome::NotRunning);
    assert!(!mount.is_up());
    assert_eq!(bench.run(Action::Probe, options).await, Outcome::NotRunning);
}

#[tokio::test]
async fn a_start_that_ended_while_no_daemon_ran_is_not_called_stopped() {
    let mut bench = bench("none-unseen");
    let mut mount = Mount::new(&bench);
    mount.start = format!("sh -c 'touch {}; sleep 0.3'", mount.up);
    mount.check = "false".into();
    dies_while_it_starts(&mut bench, &mount, &mount.all()).await;
    is_found_and_stopped(&bench, &mount, &mount.all()).await;
}

#[tokio::test]
async fn a_start_whose_check_was_pending_when_its_daemon_died_is_not_called_stopped() {
    let mut bench = bench("none-pending");
    let mut mount = Mount::new(&bench);
    mount.check = "false".into();
    dies_while_it_starts(&mut bench, &mount, &mount.all()).await;
    is_found_and_stopped(&bench, &mount, &mount.all()).await;
}

#[tokio::test]
async fn a_failed_start_is_not_called_stopped_before_its_stop_has_run() {
    let mut bench = bench("none-failed");
    let mut mount = Mount::new(&bench);
    mount.start = format!("sh -c 'touch {}; exit 5'", mount.up);
    mount.check = "false".into();
    assert_failed(&bench.run(Action::Start, &mount.all()).await, "exited with code 5");
    bench.restart();
    is_found_and_stopped(&bench, &mount, &mount.all()).await;
}

#[tokio::test]
async fn a_start_without_process_that_was_not_seen_to_end_and_has_no_stop_is_judged_by_its_check() {
    let mut bench = bench("none-unseen-check");
    let mut mount = Mount::new(&bench);
    let go = bench.path("go");
    mount.start = format!("sh -c 'touch {}; sleep 0.3'", mount.up);
    mount.check = format!("test -e {go}");
    dies_while_it_starts(&mut bench, &mount, &mount.without_stop()).await;
    fs::write(&go, "").unwrap();
    assert_failed(&bench.run(Action::Probe, &mount.without_stop()).await, "its check passes");
    let mut stop = job(Action::Stop, &mount.without_stop());
    stop.timeout = STOP;
    assert_failed(&bench.agents.run(stop).await, "no process to end");
    fs::remove_file(&go).unwrap();
    assert_eq!(bench.run(Action::Probe, &mount.without_stop()).await, Outcome::NotRunning);
    assert_eq!(bench.run(Action::Stop, &mount.without_stop()).await, Outcome::NotRunning);
}

/// Nothing here can end it, so it is not started, and what the attempt has left is not called stopped.
#[tokio::test]
async fn what_leaves_no_process_and_has_no_stop_fails_to_start_and_to_stop() {
    let mut bench = bench("none-nostop");
    let mount = Mount::new(&bench);
    let options = mount.without_stop();
    assert_failed(
        &bench.run(Action::Start, &options).await,
        "left no process (a service without process needs",
    );
    assert!(mount.is_up());
    for _ in 0..2 {
        assert_failed(&bench.run(Action::Probe, &options).await, "needs `stop` and `check`");
        let mut stop = job(Action::Stop, &options);
        stop.timeout = STOP;
        assert_failed(&bench.agents.run(stop).await, "no process to end, and its check passes");
        bench.restart();
    }
    fs::remove_file(&mount.up).unwrap();
    assert_eq!(bench.run(Action::Stop, &options).await, Outcome::NotRunning, "ended by hand");
    assert_eq!(bench.run(Action::Probe, &options).await, Outcome::NotRunning);
}

/// A command that does something and ends was meant for something else: its start fails, and no node is cut for it.
#[tokio::test]
async fn what_leaves_no_process_and_has_neither_fails_to_start_and_leaves_nothing_to_stop() {
    let mut bench = bench("none-neither");
    let options = [("start", "/bin/true")];
    for _ in 0..2 {
        assert_failed(
            &bench.run(Action::Start, &options).await,
            "left no process (a service without process needs",
        );
        assert_eq!(bench.run(Action::Stop, &options).await, Outcome::NotRunning);
        bench.restart();
        assert_eq!(bench.run(Action::Probe, &options).await, Outcome::NotRunning);
    }
}

#[tokio::test]
async fn a_stop_command_without_effect_is_a_failed_stop() {
    let bench = bench("none-noeffect");
    let mut mount = Mount::new(&bench);
    mount.stop = "true".into();
    assert_eq!(bench.run(Action::Start, &mount.all()).await, Outcome::Running);
    let mut stop = job(Action::Stop, &mount.all());
    stop.timeout = STOP;
    assert_failed(&bench.agents.run(stop).await, "exited with code 0, but the check still passes");
    fs::remove_file(&mount.up).unwrap();
    assert_eq!(bench.run(Action::Stop, &mount.all()).await, Outcome::NotRunning);
}

#[tokio::test]
async fn a_stop_whose_effect_comes_late_is_waited_for() {
    let bench = bench("none-late");
    let mut mount = Mount::new(&bench);
    let asked = bench.path("asked");
    mount.stop = format!("touch {asked}");
    assert_eq!(bench.run(Action::Start, &mount.all()).await, Outcome::Running);
    let other_daemon = async {
        until("the stop was asked for", || fs::exists(&asked).unwrap()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        fs::remove_file(&mount.up).unwrap();
    };
    let options = mount.all();
    let (outcome, ()) = tokio::join!(bench.run(Action::Stop, &options), other_daemon);
    assert_eq!(outcome, Outcome::NotRunning);
}

/// S7: a check that cannot be run says nothing.
#[tokio::test]
async fn a_check_that_vanished_does_not_prove_a_stop() {
    let bench = bench("none-nocheck");
    let mut mount = Mount::new(&bench);
    let program = bench.path("check");
    std::os::unix::fs::symlink("/bin/true", &program).unwrap();
    mount.check = program.clone();
    mount.stop = format!("rm {program}");
    assert_eq!(bench.run(Action::Start, &mount.all()).await, Outcome::Running);
    assert_failed(&bench.run(Action::Stop, &mount.all()).await, "whether it has stopped is not known");
}

/// A mount shows before `mount` has ended: that end is not the service's death.
#[tokio::test]
async fn a_start_command_that_ends_after_its_check_has_passed_is_no_death() {
    let mut bench = bench("none-early");
    let mut mount = Mount::new(&bench);
    mount.start = format!("sh -c 'touch {}; sleep 0.3'", mount.up);
    assert_eq!(bench.run(Action::Start, &mount.all()).await, Outcome::Running);
    let command = bench.members()[0];
    until("the start command has ended", || !is_alive(command)).await;
    assert!(timeout(Duration::from_millis(200), bench.events.recv()).await.is_err(), "told as a death");
    assert_eq!(bench.run(Action::Monitor, &mount.all()).await, Outcome::Running);
    bench.restart();
    assert_eq!(bench.run(Action::Probe, &mount.all()).await, Outcome::Running);
    fs::remove_file(&mount.up).unwrap();
    assert_failed(
        &bench.run(Action::Monitor, &mount.all()).await,
        "the check command (test) exited with code 1",
    );
    assert_eq!(bench.run(Action::Stop, &mount.all()).await, Outcome::NotRunning);
}

#[tokio::test]
async fn a_start_command_that_ends_late_and_has_no_stop_is_told_and_not_called_stopped() {
    let mut bench = bench("none-early-nostop");
    let mut mount = Mount::new(&bench);
    mount.start = format!("sh -c 'touch {}; sleep 0.3'", mount.up);
    let options = mount.without_stop();
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    assert_eq!(bench.events.recv().await.unwrap().instance, "web".into());
    let mut stop = job(Action::Stop, &options);
    stop.timeout = STOP;
    assert_failed(&bench.agents.run(stop).await, "no process to end, and its check passes");
}

/// The same exit long after the start is a death like any other.
#[tokio::test]
async fn a_service_that_exits_with_0_after_the_time_for_its_start_has_died() {
    let mut bench = bench("none-toolate");
    let mut mount = Mount::new(&bench);
    mount.start = format!("sh -c 'touch {}; sleep 0.6'", mount.up);
    let mut start = job(Action::Start, &mount.all());
    start.timeout = Duration::from_millis(300);
    assert_eq!(bench.agents.run(start).await, Outcome::Running);
    let event = timeout(Duration::from_secs(5), bench.events.recv()).await.expect("told as a death");
    assert_eq!(event.unwrap().instance, "web".into());
    assert_failed(&bench.run(Action::Monitor, &mount.all()).await, "its stop command was not run");
    assert_eq!(bench.run(Action::Stop, &mount.all()).await, Outcome::NotRunning);
}
