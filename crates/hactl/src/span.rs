//! Lengths of time as operators type them: `500ms`, `10s`, `2m`, `1h`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Longest: no wish of an operator should outlive the memory of why it was made.
const LONGEST: Duration = Duration::from_secs(90 * 86_400);

/// A length of time, above zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span(pub(crate) Duration);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a number and one of ms, s, m, h, d, for instance 30s or 1h".to_owned();
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let span = number.checked_mul(*ms).map(Duration::from_millis).filter(|d| *d <= LONGEST);
        match span {
            None => Err("at most 90d".to_owned()),
            Some(Duration::ZERO) => Err("it must be more than zero".to_owned()),
            Some(span) => Ok(Span(span)),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let fits = |(_, unit): &&(&str, u64)| ms.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().rev().find(fits).expect("a millisecond divides everything");
        write!(f, "{}{name}", ms / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        for text in ["500ms", "10s", "2m", "1h", "7d", "1500ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("90m".parse(), Ok(Span(Duration::from_secs(5400))));
        for text in ["", "10", "s", "1.5h", "-1s", "10 s", "1w", "0s", "91d", "99999999999999999999s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
