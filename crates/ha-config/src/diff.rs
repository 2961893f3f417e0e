//! The difference of two configurations in an operator's words: what changes, and what that will do to what runs.
//!
//! Must not know what runs right now: a change that is refused while something runs says so. Places and layout of the
//! file are no difference. `ha-core`'s `config_guard` refuses; a test there holds it to these words.

use crate::change::{Change, ChangeKind, Consequence, Item};
use crate::duration::format_duration;
use crate::timing_fields::FIELDS;
use ha_model::{
    ClusterConfig, DeviceConfig, FenceLevel, GroupConfig, NodeConfig, NodeId, Preference, ResourceConfig,
    Role, Score, Timing,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

/// Everything that differs, in the order cluster, nodes, fencing, resources, groups.
#[must_use]
pub fn diff(old: &ClusterConfig, new: &ClusterConfig) -> Vec<Change> {
    let mut out = Vec::new();
    cluster(old, new, &mut out);
    each(&old.nodes, &new.nodes, &mut out, |id| Item::Node(id.clone()), node);
    each(&old.devices, &new.devices, &mut out, |id| Item::Device(id.clone()), device);
    each(&old.levels, &new.levels, &mut out, |id| Item::Levels(id.clone()), levels);
    each(&old.resources, &new.resources, &mut out, |id| Item::Resource(id.clone()), resource);
    for change in out.iter_mut().filter(|change| change.kind == ChangeKind::Added) {
        let Item::Resource(id) = &change.item else { continue };
        if new.resources.get(id).is_some_and(|resource| !resource.enabled) {
            change.consequence = Consequence::StaysStopped;
        }
    }
    each(&old.groups, &new.groups, &mut out, |id| Item::Group(id.clone()), group);
    out
}

/// Collects the changed fields of one item.
struct Fields<'a> {
    item: Item,
    out: &'a mut Vec<Change>,
}

impl Fields<'_> {
    fn compare(&mut self, field: &str, old: String, new: String, consequence: Consequence) {
        if old != new {
            let kind = ChangeKind::Changed { field: field.to_owned(), old, new };
            self.out.push(Change { item: self.item.clone(), kind, consequence });
        }
    }

    /// Compares tables entry by entry.
    fn entries<K: Ord + Display, V: PartialEq>(
        &mut self,
        field: &str,
        old: &BTreeMap<K, V>,
        new: &BTreeMap<K, V>,
        show: impl Fn(&V) -> String,
        consequence: Consequence,
    ) {
        let keys: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let value = |table: &BTreeMap<K, V>| table.get(key).map_or_else(|| NOTHING.to_owned(), &show);
            self.compare(&format!("{field} {key}"), value(old), value(new), consequence);
        }
    }
}

/// How an absent value is shown.
const NOTHING: &str = "nothing";

fn each<K: Ord, V>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    out: &mut Vec<Change>,
    item: impl Fn(&K) -> Item,
    compare: impl Fn(&V, &V, &mut Fields<'_>),
) {
    let keys: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let item = item(key);
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => compare(old, new, &mut Fields { item, out }),
            (None, _) => {
                let consequence = item.when_added();
                out.push(Change { item, kind: ChangeKind::Added, consequence });
            }
            (_, None) => {
                let consequence = item.when_removed();
                out.push(Change { item, kind: ChangeKind::Removed, consequence });
            }
        }
    }
}

fn cluster(old: &ClusterConfig, new: &ClusterConfig, out: &mut Vec<Change>) {
    let mut fields = Fields { item: Item::Cluster, out };
    fields.compare("name", old.name.clone(), new.name.clone(), Consequence::NewIdentity);
    let profile = |config: &ClusterConfig| config.profile.name().to_owned();
    let is_same_base = VOTES_REST_ON.iter().all(|name| time(&old.timing, name) == time(&new.timing, name));
    let pace = if is_same_base { Consequence::NewPace } else { Consequence::VotesRestOnIt };
    fields.compare("profile", profile(old), profile(new), pace);
    let stickiness = |config: &ClusterConfig| config.stickiness.to_string();
    fields.compare("stickiness", stickiness(old), stickiness(new), Consequence::MayMove);
    let waivers = |config: &ClusterConfig| list(config.waivers.keys().map(|waiver| waiver.word()));
    fields.compare("waivers", waivers(old), waivers(new), Consequence::SafetyChanges);
    let mut fields = Fields { item: Item::Timing, out };
    for field in FIELDS {
        let value = |config: &ClusterConfig| format_duration((field.get)(&config.timing));
        let consequence = match field.name {
            name if VOTES_REST_ON.contains(&name) => Consequence::VotesRestOnIt,
            name if READ_AT_START.contains(&name) => Consequence::NextDaemonStart,
            _ => Consequence::NewPace,
        };
        fields.compare(field.name, value(old), value(new), consequence);
    }
}

/// Times that every voter must have been started with: the votes rest on them.
const VOTES_REST_ON: [&str; 2] = ["t_lost", "t_lease"];

/// Times that a daemon reads once, when it starts: for heartbeats from the file on its node, for candidacies from the
/// configuration in force.
const READ_AT_START: [&str; 3] = ["beat", "rank_delay", "election_retry"];

