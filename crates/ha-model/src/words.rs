//! Reasons in words: the ends of sentences that notices and `status` share; lengths of time in words.

use crate::fence::FenceReason;
use crate::ids::NodeId;
use crate::log::{LostReason, Stalled};
use crate::origin::Origin;
use crate::time::WallMs;
use crate::utc;
use std::time::Duration;

/// A length of time for a sentence, to the digits that a reader wants: `750 ms`, `2.5 s`, `30 s`, `3 min`, `2 h`.
/// A length that is configured in whole units is told exactly.
#[must_use]
pub fn length(time: Duration) -> String {
    let in_units_of = |ns: u128| (time.as_nanos() + ns / 2) / ns;
    let (ms, tenths, s) = (in_units_of(1_000_000), in_units_of(100_000_000), in_units_of(1_000_000_000));
    match ms {
        0 if time.is_zero() => "0 s".to_owned(),
        0 => "less than 1 ms".to_owned(),
        1..1_000 => format!("{ms} ms"),
        1_000..10_000 if !tenths.is_multiple_of(10) => format!("{}.{} s", tenths / 10, tenths % 10),
        1_000..120_000 => format!("{s} s"),
        120_000..7_200_000 if s.is_multiple_of(60) || s >= 600 => format!("{} min", (s + 30) / 60),
        120_000..7_200_000 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h", (s + 1800) / 3600),
    }
}

/// What `status` says of a resource that an operator moved, for as long as the wish holds.
#[must_use]
pub fn moved(to: &NodeId, by: &Origin, until: WallMs) -> String {
    format!("moved to {to} {by}; holds until {}", utc::seconds(until))
}

impl Stalled {
    /// The thing that stands still.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Stalled::Core => "its core",
            Stalled::Disk => "its log disk",
            Stalled::Spawn => "starting programs",
        }
    }
}

impl LostReason {
    /// In words, after "lost: ".
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            LostReason::Silent { for_ms } => format!("no heartbeat for {for_ms} ms"),
            LostReason::OneWay => "it speaks but does not hear us".to_owned(),
            LostReason::Stalled { what, age_ms } => {
                format!("{} stands still for {age_ms} ms", what.word())
            }
            LostReason::DaemonGone => "its daemon died and did not come back".to_owned(),
            LostReason::NeverSeen => "not seen since the cluster formed".to_owned(),
        }
    }
}

impl FenceReason {
    /// In words, after "fence: ".
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            FenceReason::Lost => "it is lost and may still hold resources".to_owned(),
            FenceReason::NeverSeen => "it was not seen and may hold resources".to_owned(),
            FenceReason::StopFailed { what } => format!("it could not stop {what}"),
            FenceReason::DaemonGone => "its daemon died and did not come back".to_owned(),
            FenceReason::Asked { by } => format!("asked by {by}"),
            FenceReason::HeardAfterConfirmation => {
                "it was heard although it had been confirmed off".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_digits_that_a_reader_wants() {
        for (ns, text) in [
            (0, "0 s"),
            (9_000, "less than 1 ms"),
            (749_959_310, "750 ms"),
            (999_600_000, "1 s"),
            (1_003_000_000, "1 s"),
            (1_449_959_310, "1.4 s"),
            (2_460_000_000, "2.5 s"),
            (9_960_000_000, "10 s"),
            (30_000_000_000, "30 s"),
            (90_000_000_000, "90 s"),
            (150_000_000_000, "2 min 30 s"),
            (300_000_000_000, "5 min"),
            (7_200_000_000_000, "2 h"),
        ] {
            assert_eq!(length(Duration::from_nanos(ns)), text);
        }
    }
}
