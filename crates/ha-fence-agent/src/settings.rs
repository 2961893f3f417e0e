//! Options as values: checked, with defaults, secrets fetched, time limits worked out.
//!
//! Must not know: how options came in, or what a device does with them.
//!
//! Invariant: every wrong value is reported, not only the first; no message shows a secret.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::description::{AgentDescription, Kind, OptionSpec};
use crate::input::Values;
use crate::log::Log;
use crate::secret::{Secret, SecretError};
use crate::timing::{self, LAST_RESORT, Timing};

/// Most outlets in one call: more than any node has power supplies.
const MAX_PLUGS: usize = 64;

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// An argument that is no option of ours.
    #[error("{0}")]
    Argument(String),
    /// One or more wrong or missing values.
    #[error("{}", .0.join("\n"))]
    Values(Vec<String>),
    /// A secret that could not be had.
    #[error("option {option}: {source}")]
    Secret {
        /// Which option.
        option: String,
        /// Why.
        source: SecretError,
    },
}

/// The options of one run.
#[derive(Debug)]
pub struct Settings {
    description: AgentDescription,
    values: BTreeMap<&'static str, String>,
    timing: Timing,
    plugs: Vec<String>,
    log: Log,
}

impl Settings {
    /// Checks every value; `under_pacemaker` makes `disable_timeout` the default.
    pub(crate) fn new(
        description: &AgentDescription,
        values: Values,
        under_pacemaker: bool,
        log: Log,
    ) -> Result<Self, UsageError> {
        let mut wrong = Vec::new();
        for spec in &description.options {
            if let Some(value) = values.map.get(spec.name) {
                if spec.secret {
                    log.hide(value);
                }
                wrong.extend(check(spec, value));
            }
        }
        if !wrong.is_empty() {
            return Err(UsageError::Values(wrong));
        }
        let mut settings = Self {
            description: description.clone(),
            values: values.map,
            timing: Timing {
                delay: Duration::ZERO,
                power_timeout: LAST_RESORT,
                power_wait: Duration::ZERO,
                shell_timeout: LAST_RESORT,
                login_timeout: LAST_RESORT,
                status_sleep: Duration::from_secs(1),
                retry_on: 1,
                disabled: false,
            },
            plugs: Vec::new(),
            log,
        };
        settings.log.configure(settings.flag("verbose"), settings.flag("quiet"));
        for warning in &values.warnings {
            settings.log.warn(&format!("{}: {warning}", description.name));
        }
        settings.timing = settings.read_timing(under_pacemaker);
        settings.plugs = settings.read_plugs()?;
        Ok(settings)
    }

    fn read_timing(&self, under_pacemaker: bool) -> Timing {
        let disabled = self.get("disable_timeout").map_or(under_pacemaker, is_true);
        let limit = |name| match self.seconds(name) {
            Some(limit) if !disabled && limit > Duration::ZERO => limit,
            _ => LAST_RESORT,
        };
        Timing {
            delay: self.seconds("delay").unwrap_or_default(),
            power_timeout: limit("power_timeout"),
            power_wait: self.seconds("power_wait").unwrap_or_default(),
            shell_timeout: limit("shell_timeout"),
            login_timeout: limit("login_timeout"),
            status_sleep: self.seconds("stonith_status_sleep").unwrap_or(Duration::from_secs(1)),
            retry_on: self.integer("retry_on").map_or(1, |n| u32::try_from(n).unwrap_or(1).max(1)),
            disabled,
        }
    }

    fn read_plugs(&self) -> Result<Vec<String>, UsageError> {
        let separator = self.get("plug_separator").unwrap_or(",");
        let mut plugs: Vec<String> = Vec::new();
        for plug in self.get("plug").unwrap_or_default().split(separator).map(str::trim) {
            if !plug.is_empty() && !plugs.iter().any(|known| known == plug) {
                plugs.push(plug.to_owned());
            }
        }
        if plugs.len() > MAX_PLUGS {
            return Err(UsageError::Values(vec![format!(
                "plug: {} outlets, at most {MAX_PLUGS}",
                plugs.len()
            )]));
        }
        Ok(plugs)
    }

