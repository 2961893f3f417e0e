//! Options as text: `name=value` lines on standard input, or a getopt-style command line.
//!
//! Must not know: what an option means, or whether its value is good.
//!
//! Invariants: an old name and its new one are one option; the last value wins; an unknown key on standard input
//! is ignored with a warning (callers send more than an agent knows), on the command line it is an error.

use std::collections::BTreeMap;

use crate::description::{AgentDescription, Kind, OptionSpec};
use crate::nearest::nearest;
use crate::settings::UsageError;

/// Most bytes read from standard input: far above what a configuration can hold.
pub(crate) const MAX_INPUT_BYTES: u64 = 256 * 1024;
/// Keys that cluster managers always send and that most agents have no use for.
const SILENTLY_IGNORED: [&str; 1] = ["nodename"];

/// Raw values by current option name, and what to warn about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) map: BTreeMap<&'static str, String>,
    pub(crate) warnings: Vec<String>,
}

impl Values {
    fn put(&mut self, spec: &OptionSpec, value: &str) {
        if value.is_empty() {
            self.map.remove(spec.name);
        } else {
            self.map.insert(spec.name, value.to_owned());
        }
    }
}

/// Reads the lines of standard input.
pub(crate) fn from_stdin(description: &AgentDescription, text: &str) -> Values {
    let mut values = Values::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            // The line is not shown: it may be the rest of a secret.
            values.warnings.push(format!("line {number} of the input is not name=value: ignored"));
            continue;
        };
        match description.find(name) {
            Some(spec) => values.put(spec, unquoted(value)),
            None if SILENTLY_IGNORED.contains(&name) => {}
            None => {
                let known = description.options.iter().map(|spec| spec.name.to_owned());
                let hint = nearest(known, name).map(|near| format!(" (did you mean '{near}'?)"));
                let hint = hint.unwrap_or_default();
                values.warnings.push(format!("unknown option '{name}': ignored{hint}"));
            }
        }
    }
    values
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// Reads a command line (without the program's name).
pub(crate) fn from_args(description: &AgentDescription, args: &[String]) -> Result<Values, UsageError> {
    let mut values = Values::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if let Some(long) = arg.strip_prefix("--") {
            let (name, inline) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let spec = find_long(description, name)?;
            let value = match (inline, spec.kind) {
                (Some(value), _) => value,
                (None, Kind::Boolean) => "1",
                (None, _) => args.next().ok_or_else(|| needs_value(arg))?,
            };
            values.put(spec, value);
        } else if let Some(cluster) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            shorts(description, cluster, &mut args, &mut values)?;
        } else {
            return Err(UsageError::Argument(format!("unexpected argument '{arg}': options start with '-'")));
        }
    }
    Ok(values)
}

fn shorts<'a>(
    description: &AgentDescription,
    cluster: &str,
    args: &mut impl Iterator<Item = &'a String>,
    values: &mut Values,
) -> Result<(), UsageError> {
    for (at, letter) in cluster.char_indices() {
        let spec = description
            .options
            .iter()
            .find(|spec| spec.shorts.contains(letter))
            .ok_or_else(|| UsageError::Argument(format!("unknown option '-{letter}': see --help")))?;
        if spec.kind == Kind::Boolean {
            values.put(spec, "1");
            continue;
        }
        let rest = &cluster[at + letter.len_utf8()..];
        let value = match rest {
            "" => args.next().ok_or_else(|| needs_value(&format!("-{letter}")))?,
            rest => rest,
        };
        values.put(spec, value);
        return Ok(());
    }
    Ok(())
}

fn find_long<'a>(description: &'a AgentDescription, name: &str) -> Result<&'a OptionSpec, UsageError> {
    if let Some(spec) = description.find(name) {
        return Ok(spec);
    }
    let matching: Vec<_> =
        description.options.iter().filter(|spec| spec.long().starts_with(&name.replace('_', "-"))).collect();
    match matching.as_slice() {
        [only] if !name.is_empty() => Ok(only),
        [] => {
            Err(UsageError::Argument(match nearest(description.options.iter().map(OptionSpec::long), name) {
                Some(near) => format!("unknown option '--{name}': did you mean '--{near}'?"),
                None => format!("unknown option '--{name}': see --help"),
            }))
        }
        _ => Err(UsageError::Argument(format!(
            "option '--{name}' is ambiguous: {}",
            matching.iter().map(|spec| format!("--{}", spec.long())).collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn needs_value(option: &str) -> UsageError {
    UsageError::Argument(format!("option '{option}' needs a value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> AgentDescription {
        AgentDescription::new("fence_test", "Test", "Test agent.").option(
            OptionSpec::new("snmp_version", Kind::Select(&["1", "2c"]), "Version").shorts("d").default("1"),
        )
    }

    fn stdin(text: &str) -> Values {
        from_stdin(&agent(), text)
    }

    fn args(args: &[&str]) -> Result<Values, UsageError> {
        from_args(&agent(), &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn stdin_takes_comments_quotes_old_names_and_dashes_and_the_last_value_wins() {
        let values = stdin(
            "# a comment\n\n  ip=10.0.0.1\nipaddr=10.0.0.2\nlogin=\"a b\"\npasswd=x=\"y\"\nsnmp-version=2c\nport=3\n\
             option-without-value\nnodename=alpha\nunheard_of=1\npasswrd=hush\n",
        );
        assert_eq!(values.map["ip"], "10.0.0.2");
        assert_eq!(values.map["username"], "a b");
        assert_eq!(values.map["password"], "x=\"y\"");
        assert_eq!(values.map["snmp_version"], "2c");
        assert_eq!(values.map["plug"], "3");
        assert_eq!(
            values.warnings,
            [
                "line 9 of the input is not name=value: ignored",
                "unknown option 'unheard_of': ignored",
                "unknown option 'passwrd': ignored (did you mean 'password'?)"
            ]
        );
    }

    #[test]
    fn only_one_pair_of_quotes_is_taken_off() {
        assert_eq!(stdin("passwd=\"\"x\"\"").map["password"], "\"x\"");
        assert_eq!(stdin("passwd=\"x").map["password"], "\"x");
    }

    #[test]
    fn an_empty_value_unsets() {
        assert!(!stdin("ip=10.0.0.1\nip=\n").map.contains_key("ip"));
    }

    #[test]
    fn command_line_takes_getopt_forms() {
        let values = args(&["-a", "10.0.0.1", "-n3", "--action=off", "--snmp-version", "2c", "-vq"]).unwrap();
        assert_eq!(values.map["ip"], "10.0.0.1");
        assert_eq!(values.map["plug"], "3");
        assert_eq!(values.map["action"], "off");
        assert_eq!(values.map["snmp_version"], "2c");
        assert_eq!(values.map["verbose"], "1");
        assert_eq!(values.map["quiet"], "1");
        // A unique beginning is enough, as for getopt_long.
        assert_eq!(args(&["--power-t", "5"]).unwrap().map["power_timeout"], "5");
    }

    #[test]
    fn command_line_errors_name_the_option_and_the_nearest_one() {
        let error = |given: &[&str]| args(given).unwrap_err().to_string();
        assert!(error(&["--acton=off"]).contains("did you mean '--action'?"));
        assert!(error(&["--password-"]).contains("ambiguous"));
        assert!(error(&["-Z"]).contains("'-Z'"));
        assert!(error(&["--ip"]).contains("needs a value"));
        assert!(error(&["off"]).contains("unexpected argument 'off'"));
    }
}
