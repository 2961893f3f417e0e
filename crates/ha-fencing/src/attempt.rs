//! One attempt to cut a node off: levels in order; in each, off on every outlet, then readings until all say off
//! twice, a settle time apart. Runs on the executor; what it reports is judged by the leader.
//!
//! The attempt reads even after a failed off: a command that timed out may have worked. But it sends no second
//! off within a level; the next attempt does.

use crate::call::{Call, CallAction, CallId, CallOutcome, DevicePlan, LevelPlan, Step};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, FenceMarks, FenceVerdict};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// First pause before an outlet that still reads on is read again; grows by half each time up to a second.
const REREAD_PAUSE: Duration = Duration::from_millis(20);
const REREAD_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Readings of off on every outlet that make a level succeed.
pub const READINGS: u32 = 2;

/// Rounds of reading that a level gets after its off command failed.
const ROUNDS_AFTER_FAILED_OFF: u32 = 2;

/// What happened on one level.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct LevelOutcome {
    /// Level, from 1.
    pub level: u32,
    /// Number of consecutive off readings of every outlet, or why there were not enough.
    pub result: Result<u32, String>,
}

/// The end of an attempt.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct AttemptReport {
    /// Levels that were tried, in order; only the last can have succeeded.
    pub levels: Vec<LevelOutcome>,
    /// Times since the start of the attempt.
    pub marks: FenceMarks,
}

#[derive(Clone, Debug, Hash)]
enum Phase {
    /// Off has been asked of outlets before `next`.
    Cutting { next: usize },
    /// Reading outlets; those before `next` said off in this round.
    Reading { next: usize, round: u32 },
    /// Until the next round.
    Pausing { until: BootNs, round: u32 },
}

/// One attempt.
#[derive(Clone, Debug, Hash)]
pub struct Attempt {
    levels: Vec<LevelPlan>,
    current: usize,
    phase: Phase,
    level_started: BootNs,
    started: BootNs,
    calls: u32,
    in_flight: Option<Call>,
    off_failed: Option<String>,
    rounds_failed: u32,
    pause: Duration,
    report: AttemptReport,
    /// No off is begun that could end later: whoever ordered this counts on it.
    ends_by: BootNs,
}

/// The outcome as it is, unless the off rule is to be broken.
fn misread(action: CallAction, outcome: CallOutcome) -> CallOutcome {
    let is_unknown = outcome == CallOutcome::Read(FenceVerdict::Unknown);
    let is_failed = matches!(outcome, CallOutcome::TimedOut | CallOutcome::Failed { .. });
    let is_misread = sabotage::is(Sabotage::NoReadBack)
        || (is_unknown && sabotage::is(Sabotage::UnknownIsOff))
        || (is_failed && sabotage::is(Sabotage::TimeoutIsOff));
    if is_misread && action == CallAction::Status { CallOutcome::Read(FenceVerdict::Off) } else { outcome }
}

impl Attempt {
    /// Starts at `now` with the levels of the node.
    #[must_use]
    pub fn new(levels: Vec<LevelPlan>, now: BootNs) -> Self {
        let ends_by = now + Self::longest(&levels);
        Self {
            levels,
            ends_by,
            current: 0,
            phase: Phase::Cutting { next: 0 },
            level_started: now,
            started: now,
            calls: 0,
            in_flight: None,
            off_failed: None,
            rounds_failed: 0,
            pause: REREAD_PAUSE,
            report: AttemptReport { levels: vec![], marks: FenceMarks::default() },
        }
    }

    /// The longest an attempt can take: after this, no agent of it lives.
    #[must_use]
    pub fn longest(levels: &[LevelPlan]) -> Duration {
        levels.iter().map(level_longest).sum()
    }

    /// What to do now. Idempotent: the same call is returned until its outcome came in.
    pub fn step(&mut self, now: BootNs) -> Step<AttemptReport> {
        if let Some(call) = &self.in_flight {
            return Step::Call(call.clone());
        }
        loop {
            let Some(level) = self.levels.get(self.current) else {
                return Step::Done(self.report.clone());
            };
            if matches!(self.report.levels.last(), Some(LevelOutcome { result: Ok(_), .. })) {
                return Step::Done(self.report.clone());
            }
            let outlets = outlets(level);
            match self.phase {
                Phase::Cutting { next } => match outlets.get(next) {
                    Some((device, _)) if now + device.timeout > self.ends_by => self.give_up(),
                    Some((device, plug)) => return self.call(device, plug, CallAction::Off),
                    None => {
                        self.mark_off_done(now);
                        self.phase = Phase::Reading { next: 0, round: 0 };
                    }
                },
                Phase::Reading { next, round } => match outlets.get(next) {
                    Some((device, plug)) => return self.call(device, plug, CallAction::Status),
                    None => self.round_passed(now, round + 1),
                },
                Phase::Pausing { until, round } if now >= until => {
                    self.phase = Phase::Reading { next: 0, round };
                }
                Phase::Pausing { until, .. } => return Step::WaitUntil(until),
            }
        }
    }

    /// The outcome of a call; an outcome of another call than the one under way is ignored.
    pub fn call_done(&mut self, now: BootNs, id: CallId, outcome: CallOutcome) {
        let Some(call) = self.in_flight.take_if(|c| c.id == id) else { return };
        let outcome = misread(call.action, outcome);
        match (&self.phase, call.action, outcome) {
            (Phase::Cutting { next }, CallAction::Off, CallOutcome::Done) => {
                self.phase = Phase::Cutting { next: next + 1 };
            }
            (Phase::Cutting { next }, CallAction::Off, outcome) => {
                let next = next + 1;
                self.off_failed.get_or_insert(explain(&call, &outcome));
                self.phase = Phase::Cutting { next };
            }
            (Phase::Reading { next, round }, CallAction::Status, CallOutcome::Read(FenceVerdict::Off)) => {
                self.phase = Phase::Reading { next: next + 1, round: *round };
            }
            (Phase::Reading { .. }, CallAction::Status, outcome) => self.round_failed(now, &call, &outcome),
            (phase, action, outcome) => {
                unreachable!("{action:?} ended with {outcome:?} in {phase:?}: calls are made one at a time")
            }
        }
    }