    /// The text of an option, or its default.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let spec = self.description.find(name);
        debug_assert!(spec.is_some(), "option {name} is not in the description");
        let spec = spec?;
        self.values.get(spec.name).map(String::as_str).or(spec.default)
    }

    /// The text of an option, or an error that says which option is missing and what for.
    ///
    /// # Errors
    /// When the option has neither value nor default.
    pub fn required(&self, name: &str, why: &str) -> Result<&str, UsageError> {
        self.get(name).ok_or_else(|| UsageError::Values(vec![format!("option '{name}' is missing: {why}")]))
    }

    /// Whether a boolean option is on.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(is_true)
    }

    /// The value of an integer option.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// The value of a time option.
    #[must_use]
    pub fn seconds(&self, name: &str) -> Option<Duration> {
        timing::parse(self.get(name)?)
    }

    /// The port of the device, or the one its protocol uses.
    #[must_use]
    pub fn port_or(&self, standard: u16) -> u16 {
        self.integer("ipport").and_then(|port| u16::try_from(port).ok()).unwrap_or(standard)
    }

    /// A secret: from `<name>_file`, else from `<name>_script`, else from `<name>` itself, its default included.
    ///
    /// # Errors
    /// When the file or the program cannot be used.
    pub fn secret(&self, name: &str) -> Result<Option<Secret>, UsageError> {
        let from = |suffix: &str| {
            let option = format!("{name}_{suffix}");
            let known = self.description.find(&option).is_some();
            known.then(|| self.get(&option)).flatten().map(|value| (option.clone(), value))
        };
        let fail = |option: String| move |source| UsageError::Secret { option, source };
        let found = if let Some((option, path)) = from("file") {
            Some(Secret::from_file(Path::new(path)).map_err(fail(option))?)
        } else if let Some((option, path)) = from("script") {
            Some(Secret::from_script(path, self.timing.login_timeout).map_err(fail(option))?)
        } else {
            self.get(name).map(Secret::new)
        };
        if let Some(secret) = &found {
            self.log.hide(secret.expose());
        }
        Ok(found)
    }

    /// The outlets that the call names, each once, in order.
    #[must_use]
    pub fn plugs(&self) -> &[String] {
        &self.plugs
    }

    /// Time limits.
    #[must_use]
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Messages for people.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn description(&self) -> &AgentDescription {
        &self.description
    }
}

impl From<UsageError> for crate::DeviceError {
    fn from(error: UsageError) -> Self {
        Self::Config(error.to_string())
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "yes" | "on" | "true")
}

fn check(spec: &OptionSpec, value: &str) -> Option<String> {
    let name = spec.name;
    let shown = if spec.secret { "***" } else { value };
    match spec.kind {
        Kind::String => None,
        Kind::Boolean => {
            let known =
                is_true(value) || matches!(value.to_ascii_lowercase().as_str(), "0" | "no" | "off" | "false");
            (!known).then(|| format!("option '{name}': '{shown}' is neither yes nor no"))
        }
        Kind::Integer if name == "ipport" => value
            .parse::<u16>()
            .map_or(true, |port| port == 0)
            .then(|| format!("option '{name}': '{shown}' is not a port (1 to 65535)")),
        Kind::Integer => {
            value.parse::<u32>().is_err().then(|| format!("option '{name}': '{shown}' is not a whole number"))
        }
        Kind::Second => timing::parse(value).is_none().then(|| {
            format!(
                "option '{name}': '{shown}' is not a time (such as 5, 0.5 or 250ms; at most {})",
                LAST_RESORT.as_secs()
            )
        }),
        Kind::Select(choices) => (!choices.contains(&value))
            .then(|| format!("option '{name}': '{shown}' is none of {}", choices.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::from_stdin;

    fn settings(text: &str, under_pacemaker: bool) -> Result<Settings, UsageError> {
        let agent = AgentDescription::new("fence_test", "Test", "Test agent.").option(OptionSpec::new(
            "model",
            Kind::Select(&["a", "b"]),
            "Model",
        ));
        Settings::new(&agent, from_stdin(&agent, text), under_pacemaker, Log::new(false))
    }

    #[test]
    fn every_wrong_value_is_reported() {
        let error = settings("model=c\nipport=0\npower_timeout=soon\nverbose=maybe\nretry_on=-1\n", false);
        let error = error.unwrap_err().to_string();
        for part in ["'c' is none of a, b", "'0' is not a port", "'soon'", "'maybe'", "'-1'"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn timeouts_are_disabled_under_pacemaker_unless_told_otherwise() {
        let limit = |text, pacemaker| settings(text, pacemaker).unwrap().timing().power_timeout;
        assert_eq!(limit("", false), Duration::from_secs(20));
        assert_eq!(limit("", true), LAST_RESORT);
        assert_eq!(limit("disable_timeout=0", true), Duration::from_secs(20));
        assert_eq!(limit("disable_timeout=true", false), LAST_RESORT);
        assert_eq!(limit("power_timeout=0", false), LAST_RESORT);
        assert_eq!(limit("power_timeout=7", false), Duration::from_secs(7));
    }

    #[test]
    fn several_outlets_each_once() {
        assert_eq!(settings("plug=1, 3,,1", false).unwrap().plugs(), ["1", "3"]);
        assert_eq!(settings("port=1:3\nplug_separator=:", false).unwrap().plugs(), ["1", "3"]);
        assert!(settings("", false).unwrap().plugs().is_empty());
    }

    #[test]
    fn a_secret_file_wins_over_the_plain_option_and_a_bad_one_is_an_error() {
        let settings = settings("password=plain\npassword_file=/nonexistent/file\n", false).unwrap();
        let error = settings.secret("password").unwrap_err().to_string();
        assert!(error.contains("password_file") && error.contains("/nonexistent/file"), "{error}");
    }

    #[test]
    fn an_unknown_key_warns() {
        let settings = settings("pcmk_thing=1", false).unwrap();
        assert_eq!(settings.log().lines(), ["fence_test: unknown option 'pcmk_thing': ignored"]);
    }
}
