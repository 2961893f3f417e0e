//! The names of options of fence agents. Those of the agents that come with the cluster are known exactly, from the
//! agents' own metadata; those of others are their own, and only a name that nearly is a common one is taken for a
//! typing error.
//!
//! Must not know: values, beyond what decides which options are needed.
//!
//! Invariant: nothing is accepted that an agent of ours would ignore.

use crate::code::Code;
use crate::limits::OPTIONS_MAX;
use crate::nearest::nearest;
use crate::report::{Bytes, More, Report, Sp};
use crate::secret::is_secret;
use crate::walk::{in_file_order, shown};
use std::collections::BTreeSet;
use toml::de::DeTable;

/// Options that the cluster itself sets at each call (fence agent API, "What Pacemaker sends").
const SET_BY_CLUSTER: [&str; 5] = ["action", "option", "plug", "port", "nodename"];
/// Options by which an agent prints something and ends, whatever the action.
const ONLY_PRINT: [&str; 2] = ["help", "version"];
/// Shorter names are near to too many others to be taken for typing errors.
const SHORTEST_COMPARED: usize = 4;
/// Options of the fence agent library, to find typing errors by. Others may exist.
const COMMON: &[&str] = &[
    "cmd_prompt",
    "command_prompt",
    "debug",
    "debug_file",
    "identity_file",
    "inet4_only",
    "inet6_only",
    "method",
    "missing_as_off",
    "port_as_ip",
    "secure",
    "separator",
    "snmp_auth_passwd_file",
    "ssh",
    "switch",
];

/// An agent that comes with the cluster.
#[derive(Debug)]
pub(super) struct Shipped {
    pub name: &'static str,
    /// The names of its options, one a line; `required` stands behind those that its metadata calls so.
    list: &'static str,
}

/// All of them. Each agent's own test compares the list with its metadata, and can write it anew.
pub(super) static SHIPPED: [Shipped; 2] = [
    Shipped { name: "fence_pdu_http", list: include_str!("shipped/fence_pdu_http.txt") },
    Shipped { name: "fence_pdu_snmp", list: include_str!("shipped/fence_pdu_snmp.txt") },
];

impl Shipped {
    pub(super) fn find(agent: &str) -> Option<&'static Shipped> {
        SHIPPED.iter().find(|shipped| shipped.name == agent)
    }

    fn lines(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.list.lines().filter(|line| !line.starts_with('#'))
    }

    /// What the cluster file may set.
    fn options(&self) -> impl Iterator<Item = &'static str> + Clone {
        let names = self.lines().filter_map(|line| line.split_whitespace().next());
        names.filter(|name| !SET_BY_CLUSTER.contains(name) && !ONLY_PRINT.contains(name))
    }

    /// What its metadata calls required and the cluster file must set.
    fn required(&self) -> impl Iterator<Item = &'static str> {
        let names = self.lines().filter_map(|line| line.strip_suffix(" required"));
        names.filter(|name| !SET_BY_CLUSTER.contains(name))
    }

    /// Whether the agent takes the option, from the file or from a file of its own that each node reads (`X_file`).
    fn takes(&self, name: &str) -> bool {
        self.options().any(|option| option == name || name.strip_suffix("_file") == Some(option))
    }
}

/// One spelling for `snmp-version` and `snmp_version`, which mean the same.
fn spelling(name: &str) -> String {
    name.replace('-', "_")
}

/// Reports names that cannot be options of the agent, and options that an agent of ours lacks. Returns the names that
/// need no further look. `at` is the key `options`.
pub(super) fn check_options<'a>(
    agent: Option<&'static Shipped>,
    at: &Bytes,
    entries: &'a DeTable<'a>,
    report: &mut Report<'_>,
) -> BTreeSet<&'a str> {
    let mut refused = BTreeSet::new();
    // Names that unknown ones were probably meant to be: they are not missing, they are mistyped.
    let mut meant = Vec::new();
    for (typed, value) in in_file_order(entries).into_iter().take(OPTIONS_MAX) {
        let (key, plain) = (typed.value, spelling(typed.value));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if SET_BY_CLUSTER.contains(&plain.as_str()) {
            let message = format!("option `{key}` is set by the cluster at each call");
            report
                .error(Code::Contradiction, &typed.at, message)
                .help("leave it out; which outlet feeds which node stands in `outlets`");
        } else if plain.is_empty() || !plain.chars().all(is_word) {
            let message = format!("`{}` cannot be the name of an option", shown(key));
            report.error(Code::BadValue, &typed.at, message);
        } else {
            match agent {
                None => {
                    warn_if_mistyped(&typed, &plain, &value.span(), report);
                    continue;
                }
                Some(agent) if agent.takes(&plain) => continue,
                Some(agent) => meant.extend(refuse(agent, &typed, &plain, &value.span(), report)),
            }
        }
        refused.insert(key);
    }
    if let Some(agent) = agent {
        let given = |name: &str| {
            let is_it = |key: &str| key == name || key.strip_suffix("_file") == Some(name);
            meant.contains(&name) || entries.keys().any(|key| is_it(&spelling(key.get_ref())))
        };
        let model = entries.get("model").map(|model| model.get_ref().as_str().unwrap_or_default());
        for name in needed(agent, model, &given) {
            missing(agent, name, at, report).help(format!("add it there: {}", example(name)));
        }
    }
    refused
}

