//! Fence devices, levels and paths: which device reaches which node, and who cannot be fenced.

use super::objects::{may_run_on, objects_of};
use super::outlets::check_shared_outlets;
use crate::code::Code;
use crate::limits::LEVELS_MAX;
use crate::name::Names;
use crate::raw::{RawDevice, RawGroup, RawLevel, RawNode, RawResource};
use crate::report::{Bytes, Report};
use ha_model::{ObjectId, Role, Waiver};
use std::collections::{BTreeMap, BTreeSet};

/// A level with its place: the devices that must all succeed.
pub(crate) type Level = (Vec<String>, Bytes);

/// Checks names of devices and of the nodes they feed.
pub(crate) fn check_devices(
    devices: &[RawDevice],
    nodes: &[RawNode],
    node_names: &Names,
    report: &mut Report<'_>,
) -> Names {
    let mut names = Names::new("fence device");
    for device in devices {
        names.define(&device.name, report);
        for (node, _) in &device.outlets {
            if node_names.knows(&node.value, &node.at, report)
                && nodes.iter().any(|raw| raw.name.value == node.value && raw.role == Role::Witness)
            {
                let message = format!("{} is a witness: it runs nothing and is never fenced", node.value);
                report.warning(Code::Suspicious, &node.at, message);
            }
        }
    }
    check_shared_outlets(devices, report);
    if !devices.is_empty() {
        // Whether an agent lies about missing outlets shows only when it runs, so the waiver may be needed.
        report.waived(Waiver::BelieveAgentThatCallsMissingOutletsOff);
    }
    names
}

/// The fence levels of each node: those typed, or else each device that feeds the node, in order of the file.
pub(crate) fn resolve_levels(
    levels: &[RawLevel],
    devices: &[RawDevice],
    node_names: &Names,
    device_names: &Names,
    report: &mut Report<'_>,
) -> BTreeMap<String, Vec<Level>> {
    let feeds = |device: &RawDevice, node: &str| device.outlets.iter().any(|(name, _)| name.value == node);
    let mut typed: BTreeMap<String, Vec<Level>> = BTreeMap::new();
    for level in levels {
        if !node_names.knows(&level.node.value, &level.node.at, report) {
            continue;
        }
        let node = &level.node.value;
        for name in &level.devices {
            if !device_names.knows(&name.value, &name.at, report) {
                continue;
            }
            let device = devices.iter().find(|device| device.name.value == name.value);
            if let Some(device) = device.filter(|device| !feeds(device, node)) {
                report
                    .error(Code::NoFencePath, &name.at, format!("{} has no outlet for {node}", name.value))
                    .see(&device.outlets_at, "its outlets")
                    .help(format!("add it there: {node} = [\"…\"]"));
            }
        }
        let list = typed.entry(node.clone()).or_default();
        list.push((level.devices.iter().map(|name| name.value.clone()).collect(), level.at.clone()));
        if list.len() == LEVELS_MAX + 1 {
            report.error(Code::TooMany, &level.at, format!("more than {LEVELS_MAX} levels for {node}"));
        }
    }
    let mut resolved = BTreeMap::new();
    for node in node_names.iter() {
        let feeding: Vec<&RawDevice> = devices.iter().filter(|device| feeds(device, node)).collect();
        let Some(list) = typed.remove(node) else {
            warn_ambiguous(node, &feeding, report);
            let list = feeding.iter().map(|d| (vec![d.name.value.clone()], d.at.clone()));
            resolved.insert(node.to_owned(), list.take(LEVELS_MAX).collect());
            continue;
        };
        for device in feeding {
            if !list.iter().any(|(names, _)| names.contains(&device.name.value)) {
                let message = format!("{} feeds {node} but stands in none of its levels", device.name.value);
                report
                    .warning(Code::AmbiguousLevels, &device.outlets_at, message)
                    .help("if it feeds a second supply, the node stays on: name it in the level as well");
            }
        }
        resolved.insert(node.to_owned(), list);
    }
    resolved
}

