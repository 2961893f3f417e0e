//! How soon what failed is started again on the same node: twice at once, then ever more slowly.
//!
//! Without a migration threshold a start that fails at once would otherwise be repeated as fast as the log takes it.

use super::Node;
use ha_model::{BootNs, InstanceId, NodeId, Now, ResourceId};
use std::time::Duration;

/// Failures after which a start is still repeated at once: an outage of milliseconds is what a crash should cost.
const AT_ONCE: u32 = 2;
/// The first pause; each further failure doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The pause before a start, after so many failures that still count.
fn pause_after(failures: u32) -> Duration {
    match failures.checked_sub(AT_ONCE + 1) {
        None => Duration::ZERO,
        Some(doublings) => (PAUSE_MIN * 2u32.pow(doublings.min(8))).min(PAUSE_MAX),
    }
}

impl Node {
    /// Until when a start on that node waits, where it waits, and after how many failures.
    pub(super) fn start_pause(
        &self,
        now: Now,
        instance: &InstanceId,
        node: &NodeId,
    ) -> Option<(BootNs, u32)> {
        let failures = self.state.failure_views(&self.config, now.wall);
        let failure = failures.get(&ResourceId::from(instance.as_str()))?.get(node)?;
        // A wall clock that was set back says nothing of how long ago it was.
        let ago = u64::try_from(now.wall.0 - failure.last_at.0).ok()?;
        let left = pause_after(failure.count).checked_sub(Duration::from_millis(ago))?;
        (!left.is_zero()).then(|| (now.boot + left, failure.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_at_once_then_ever_more_slowly_and_bounded() {
        let pauses: Vec<u64> = (0..10).map(|n| pause_after(n).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause_after(u32::MAX), PAUSE_MAX);
    }
}
