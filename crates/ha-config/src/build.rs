//! Builds the model from a file that passed every check.

use crate::check::fencing::Level;
use crate::check::objects::objects_of;
use crate::hash::{path_hash, sha256};
use crate::raw::{Agent, RawDevice, RawGroup, RawNode, RawPrefer, RawResource, RawTiming};
use crate::report::Report;
use ha_model::{
    AgentName, ClusterConfig, DeviceConfig, DeviceId, FenceLevel, GroupConfig, GroupId, MonitorConfig,
    NodeConfig, NodeId, Preference, ResourceConfig, ResourceId, Score,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A running resource stays where it is unless a preference says otherwise.
pub(crate) const STICKINESS: Score = 1;
const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const MIGRATION_THRESHOLD: u32 = 3;
const FAILURE_TIMEOUT: Duration = Duration::from_secs(600);
/// An address is checked in no time, and nothing else tells that it went.
const VIP_MONITOR: MonitorConfig =
    MonitorConfig { interval: Duration::from_secs(1), timeout: Duration::from_secs(5) };
/// The death of a process is noticed at once; its check may take longer.
const EXEC_MONITOR: MonitorConfig =
    MonitorConfig { interval: Duration::from_secs(10), timeout: Duration::from_secs(20) };

/// All parts of a checked file.
pub(crate) struct Parts<'a> {
    pub name: String,
    pub text: &'a str,
    pub nodes: Vec<RawNode>,
    pub voters: BTreeSet<String>,
    pub devices: Vec<RawDevice>,
    pub levels: BTreeMap<String, Vec<Level>>,
    pub resources: Vec<RawResource>,
    pub groups: Vec<RawGroup>,
    pub stickiness: Option<Score>,
    pub timing: RawTiming,
}

/// Builds the model.
pub(crate) fn build(parts: Parts<'_>, report: &Report<'_>) -> ClusterConfig {
    let timing = parts.timing.timing;
    let waivers = report.waivers().iter().map(|(waiver, at)| (*waiver, report.origin(at))).collect();
    let levels = parts.levels.into_iter().filter(|(_, levels)| !levels.is_empty());
    ClusterConfig {
        name: parts.name,
        profile: parts.timing.profile,
        timing,
        nodes: in_order(parts.nodes, |raw, position| node(raw, position, &parts.voters, report)),
        devices: in_order(parts.devices, |raw, _| device(raw, timing.off_settle, report)),
        levels: levels
            .map(|(node, levels)| {
                let levels = levels.into_iter().map(|(devices, at)| FenceLevel {
                    devices: devices.into_iter().map(DeviceId::from).collect(),
                    origin: report.origin(&at),
                });
                (NodeId::from(node), levels.collect())
            })
            .collect(),
        resources: in_order(parts.resources, |raw, position| resource(raw, position, report)),
        groups: in_order(parts.groups, |raw, _| group(raw, report)),
        stickiness: parts.stickiness.unwrap_or(STICKINESS),
        waivers,
        sha256: sha256(parts.text.as_bytes()),
    }
}

fn in_order<R, K: Ord, V>(raws: Vec<R>, make: impl Fn(R, u32) -> (K, V)) -> BTreeMap<K, V> {
    (0u32..).zip(raws).map(|(position, raw)| make(raw, position)).collect()
}

fn node(raw: RawNode, position: u32, voters: &BTreeSet<String>, report: &Report<'_>) -> (NodeId, NodeConfig) {
    let config = NodeConfig {
        role: raw.role,
        links: raw.links.value.iter().map(|link| link.value).collect(),
        watchdog: raw.watchdog,
        votes: voters.contains(&raw.name.value),
        position,
        origin: report.origin(&raw.at),
    };
    (NodeId::from(raw.name.value), config)
}

fn device(raw: RawDevice, off_settle: Duration, report: &Report<'_>) -> (DeviceId, DeviceConfig) {
    let outlets: BTreeMap<NodeId, Vec<String>> = raw
        .outlets
        .into_iter()
        .map(|(node, outlets)| {
            (NodeId::from(node.value), outlets.into_iter().map(|outlet| outlet.value).collect())
        })
        .collect();
    let config = DeviceConfig {
        path_hash: path_hash(&raw.agent, &raw.options, &outlets),
        agent: AgentName::from(raw.agent),
        options: raw.options,
        outlets,
        timeout: raw.timeout,
        off_settle: raw.off_settle.unwrap_or(off_settle),
        origin: report.origin(&raw.at),
    };
    (DeviceId::from(raw.name.value), config)
}

fn prefer(raw: RawPrefer, report: &Report<'_>) -> BTreeMap<NodeId, Preference> {
    raw.into_iter()
        .map(|(node, score)| {
            let preference = Preference { score, origin: report.origin(&node.at) };
            (NodeId::from(node.value), preference)
        })
        .collect()
}

fn resource(raw: RawResource, position: u32, report: &Report<'_>) -> (ResourceId, ResourceConfig) {
    let (agent, monitor) =
        match raw.agent.expect("a resource without an agent is an error, and nothing is built then") {
            Agent::Vip => ("vip", VIP_MONITOR),
            Agent::Exec => ("exec", EXEC_MONITOR),
        };
    let threshold = raw.migration_threshold.and_then(|count| u32::try_from(count).ok());
    let config = ResourceConfig {
        agent: AgentName::from(agent),
        objects: objects_of(&raw).into_iter().map(|(object, _)| object).collect(),
        options: raw.options,
        monitor: MonitorConfig {
            interval: raw.interval.unwrap_or(monitor.interval),
            timeout: raw.check_timeout.unwrap_or(monitor.timeout),
        },
        start_timeout: raw.start_timeout.unwrap_or(START_TIMEOUT),
        stop_timeout: raw.stop_timeout.unwrap_or(STOP_TIMEOUT),
        prefer: prefer(raw.prefer, report),
        stickiness: raw.stickiness,
        migration_threshold: threshold.unwrap_or(MIGRATION_THRESHOLD),
        failure_timeout: raw.failure_timeout.unwrap_or(FAILURE_TIMEOUT),
        priority: raw.priority.unwrap_or(0),
        enabled: raw.enabled,
        position,
        origin: report.origin(&raw.at),
    };
    (ResourceId::from(raw.name.value), config)
}

fn group(raw: RawGroup, report: &Report<'_>) -> (GroupId, GroupConfig) {
    let config = GroupConfig {
        members: raw.members.into_iter().map(|member| ResourceId::from(member.value)).collect(),
        prefer: prefer(raw.prefer, report),
        stickiness: raw.stickiness,
        origin: report.origin(&raw.at),
    };
    (GroupId::from(raw.name.value), config)
}
