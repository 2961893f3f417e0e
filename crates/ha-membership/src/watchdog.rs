//! Until when a node's watchdog may be written to: the last guard of S4 (docs/adr/0015).

use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, Timing};
use std::time::Duration;

/// What a limit follows from.
#[derive(Clone, Copy, Debug)]
pub struct PetLimit {
    /// The end of the grant: the last one, or when the first should have come.
    pub granted_until: BootNs,
    /// The longest stop of what may be active here and is exclusive; `None`: nothing is.
    pub longest_stop: Option<Duration>,
}

impl PetLimit {
    /// Never longer than a core may stand still; and where something exclusive may be active, not past the time in which it
    /// must have stopped after the end of the grant.
    #[must_use]
    pub fn at(self, now: BootNs, timing: &Timing) -> BootNs {
        if sabotage::is(Sabotage::PetForEver) {
            return now + timing.core_age_max;
        }
        let is_endless = sabotage::is(Sabotage::PetTheDead);
        let lives = if is_endless { now + Duration::from_secs(3600) } else { now + timing.core_age_max };
        self.longest_stop.map_or(lives, |stop| lives.min(self.granted_until + stop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ha_model::Profile;

    fn limit(now_ms: u64, longest_stop: Option<u64>) -> u64 {
        let granted_until = BootNs::from_ms(10_000);
        let limit = PetLimit { granted_until, longest_stop: longest_stop.map(Duration::from_secs) };
        limit.at(BootNs::from_ms(now_ms), &Timing::derive(Profile::Default)).0 / 1_000_000
    }

    #[test]
    fn it_ends_with_the_time_to_stop_or_with_the_core() {
        assert_eq!(limit(9_000, None), 11_000, "as long as a core may stand still");
        assert_eq!(limit(60_000, None), 62_000, "nothing is active: the grant says nothing");
        assert_eq!(limit(9_000, Some(20)), 11_000);
        assert_eq!(limit(29_000, Some(20)), 30_000, "20 s after the end of the grant, and no longer");
        assert_eq!(limit(60_000, Some(20)), 30_000);
    }
}
