//! The `exec` agent's stops: of a service that ignores the signal, by a command, by a command that refuses.
#![allow(clippy::unwrap_used)]

mod common;

use common::service::{bench, job};
use common::until;
use ha_agent::{Action, Outcome};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_service_that_ignores_sigterm_is_killed_in_time() {
    let bench = bench("term");
    let options = [("start", "sh -c 'trap \"\" TERM; while :; do sleep 1; done'")];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    let mut stop = job(Action::Stop, &options);
    stop.timeout = Duration::from_millis(800);
    let began = Instant::now();
    assert_eq!(bench.agents.run(stop).await, Outcome::NotRunning);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(550), "it had its time to end by itself: {took:?}");
    assert!(took < Duration::from_millis(800), "{took:?}");
    assert!(bench.members().is_empty());
}

#[tokio::test]
async fn a_stop_command_that_fails_is_a_failed_stop() {
    let bench = bench("stopfails");
    let options = [("start", "sleep 300"), ("stop", "sh -c 'echo cannot unmount; exit 9'")];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    let outcome = bench.run(Action::Stop, &options).await;
    assert!(
        matches!(&outcome, Outcome::Failed { code: Some(9), reason, .. } if reason.contains("cannot unmount")),
        "{outcome}"
    );
    assert!(bench.members().is_empty(), "what can be ended is ended");
    let outcome = bench.run(Action::Stop, &options).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "a second try asks the command again: {outcome}");
}

#[tokio::test]
async fn a_stop_command_gets_the_main_process_and_leaves_nothing() {
    let bench = bench("stopcmd");
    let options = [("start", "sh -c 'setsid sleep 301 & exec sleep 300'"), ("stop", "sh -c 'kill $MAINPID'")];
    assert_eq!(bench.run(Action::Start, &options).await, Outcome::Running);
    until("both run", || bench.members().len() == 2).await;
    let mut stop = job(Action::Stop, &options);
    stop.timeout = Duration::from_secs(1);
    assert_eq!(bench.agents.run(stop).await, Outcome::NotRunning);
    assert!(bench.members().is_empty());
}

/// The check that ran when the start command failed is killed, and nothing after it.
#[tokio::test]
async fn a_start_that_fails_during_its_check_is_stopped() {
    let bench = bench("stopafter");
    let options = [("start", "sh -c 'sleep 0.2; exit 5'"), ("check", "sleep 300"), ("stop", "true")];
    let outcome = bench.run(Action::Start, &options).await;
    assert!(matches!(outcome, Outcome::Failed { code: Some(5), .. }), "{outcome}");
    assert_eq!(bench.run(Action::Stop, &options).await, Outcome::NotRunning);
}
