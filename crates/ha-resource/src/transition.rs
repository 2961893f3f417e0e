//! The lifecycle: one enum of states (`ha_model::InstanceState`), one `match` over every pair of state and input.
//! `docs/reference/resource-states.md` is generated from it.

use crate::instance::Change;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{FailedOp, InstanceState as S};

/// An event as the states see it. `Done…` is the end of the state's own run; the end of any other run (cancelled,
/// overtaken) is `LeftoverEnded`: its result says nothing any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    OrderProbe,
    OrderStart,
    OrderStop,
    DoneRunning,
    DoneNotRunning,
    DoneFailed { why: String },
    DoneNeverStarted { why: String },
    DoneGrantLapsed,
    DoneCancelled,
    LeftoverEnded,
    ProcessExited { how: String },
    MonitorDue,
    GrantLost,
}

/// Applies an input.
#[allow(clippy::too_many_lines, reason = "one table, read as one")]
pub(crate) fn transition(c: &mut Change<'_>, input: Input) {
    use Input as I;
    match (c.instance.state, input) {
        // Nothing is known: only a probe, or a stop to be sure.
        (S::Unknown, I::OrderProbe) => c.enter(S::Probing, None),
        (S::Unknown, I::OrderStart) => c.enter(S::Probing, None), // S8: never started unseen
        (S::Unknown, I::OrderStop) => c.enter(S::Stopping, None),
        // S4: what an earlier session may have started is stopped without being looked at first.
        (S::Unknown | S::Probing, I::GrantLost) if c.may_have_run() => c.enter(S::Stopping, grant_lost()),
        (S::Unknown | S::Probing, I::GrantLost) => {}

        (S::Probing, I::OrderProbe | I::OrderStart) => c.acknowledge(),
        (S::Probing, I::OrderStop) => c.enter(S::Stopping, None),
        (S::Probing, I::DoneRunning) => match c.take_exit() {
            None => c.enter(S::Running, None),
            Some(how) => c.enter(S::Failed, Some(died(&how))),
        },
        (S::Probing, I::DoneNotRunning) => c.enter(S::Stopped, None),
        (S::Probing, I::DoneFailed { why }) => c.enter(S::Failed, Some(why)),
        (S::Probing, I::DoneNeverStarted { why }) if c.may_have_run() => c.enter(S::Failed, Some(why)),
        (S::Probing, I::DoneNeverStarted { why }) => c.enter(S::Stopped, Some(why)),
        (S::Probing, I::DoneGrantLapsed | I::DoneCancelled) => c.enter(S::Unknown, None),
        (S::Probing, I::LeftoverEnded) => c.launch(),
        (S::Probing, I::ProcessExited { how }) => c.note_exit(how),

        (S::Stopped, I::OrderProbe) => c.enter(S::Probing, None),
        (S::Stopped, I::OrderStart) => c.enter(S::Starting, None),
        (S::Stopped, I::OrderStop) => c.acknowledge(),

        (S::Starting, I::OrderProbe | I::OrderStart) => c.acknowledge(),
        (S::Starting, I::OrderStop) => c.enter(S::Stopping, None),
        (S::Starting, I::DoneRunning) => match c.take_exit() {
            None => c.enter(S::Running, None),
            Some(how) => c.fail(FailedOp::Start, S::Failed, died(&how)),
        },
        (S::Starting, I::DoneNotRunning) => {
            c.fail(FailedOp::Start, S::Failed, "the start ended, but it does not run".to_owned());
        }
        (S::Starting, I::DoneFailed { why }) => c.fail(FailedOp::Start, S::Failed, why),
        (S::Starting, I::DoneNeverStarted { why }) => c.fail(FailedOp::Start, S::Stopped, why),
        // No failure of the resource; whatever was begun is taken back.
        (S::Starting, I::DoneGrantLapsed) => c.enter(S::Stopping, grant_lost()),
        (S::Starting, I::DoneCancelled) => c.enter(S::Failed, Some("the start was cancelled".to_owned())),
        (S::Starting, I::LeftoverEnded) => c.launch(),
        (S::Starting, I::ProcessExited { how }) => c.note_exit(how),
        (S::Starting, I::GrantLost) if sabotage::is(Sabotage::KeepLateStart) => {}
        (S::Starting, I::GrantLost) => c.enter(S::Stopping, grant_lost()),

        (S::Running, I::OrderProbe) => {
            c.check_now();
            c.acknowledge();
        }
        (S::Running, I::OrderStart) => c.acknowledge(),
        (S::Running, I::OrderStop) => c.enter(S::Stopping, None),
        (S::Running, I::DoneRunning) if c.is_worn() => {
            c.fail(FailedOp::Monitor, S::Failed, "it ran for long".to_owned());
        }
        (S::Running, I::DoneRunning | I::DoneGrantLapsed | I::DoneCancelled) => c.arm_monitor(),
        (S::Running, I::DoneNotRunning) => {
            c.fail(FailedOp::Monitor, S::Failed, "the check found it not running".to_owned());
        }
        (S::Running, I::DoneFailed { why } | I::DoneNeverStarted { why }) => {
            c.fail(FailedOp::Monitor, S::Failed, why);
        }
        (S::Running, I::LeftoverEnded) => c.arm_monitor(),
        (S::Running, I::ProcessExited { how }) => c.fail(FailedOp::Monitor, S::Failed, died(&how)),
        (S::Running, I::MonitorDue) => c.check(),
        (S::Running, I::GrantLost) => c.enter(S::Stopping, grant_lost()),

        (S::Stopping, I::OrderProbe | I::OrderStart | I::OrderStop) => c.acknowledge(),
        (S::Stopping, I::DoneNotRunning) => c.enter(S::Stopped, None),
        (S::Stopping, I::DoneFailed { .. }) if sabotage::is(Sabotage::FailedStopIsStopped) => {
            c.enter(S::Stopped, None);
        }
        // S7: anything else is no proof that it has stopped.
        (S::Stopping, I::DoneRunning) => {
            c.fail(FailedOp::Stop, S::StopFailed, "the stop ended, but it still runs".to_owned());
        }
        (S::Stopping, I::DoneFailed { why }) => c.fail(FailedOp::Stop, S::StopFailed, why),
        (S::Stopping, I::DoneNeverStarted { why }) if c.may_have_run() => {
            c.fail(FailedOp::Stop, S::StopFailed, why);
        }
        (S::Stopping, I::DoneNeverStarted { why }) => c.enter(S::Stopped, Some(why)),
        (S::Stopping, I::DoneGrantLapsed | I::DoneCancelled) => {
            c.fail(FailedOp::Stop, S::StopFailed, "the stop was cut short".to_owned());
        }
        (S::Stopping, I::LeftoverEnded) => c.launch(),
        (S::Stopping, I::ProcessExited { .. } | I::GrantLost) => {}

        (S::Failed, I::OrderProbe | I::OrderStart) => c.acknowledge(), // must be stopped first
        (S::Failed, I::OrderStop) => c.enter(S::Stopping, None),
        (S::Failed, I::GrantLost) => c.enter(S::Stopping, grant_lost()),

        (S::StopFailed, I::OrderProbe | I::OrderStart) => c.acknowledge(),
        (S::StopFailed, I::OrderStop) => c.enter(S::Stopping, None),
        (S::StopFailed, I::GrantLost) => {} // tried already; the watchdog or the others end it

        // States without a process of their own, or that know already.
        (S::Unknown | S::Stopped | S::Failed | S::StopFailed, I::ProcessExited { .. } | I::LeftoverEnded) => {
        }
        (S::Stopped, I::GrantLost) => {}
        (
            S::Unknown | S::Probing | S::Stopped | S::Starting | S::Stopping | S::Failed | S::StopFailed,
            I::MonitorDue,
        ) => {}
        // They have no run of their own: its end cannot come (`own_op`).
        (
            S::Unknown | S::Stopped | S::Failed | S::StopFailed,
            I::DoneRunning
            | I::DoneNotRunning
            | I::DoneFailed { .. }
            | I::DoneNeverStarted { .. }
            | I::DoneGrantLapsed
            | I::DoneCancelled,
        ) => {}
    }
}

fn grant_lost() -> Option<String> {
    Some("the node may not run it any more (grant lost); it stops".to_owned())
}

fn died(how: &str) -> String {
    format!("its process {how}")
}