    /// Its host stood still: what began in time would go on when others count on its end.
    fn give_up(&mut self) {
        let level = self.levels[self.current].level;
        let why =
            "the executor stood still for so long that an off would come too late: none was sent".to_owned();
        self.report.levels.push(LevelOutcome { level, result: Err(why) });
        self.current = self.levels.len();
    }

    fn call(&mut self, device: &DevicePlan, plug: &str, action: CallAction) -> Step<AttemptReport> {
        self.calls += 1;
        let call = Call {
            id: CallId(self.calls),
            device: device.device.clone(),
            path_hash: device.path_hash,
            plug: plug.to_owned(),
            action,
            timeout: device.timeout,
        };
        self.in_flight = Some(call.clone());
        Step::Call(call)
    }

    fn mark_off_done(&mut self, now: BootNs) {
        self.report.marks = FenceMarks { off_done_ms: self.ms(now), ..FenceMarks::default() };
    }

    fn ms(&self, now: BootNs) -> u64 {
        u64::try_from(now.since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// Every outlet said off in this round; `rounds` such rounds in a row.
    fn round_passed(&mut self, now: BootNs, rounds: u32) {
        let level = &self.levels[self.current];
        if rounds == 1 {
            self.report.marks.first_off_ms = self.ms(now);
        }
        if rounds < READINGS && !sabotage::is(Sabotage::NoSettle) {
            self.phase = Phase::Pausing { until: now + settle(level), round: rounds };
        } else {
            self.report.marks.settled_ms = self.ms(now);
            self.report.levels.push(LevelOutcome { level: level.level, result: Ok(rounds.max(READINGS)) });
        }
    }

    /// An outlet said something else than off: the count of rounds starts again.
    fn round_failed(&mut self, now: BootNs, call: &Call, outcome: &CallOutcome) {
        let level = &self.levels[self.current];
        self.rounds_failed += 1;
        let over = now.since(self.level_started) >= level_deadline(level);
        let hopeless = self.off_failed.is_some() && self.rounds_failed >= ROUNDS_AFTER_FAILED_OFF;
        if !over && !hopeless {
            let round = match self.phase {
                Phase::Reading { round, .. } if sabotage::is(Sabotage::ForgetFlicker) => round,
                Phase::Reading { .. } | Phase::Cutting { .. } | Phase::Pausing { .. } => 0,
            };
            self.phase = Phase::Pausing { until: now + self.pause, round };
            self.pause = (self.pause * 3 / 2).min(REREAD_PAUSE_MAX);
            return;
        }
        let read = explain(call, outcome);
        let why = match self.off_failed.take() {
            Some(off) => format!("{off}; then {read}"),
            None => read,
        };
        self.report.levels.push(LevelOutcome { level: level.level, result: Err(why) });
        self.current += 1;
        self.phase = Phase::Cutting { next: 0 };
        self.level_started = now;
        self.rounds_failed = 0;
        self.pause = REREAD_PAUSE;
    }
}

fn outlets(level: &LevelPlan) -> Vec<(DevicePlan, String)> {
    let all = level.devices.iter().flat_map(|d| d.plugs.iter().map(move |p| (d.clone(), p.clone())));
    all.take(if sabotage::is(Sabotage::OneOutletSuffices) { 1 } else { usize::MAX }).collect()
}

/// How long a level goes on reading before it gives up: the longest time-out of its devices, and the settling.
fn level_deadline(level: &LevelPlan) -> Duration {
    level.devices.iter().map(|d| d.timeout + d.off_settle).max().unwrap_or_default()
}

/// The last round of reading that may fail without ending the level ends before the deadline; or the offs alone took
/// longer. Then comes a pause, a round, the settling, and a second round.
fn level_longest(level: &LevelPlan) -> Duration {
    let round: Duration =
        level.devices.iter().map(|d| d.timeout * u32::try_from(d.plugs.len()).unwrap_or(u32::MAX)).sum();
    level_deadline(level).max(round) + REREAD_PAUSE_MAX + round + settle(level) + round
}

fn settle(level: &LevelPlan) -> Duration {
    level.devices.iter().map(|d| d.off_settle).max().unwrap_or_default()
}

fn explain(call: &Call, outcome: &CallOutcome) -> String {
    let (device, plug) = (&call.device, &call.plug);
    let action = match call.action {
        CallAction::Off => "off",
        CallAction::On => "on",
        CallAction::Status => "status",
    };
    match outcome {
        CallOutcome::Read(FenceVerdict::On) => format!("{device} outlet {plug} still reads on"),
        CallOutcome::Read(FenceVerdict::Off) => format!("{device} outlet {plug} reads off"),
        CallOutcome::Read(FenceVerdict::Unknown) => {
            format!("{device} outlet {plug} reads neither on nor off")
        }
        CallOutcome::Done => format!("{device} outlet {plug}: {action} done"),
        CallOutcome::Failed { why } => format!("{device} outlet {plug}: {action} failed: {why}"),
        CallOutcome::TimedOut => {
            format!("{device} outlet {plug}: {action} took longer than {} s", call.timeout.as_secs_f32())
        }
    }
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
