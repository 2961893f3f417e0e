//! The `exec` agent with real services: foreground and background, death, starts that fail, jobs side by side.
#![allow(clippy::unwrap_used)]

mod common;

use common::service::{SLEEP, bench, job, reason};
use common::{is_alive, until};
use ha_agent::{Action, Gate, How, OUTPUT_FILE_BYTES, Outcome, ProcessExited, ResourceJob, boot_now};
use ha_model::Severity;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[tokio::test]
async fn a_foreground_service_lives_and_is_stopped() {
    let bench = bench("fg");
    assert_eq!(bench.run(Action::Probe, SLEEP).await, Outcome::NotRunning);
    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running);
    let before = bench.members();
    assert_eq!(before.len(), 1);
    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running, "a second start changes nothing");
    assert_eq!(bench.members(), before);
    assert_eq!(bench.run(Action::Monitor, SLEEP).await, Outcome::Running);
    assert_eq!(bench.run(Action::Stop, SLEEP).await, Outcome::NotRunning);
    assert!(!is_alive(before[0]));
    assert_eq!(bench.run(Action::Stop, SLEEP).await, Outcome::NotRunning, "a second stop succeeds");
    assert_eq!(bench.run(Action::Monitor, SLEEP).await, Outcome::NotRunning);
}

#[tokio::test]
async fn death_is_noticed_within_50_ms_and_a_stop_is_no_death() {
    let mut bench = bench("death");
    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running);
    let killed = Instant::now();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(bench.members()[0]), nix::sys::signal::SIGKILL)
        .unwrap();
    let event = timeout(Duration::from_secs(5), bench.events.recv()).await.unwrap().unwrap();
    assert!(killed.elapsed() < Duration::from_millis(50), "{:?}", killed.elapsed());
    assert_eq!(event, ProcessExited { instance: "web".into(), how: How::Signal(9) });
    assert_eq!(bench.run(Action::Monitor, SLEEP).await, Outcome::NotRunning);

    assert_eq!(bench.run(Action::Start, SLEEP).await, Outcome::Running, "it can be started again");
    assert_eq!(bench.run(Action::Stop, SLEEP).await, Outcome::NotRunning);
    assert!(
        timeout(Duration::from_millis(100), bench.events.recv()).await.is_err(),
        "a stop is not an event"
    );
}

#[tokio::test]
async fn a_main_process_that_leaves_workers_behind_is_a_failure() {
    let mut bench = bench("workers");
    let options = [("start", "sh -c 'sleep 300 & sleep 0.2; exit 3'")];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    let event = bench.events.recv().await.unwrap();
    assert_eq!(event.how, How::Code(3));
    let outcome = bench.run(Action::Monitor, &options).await;
    assert!(reason(&outcome).contains("exited with code 3; 1 other processes remain"), "{outcome}");
    assert_eq!(bench.run(Action::Stop, &options).await, Outcome::NotRunning);
    assert!(bench.members().is_empty());
}

#[tokio::test]
async fn a_daemonizing_command_is_followed_into_the_background() {
    let mut bench = bench("bg");
    // It detaches after it was already taken for the service, which must not count as a death.
    let options = [("start", "sh -c 'sleep 0.15; setsid sleep 300 & exit 0'")];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    until("the command has gone, its child stays", || bench.members().len() == 1).await;
    assert!(timeout(Duration::from_millis(300), bench.events.recv()).await.is_err());
    assert_eq!(bench.run(Action::Monitor, &options).await, Outcome::Running);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(bench.members()[0]), nix::sys::signal::SIGKILL)
        .unwrap();
    let event = timeout(Duration::from_secs(1), bench.events.recv()).await.unwrap().unwrap();
    assert_eq!(event.instance, "web".into());
}

#[tokio::test]
async fn a_pidfile_names_the_main_process() {
    let mut bench = bench("pidfile");
    let pidfile = bench.path("pid");
    let start = format!("sh -c 'sleep 301 & sleep 0.1; sleep 302 & echo $! > {pidfile}'");
    let options = [("start", start.as_str()), ("pidfile", pidfile.as_str())];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    let main: i32 = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    let helper = *bench.members().iter().find(|p| **p != main).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(helper), nix::sys::signal::SIGKILL).unwrap();
    assert!(
        timeout(Duration::from_millis(200), bench.events.recv()).await.is_err(),
        "a helper's end is no event"
    );
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(main), nix::sys::signal::SIGKILL).unwrap();
    assert!(timeout(Duration::from_secs(1), bench.events.recv()).await.is_ok());
}

