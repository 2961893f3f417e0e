//! How often: pauses between attempts, fences within a window (S9).

use ha_model::Timing;
use std::time::Duration;

/// Window over which the fences of one node are counted.
pub const FENCE_WINDOW: Duration = Duration::from_secs(3600);

/// Fences of one node within the window after which it is not powered on again but held: three tell a fault from
/// bad luck, and a reboot storm helps nobody.
pub const FENCES_PER_WINDOW: usize = 3;

/// Pause after the attempt of that number (from 1) failed: doubles from `fence_retry_min` to `fence_retry_max`.
#[must_use]
pub fn retry_pause(attempt: u32, timing: &Timing) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    (timing.fence_retry_min * 2u32.pow(doublings)).min(timing.fence_retry_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ha_model::Profile;

    #[test]
    fn doubles_and_is_bounded() {
        let t = Timing::derive(Profile::Default);
        let pauses: Vec<u64> = (1..8).map(|a| retry_pause(a, &t).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(retry_pause(u32::MAX, &t), t.fence_retry_max);
    }
}
