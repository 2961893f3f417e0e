//! Nodes and their links: somebody must run resources, and links must fit together.

use crate::code::Code;
use crate::name::Names;
use crate::raw::RawNode;
use crate::report::{Bytes, Report};
use ha_model::Role;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Checks names, roles and links.
pub(crate) fn check_nodes(nodes: &[RawNode], report: &mut Report<'_>) -> Names {
    let mut names = Names::new("node");
    for node in nodes {
        names.define(&node.name, report);
    }
    if let Some(first) = nodes.first()
        && nodes.iter().all(|node| node.role == Role::Witness)
    {
        report
            .error(Code::MissingKey, &first.at, "there is no member: nothing could ever run")
            .help("a node with role = \"member\" (or without `role`) runs resources");
    }
    let mut seen: BTreeMap<IpAddr, (Bytes, &str)> = BTreeMap::new();
    for node in nodes {
        for link in &node.links.value {
            if let Some((first, owner)) = seen.get(&link.value) {
                let message = format!("link {} stands twice", link.value);
                report.error(Code::Duplicate, &link.at, message).see(first, format!("here for {owner}"));
            } else {
                seen.insert(link.value, (link.at.clone(), &node.name.value));
            }
            if link.value.is_loopback() && nodes.len() > 1 {
                let message = format!("link {} is reachable on its own host only", link.value);
                report.warning(Code::Suspicious, &link.at, message);
            }
        }
    }
    names
}

/// Checks that the links of all nodes pair up: the same number, and per position the same family.
pub(crate) fn check_links(nodes: &[RawNode], report: &mut Report<'_>) {
    let Some(first) = nodes.first() else { return };
    for node in &nodes[1..] {
        let (have, want) = (node.links.value.len(), first.links.value.len());
        if have != want {
            let plural = if have == 1 { "" } else { "s" };
            let message =
                format!("{} has {have} link{plural}, {} has {want}", node.name.value, first.name.value);
            report
                .error(Code::LinksDiffer, &node.links.at, message)
                .see(&first.links.at, "the first node's links")
                .help("every node has one address on each network, in the same order");
            continue;
        }
        for (position, (here, there)) in node.links.value.iter().zip(&first.links.value).enumerate() {
            if here.value.is_ipv4() != there.value.is_ipv4() {
                let message = format!(
                    "link {} of {} is {}, that of {} is {}",
                    position + 1,
                    node.name.value,
                    family(here.value),
                    first.name.value,
                    family(there.value)
                );
                report
                    .error(Code::LinksDiffer, &here.at, message)
                    .see(&there.at, "the first node's link")
                    .help("the links at one position belong to one network");
            }
        }
    }
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}