/// Reports what a device of ours without any `options` lacks. `at` is the device.
pub(super) fn check_no_options(agent: &'static Shipped, at: &Bytes, report: &mut Report<'_>) {
    let names = needed(agent, None, &|_| false);
    let examples: Vec<String> = names.iter().map(|name| example(name)).collect();
    for name in names {
        let line = format!("add a line such as: options = {{ {} }}", examples.join(", "));
        missing(agent, name, at, report).help(line);
    }
}

/// How the cluster file writes an option: a secret stands in a file of its own.
fn place_of(option: &str) -> String {
    let file = if is_secret(option) { "_file" } else { "" };
    format!("{option}{file}")
}

/// The option may be one of the agent's own; a name that nearly is a common one is told.
fn warn_if_mistyped(typed: &Sp<&str>, plain: &str, value: &Bytes, report: &mut Report<'_>) {
    let known = || SHIPPED.iter().flat_map(Shipped::options).chain(COMMON.iter().copied());
    if known().any(|name| name == plain) || plain.len() < SHORTEST_COMPARED {
        return;
    }
    let continues = |near: &&str| plain.starts_with(near) || near.starts_with(plain);
    if let Some(near) = nearest(plain, known()).filter(|near| !continues(near)) {
        let message = format!("unknown option `{}`: did you mean `{}`?", typed.value, place_of(near));
        let more = report.warning(Code::UnknownKey, &typed.at, message);
        if is_secret(near) {
            more.secret(value);
        }
    }
}

/// Reports an option that an agent of ours would ignore; returns what was probably meant.
fn refuse(
    agent: &Shipped,
    typed: &Sp<&str>,
    plain: &str,
    value: &Bytes,
    report: &mut Report<'_>,
) -> Option<&'static str> {
    let (key, name) = (shown(typed.value), agent.name);
    if ONLY_PRINT.contains(&plain) {
        let message = format!("option `{key}` makes {name} print and end: nothing would be fenced");
        report.error(Code::Contradiction, &typed.at, message).help("leave it out");
        return None;
    }
    let other = SHIPPED.iter().find(|other| other.takes(plain));
    let near = nearest(plain, agent.options()).filter(|_| other.is_none());
    let more = if let Some(other) = other.map(|other| other.name) {
        let message = format!("unknown option `{key}`: it belongs to {other}, and {name} would ignore it");
        let more = report.error(Code::UnknownKey, &typed.at, message);
        more.help(format!("leave it out, or write agent = \"{other}\""))
    } else if let Some(near) = near {
        let message = format!("unknown option `{key}`: did you mean `{}`?", place_of(near));
        report.error(Code::UnknownKey, &typed.at, message)
    } else {
        let message = format!("unknown option `{key}`: {name} would ignore it");
        let more = report.error(Code::UnknownKey, &typed.at, message);
        more.help(format!("leave it out; `{name} --help` lists its options"))
    };
    if is_secret(plain) || near.is_some_and(is_secret) {
        more.secret(value);
    }
    near
}

/// What the agent cannot do without and was not given.
fn needed(agent: &Shipped, model: Option<&str>, given: &dyn Fn(&str) -> bool) -> Vec<&'static str> {
    // A template may hold whole URLs, so the metadata does not require `ip`.
    let is_template = match model {
        Some(model) => model == "generic",
        None => agent.takes("off_url") && given("off_url"),
    };
    let has_address = is_template || given("ip") || given("ipaddr");
    let mut names: Vec<&'static str> = agent.required().filter(|name| !given(name)).collect();
    names.extend((!has_address).then_some("ip"));
    names
}

fn missing<'r, 'a>(agent: &Shipped, name: &str, at: &Bytes, report: &'r mut Report<'a>) -> More<'r, 'a> {
    let what = match name {
        "ip" => "the address of the switch",
        "model" => "what the switch speaks (dli, netio, generic)",
        _ => "its metadata requires it",
    };
    report.error(Code::MissingKey, at, format!("missing option `{name}` of {}: {what}", agent.name))
}

/// How the option is written, for instance.
fn example(name: &str) -> String {
    let value = match name {
        "ip" => "10.0.9.1",
        "model" => "dli",
        _ => "…",
    };
    format!("{name} = \"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_the_cluster_exists_and_nothing_stands_in_two_lists() {
        for agent in &SHIPPED {
            let all: Vec<&str> = agent.lines().filter_map(|line| line.split_whitespace().next()).collect();
            for name in SET_BY_CLUSTER.iter().chain(&ONLY_PRINT).filter(|name| **name != "nodename") {
                assert!(all.contains(name), "{} has no {name}", agent.name);
            }
            assert!(agent.takes("ip") && agent.takes("ipaddr") && agent.takes("password_file"));
            assert!(agent.takes("username_file") && !agent.takes("plug_file") && !agent.takes("plug"));
            for name in COMMON {
                assert!(!agent.takes(name), "{name} is an option of {}", agent.name);
            }
        }
    }

    #[test]
    fn what_is_needed_depends_on_the_model() {
        let [http, snmp] = &SHIPPED;
        let none = |_: &str| false;
        assert_eq!(needed(http, None, &none), ["model", "ip"]);
        assert_eq!(needed(snmp, None, &none), ["ip"]);
        assert_eq!(needed(snmp, Some("auto"), &none), ["ip"]);
        assert_eq!(needed(http, Some("dli"), &|name| name == "model"), ["ip"]);
        assert_eq!(needed(http, Some("generic"), &|name| name == "model"), Vec::<&str>::new());
        assert_eq!(needed(http, None, &|name| name == "off_url"), ["model"]);
        assert_eq!(needed(snmp, None, &|name| name == "ipaddr"), Vec::<&str>::new());
    }
}
