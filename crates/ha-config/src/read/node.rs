//! Reads one `[[node]]`.

use super::address::link_address;
use crate::code::Code;
use crate::limits::LINKS_MAX;
use crate::raw::RawNode;
use crate::report::{Report, Sp};
use crate::walk::{Table, shown};
use ha_model::Role;
use std::path::{Component, Path};

/// Longest path of a device.
const PATH_MAX: usize = 255;

const ROLES: [(&str, Role); 2] = [("member", Role::Member), ("witness", Role::Witness)];

/// Reads a node; `None` when it has no name.
pub(crate) fn read_node(table: &Table<'_>, report: &mut Report<'_>) -> Option<RawNode> {
    let name = table.name("name", report);
    if table.get("name").is_none() {
        table.missing("name", "name = \"alpha\"", report);
    }
    let role = table.word("role", &ROLES, report).map_or(Role::Member, |role| role.value);
    let typed = table.strings("links", "links = [\"10.0.0.11\"]", LINKS_MAX, report);
    if table.get("links").is_none() {
        table.missing("links", "links = [\"10.0.0.11\"], the node's address on each network", report);
    }
    let links = match typed {
        Some(typed) => {
            let at = typed.at.clone();
            Sp::new(typed.value.iter().filter_map(|link| link_address(link, report)).collect(), at)
        }
        None => Sp::new(Vec::new(), table.at.clone()),
    };
    let watchdog = watchdog(table, report);
    Some(RawNode { name: name?, at: table.at.clone(), role, links, watchdog })
}

/// A file below `/dev`: a daemon would write into any other.
fn watchdog(table: &Table<'_>, report: &mut Report<'_>) -> Option<String> {
    let typed = table.string("watchdog", report)?;
    let path = Path::new(&typed.value);
    let is_plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if typed.value.len() <= PATH_MAX && is_plain && path.starts_with("/dev") && path != Path::new("/dev") {
        return Some(typed.value);
    }
    let message = format!("`watchdog` is a device below /dev, not `{}`", shown(&typed.value));
    report.error(Code::BadValue, &typed.at, message).help("such as: watchdog = \"/dev/watchdog\"");
    None
}
