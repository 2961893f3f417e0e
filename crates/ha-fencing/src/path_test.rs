//! The harmless proof that a fence path works: read every outlet of a living node; all must say on. Before that,
//! an outlet that cannot exist is read once: an agent that calls it off would call anything off.

use crate::call::{Call, CallAction, CallId, CallOutcome, DevicePlan, Step};
use ha_model::FenceVerdict;
use serde::{Deserialize, Serialize};

/// A plug that no power switch has: numeric, because many agents refuse other text before they ask the device.
pub const IMPOSSIBLE_PLUG: &str = "64999";

/// The end of a test.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PathTestReport {
    /// Every outlet was read on, or why not.
    pub result: Result<(), String>,
    /// The agent called an impossible outlet off.
    pub calls_missing_off: bool,
}

#[derive(Clone, Debug)]
enum Phase {
    Impossible,
    Reading { next: usize },
    Over(PathTestReport),
}

/// A running test of one device for one node.
#[derive(Clone, Debug)]
pub struct PathTest {
    plan: DevicePlan,
    phase: Phase,
    calls: u32,
    in_flight: Option<Call>,
    calls_missing_off: bool,
    is_missing_off_waived: bool,
}

impl PathTest {
    /// A test; `is_missing_off_waived`: the operator believes an agent that calls missing outlets off.
    #[must_use]
    pub fn new(plan: DevicePlan, is_missing_off_waived: bool) -> Self {
        Self {
            plan,
            phase: Phase::Impossible,
            calls: 0,
            in_flight: None,
            calls_missing_off: false,
            is_missing_off_waived,
        }
    }

    /// What to do now; never waits.
    pub fn step(&mut self) -> Step<PathTestReport> {
        if let Some(call) = &self.in_flight {
            return Step::Call(call.clone());
        }
        let plug = match &self.phase {
            Phase::Impossible => IMPOSSIBLE_PLUG.to_owned(),
            Phase::Reading { next } => match self.plan.plugs.get(*next) {
                Some(plug) => plug.clone(),
                None => {
                    let report = PathTestReport { result: Ok(()), calls_missing_off: self.calls_missing_off };
                    self.phase = Phase::Over(report.clone());
                    return Step::Done(report);
                }
            },
            Phase::Over(report) => return Step::Done(report.clone()),
        };
        self.calls += 1;
        let call = Call {
            id: CallId(self.calls),
            device: self.plan.device.clone(),
            path_hash: self.plan.path_hash,
            plug,
            action: CallAction::Status,
            timeout: self.plan.timeout,
        };
        self.in_flight = Some(call.clone());
        Step::Call(call)
    }

    /// The outcome of a call.
    pub fn call_done(&mut self, id: CallId, outcome: &CallOutcome) {
        let Some(call) = self.in_flight.take_if(|c| c.id == id) else { return };
        let device = &self.plan.device;
        match &self.phase {
            Phase::Impossible => {
                self.calls_missing_off = *outcome == CallOutcome::Read(FenceVerdict::Off);
                self.phase = if self.calls_missing_off && !self.is_missing_off_waived {
                    self.over(format!(
                        "the agent of {device} calls outlet {IMPOSSIBLE_PLUG}, which cannot exist, off: its \
                         word is worth nothing"
                    ))
                } else {
                    Phase::Reading { next: 0 }
                };
            }
            Phase::Reading { next } => {
                let plug = &call.plug;
                self.phase = match outcome {
                    CallOutcome::Read(FenceVerdict::On) => Phase::Reading { next: next + 1 },
                    CallOutcome::Read(FenceVerdict::Off) => {
                        self.over(format!("outlet {plug} reads off although the node is up: wrong outlet?"))
                    }
                    CallOutcome::Read(FenceVerdict::Unknown) | CallOutcome::Done => {
                        self.over(format!("outlet {plug} reads neither on nor off"))
                    }
                    CallOutcome::Failed { why } => self.over(format!("outlet {plug}: {why}")),
                    CallOutcome::TimedOut => self.over(format!(
                        "outlet {plug}: no answer within {} s",
                        self.plan.timeout.as_secs_f32()
                    )),
                };
            }
            Phase::Over(_) => {}
        }
    }

    fn over(&self, why: String) -> Phase {
        Phase::Over(PathTestReport { result: Err(why), calls_missing_off: self.calls_missing_off })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run(waived: bool, device: impl Fn(&str) -> CallOutcome) -> PathTestReport {
        let plan = DevicePlan {
            device: "pdu".into(),
            path_hash: [0; 32],
            plugs: vec!["1".into(), "2".into()],
            timeout: Duration::from_secs(5),
            off_settle: Duration::ZERO,
        };
        let mut test = PathTest::new(plan, waived);
        loop {
            match test.step() {
                Step::Call(call) => {
                    assert_eq!(call.action, CallAction::Status, "a test must be harmless");
                    let outcome = device(&call.plug);
                    test.call_done(call.id, &outcome);
                }
                Step::Done(report) => return report,
                Step::WaitUntil(_) => panic!("a test never waits"),
            }
        }
    }

    fn real(plug: &str, others: FenceVerdict) -> CallOutcome {
        match plug {
            IMPOSSIBLE_PLUG => CallOutcome::Failed { why: "no such outlet".into() },
            "1" => CallOutcome::Read(FenceVerdict::On),
            _ => CallOutcome::Read(others),
        }
    }

    #[test]
    fn passes_when_every_outlet_is_on() {
        assert_eq!(run(false, |p| real(p, FenceVerdict::On)).result, Ok(()));
    }

    #[test]
    fn each_outlet_must_be_on() {
        for other in [FenceVerdict::Off, FenceVerdict::Unknown] {
            let why = run(false, |p| real(p, other)).result.unwrap_err();
            assert!(why.contains("outlet 2"), "{why}");
        }
    }

    #[test]
    fn an_agent_that_calls_the_impossible_off_is_refused_unless_waived() {
        let liar = |plug: &str| {
            CallOutcome::Read(if plug == IMPOSSIBLE_PLUG { FenceVerdict::Off } else { FenceVerdict::On })
        };
        assert!(run(false, liar).result.unwrap_err().contains("cannot exist"));
        let waived = run(true, liar);
        assert_eq!((waived.result, waived.calls_missing_off), (Ok(()), true));
    }
}