/// Two devices may be two ways to one supply (two levels) or two supplies (one level): only the operator knows.
fn warn_ambiguous(node: &str, feeding: &[&RawDevice], report: &mut Report<'_>) {
    let [first, second, ..] = feeding else { return };
    let (a, b) = (&first.name.value, &second.name.value);
    let message = format!("{node} has outlets on {a} and {b}; switching off either counts as off");
    report
        .warning(Code::AmbiguousLevels, &second.outlets_at, message)
        .see(&first.outlets_at, "the first")
        .help(format!(
            "two supplies, both must be off:\n[[level]]\nnode = \"{node}\"\ndevices = [\"{a}\", \"{b}\"]"
        ))
        .help("one supply, a second way to it: write one [[level]] for each device");
}

/// Reports members that can run something exclusive that could also run elsewhere, and cannot be fenced.
pub(crate) fn check_paths(
    nodes: &[RawNode],
    resources: &[RawResource],
    groups: &[RawGroup],
    devices: &[RawDevice],
    levels: &BTreeMap<String, Vec<Level>>,
    report: &mut Report<'_>,
) {
    // An object that only one node can hold needs no fencing: nobody takes it over.
    let mut holders: BTreeMap<ObjectId, BTreeSet<&str>> = BTreeMap::new();
    let members = || nodes.iter().filter(|node| node.role == Role::Member);
    let group_of: BTreeMap<&str, &RawGroup> = groups
        .iter()
        .flat_map(|group| group.members.iter().map(move |member| (member.value.as_str(), group)))
        .collect();
    for resource in resources {
        let group = group_of.get(resource.name.value.as_str()).copied();
        for (object, _) in objects_of(resource) {
            let able = members().map(|node| node.name.value.as_str());
            let able = able.filter(|node| may_run_on(resource, group, node));
            holders.entry(object).or_default().extend(able);
        }
    }
    let has_path = |node: &str| levels.get(node).is_some_and(|levels| !levels.is_empty());
    let takes_over = |node: &str| holders.iter().find(|(_, able)| able.len() > 1 && able.contains(node));
    let unfenced: Vec<(&RawNode, &ObjectId)> = members()
        .filter(|node| !has_path(&node.name.value))
        .filter_map(|node| takes_over(&node.name.value).map(|(object, _)| (node, object)))
        .collect();
    let [(first, object), others @ ..] = unfenced.as_slice() else { return };
    if report.waived(Waiver::UnfencedMembersBlockRecovery) {
        return;
    }
    let names: Vec<&str> = unfenced.iter().map(|(node, _)| node.name.value.as_str()).collect();
    let message = format!("{} can run what has one owner ({object}) and cannot be fenced", spoken(&names));
    let mut more = report.error(Code::NoFencePath, &first.name.at, message);
    for (node, _) in others {
        more = more.see(&node.name.at, "nor this one");
    }
    let outlets: Vec<String> = names.iter().map(|name| format!("{name} = [\"…\"]")).collect();
    let outlets = outlets.join(", ");
    more = more.help("if it is lost, nobody can prove that it stopped, and nothing may take over");
    more = match devices.first() {
        Some(device) => more
            .see(&device.outlets_at, "not fed by these outlets")
            .help(format!("add its outlet there: {outlets}")),
        None => more.help(format!(
            "add a fence device:\n[[fence]]\nname = \"pdu-a\"\nagent = \"fence_pdu_snmp\"\noptions = {{ ip = \"…\", \
             community_file = \"/etc/ha/secrets/pdu-a\" }}\noutlets = {{ {outlets} }}"
        )),
    };
    more.waiver(Waiver::UnfencedMembersBlockRecovery);
}

/// `alpha`, `alpha and beta`, `alpha, beta and gamma`.
fn spoken(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
