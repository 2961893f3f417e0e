//! Resources and groups: names they use, objects they own, and whether two own the same.

use crate::code::Code;
use crate::name::Names;
use crate::raw::{RawGroup, RawNode, RawPrefer, RawResource};
use crate::report::{Bytes, Report};
use ha_model::{ObjectId, Role, SCORE_INFINITY, Waiver};
use std::collections::BTreeMap;

/// The objects of a resource, each with its place, without repeats.
pub(crate) fn objects_of(resource: &RawResource) -> Vec<(ObjectId, Bytes)> {
    let mut objects = Vec::new();
    if let Some(address) = &resource.address {
        objects.push((ObjectId::from(format!("address/{}", address.value)), address.at.clone()));
    } else if resource.is_exclusive {
        objects.push((ObjectId::from(format!("service/{}", resource.name.value)), resource.name.at.clone()));
    }
    for lock in &resource.locks {
        objects.push((ObjectId::from(format!("lock/{}", lock.value)), lock.at.clone()));
    }
    objects
}

/// Defines the names of resources.
pub(crate) fn define_resources(resources: &[RawResource], report: &mut Report<'_>) -> Names {
    let mut names = Names::new("resource");
    for resource in resources {
        names.define(&resource.name, report);
    }
    names
}

/// Checks names of groups and of their members.
pub(crate) fn check_groups(groups: &[RawGroup], resources: &Names, report: &mut Report<'_>) {
    let mut names = Names::new("group");
    let mut owner: BTreeMap<&str, (&str, &Bytes)> = BTreeMap::new();
    for group in groups {
        names.define(&group.name, report);
        if let Some(at) = resources.place(&group.name.value) {
            let at = at.clone();
            let message = format!("`{}` is already the name of a resource", group.name.value);
            report.error(Code::Duplicate, &group.name.at, message).see(&at, "the resource");
        }
        for member in &group.members {
            if !resources.knows(&member.value, &member.at, report) {
                continue;
            }
            if let Some((other, at)) = owner.get(member.value.as_str()) {
                let message = format!("resource {} is already in group {other}", member.value);
                report.error(Code::Duplicate, &member.at, message).see(at, "here");
            } else {
                owner.insert(&member.value, (&group.name.value, &member.at));
            }
        }
    }
}

/// Checks the nodes named by `prefer`.
pub(crate) fn check_prefer(prefer: &RawPrefer, nodes: &[RawNode], names: &Names, report: &mut Report<'_>) {
    for (node, _) in prefer {
        if !names.knows(&node.value, &node.at, report) {
            continue;
        }
        let raw = nodes.iter().find(|raw| raw.name.value == node.value);
        if raw.is_some_and(|raw| raw.role == Role::Witness) {
            let message = format!("{} is a witness: it runs nothing, whatever is preferred", node.value);
            report.error(Code::Contradiction, &node.at, message);
        }
    }
}

/// Reports addresses that are both a vip and a link, and objects of two resources.
pub(crate) fn check_objects(resources: &[RawResource], nodes: &[RawNode], report: &mut Report<'_>) {
    for address in resources.iter().filter_map(|resource| resource.address.as_ref()) {
        let links = nodes.iter().flat_map(|node| node.links.value.iter().map(move |link| (node, link)));
        for (node, link) in links.filter(|(_, link)| link.value == address.value) {
            let message = format!(
                "{} is the link of {}: a vip needs an address of its own",
                link.value, node.name.value
            );
            report.error(Code::BadAddress, &address.at, message).see(&link.at, "the link");
        }
    }
    let mut owners: BTreeMap<ObjectId, (&RawResource, Bytes)> = BTreeMap::new();
    for resource in resources {
        for (object, at) in objects_of(resource) {
            let Some((first, first_at)) = owners.get(&object) else {
                owners.insert(object, (resource, at));
                continue;
            };
            if first.name.value == resource.name.value
                || report.waived(Waiver::SharedObjectRunsOneResourceAtATime)
            {
                continue;
            }
            let (mine, other) = (&resource.name.value, &first.name.value);
            report
                .error(Code::SharedObject, &at, format!("{mine} and {other} both own {object}"))
                .see(first_at, format!("owned by {other}"))
                .help("an exclusive object has one owner: two would corrupt it or answer for each other")
                .help("give one of them another, or make them one resource")
                .waiver(Waiver::SharedObjectRunsOneResourceAtATime);
        }
    }
}

/// Whether a resource may ever run on a node: neither it nor its group says "never there".
pub(crate) fn may_run_on(resource: &RawResource, group: Option<&RawGroup>, node: &str) -> bool {
    let prefers = std::iter::once(&resource.prefer).chain(group.map(|group| &group.prefer));
    !prefers.flatten().any(|(name, score)| name.value == node && *score <= -SCORE_INFINITY)
}
