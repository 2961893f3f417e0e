//! Reads one `[[resource]]` with the options of its agent.

use super::address::virtual_address;
use super::command::{check_command, check_start};
use super::options::{Options, read_options};
use super::{SCORES, read_prefer};
use crate::code::Code;
use crate::limits::{
    FAILURE_TIMEOUT_MAX, FAILURE_TIMEOUT_MIN, INTERFACE_MAX, LOCKS_MAX, MONITOR_INTERVAL_MAX,
    MONITOR_INTERVAL_MIN, RUN_MAX, RUN_MIN, THRESHOLD_MAX,
};
use crate::name::{check_name, without_repeats};
use crate::nearest::suggestion;
use crate::raw::{Agent, RawResource};
use crate::report::{Bytes, Report, Sp};
use crate::schema::{EXEC, MONITOR, Section, VIP};
use crate::walk::{Table, kind, shown};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// Agents that can be executed.
const AGENTS: [(&str, Agent); 2] = [("vip", Agent::Vip), ("exec", Agent::Exec)];
/// Kinds of agents that are known and not executed yet.
const LATER: [&str; 6] = ["ocf", "systemd", "lsb", "service", "stonith", "nagios"];

/// Reads a resource; `None` when it has no name.
pub(crate) fn read_resource(table: &Table<'_>, report: &mut Report<'_>) -> Option<RawResource> {
    let name = table.name("name", report);
    if table.get("name").is_none() {
        table.missing("name", "name = \"web\"", report);
    }
    let agent = read_agent(table, report);
    let owner = name.as_ref().map_or("resource", |name| name.value.as_str()).to_owned();
    let mut options = Options::new();
    let mut address = None;
    let inner = table.inner("options", "options = { start = \"/usr/sbin/httpd -D FOREGROUND\" }", report);
    match (agent, inner) {
        (Some(agent), Some((at, entries))) => {
            let section = if agent == Agent::Vip { &VIP } else { &EXEC };
            let names = Table::open(section, at.clone(), entries, report);
            options = read_options(&owner, entries, &BTreeSet::new(), report);
            only_strings(section, &names, report);
            match agent {
                Agent::Vip => address = check_vip(&names, &mut options, report),
                Agent::Exec => check_exec(&names, &options, report),
            }
        }
        (Some(_), None) if table.get("options").is_some() => {}
        (Some(Agent::Vip), None) => {
            table.missing(
                "options",
                "options = { address = \"10.0.0.100/24\", interface = \"eth0\" }",
                report,
            );
        }
        (Some(Agent::Exec), None) => {
            table.missing("options", "options = { start = \"/usr/sbin/httpd -D FOREGROUND\" }", report);
        }
        (None, _) => {}
    }
    let (interval, check_timeout) = read_monitor(table, report);
    let locks = read_locks(table, report);
    let is_exclusive = read_exclusive(table, agent, &locks, report);
    let start_timeout = table.duration("start_timeout", RUN_MIN..=RUN_MAX, report);
    let stop_timeout = table.duration("stop_timeout", RUN_MIN..=RUN_MAX, report);
    let prefer = read_prefer(table, report);
    let stickiness = table.int("stickiness", SCORES, report);
    let migration_threshold = table.int("migration_threshold", 0..=THRESHOLD_MAX, report);
    let failure_timeout =
        table.duration("failure_timeout", FAILURE_TIMEOUT_MIN..=FAILURE_TIMEOUT_MAX, report);
    let priority = table.int("priority", SCORES, report);
    let enabled = table.bool("enabled", report).is_none_or(|enabled| enabled.value);
    Some(RawResource {
        name: name?,
        at: table.at.clone(),
        agent,
        options: options.into_iter().map(|(key, value)| (key, value.value)).collect(),
        address,
        interval,
        check_timeout,
        start_timeout: start_timeout.map(|time| time.value),
        stop_timeout: stop_timeout.map(|time| time.value),
        is_exclusive,
        locks,
        prefer,
        stickiness: stickiness.map(|score| score.value),
        migration_threshold: migration_threshold.map(|count| count.value),
        failure_timeout: failure_timeout.map(|time| time.value),
        priority: priority.map(|score| score.value),
        enabled,
    })
}

fn read_agent(table: &Table<'_>, report: &mut Report<'_>) -> Option<Agent> {
    if table.get("agent").is_none() {
        table.missing("agent", "agent = \"exec\"", report);
    }
    let typed = table.string("agent", report)?;
    let text = typed.value.as_str();
    if let Some((_, agent)) = AGENTS.iter().find(|(word, _)| *word == text) {
        return Some(*agent);
    }
    let class = text.split(':').next().unwrap_or_default();
    if LATER.contains(&class) && text.contains(':') {
        let nearest = if text.to_lowercase().contains("ipaddr") { "vip" } else { "exec" };
        report
            .error(Code::UnknownAgent, &typed.at, format!("agent `{}` is not executed yet", shown(text)))
            .help(format!(
                "agents of this version: vip (a virtual address), exec (a program); nearest: \"{nearest}\""
            ));
    } else {
        let hint = suggestion(text, AGENTS.iter().map(|(word, _)| *word));
        let message = format!("unknown agent `{}`{hint}", shown(text));
        report.error(Code::UnknownAgent, &typed.at, message);
    }
    None
}

