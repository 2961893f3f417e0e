//! What happens to an instance, and what it asks for.

use ha_model::{PlanId, Term};
use std::fmt;
use std::time::Duration;

/// A run of the instance's agent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Op {
    /// First look.
    Probe,
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Periodic check.
    Monitor,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Probe => "probe",
            Op::Start => "start",
            Op::Stop => "stop",
            Op::Monitor => "check",
        })
    }
}

/// What a node can be ordered to do with an instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum OrderKind {
    /// Find out whether it runs.
    Probe,
    /// Start.
    Start,
    /// Stop.
    Stop,
}

/// How a run of the agent ended.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Outcome {
    /// It runs.
    Running,
    /// It does not run, and nothing of it is left.
    NotRunning,
    /// It failed, or was killed at its time-out; something of it may be active.
    Failed {
        /// One sentence.
        why: String,
    },
    /// Nothing was begun: refused before anything happened.
    NeverStarted {
        /// One sentence.
        why: String,
    },
    /// The grant lapsed before the agent was executed or while it ran.
    GrantLapsed,
    /// Cancelled on our wish.
    Cancelled,
}

/// What happens.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Event {
    /// An order that the caller found newer than all before it.
    Order {
        /// What.
        order: OrderKind,
        /// Its age.
        key: (Term, PlanId),
    },
    /// A run ended.
    AgentDone {
        /// Which.
        op: Op,
        /// How.
        outcome: Outcome,
    },
    /// The instance's process, known to the kernel, is gone.
    ProcessExited {
        /// In words, as the end of a sentence: "was killed by signal 9".
        how: String,
    },
    /// The time that [`Output::SetMonitor`] named has come.
    MonitorDue,
    /// The node may not run exclusive things any more.
    GrantLost,
}

/// What an instance asks for, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Run the agent.
    RunAgent {
        /// For what.
        op: Op,
        /// Killed at this age.
        timeout: Duration,
    },
    /// End the running agent early; its [`Event::AgentDone`] still comes.
    CancelAgent {
        /// Which.
        op: Op,
    },
    /// Deliver [`Event::MonitorDue`] at this time, in place of any earlier one.
    SetMonitor(ha_model::BootNs),
    /// Deliver no [`Event::MonitorDue`].
    ClearMonitor,
    /// Tell the leader: [`crate::Instance::observed`] has changed.
    Changed,
}
