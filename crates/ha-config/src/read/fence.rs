//! Reads `[[fence]]` and `[[level]]`.

use super::options::read_options;
use crate::code::Code;
use crate::limits::{FENCE_RUN_MAX, OFF_SETTLE_MAX, OPTIONS_MAX, OUTLETS_MAX, RUN_MIN};
use crate::name::without_repeats;
use crate::nearest::nearest;
use crate::raw::{RawDevice, RawLevel};
use crate::report::{Report, Sp};
use crate::walk::{Table, in_file_order, shown, strings};
use std::collections::BTreeMap;
use std::time::Duration;

/// Agents that come with the cluster.
const SHIPPED: [&str; 2] = ["fence_pdu_http", "fence_pdu_snmp"];
/// Options that the cluster itself sets at each call (fence agent API, "What Pacemaker sends").
const SET_BY_CLUSTER: [&str; 5] = ["action", "option", "plug", "port", "nodename"];
/// Default of `timeout`: the `power_timeout` of the fence agent library.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Shorter names are near to too many others to be taken for typing errors.
const SHORTEST_COMPARED: usize = 4;
/// Options of the fence agent library and of the shipped agents, to find typing errors by. Others may exist.
const KNOWN: &[&str] = &[
    "auth",
    "ca_file",
    "cmd_prompt",
    "command_prompt",
    "community_file",
    "community_script",
    "content_type",
    "debug",
    "debug_file",
    "delay",
    "disable_timeout",
    "headers_file",
    "headers_script",
    "identity_file",
    "inet4_only",
    "inet6_only",
    "ip",
    "ipaddr",
    "ipport",
    "login",
    "login_timeout",
    "method",
    "missing_as_off",
    "model",
    "monitor_url",
    "off_body",
    "off_method",
    "off_url",
    "on_body",
    "on_method",
    "on_url",
    "outlets",
    "passwd_file",
    "passwd_script",
    "password_file",
    "password_script",
    "plug_separator",
    "port_as_ip",
    "power_timeout",
    "power_wait",
    "quiet",
    "retry_on",
    "secure",
    "separator",
    "shell_timeout",
    "snmp_auth_passwd_file",
    "snmp_auth_prot",
    "snmp_priv_passwd_file",
    "snmp_priv_passwd_script",
    "snmp_priv_prot",
    "snmp_sec_level",
    "snmp_version",
    "ssh",
    "ssl",
    "ssl_insecure",
    "ssl_secure",
    "status_body",
    "status_method",
    "status_off",
    "status_on",
    "status_url",
    "stonith_status_sleep",
    "switch",
    "username",
    "verbose",
];

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
    let is_shipped = agent.as_ref().is_some_and(|agent| SHIPPED.contains(&agent.value.as_str()));
    let options = match table.inner("options", "options = { ip = \"10.0.9.1\" }", report) {
        Some((_, entries)) => {
            for (key, _) in in_file_order(entries).into_iter().take(OPTIONS_MAX) {
                check_option(&key, is_shipped, report);
            }
            read_options(&owner, entries, report)
        }
        None => BTreeMap::new(),
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
    if SHIPPED.contains(&text) {
        return;
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    let is_path =
        text.starts_with('/') && text.split('/').all(|part| part != ".." && part.chars().all(is_word));
    let is_name = text.starts_with("fence_") && text.chars().all(is_word);
    let near = nearest(text, SHIPPED).filter(|_| text.starts_with("fence_pdu") || !is_name);
    if is_path && !text.ends_with('/') || is_name && near.is_none() {
        return;
    }
    let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    report
        .error(Code::UnknownAgent, &agent.at, format!("`{}` is no fence agent{hint}", shown(text)))
        .help("a fence agent is named fence_… or by its absolute path");
}

fn check_option(typed: &Sp<&str>, is_shipped: bool, report: &mut Report<'_>) {
    let key = typed.value;
    if SET_BY_CLUSTER.contains(&key) {
        report
            .error(
                Code::Contradiction,
                &typed.at,
                format!("option `{key}` is set by the cluster at each call"),
            )
            .help("leave it out; which outlet feeds which node stands in `outlets`");
        return;
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || !key.chars().all(is_word) {
        report.error(Code::BadValue, &typed.at, format!("`{}` cannot be the name of an option", shown(key)));
        return;
    }
    // The options of an agent are its own; only a name that nearly is a common one is taken for an error.
    let plain = key.replace('-', "_");
    if KNOWN.contains(&plain.as_str()) || plain.len() < SHORTEST_COMPARED {
        return;
    }
    let continues = |near: &&str| plain.starts_with(near) || near.starts_with(&plain);
    if let Some(near) = nearest(&plain, KNOWN.iter().copied()).filter(|near| !continues(near)) {
        let message = format!("unknown option `{key}`: did you mean `{near}`?");
        if is_shipped {
            report.error(Code::UnknownKey, &typed.at, message);
        } else {
            report.warning(Code::UnknownKey, &typed.at, message);
        }
    }
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
