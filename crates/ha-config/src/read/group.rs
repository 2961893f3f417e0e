//! Reads one `[[group]]`.

use super::{SCORES, read_prefer};
use crate::limits::RESOURCES_MAX;
use crate::name::without_repeats;
use crate::raw::RawGroup;
use crate::report::Report;
use crate::walk::Table;

/// Reads a group; `None` when it has no name.
pub(crate) fn read_group(table: &Table<'_>, report: &mut Report<'_>) -> Option<RawGroup> {
    let name = table.name("name", report);
    if table.get("name").is_none() {
        table.missing("name", "name = \"front\"", report);
    }
    let members = table.strings("members", "members = [\"vip\", \"web\"]", RESOURCES_MAX, report);
    if table.get("members").is_none() {
        table.missing("members", "members = [\"vip\", \"web\"]", report);
    }
    let members = without_repeats("`members`", members.map(|list| list.value).unwrap_or_default(), report);
    let prefer = read_prefer(table, report);
    let stickiness = table.int("stickiness", SCORES, report).map(|score| score.value);
    Some(RawGroup { name: name?, at: table.at.clone(), members, prefer, stickiness })
}
