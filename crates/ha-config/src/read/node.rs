//! Reads one `[[node]]`.

use super::address::link_address;
use crate::limits::LINKS_MAX;
use crate::raw::RawNode;
use crate::report::{Report, Sp};
use crate::walk::Table;
use ha_model::Role;

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
    Some(RawNode { name: name?, at: table.at.clone(), role, links })
}
