//! Reads `[[fence]]` and `[[level]]`.

use super::fence_options::{SHIPPED, Shipped, check_no_options, check_options};
use super::options::read_options;
use crate::code::Code;
use crate::limits::{FENCE_RUN_MAX, OFF_SETTLE_MAX, OUTLETS_MAX, RUN_MIN};
use crate::name::without_repeats;
use crate::nearest::nearest;
use crate::raw::{RawDevice, RawLevel};
use crate::report::{Report, Sp};
use crate::walk::{Table, in_file_order, shown, strings};
use std::collections::BTreeMap;
use std::time::Duration;

/// Default of `timeout`: the `power_timeout` of the fence agent library.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Reads a fence device; `None` when it has no name.
pub(crate) fn read_device(table: &Table<'_>, report: &mut Report<'_>) -> Option<RawDevice> {
    let name = table.name("name", report);
    if table.get("name").is_none() {
        table.missing("name", "name = \"pdu-a\"", report);
    }
    let agent = table.string("agent", report);
    match &agent {
        Some(agent) => check_agent(agent, report),
        None if table.get("agent").is_none() => table.missing("agent", "agent = \"fence_pdu_snmp\"", report),
        None => {}
    }
    let owner = name.as_ref().map_or("pdu", |name| name.value.as_str()).to_owned();
    let shipped = agent.as_ref().and_then(|agent| Shipped::find(&agent.value));
    let options = match table.inner("options", "options = { ip = \"10.0.9.1\" }", report) {
        Some((at, entries)) => {
            let refused = check_options(shipped, &at, entries, report);
            read_options(&owner, entries, &refused, report)
        }
        None => {
            if let Some(shipped) = shipped.filter(|_| table.get("options").is_none()) {
                check_no_options(shipped, &table.at, report);
            }
            BTreeMap::new()
        }
    };
    let (outlets, outlets_at) = read_outlets(table, report);
    let timeout = table.duration("timeout", RUN_MIN..=FENCE_RUN_MAX, report);
    let off_settle = table.duration("off_settle", Duration::ZERO..=OFF_SETTLE_MAX, report);
    Some(RawDevice {
        name: name?,
        at: table.at.clone(),
        agent: agent.map(|agent| agent.value).unwrap_or_default(),
        options: options.into_iter().map(|(key, value)| (key, value.value)).collect(),
        outlets,
        outlets_at,
        timeout: timeout.map_or(TIMEOUT, |timeout| timeout.value),
        off_settle: off_settle.map(|settle| settle.value),
    })
}

fn check_agent(agent: &Sp<String>, report: &mut Report<'_>) {
    let text = agent.value.as_str();
    if Shipped::find(text).is_some() {
        return;
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    let is_path =
        text.starts_with('/') && text.split('/').all(|part| part != ".." && part.chars().all(is_word));
    let is_name = text.starts_with("fence_") && text.chars().all(is_word);
    let near = nearest(text, SHIPPED.iter().map(|shipped| shipped.name))
        .filter(|_| text.starts_with("fence_pdu") || !is_name);
    if is_path && !text.ends_with('/') || is_name && near.is_none() {
        return;
    }
    let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    report
        .error(Code::UnknownAgent, &agent.at, format!("`{}` is no fence agent{hint}", shown(text)))
        .help("a fence agent is named fence_… or by its absolute path");
}

type Outlets = Vec<(Sp<String>, Vec<Sp<String>>)>;

fn read_outlets(table: &Table<'_>, report: &mut Report<'_>) -> (Outlets, crate::report::Bytes) {
    const EXAMPLE: &str = "outlets = { alpha = [\"1\"], beta = [\"2\"] }";
    if table.get("outlets").is_none() {
        table.missing("outlets", EXAMPLE, report);
        return (Vec::new(), table.at.clone());
    }
    let Some((at, entries)) = table.inner("outlets", EXAMPLE, report) else {
        return (Vec::new(), table.at.clone());
    };
    if entries.is_empty() {
        report.error(Code::BadValue, &at, "`outlets` is empty: this device fences nobody").help(EXAMPLE);
    }
    let mut outlets = Outlets::new();
    for (node, value) in in_file_order(entries) {
        let what = format!("outlets.{}", shown(node.value));
        let list = strings(&what, value, "[\"1\"]", OUTLETS_MAX, report).map(|list| list.value);
        let list = without_repeats(&format!("`{what}`"), list.unwrap_or_default(), report);
        outlets.push((Sp::new(node.value.to_owned(), node.at), list));
    }
    (outlets, at)
}

/// Reads a fence level; `None` when it names no node.
pub(crate) fn read_level(table: &Table<'_>, report: &mut Report<'_>) -> Option<RawLevel> {
    let node = table.string("node", report);
    if table.get("node").is_none() {
        table.missing("node", "node = \"alpha\"", report);
    }
    let devices = table.strings("devices", "devices = [\"pdu-a\"]", OUTLETS_MAX, report);
    if table.get("devices").is_none() {
        table.missing("devices", "devices = [\"pdu-a\"]", report);
    }
    let devices = without_repeats("`devices`", devices.map(|list| list.value).unwrap_or_default(), report);
    Some(RawLevel { at: table.at.clone(), node: node?, devices })
}
