//! The time limits of an agent run.
//!
//! Must not know: who waits for what.
//!
//! Invariant: even with time-outs disabled (the caller ends us) nothing waits longer than [`LAST_RESORT`].

use std::time::Duration;

/// Longest wait when time-outs are disabled: no cluster manager lets a fence agent run for an hour.
pub(crate) const LAST_RESORT: Duration = Duration::from_secs(3600);

/// Times of one run, all taken from the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Wait before off or reboot.
    pub delay: Duration,
    /// How long an outlet may take to read as commanded.
    pub power_timeout: Duration,
    /// Wait after a command, before the first reading.
    pub power_wait: Duration,
    /// How long one answer may take.
    pub shell_timeout: Duration,
    /// How long letting us in may take.
    pub login_timeout: Duration,
    /// Longest pause between two readings.
    pub status_sleep: Duration,
    /// How many times switching on is tried, at least 1.
    pub retry_on: u32,
    /// Whether time-outs are disabled: the three limits above are then `LAST_RESORT`.
    pub disabled: bool,
}

impl Timing {
    /// How long one call of a device may take, login included.
    #[must_use]
    pub fn call_limit(&self) -> Duration {
        self.shell_timeout.saturating_add(self.login_timeout).min(LAST_RESORT)
    }
}

/// Parses `5`, `0.25`, `5s` or `250ms`.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (number, scale) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * scale;
    (seconds <= LAST_RESORT.as_secs_f64()).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_decimals_and_suffixes() {
        assert_eq!(parse("5"), Some(Duration::from_secs(5)));
        assert_eq!(parse("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(parse("20s"), Some(Duration::from_secs(20)));
        assert_eq!(parse("50ms"), Some(Duration::from_millis(50)));
        for wrong in ["", "-1", "1e3", "inf", "5m", "s", "1.2.3", "3601", "NaN"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
