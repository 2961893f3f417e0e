//! Kinds of what the core decides, says and is asked, as words: one for each variant of its enums.
//!
//! Invariant: every `match` names each variant, so that a new one is an error of the compiler here.

use ha_core::AgentOutcome;
use ha_fencing::CallOutcome;
use ha_model::{
    AdminReply, AdminRequest, Evidence, FenceReason, FenceVerdict, LostReason, Notice, Phase, Stalled,
};
use ha_sim::act::{Act, Disk, Fault, Switch, Way};
use ha_sim::golden::{Recorder, Scenario, Step};

/// Enum and variant.
pub type Kind = (&'static str, &'static str);

/// What no scenario can show, and where it is tested.
pub const NOT_SIMULATED: [(Kind, &str); 5] = [
    (("fence reason", "NeverSeen"), "who was not seen is lost first, for that reason"),
    (("fence reason", "DaemonGone"), "whose daemon is gone is lost first, for that reason"),
    (("notice", "NodeLeft"), "no daemon says that it leaves yet"),
    (("lost", "Stalled(Spawn)"), "spawning is a shell's: hanode's canary"),
    (("phase", "Hold"), "no scenario makes the planner fail: ha-core's tests of hold do"),
];

/// A function from a value to its kind, and the list of all kinds.
macro_rules! kinds {
    ($name:ident, $all:ident, $enum:literal, $type:ty, { $($variant:pat => $word:literal),+ $(,)? }) => {
        const $all: &[Kind] = &[$(($enum, $word)),+];
        fn $name(of: &$type) -> Kind {
            ($enum, match of { $($variant => $word),+ })
        }
    };
}

kinds!(call, CALLS, "fence call", CallOutcome, {
    CallOutcome::Done => "Done",
    CallOutcome::Read(FenceVerdict::Off) => "Read(Off)",
    CallOutcome::Read(FenceVerdict::On) => "Read(On)",
    CallOutcome::Read(FenceVerdict::Unknown) => "Read(Unknown)",
    CallOutcome::Failed { .. } => "Failed",
    CallOutcome::TimedOut => "TimedOut",
});

kinds!(evidence, EVIDENCE, "evidence", Evidence, {
    Evidence::ReadOff { level: 0..=1, .. } => "ReadOff, first level",
    Evidence::ReadOff { .. } => "ReadOff, another level",
    Evidence::Confirmed { .. } => "Confirmed",
    Evidence::NewBoot { .. } => "NewBoot",
});

kinds!(reason, REASONS, "fence reason", FenceReason, {
    FenceReason::Lost => "Lost",
    FenceReason::NeverSeen => "NeverSeen",
    FenceReason::StopFailed { .. } => "StopFailed",
    FenceReason::DaemonGone => "DaemonGone",
    FenceReason::Asked { .. } => "Asked",
    FenceReason::HeardAfterConfirmation => "HeardAfterConfirmation",
});

kinds!(lost, LOST, "lost", LostReason, {
    LostReason::Silent { .. } => "Silent",
    LostReason::OneWay => "OneWay",
    LostReason::Stalled { what: Stalled::Core, .. } => "Stalled(Core)",
    LostReason::Stalled { what: Stalled::Disk, .. } => "Stalled(Disk)",
    LostReason::Stalled { what: Stalled::Spawn, .. } => "Stalled(Spawn)",
    LostReason::DaemonGone => "DaemonGone",
    LostReason::NeverSeen => "NeverSeen",
});

kinds!(request, REQUESTS, "order", AdminRequest, {
    AdminRequest::Status => "Status",
    AdminRequest::Timeline { .. } => "Timeline",
    AdminRequest::ConfigShow => "ConfigShow",
    AdminRequest::ConfigApply { .. } => "ConfigApply",
    AdminRequest::NodeStandby { .. } => "NodeStandby",
    AdminRequest::NodeOnline { .. } => "NodeOnline",
    AdminRequest::ResourceStart { .. } => "ResourceStart",
    AdminRequest::ResourceStop { .. } => "ResourceStop",
    AdminRequest::ResourceRestart { .. } => "ResourceRestart",
    AdminRequest::ResourceMove { to: Some(_), .. } => "ResourceMove to a place",
    AdminRequest::ResourceMove { to: None, .. } => "ResourceMove away",
    AdminRequest::ResourceCleanup { .. } => "ResourceCleanup",
    AdminRequest::FenceOff { .. } => "FenceOff",
    AdminRequest::FenceOn { .. } => "FenceOn",
    AdminRequest::FenceConfirm { .. } => "FenceConfirm",
    AdminRequest::FenceTest { .. } => "FenceTest",
    AdminRequest::FenceHistory { .. } => "FenceHistory",
});

kinds!(reply, REPLIES, "answer", AdminReply, {
    AdminReply::Done { .. } => "Done",
    AdminReply::Refused { .. } => "Refused",
    AdminReply::Unavailable { .. } => "Unavailable",
    AdminReply::Status(_) => "Status",
    AdminReply::Timeline { .. } => "Timeline",
    AdminReply::Config { .. } => "Config",
    AdminReply::FenceTest { .. } => "FenceTest",
    AdminReply::FenceHistory { .. } => "FenceHistory",
});

kinds!(phase, PHASES, "phase", Phase, {
    Phase::Forming { .. } => "Forming",
    Phase::NoQuorum { .. } => "NoQuorum",
    Phase::Active => "Active",
    Phase::Hold { .. } => "Hold",
});