fn time(timing: &Timing, name: &str) -> Option<Duration> {
    FIELDS.iter().find(|field| field.name == name).map(|field| (field.get)(timing))
}

fn node(old: &NodeConfig, new: &NodeConfig, fields: &mut Fields<'_>) {
    let role = |node: &NodeConfig| match node.role {
        Role::Member => "member".to_owned(),
        Role::Witness => "witness".to_owned(),
    };
    fields.compare("role", role(old), role(new), Consequence::NodesStay);
    fields.compare("links", list(&old.links), list(&new.links), Consequence::NodesStay);
    let votes = |node: &NodeConfig| if node.votes { "yes" } else { "no" }.to_owned();
    fields.compare("vote", votes(old), votes(new), Consequence::NodesStay);
    let watchdog = |node: &NodeConfig| node.watchdog.clone().unwrap_or_else(|| NOTHING.to_owned());
    fields.compare("watchdog", watchdog(old), watchdog(new), Consequence::SafetyChanges);
}

fn device(old: &DeviceConfig, new: &DeviceConfig, fields: &mut Fields<'_>) {
    fields.compare("agent", old.agent.to_string(), new.agent.to_string(), Consequence::EvidenceLapses);
    fields.entries("option", &old.options, &new.options, Clone::clone, Consequence::EvidenceLapses);
    fields.entries(
        "outlets of",
        &old.outlets,
        &new.outlets,
        |list| list.join(", "),
        Consequence::EvidenceLapses,
    );
    let (timeout, settle) = (format_duration, format_duration);
    fields.compare("timeout", timeout(old.timeout), timeout(new.timeout), Consequence::NextTime);
    fields.compare("off_settle", settle(old.off_settle), settle(new.off_settle), Consequence::NextTime);
}

// `&Vec`: the type of the map's values, which the caller hands over.
#[allow(clippy::ptr_arg)]
fn levels(old: &Vec<FenceLevel>, new: &Vec<FenceLevel>, fields: &mut Fields<'_>) {
    let show = |levels: &[FenceLevel]| {
        let each = levels
            .iter()
            .map(|level| level.devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "));
        each.collect::<Vec<_>>().join(", then ")
    };
    fields.compare("order", show(old), show(new), Consequence::NextFence);
}

fn resource(old: &ResourceConfig, new: &ResourceConfig, fields: &mut Fields<'_>) {
    use Consequence::{MayMove, NextTime, StopFirst};
    fields.compare("agent", old.agent.to_string(), new.agent.to_string(), StopFirst);
    fields.entries("option", &old.options, &new.options, Clone::clone, StopFirst);
    fields.compare("objects", list(&old.objects), list(&new.objects), StopFirst);
    let (before, after) = (old.monitor, new.monitor);
    fields.compare(
        "monitor.interval",
        format_duration(before.interval),
        format_duration(after.interval),
        NextTime,
    );
    fields.compare(
        "monitor.timeout",
        format_duration(before.timeout),
        format_duration(after.timeout),
        NextTime,
    );
    fields.compare(
        "start_timeout",
        format_duration(old.start_timeout),
        format_duration(new.start_timeout),
        NextTime,
    );
    fields.compare(
        "stop_timeout",
        format_duration(old.stop_timeout),
        format_duration(new.stop_timeout),
        NextTime,
    );
    prefer(&old.prefer, &new.prefer, fields);
    fields.compare("stickiness", stickiness(old.stickiness), stickiness(new.stickiness), MayMove);
    let threshold = |r: &ResourceConfig| r.migration_threshold.to_string();
    fields.compare("migration_threshold", threshold(old), threshold(new), MayMove);
    let forget = |r: &ResourceConfig| format_duration(r.failure_timeout);
    fields.compare("failure_timeout", forget(old), forget(new), MayMove);
    fields.compare("priority", old.priority.to_string(), new.priority.to_string(), MayMove);
    let switched = if new.enabled { Consequence::Starts } else { Consequence::Stops };
    fields.compare("enabled", old.enabled.to_string(), new.enabled.to_string(), switched);
}

fn group(old: &GroupConfig, new: &GroupConfig, fields: &mut Fields<'_>) {
    fields.compare("members", list(&old.members), list(&new.members), Consequence::Reordered);
    prefer(&old.prefer, &new.prefer, fields);
    fields.compare(
        "stickiness",
        stickiness(old.stickiness),
        stickiness(new.stickiness),
        Consequence::MayMove,
    );
}

fn prefer(old: &BTreeMap<NodeId, Preference>, new: &BTreeMap<NodeId, Preference>, fields: &mut Fields<'_>) {
    let scores = |prefer: &BTreeMap<NodeId, Preference>| -> BTreeMap<NodeId, Score> {
        prefer.iter().map(|(node, preference)| (node.clone(), preference.score)).collect()
    };
    fields.entries("preference for", &scores(old), &scores(new), Score::to_string, Consequence::MayMove);
}

fn stickiness(own: Option<Score>) -> String {
    own.map_or_else(|| "the cluster's".to_owned(), |score| score.to_string())
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { NOTHING.to_owned() } else { items.join(", ") }
}
