//! The harmless proof that a fence path works: read every outlet of a living node; all must say on. Before that,
//! an outlet that cannot exist is read once: an agent that calls it off would call anything off, and one that calls
//! it on does not look at the outlet, and cuts whatever its device feeds.

use crate::call::{Call, CallAction, CallId, CallOutcome, DevicePlan, Step};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{FenceVerdict, PathDoubt};
use serde::{Deserialize, Serialize};

/// A plug that no power switch has: numeric, because many agents refuse other text before they ask the device.
pub const IMPOSSIBLE_PLUG: &str = "64999";

/// The end of a test.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct PathTestReport {
    /// Every outlet was read on, or why not.
    pub result: Result<(), String>,
    /// What a failure says against what was read through this path before.
    pub doubt: Option<PathDoubt>,
}

#[derive(Clone, Debug, Hash)]
enum Phase {
    Impossible,
    Reading { next: usize },
    Over(PathTestReport),
}

/// A running test of one device for one node.
#[derive(Clone, Debug, Hash)]
pub struct PathTest {
    plan: DevicePlan,
    phase: Phase,
    calls: u32,
    in_flight: Option<Call>,
    is_missing_off_waived: bool,
    is_shared: bool,
}

impl PathTest {
    /// A test; `is_missing_off_waived`: the operator believes an agent that calls missing outlets off; `is_shared`: the
    /// device has outlets of other nodes too.
    #[must_use]
    pub fn new(plan: DevicePlan, is_missing_off_waived: bool, is_shared: bool) -> Self {
        Self { plan, phase: Phase::Impossible, calls: 0, in_flight: None, is_missing_off_waived, is_shared }
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
                    let report = PathTestReport { result: Ok(()), doubt: None };
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
                let said =
                    format!("the agent of {device} calls outlet {IMPOSSIBLE_PLUG}, which cannot exist");
                self.phase = match outcome {
                    _ if sabotage::is(Sabotage::BelieveImpossible) => Phase::Reading { next: 0 },
                    CallOutcome::Read(FenceVerdict::Off) if !self.is_missing_off_waived => {
                        over(format!("{said}, off: its word is worth nothing"), Some(PathDoubt::Agent))
                    }
                    CallOutcome::Read(FenceVerdict::On) if self.is_shared => over(
                        format!(
                            "{said}, on: it does not look at the outlet, and {device} feeds more than one node"
                        ),
                        Some(PathDoubt::Agent),
                    ),
                    CallOutcome::Read(_)
                    | CallOutcome::Done
                    | CallOutcome::Failed { .. }
                    | CallOutcome::TimedOut => Phase::Reading { next: 0 },
                };
            }
            Phase::Reading { next } => {
                let plug = &call.plug;
                self.phase = match outcome {
                    CallOutcome::Read(FenceVerdict::On) => Phase::Reading { next: next + 1 },
                    CallOutcome::Read(FenceVerdict::Off) => over(
                        format!(
                            "outlet {plug} reads off although the node is up: another's outlet, or one of its supplies is off?"
                        ),
                        Some(PathDoubt::Outlet),
                    ),
                    CallOutcome::Read(FenceVerdict::Unknown) | CallOutcome::Done => {
                        over(format!("outlet {plug} reads neither on nor off"), None)
                    }
                    CallOutcome::Failed { why } => over(format!("outlet {plug}: {why}"), None),
                    CallOutcome::TimedOut => {
                        let timeout = self.plan.timeout.as_secs_f32();
                        over(format!("outlet {plug}: no answer within {timeout} s"), None)
                    }
                };
            }
            Phase::Over(_) => {}
        }
    }
}

fn over(why: String, doubt: Option<PathDoubt>) -> Phase {
    Phase::Over(PathTestReport { result: Err(why), doubt })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A test of a device that feeds others too.
    fn run(waived: bool, device: impl Fn(&str) -> CallOutcome) -> PathTestReport {
        run_on(true, waived, device)
    }

    fn run_on(is_shared: bool, waived: bool, device: impl Fn(&str) -> CallOutcome) -> PathTestReport {
        let plan = DevicePlan {
            device: "pdu".into(),
            path_hash: [0; 32],
            plugs: vec!["1".into(), "2".into()],
            timeout: Duration::from_secs(5),
            off_settle: Duration::ZERO,
        };
        let mut test = PathTest::new(plan, waived, is_shared);
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
        for (other, doubt) in [(FenceVerdict::Off, Some(PathDoubt::Outlet)), (FenceVerdict::Unknown, None)] {
            let report = run(false, |p| real(p, other));
            assert_eq!(report.doubt, doubt, "an answer that says nothing speaks against nothing");
            let why = report.result.unwrap_err();
            assert!(why.contains("outlet 2"), "{why}");
        }
    }

    #[test]
    fn an_agent_that_calls_the_impossible_off_is_refused_unless_waived() {
        let liar = |plug: &str| {
            CallOutcome::Read(if plug == IMPOSSIBLE_PLUG { FenceVerdict::Off } else { FenceVerdict::On })
        };
        let refused = run(false, liar);
        assert!(refused.result.unwrap_err().contains("cannot exist"));
        assert_eq!(refused.doubt, Some(PathDoubt::Agent));
        let waived = run(true, liar);
        assert_eq!((waived.result, waived.doubt), (Ok(()), None));
    }

    #[test]
    fn an_agent_that_does_not_look_at_the_outlet_is_refused_where_its_device_feeds_others_too() {
        let deaf = |_: &str| CallOutcome::Read(FenceVerdict::On);
        let refused = run_on(true, false, deaf);
        assert!(refused.result.unwrap_err().contains("does not look at the outlet"));
        assert_eq!(refused.doubt, Some(PathDoubt::Agent));
        assert_eq!(run_on(true, true, deaf).doubt, Some(PathDoubt::Agent), "the waiver is for the other lie");
        assert_eq!(run_on(false, false, deaf).result, Ok(()), "the one node's own controller");
    }
}