kinds!(notice, NOTICES, "notice", Notice, {
    Notice::LeaderElected { .. } => "LeaderElected",
    Notice::WatchdogArmed { .. } => "WatchdogArmed",
    Notice::ConfigApplied { .. } => "ConfigApplied",
    Notice::NodeJoined { is_same_boot: false, .. } => "NodeJoined in a new boot",
    Notice::NodeJoined { is_same_boot: true, .. } => "NodeJoined in the same boot",
    Notice::NodeLost { .. } => "NodeLost",
    Notice::NodeReturned { .. } => "NodeReturned",
    Notice::NodeLeft { .. } => "NodeLeft",
    Notice::FenceRequested { .. } => "FenceRequested",
    Notice::FenceWithdrawn { .. } => "FenceWithdrawn",
    Notice::FenceAttempt { .. } => "FenceAttempt",
    Notice::FenceFailed { .. } => "FenceFailed",
    Notice::FenceReadOff { .. } => "FenceReadOff",
    Notice::FenceProven { .. } => "FenceProven",
    Notice::PowerOn { .. } => "PowerOn",
    Notice::PowerOnEnded { failed: None, .. } => "PowerOnEnded",
    Notice::PowerOnEnded { failed: Some(_), .. } => "PowerOnEnded, failed",
    Notice::NodeHeld { .. } => "NodeHeld",
    Notice::PathBroken { .. } => "PathBroken",
    Notice::PathWorks { .. } => "PathWorks",
    Notice::Starting { .. } => "Starting",
    Notice::Running { .. } => "Running",
    Notice::Stopping { .. } => "Stopping",
    Notice::Stopped { .. } => "Stopped",
    Notice::Failed { .. } => "Failed",
    Notice::StopFailed { .. } => "StopFailed",
    Notice::Asked { .. } => "Asked",
    Notice::EntryVoid { .. } => "EntryVoid",
    Notice::Local { .. } => "Local",
    Notice::MoveEnded { .. } => "MoveEnded",
    Notice::FailuresExpired { .. } => "FailuresExpired",
});

kinds!(switch, SWITCHES, "switch", Switch, {
    Switch::Sound => "Sound",
    Switch::Dead => "Dead",
    Switch::Slow => "Slow",
    Switch::Failing => "Failing",
    Switch::Blind => "Blind",
    Switch::Mute => "Mute",
    Switch::Cycling => "Cycling",
    Switch::Vouching => "Vouching",
    Switch::Miswired => "Miswired",
    Switch::Lying => "Lying",
});

kinds!(disk, DISKS, "disk", Disk, {
    Disk::Sound => "Sound",
    Disk::Slow => "Slow",
    Disk::Hanging => "Hanging",
    Disk::Failing => "Failing",
    Disk::Wiped => "Wiped",
    Disk::Older => "Older",
    Disk::Copied => "Copied",
});

kinds!(fault, FAULTS, "agent", Fault, {
    Fault::Sound => "Sound",
    Fault::StartFails => "StartFails",
    Fault::StartHangs => "StartHangs",
    Fault::NoProgram => "NoProgram",
    Fault::StopFails => "StopFails",
    Fault::StopHangs => "StopHangs",
    Fault::StopLies => "StopLies",
    Fault::CheckFails => "CheckFails",
    Fault::SeemsAlive => "SeemsAlive",
    Fault::SeemsDead => "SeemsDead",
});

kinds!(outcome, OUTCOMES, "answer of an agent", AgentOutcome, {
    AgentOutcome::Running => "Running",
    AgentOutcome::NotRunning => "NotRunning",
    AgentOutcome::Failed { .. } => "Failed",
    AgentOutcome::NeverStarted { .. } => "NeverStarted",
    AgentOutcome::GrantLapsed => "GrantLapsed",
    AgentOutcome::Cancelled => "Cancelled",
});

kinds!(way, WAYS, "cut", Way, { Way::Both => "Both", Way::Out => "Out", Way::In => "In" });

/// Every kind.
pub fn all() -> Vec<Kind> {
    [
        CALLS, EVIDENCE, REASONS, LOST, REQUESTS, REPLIES, PHASES, NOTICES, SWITCHES, DISKS, FAULTS,
        OUTCOMES, WAYS,
    ]
    .concat()
}

/// What a scenario shows.
pub fn shown(scenario: &Scenario, seen: &Recorder) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = seen.calls.iter().map(call).collect();
    kinds.extend(seen.outcomes.iter().map(outcome));
    for order in &seen.orders {
        kinds.push(request(&order.request));
        kinds.extend(order.reply.iter().map(reply));
        if let Some(AdminReply::Status(view)) = &order.reply {
            kinds.push(phase(&view.state));
        }
    }
    for said in &seen.notices {
        kinds.push(notice(said));
        match said {
            Notice::FenceRequested { reason: why, .. } => kinds.push(reason(why)),
            Notice::FenceProven { evidence: on, .. } => kinds.push(evidence(on)),
            Notice::NodeLost { why, .. } => kinds.push(lost(why)),
            _ => {}
        }
    }
    let acts = scenario.steps.iter().filter_map(|(_, step)| match step {
        Step::Act(Act::When(_, act)) => Some(&**act),
        Step::Act(act) => Some(act),
        Step::Run(..) | Step::Mend => None,
    });
    kinds.extend(acts.filter_map(|act| match act {
        Act::Switch(how) | Act::Device(_, how) => Some(switch(how)),
        Act::Disk(_, how) => Some(disk(how)),
        Act::Agent(_, how) => Some(fault(how)),
        Act::Cut(_, _, how, _) => Some(way(how)),
        _ => None,
    }));
    kinds
}
