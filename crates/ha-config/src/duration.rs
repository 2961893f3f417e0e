//! Times as the cluster file writes them: a whole number and its unit, `150ms`, `10s`, `2m`, `1h`.

use std::time::Duration;

/// Units from the longest to the shortest, with their length in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why a text is no time, with what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadDuration {
    /// A number without its unit.
    NoUnit,
    /// `1.5s`: the same in whole numbers, when it can be said.
    Fraction(Option<String>),
    /// A unit that does not exist.
    UnknownUnit(String),
    /// Anything else.
    NoNumber,
    /// More than a `u64` of milliseconds.
    TooLong,
}

/// Reads a time.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start());
    if number.is_empty() || !number.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(BadDuration::NoNumber);
    }
    if unit.is_empty() {
        return Err(BadDuration::NoUnit);
    }
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(BadDuration::UnknownUnit(unit.chars().take(20).collect()));
    };
    if number.contains('.') {
        let whole = number.parse::<f64>().ok().map(|n| n * *factor as f64);
        let whole = whole.filter(|ms| ms.fract() == 0.0 && *ms < 1e12);
        return Err(BadDuration::Fraction(whole.map(|ms| format_duration(Duration::from_millis(ms as u64)))));
    }
    let number: u64 = number.parse().map_err(|_| BadDuration::TooLong)?;
    number.checked_mul(*factor).map(Duration::from_millis).ok_or(BadDuration::TooLong)
}

/// Writes a time in the largest unit that leaves a whole number: `90s`, `2m`, `150ms`; a derived time that is no
/// whole number of milliseconds as `37.5ms`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    if !duration.subsec_micros().is_multiple_of(1000) {
        return format!("{}ms", duration.as_micros() as f64 / 1000.0);
    }
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let (unit, factor) = UNITS.iter().find(|(_, factor)| ms % factor == 0).expect("1 ms divides everything");
    format!("{}{unit}", ms / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for (text, ms) in [("1s", 1000), ("150ms", 150), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(format_duration(Duration::from_millis(ms)), text);
        }
        assert_eq!(format_duration(Duration::from_micros(37_500)), "37.5ms");
        assert_eq!(parse_duration("10 s"), Ok(Duration::from_secs(10)));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse_duration("10"), Err(BadDuration::NoUnit));
        assert_eq!(parse_duration("1.5s"), Err(BadDuration::Fraction(Some("1500ms".into()))));
        assert_eq!(parse_duration("10sec"), Err(BadDuration::UnknownUnit("sec".into())));
        assert_eq!(parse_duration("soon"), Err(BadDuration::NoNumber));
        assert_eq!(parse_duration("-1s"), Err(BadDuration::NoNumber));
        assert_eq!(parse_duration("99999999999999999h"), Err(BadDuration::TooLong));
        assert_eq!(parse_duration("99999999999999999999h"), Err(BadDuration::TooLong));
    }
}
