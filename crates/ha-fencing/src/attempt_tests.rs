//! Attempts against scripted devices.

use super::*;
use CallOutcome::{Done, Read, TimedOut};
use FenceVerdict::{Off, On, Unknown};

fn level(number: u32, plugs: &[&str]) -> LevelPlan {
    LevelPlan {
        level: number,
        devices: vec![DevicePlan {
            path_hash: [0; 32],
            device: format!("pdu-{number}").as_str().into(),
            plugs: plugs.iter().map(|p| (*p).to_owned()).collect(),
            timeout: Duration::from_secs(5),
            off_settle: Duration::from_millis(500),
        }],
    }
}

/// Runs an attempt; `device` answers each call; time passes 10 ms per call and by waiting.
fn run(
    levels: Vec<LevelPlan>,
    mut device: impl FnMut(&Call, u64) -> CallOutcome,
) -> (AttemptReport, Vec<(u64, Call)>) {
    let mut now = BootNs::from_ms(1000);
    let mut attempt = Attempt::new(levels, now);
    let mut log = vec![];
    for _ in 0..10_000 {
        match attempt.step(now) {
            Step::Call(call) => {
                let ms = now.0 / 1_000_000;
                now = now + Duration::from_millis(10);
                let outcome = device(&call, ms);
                attempt.call_done(now, call.id, outcome);
                log.push((ms, call));
            }
            Step::WaitUntil(t) => {
                assert!(t > now, "waits must end in the future");
                now = t;
            }
            Step::Done(report) => return (report, log),
        }
    }
    panic!("the attempt never ended; last calls {:?}", &log[log.len() - 3..]);
}

fn healthy(call: &Call, _: u64) -> CallOutcome {
    if call.action == CallAction::Off { Done } else { Read(Off) }
}

#[test]
fn two_readings_a_settle_time_apart() {
    let (report, log) = run(vec![level(1, &["3"])], healthy);
    assert_eq!(report.levels, [LevelOutcome { level: 1, result: Ok(2) }]);
    let actions: Vec<_> = log.iter().map(|(_, c)| c.action).collect();
    assert_eq!(actions, [CallAction::Off, CallAction::Status, CallAction::Status]);
    assert!(log[2].0 - log[1].0 >= 500, "readings {} and {} are too near", log[1].0, log[2].0);
    assert_eq!((report.marks.off_done_ms, report.marks.first_off_ms), (10, 20));
}

#[test]
fn every_outlet_is_cut_before_any_is_read_and_all_are_read() {
    let (_, log) = run(vec![level(1, &["3", "4"])], healthy);
    let seen: Vec<_> = log.iter().map(|(_, c)| (c.action, c.plug.as_str())).collect();
    use CallAction::{Off as Cut, Status};
    let round = [(Status, "3"), (Status, "4")];
    assert_eq!(seen, [&[(Cut, "3"), (Cut, "4")][..], &round, &round].concat());
}

#[test]
fn one_outlet_that_stays_on_spoils_the_level() {
    let (report, _) = run(vec![level(1, &["3", "4"])], |call, at| {
        if call.plug == "4" && call.action == CallAction::Status { Read(On) } else { healthy(call, at) }
    });
    let why = report.levels[0].result.clone().unwrap_err();
    assert_eq!(why, "pdu-1 outlet 4 still reads on");
}

#[test]
fn an_off_that_flickers_starts_the_count_again() {
    // off, then on at the second reading, then off for good: two more off readings are needed
    let mut readings = [Off, On].into_iter();
    let (report, log) = run(vec![level(1, &["3"])], |call, at| match call.action {
        CallAction::Status => Read(readings.next().unwrap_or(Off)),
        _ => healthy(call, at),
    });
    assert_eq!(report.levels[0].result, Ok(2));
    assert_eq!(log.iter().filter(|(_, c)| c.action == CallAction::Status).count(), 4);
}

#[test]
fn unknown_is_not_off() {
    for answer in [Read(Unknown), TimedOut, CallOutcome::Failed { why: "no such object".into() }] {
        let (report, _) = run(vec![level(1, &["3"])], |call, at| match call.action {
            CallAction::Status => answer.clone(),
            _ => healthy(call, at),
        });
        assert!(report.levels[0].result.is_err(), "{answer:?} was taken for off");
    }
}

#[test]
fn the_second_level_follows_the_first() {
    let (report, log) = run(vec![level(1, &["3"]), level(2, &["7"])], |call, at| {
        if call.device.as_str() == "pdu-1" {
            CallOutcome::Failed { why: "unreachable".into() }
        } else {
            healthy(call, at)
        }
    });
    assert!(report.levels[0].result.as_ref().unwrap_err().contains("unreachable"));
    assert_eq!(report.levels[1], LevelOutcome { level: 2, result: Ok(2) });
    // A level that fails soon ends soon, whatever its time-out.
    let waited = log.iter().find(|(_, call)| call.device.as_str() == "pdu-2").map(|(at, _)| at - log[0].0);
    assert!(waited.is_some_and(|ms| ms < 100), "{waited:?} ms of the other's {:?}", log[0].1.timeout);
}

#[test]
fn a_failed_off_is_given_up_after_two_readings_not_after_the_deadline() {
    let (report, log) = run(vec![level(1, &["3"])], |_, _| CallOutcome::Failed { why: "unreachable".into() });
    assert_eq!(log.len(), 3, "one off and two readings: {log:?}");
    assert!(report.levels[0].result.is_err());
}