#[tokio::test]
async fn a_start_waits_for_its_check() {
    let bench = bench("check");
    let ready = bench.path("ready");
    let start = format!("sh -c 'sleep 0.3; touch {ready}; exec sleep 300'");
    let check = format!("test -e {ready}");
    let options = [("start", start.as_str()), ("check", check.as_str())];
    let began = Instant::now();
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    let took = began.elapsed();
    assert!(took > Duration::from_millis(300) && took < Duration::from_millis(700), "{took:?}");
    fs::remove_file(&ready).unwrap();
    let outcome = bench.run(Action::Monitor, &options).await;
    assert!(matches!(&outcome, Outcome::Failed { code: Some(1), .. }), "{outcome}");
    assert!(reason(&outcome).contains("the check command (test) exited with code 1"), "{outcome}");
}

#[tokio::test]
async fn a_quick_service_with_a_check_starts_quickly() {
    let bench = bench("quickcheck");
    let options = [("start", "sleep 300"), ("check", "true")];
    let began = Instant::now();
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    // Far below the longest pause between checks, with room for a loaded machine.
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_start_that_fails_says_the_code_and_the_last_line() {
    let bench = bench("fails");
    let options = [("start", "sh -c 'echo port 80 is taken >&2; exit 5'")];
    let outcome = bench.run(Action::Start, &options).await;
    let expected = Outcome::Failed {
        code: Some(5),
        severity: Severity::Soft,
        reason: "the start command exited with code 5: port 80 is taken".into(),
    };
    assert_eq!(outcome, expected);
    assert_eq!(bench.run(Action::Stop, &options).await, Outcome::NotRunning);
    let outcome = bench.run(Action::Start, &[("start", "true")]).await;
    assert!(reason(&outcome).contains("left no process"), "{outcome}");
}

#[tokio::test]
async fn a_missing_program_is_never_started_and_named() {
    let bench = bench("missing");
    let options = [("start", "/opt/none/web --port 80")];
    let outcome = bench.run(Action::Start, &options).await;
    assert_eq!(outcome, Outcome::never_started("program /opt/none/web does not exist"));
    assert_eq!(bench.run(Action::Probe, &options).await, Outcome::NotRunning);
    let outcome = bench.run(Action::Start, &[("strat", "x")]).await;
    assert_eq!(outcome, Outcome::never_started("option `strat` is not known; did you mean `start`?"));
}

#[tokio::test]
async fn a_start_after_a_failed_one_never_says_that_nothing_was_begun() {
    let bench = bench("again");
    let failed = bench.run(Action::Start, &[("start", "sh -c 'exit 5'")]).await;
    assert!(matches!(failed, Outcome::Failed { code: Some(5), .. }), "{failed}");
    let outcome = bench.run(Action::Start, &[("start", "/opt/none/web")]).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "the first start may have left something: {outcome}");
}

#[tokio::test]
async fn a_start_that_never_gets_well_is_killed_at_its_time_out() {
    let bench = bench("late");
    let mut job = job(Action::Start, &[("start", "sleep 300"), ("check", "sh -c 'echo no answer; exit 2'")]);
    job.timeout = Duration::from_millis(400);
    let outcome = bench.agents.run(job).await;
    assert!(reason(&outcome).contains("not active within 400 ms"), "{outcome}");
    assert!(reason(&outcome).contains("no answer"), "{outcome}");
    assert!(bench.members().is_empty());
}

