//! What is asked of an agent, and what it answers.
//!
//! Must not know: how any agent works. Invariant: `NeverStarted` is said only when nothing was begun; it closes the
//! permission to run as a stop does.

use crate::cancel::Cancel;
use crate::gate::Gate;
use ha_model::{InstanceId, OcfName, Severity};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The resource agents.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ResourceAgent {
    /// An IPv4 or IPv6 address on an interface.
    Vip,
    /// A service started by a command.
    Exec,
    /// A program that follows the Open Cluster Framework.
    Ocf(OcfName),
}

impl ResourceAgent {
    /// By its name in the cluster file.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "vip" => Some(Self::Vip),
            "exec" => Some(Self::Exec),
            name => OcfName::parse(name).map(Self::Ocf),
        }
    }

    /// The options of a built-in one; `true` marks the mandatory ones. Those of another are in its metadata.
    #[must_use]
    pub fn options(&self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Vip => &[("address", true), ("interface", true)],
            Self::Exec => &[("start", true), ("stop", false), ("check", false), ("pidfile", false)],
            Self::Ocf(_) => &[],
        }
    }
}

/// What to do with a resource.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    /// Make it active. A second start of an active one succeeds.
    Start,
    /// Make it inactive. A stop of an inactive one succeeds.
    Stop,
    /// See whether it is active and well.
    Monitor,
    /// See what runs, before the cluster knows anything.
    Probe,
}

/// How thoroughly an address is checked before it is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddressCheck {
    /// Two probes 20 ms apart: enough after a proof of fencing or a clean stop.
    Short,
    /// The timings of RFC 5227 §2.1.1 (up to 9 s) and RFC 4862 §5.4.
    #[default]
    Full,
}

/// One action on one resource instance.
#[derive(Clone, Debug)]
pub struct ResourceJob {
    /// The instance; its jobs are carried out one after another.
    pub instance: InstanceId,
    /// Who does it.
    pub agent: ResourceAgent,
    /// What.
    pub action: Action,
    /// As configured.
    pub options: BTreeMap<String, String>,
    /// Counted from when it begins, not from when it is queued behind another job of its instance.
    pub timeout: Duration,
    /// Pause between two monitors, for agents that are told of it.
    pub interval: Duration,
    /// The grant; [`Gate::always`] for whatever needs none.
    pub gate: Gate,
    /// For a start of a `vip`.
    pub address_check: AddressCheck,
    /// Ends it early.
    pub cancel: Cancel,
}

/// What came of it. Reasons are one sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is active and well.
    Running,
    /// It is not active, and nothing of it is left.
    NotRunning,
    /// The action failed, or the resource is in a bad state; something of it may be active.
    Failed {
        /// The agent's exit code, where a program said so.
        code: Option<i32>,
        /// How it counts.
        severity: Severity,
        /// Why.
        reason: String,
    },
    /// A start that was refused before anything was begun.
    NeverStarted {
        /// Why.
        why: String,
    },
}

impl Outcome {
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { code: None, severity: Severity::Soft, reason: reason.into() }
    }

    /// A refusal before anything was begun.
    #[must_use]
    pub fn never_started(why: &str) -> Self {
        Self::never(why)
    }

    pub(crate) fn never(why: impl Into<String>) -> Self {
        Self::NeverStarted { why: why.into() }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::NotRunning => f.write_str("not running"),
            Self::Failed { code: None, reason, .. } => write!(f, "failed: {reason}"),
            Self::Failed { code: Some(code), reason, .. } => write!(f, "failed with code {code}: {reason}"),
            Self::NeverStarted { why } => write!(f, "not started: {why}"),
        }
    }
}