#[test]
fn an_off_that_times_out_but_worked_counts_by_its_readings() {
    let (report, _) = run(vec![level(1, &["3"])], |call, at| match call.action {
        CallAction::Off => TimedOut,
        _ => healthy(call, at),
    });
    assert_eq!(report.levels[0].result, Ok(2));
}

#[test]
fn hold_up_is_waited_for_within_the_deadline() {
    let (report, log) = run(vec![level(1, &["3"])], |call, at| match call.action {
        CallAction::Status if at < 3000 => Read(On),
        _ => healthy(call, at),
    });
    assert_eq!(report.levels[0].result, Ok(2));
    assert!(report.marks.first_off_ms >= 2000);
    assert!(log.len() < 40, "the device is not flooded: {} calls", log.len());
}

#[test]
fn an_attempt_ends_within_its_longest_time() {
    let levels = vec![level(1, &["1", "2"]), level(2, &["1"])];
    let longest = Attempt::longest(&levels);
    let mut now = BootNs::from_ms(0);
    let mut attempt = Attempt::new(levels, now);
    loop {
        match attempt.step(now) {
            Step::Call(call) => {
                now = now + call.timeout;
                attempt.call_done(now, call.id, TimedOut);
            }
            Step::WaitUntil(t) => now = t,
            Step::Done(_) => break,
        }
    }
    assert!(now.since(BootNs::from_ms(0)) <= longest, "{now:?} > {longest:?}");
}

/// Whatever the settling, and at whatever moment the power goes: an attempt that reports later than its longest time
/// is given up just before its proof.
#[test]
fn an_attempt_that_succeeds_late_does_so_within_its_longest_time() {
    for (plugs, settle_ms) in [(1, 0), (1, 500), (1, 4000), (1, 20_000), (3, 500), (4, 4000)] {
        let mut plan = level(1, &["1", "2", "3", "4"][..plugs]);
        plan.devices[0].off_settle = Duration::from_millis(settle_ms);
        let longest = Attempt::longest(std::slice::from_ref(&plan));
        let mut succeeded = 0;
        for off_at in (0..60_000).step_by(130) {
            let mut now = BootNs::from_ms(0);
            let mut attempt = Attempt::new(vec![plan.clone()], now);
            let report = loop {
                match attempt.step(now) {
                    // Soon while it is on, as late as can be from then on.
                    Step::Call(call)
                        if call.action == CallAction::Status && now < BootNs::from_ms(off_at) =>
                    {
                        attempt.call_done(now, call.id, Read(On));
                    }
                    Step::Call(call) => {
                        now = now + call.timeout;
                        let is_off = call.action == CallAction::Off;
                        attempt.call_done(now, call.id, if is_off { Done } else { Read(Off) });
                    }
                    Step::WaitUntil(t) => now = t,
                    Step::Done(report) => break report,
                }
            };
            succeeded += u32::from(report.levels[0].result.is_ok());
            let took = now.since(BootNs::from_ms(0));
            assert!(took <= longest, "{plugs} outlets, settle {settle_ms} ms: {took:?} > {longest:?}");
        }
        assert!(succeeded > 0);
    }
}

/// The executor stands still in the middle of it, and goes on when a new leader already counts on its end: the node may be on
/// again by then.
#[test]
fn s3_an_executor_that_stood_still_sends_no_off_after_the_attempt_should_be_over() {
    let levels = vec![level(1, &["1"]), level(2, &["2", "3"])];
    let longest = Attempt::longest(&levels);
    for stood_ms in (0..70_000).step_by(500) {
        let mut now = BootNs::from_ms(0);
        let mut attempt = Attempt::new(levels.clone(), now);
        let Step::Call(first) = attempt.step(now) else { panic!("no call") };
        now = now + Duration::from_millis(stood_ms);
        attempt.call_done(now, first.id, CallOutcome::TimedOut);
        let report = loop {
            match attempt.step(now) {
                Step::Call(call) => {
                    let is_late = now + call.timeout > BootNs::from_ms(0) + longest;
                    assert!(call.action == CallAction::Status || !is_late, "off at {now:?}, {longest:?}");
                    now = now + Duration::from_millis(5);
                    let outcome = if call.plug == "1" { CallOutcome::TimedOut } else { Read(Off) };
                    let is_off = call.action == CallAction::Off && call.plug != "1";
                    attempt.call_done(now, call.id, if is_off { Done } else { outcome });
                }
                Step::WaitUntil(t) => now = t,
                Step::Done(report) => break report,
            }
        };
        let why = report.levels.last().and_then(|l| l.result.clone().err());
        let is_over = Duration::from_millis(stood_ms) >= longest;
        assert!(!is_over || why.is_some_and(|w| w.contains("stood still")), "{stood_ms}: {report:?}");
        assert!(stood_ms > 20_000 || report.levels.last().is_some_and(|l| l.result.is_ok()), "{report:?}");
    }
}

#[test]
fn a_late_outcome_of_another_call_is_ignored() {
    let now = BootNs::from_ms(0);
    let mut attempt = Attempt::new(vec![level(1, &["3"])], now);
    let Step::Call(first) = attempt.step(now) else { panic!("no call") };
    attempt.call_done(now, CallId(first.id.0 + 1), Done);
    assert_eq!(attempt.step(now), Step::Call(first));
}