#[tokio::test]
async fn a_lapsed_grant_starts_nothing_and_a_lapse_meanwhile_ends_it() {
    let bench = bench("grant");
    let ran = bench.path("ran");
    let start = format!("sh -c 'touch {ran}; exec sleep 300'");
    let mut late = job(Action::Start, &[("start", &start)]);
    late.gate = Gate::until(boot_now());
    let outcome = bench.agents.run(late).await;
    assert!(matches!(&outcome, Outcome::NeverStarted { why } if why.contains("grant")), "{outcome}");
    assert!(!PathBuf::from(&ran).exists());

    let mut lapses = job(Action::Start, &[("start", &start)]);
    lapses.gate = Gate::until(boot_now() + Duration::from_millis(30));
    let outcome = bench.agents.run(lapses).await;
    assert!(reason(&outcome).contains("lapsed while it started"), "{outcome}");
    assert!(PathBuf::from(&ran).exists() && bench.members().is_empty());
}

#[tokio::test]
async fn instances_do_not_wait_for_each_other() {
    let bench = bench("parallel");
    let slow = job(Action::Start, &[("start", "sleep 300"), ("check", "false")]);
    let (agents, cancel) = (bench.agents.clone(), slow.cancel.clone());
    let running = tokio::spawn(async move { agents.run(slow).await });
    until("the slow start runs", || !bench.members().is_empty()).await;
    let other = ResourceJob { instance: "db".into(), ..job(Action::Start, SLEEP) };
    assert_eq!(bench.agents.run(other).await, Outcome::Running);
    assert!(!running.is_finished(), "the slow start is still going on");
    cancel.cancel();
    assert!(matches!(running.await.unwrap(), Outcome::Failed { .. }));
}

#[tokio::test]
async fn a_probe_waits_behind_a_running_start() {
    let bench = bench("serial");
    let options = [("start", "sh -c 'sleep 0.4; exit 1'"), ("check", "false")];
    let began = Instant::now();
    let start = bench.run(Action::Start, &options);
    let probe = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let outcome = bench.run(Action::Probe, &options).await;
        (outcome, began.elapsed())
    };
    let (started, (probed, at)) = tokio::join!(start, probe);
    assert!(matches!(started, Outcome::Failed { code: Some(1), .. }), "{started}");
    assert_eq!(probed, Outcome::NotRunning);
    assert!(at >= Duration::from_millis(400), "the probe overtook the start: {at:?}");
}

#[tokio::test]
async fn cancelling_a_start_leaves_nothing() {
    let bench = bench("cancel");
    let start = job(Action::Start, &[("start", "sleep 300"), ("check", "false")]);
    let cancel = start.cancel.clone();
    let canceller = async {
        until("it runs", || !bench.members().is_empty()).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(bench.agents.run(start), canceller);
    assert_eq!(reason(&outcome), "the start was cancelled");
    assert!(bench.members().is_empty());
}

/// As on a file system that hangs: a stop must not wait for the time-out of the start.
#[tokio::test]
async fn cancelling_a_start_that_hangs_before_exec_ends_it() {
    let bench = bench("cancelhang");
    let frozen = bench.root.directory().unwrap().join("cgroup.freeze");
    fs::write(&frozen, "1").unwrap();
    let mut start = job(Action::Start, SLEEP);
    start.timeout = Duration::from_secs(60);
    let cancel = start.cancel.clone();
    let canceller = async {
        until("the child is born", || !bench.members().is_empty()).await;
        cancel.cancel();
    };
    let run = timeout(Duration::from_secs(5), bench.agents.run(start));
    let (outcome, ()) = tokio::join!(run, canceller);
    assert_eq!(reason(&outcome.expect("ended at once")), "the start was cancelled");
    assert!(bench.members().is_empty());
    fs::write(&frozen, "0").unwrap();
    assert_eq!(bench.run(Action::Stop, SLEEP).await, Outcome::NotRunning);
}

#[tokio::test]
async fn a_talkative_service_fills_no_disk() {
    let bench = bench("talk");
    let options = [("start", "sh -c 'head -c 30000000 /dev/zero | tr \"\\0\" x; exec sleep 300'")];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    let file = bench.dir.path().join("state/ha-web.out");
    let mut largest = 0;
    until("the output file is cut", || {
        let length = fs::metadata(&file).map_or(0, |m| m.len());
        largest = largest.max(length);
        largest > OUTPUT_FILE_BYTES && length <= OUTPUT_FILE_BYTES
    })
    .await;
}
