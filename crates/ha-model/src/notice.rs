//! What the core says. Typed; [`Notice::text`] is the one place where it becomes words, so that journal,
//! `hactl` and golden files show the same.

use crate::fence::{Evidence, FenceReason};
use crate::ids::{DeviceId, Incarnation, Index, InstanceId, NodeId, ResourceId, Term};
use crate::log::{FenceMarks, LostReason};
use crate::time::WallMs;
use crate::watchdog::ArmedWatchdog;
use serde::{Deserialize, Serialize};

/// How much attention a notice wants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Normal life.
    Info,
    /// Something is not as wished.
    Warning,
    /// Somebody should look now.
    Alarm,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub enum Notice {
    /// A leader was elected.
    LeaderElected {
        /// Who.
        leader: NodeId,
        /// Term.
        term: Term,
    },
    /// A configuration came into force.
    ConfigApplied {
        /// First bytes of its SHA-256.
        sha: [u8; 4],
        /// Who applied it.
        by: String,
    },
    /// A node takes part.
    NodeJoined {
        /// Node.
        node: NodeId,
        /// Boot.
        incarnation: Incarnation,
        /// Only its daemon is new.
        is_same_boot: bool,
    },
    /// A node is lost.
    NodeLost {
        /// Node.
        node: NodeId,
        /// Why.
        why: LostReason,
    },
    /// A lost node came back before anything was sent.
    NodeReturned {
        /// Node.
        node: NodeId,
    },
    /// A node left.
    NodeLeft {
        /// Node.
        node: NodeId,
    },
    /// A fence was decided.
    FenceRequested {
        /// Node.
        node: NodeId,
        /// Why.
        reason: FenceReason,
    },
    /// A fence is no longer needed.
    FenceWithdrawn {
        /// Node.
        node: NodeId,
    },
    /// Off requested.
    FenceAttempt {
        /// Node.
        node: NodeId,
        /// Attempt.
        attempt: u32,
        /// Who runs the agents.
        executor: NodeId,
        /// What will be asked, `pdu-a outlet 3`.
        path: String,
    },
    /// An attempt failed.
    FenceFailed {
        /// Node.
        node: NodeId,
        /// Attempt.
        attempt: u32,
        /// Why.
        why: String,
    },
    /// Power read off.
    FenceReadOff {
        /// Node.
        node: NodeId,
        /// Times of the attempt.
        marks: FenceMarks,
    },
    /// Proof.
    FenceProven {
        /// Node.
        node: NodeId,
        /// On what it rests.
        evidence: Evidence,
        /// Instances whose permissions it closed.
        freed: Vec<InstanceId>,
    },
    /// Power on requested.
    PowerOn {
        /// Node.
        node: NodeId,
    },
    /// Power on ended.
    PowerOnEnded {
        /// Node.
        node: NodeId,
        /// Why it failed; `None`: done.
        failed: Option<String>,
    },
    /// Fenced too often: it stays out until an operator lets it in.
    NodeHeld {
        /// Node.
        node: NodeId,
        /// Fences in the window.
        fences: u32,
    },
    /// Path test result changed.
    PathBroken {
        /// Device.
        device: DeviceId,
        /// Node whose power it controls.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// Path test passes.
    PathWorks {
        /// Device.
        device: DeviceId,
        /// Node whose power it controls.
        node: NodeId,
    },
    /// An instance starts.
    Starting {
        /// Instance.
        instance: InstanceId,
        /// Where.
        node: NodeId,
    },
    /// An instance runs.
    Running {
        /// Instance.
        instance: InstanceId,
        /// Where.
        node: NodeId,
    },
    /// An instance stops.
    Stopping {
        /// Instance.
        instance: InstanceId,
        /// Where.
        node: NodeId,
    },
    /// An instance stopped.
    Stopped {
        /// Instance.
        instance: InstanceId,
        /// Where.
        node: NodeId,
    },
    /// An instance failed.
    Failed {
        /// Instance.
        instance: InstanceId,
        /// Where.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// A stop failed.
    StopFailed {
        /// Instance.
        instance: InstanceId,
        /// Where.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// An operator asked for something.
    Asked {
        /// Who.
        by: String,
        /// What, as a command.
        what: String,
    },
    /// An entry of the log had no effect because it came too late or would break a rule.
    EntryVoid {
        /// Position.
        index: Index,
        /// Why.
        why: String,
    },
    /// A local warning: not permitted to run in real time, a different cluster file, …
    Local {
        /// Level.
        level: Level,
        /// Sentence.
        text: String,
    },
    /// A move was wished until now.
    MoveEnded {
        /// Resource.
        resource: ResourceId,
        /// Where it was to run.
        to: NodeId,
    },
    /// No failure of it counts there any more: all are old enough.
    FailuresExpired {
        /// Resource.
        resource: ResourceId,
        /// Where.
        node: NodeId,
    },
    /// A node's watchdog counts down.
    WatchdogArmed {
        /// Node.
        node: NodeId,
        /// Device, driver, time.
        watchdog: ArmedWatchdog,
    },
}

/// A notice in its place and time.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// Position in the log; events of one entry share it.
    pub index: Index,
    /// Wall time of the entry's proposal.
    pub at: WallMs,
    /// What happened.
    pub notice: Notice,
}

impl Notice {
    /// The part of the cluster that speaks: the second column of journal and golden files.
    #[must_use]
    pub fn subsystem(&self) -> &'static str {
        match self {
            Notice::LeaderElected { .. } => "votes",
            Notice::ConfigApplied { .. } | Notice::Asked { .. } | Notice::EntryVoid { .. } => "config",
            Notice::NodeJoined { .. }
            | Notice::NodeLost { .. }
            | Notice::NodeReturned { .. }
            | Notice::NodeLeft { .. }
            | Notice::NodeHeld { .. }
            | Notice::WatchdogArmed { .. } => "membership",
            Notice::FenceRequested { .. }
            | Notice::FenceWithdrawn { .. }
            | Notice::FenceAttempt { .. }
            | Notice::FenceFailed { .. }
            | Notice::FenceReadOff { .. }
            | Notice::FenceProven { .. }
            | Notice::PowerOn { .. }
            | Notice::PowerOnEnded { .. }
            | Notice::PathBroken { .. }
            | Notice::PathWorks { .. } => "fencing",
            Notice::Starting { .. }
            | Notice::Running { .. }
            | Notice::Stopping { .. }
            | Notice::Stopped { .. }
            | Notice::Failed { .. }
            | Notice::StopFailed { .. }
            | Notice::MoveEnded { .. }
            | Notice::FailuresExpired { .. } => "resource",
            Notice::Local { .. } => "local",
        }
    }

    /// How much attention it wants.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Notice::NodeLost { .. }
            | Notice::FenceRequested { .. }
            | Notice::FenceAttempt { .. }
            | Notice::Failed { .. }
            | Notice::EntryVoid { .. } => Level::Warning,
            Notice::FenceFailed { .. }
            | Notice::NodeHeld { .. }
            | Notice::PathBroken { .. }
            | Notice::StopFailed { .. } => Level::Alarm,
            Notice::PowerOnEnded { failed, .. } if failed.is_some() => Level::Warning,
            Notice::Local { level, .. } => *level,
            Notice::LeaderElected { .. }
            | Notice::ConfigApplied { .. }
            | Notice::NodeJoined { .. }
            | Notice::NodeReturned { .. }
            | Notice::NodeLeft { .. }
            | Notice::FenceWithdrawn { .. }
            | Notice::FenceReadOff { .. }
            | Notice::FenceProven { .. }
            | Notice::PowerOn { .. }
            | Notice::PowerOnEnded { .. }
            | Notice::PathWorks { .. }
            | Notice::Starting { .. }
            | Notice::Running { .. }
            | Notice::Stopping { .. }
            | Notice::Stopped { .. }
            | Notice::Asked { .. }
            | Notice::MoveEnded { .. }
            | Notice::FailuresExpired { .. }
            | Notice::WatchdogArmed { .. } => Level::Info,
        }
    }

    /// The notice in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Notice::LeaderElected { leader, term } => format!("{leader} leads (term {term})"),
            Notice::ConfigApplied { sha, by } => format!(
                "configuration {:02x}{:02x}{:02x}{:02x} in force, applied {by}",
                sha[0], sha[1], sha[2], sha[3]
            ),
            Notice::NodeJoined { node, incarnation, is_same_boot: false } => {
                format!("{node} joined, boot {incarnation}")
            }
            Notice::NodeJoined { node, is_same_boot: true, .. } => {
                format!("{node}: its daemon restarted, same boot")
            }
            Notice::NodeLost { node, why } => format!("{node} lost: {}", why.text()),
            Notice::NodeReturned { node } => {
                format!("{node} is back in the same boot, before anything was sent to its power")
            }
            Notice::NodeLeft { node } => format!("{node} left cleanly"),
            Notice::NodeHeld { node, fences } => format!(
                "{node} was fenced {fences} times within the window: held; type: hactl node online {node}"
            ),
            Notice::FenceRequested { node, reason } => format!("{node} must be fenced: {}", reason.text()),
            Notice::FenceWithdrawn { node } => {
                format!("{node}: fence withdrawn, its reason is gone; nothing was sent")
            }
            Notice::FenceAttempt { node, attempt: 1, executor, path } => {
                format!("{node}: off requested via {path} by {executor}")
            }
            Notice::FenceAttempt { node, attempt, executor, path } => {
                format!("{node}: off requested via {path} by {executor} (attempt {attempt})")
            }
            Notice::FenceFailed { node, attempt, why } => {
                format!("{node}: attempt {attempt} did not prove it off: {why}")
            }
            Notice::FenceReadOff { node, marks } => format!(
                "{node}: off accepted after {} ms, read off after {} ms, settled after {} ms",
                marks.off_done_ms, marks.first_off_ms, marks.settled_ms
            ),
            Notice::FenceProven { node, evidence, freed } => {
                let how = match evidence {
                    Evidence::ReadOff { level, devices, readings } => {
                        let devices = join(devices);
                        format!("proven off by {devices} (level {level}, {readings} readings)")
                    }
                    Evidence::Confirmed { by } => format!("confirmed off by {by}"),
                    Evidence::NewBoot { incarnation } => format!("its old boot is over, now {incarnation}"),
                };
                if freed.is_empty() {
                    format!("{node} {how}")
                } else {
                    format!("{node} {how}; freed: {}", join(freed))
                }
            }
            Notice::PowerOn { node } => format!("{node}: power on requested"),
            Notice::PowerOnEnded { node, failed: None } => format!("{node}: power is on"),
            Notice::PowerOnEnded { node, failed: Some(why) } => {
                format!("{node}: power on failed: {why}; type: hactl fence on {node}")
            }
            Notice::PathBroken { device, node, why } => format!(
                "fence path {device} to {node} is broken: {why}; after mending it type: hactl fence test {node}"
            ),
            Notice::PathWorks { device, node } => format!("fence path {device} to {node} works (read on)"),
            Notice::Starting { instance, node } => format!("{instance} starting on {node}"),
            Notice::Running { instance, node } => format!("{instance} running on {node}"),
            Notice::Stopping { instance, node } => format!("{instance} stopping on {node}"),
            Notice::Stopped { instance, node } => format!("{instance} stopped on {node}"),
            Notice::Failed { instance, node, why } => format!("{instance} failed on {node}: {why}"),
            Notice::StopFailed { instance, node, why } => {
                format!("{instance} could not be stopped on {node}: {why}")
            }
            Notice::Asked { by, what } => format!("{what} (asked by {by})"),
            Notice::EntryVoid { index, why } => format!("log entry {index} without effect: {why}"),
            Notice::Local { text, .. } => text.clone(),
            Notice::MoveEnded { resource, to } => format!("the move of {resource} to {to} has ended"),
            Notice::FailuresExpired { resource, node } => {
                format!("failures of {resource} on {node} no longer count")
            }
            Notice::WatchdogArmed { node, watchdog: ArmedWatchdog { device, identity, timeout_ms } } => {
                let s = timeout_ms / 1000;
                format!(
                    "{node}: its watchdog {device} ({identity}) resets it after {s} s without a sign of life"
                )
            }
        }
    }
}

fn join<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