/// Options of these agents are strings: a number there is a typing error, not another spelling.
fn only_strings(section: &'static Section, options: &Table<'_>, report: &mut Report<'_>) {
    for name in section.names() {
        let Some((_, value)) = options.get(name) else { continue };
        if value.get_ref().is_integer() || value.get_ref().is_bool() {
            let message = format!("option `{name}` must be a string, not {}", kind(value.get_ref()));
            report.error(Code::WrongType, &value.span(), message);
        }
    }
}

/// Checks the options of a `vip`; normalises its address.
fn check_vip(table: &Table<'_>, options: &mut Options, report: &mut Report<'_>) -> Option<Sp<IpAddr>> {
    if table.get("interface").is_none() {
        table.missing("interface", "interface = \"eth0\"", report);
    }
    if let Some(interface) = options.get("interface") {
        let text = interface.value.as_str();
        let is_bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || !c.is_ascii();
        if text.len() > INTERFACE_MAX || text.contains(is_bad) || text == "." || text == ".." {
            let message = format!("`{}` cannot be the name of a network interface", shown(text));
            let help =
                format!("at most {INTERFACE_MAX} characters, no blank, slash or colon, such as \"eth0\"");
            report.error(Code::BadValue, &interface.at, message).help(help);
        }
    }
    if table.get("address").is_none() {
        table.missing("address", "address = \"10.0.0.100/24\"", report);
    }
    let typed =
        options.get("address").filter(|_| table.get("address").is_some_and(|(_, v)| v.get_ref().is_str()))?;
    let (address, normalised) = virtual_address(typed, report)?;
    options.insert("address".to_owned(), Sp::new(normalised, address.at.clone()));
    Some(address)
}

fn check_exec(table: &Table<'_>, options: &Options, report: &mut Report<'_>) {
    if table.get("start").is_none() {
        table.missing("start", "start = \"/usr/sbin/httpd -D FOREGROUND\"", report);
    }
    for key in ["start", "stop", "check"] {
        if let Some(line) = options.get(key) {
            check_command(key, line, report);
        }
    }
    if let Some(start) = options.get("start").filter(|_| !options.contains_key("pidfile")) {
        let missing: Vec<&str> =
            ["stop", "check"].into_iter().filter(|key| !options.contains_key(*key)).collect();
        check_start(start, &missing, report);
    }
    if let Some(pidfile) = options.get("pidfile").filter(|pidfile| !pidfile.value.starts_with('/')) {
        report.error(Code::BadValue, &pidfile.at, "option `pidfile` must be an absolute path");
    }
}

fn read_monitor(table: &Table<'_>, report: &mut Report<'_>) -> (Option<Duration>, Option<Duration>) {
    let inner = table.inner("monitor", "monitor = { interval = \"10s\", timeout = \"20s\" }", report);
    let Some((at, entries)) = inner else { return (None, None) };
    let monitor = Table::open(&MONITOR, at, entries, report);
    let interval = monitor.duration("interval", MONITOR_INTERVAL_MIN..=MONITOR_INTERVAL_MAX, report);
    let timeout = monitor.duration("timeout", RUN_MIN..=RUN_MAX, report);
    (interval.map(|time| time.value), timeout.map(|time| time.value))
}

fn read_locks(table: &Table<'_>, report: &mut Report<'_>) -> Vec<Sp<String>> {
    let locks = table.strings("locks", "locks = [\"database\"]", LOCKS_MAX, report);
    let locks = without_repeats("`locks`", locks.map(|list| list.value).unwrap_or_default(), report);
    for lock in &locks {
        check_name(lock, report);
    }
    locks
}

fn read_exclusive(
    table: &Table<'_>,
    agent: Option<Agent>,
    locks: &[Sp<String>],
    report: &mut Report<'_>,
) -> bool {
    let Some(exclusive) = table.bool("exclusive", report) else { return true };
    let lock_at: Option<&Bytes> = locks.first().map(|lock| &lock.at);
    if exclusive.value {
        return true;
    }
    if agent == Some(Agent::Vip) {
        report
            .error(Code::Contradiction, &exclusive.at, "an address has one owner: a vip is always exclusive")
            .help("remove `exclusive = false`");
    } else if let Some(lock) = lock_at {
        report
            .error(Code::Contradiction, &exclusive.at, "a resource with `locks` is exclusive")
            .see(lock, "this lock has one owner")
            .help("remove `exclusive = false`, or the locks");
    }
    false
}
