//! Signs of life of the rest of the daemon, as time stamps that anyone writes and the heartbeat thread reads.

use super::wire::AgesMs;
use ha_model::BootNs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Time stamps in nanoseconds since boot.
#[derive(Clone, Debug, Default)]
pub struct Ages {
    /// When the core last finished a step; 0 before the first.
    pub core_step: Arc<AtomicU64>,
    /// When the oldest write still outstanding was given to the disk; 0 when there is none.
    pub write_since: Arc<AtomicU64>,
    /// When a process was last started with success; 0 before the first.
    pub spawn: Arc<AtomicU64>,
}

impl Ages {
    /// Notes that something happened at this time.
    pub fn mark(stamp: &AtomicU64, at: BootNs) {
        stamp.store(at.0.max(1), Ordering::Release);
    }

    /// The ages at this time.
    #[must_use]
    pub fn at(&self, now: BootNs) -> AgesMs {
        let since = |stamp: &AtomicU64, never| match stamp.load(Ordering::Acquire) {
            0 => never,
            at => u32::try_from(now.since(BootNs(at)).as_millis()).unwrap_or(u32::MAX),
        };
        AgesMs {
            core_step: since(&self.core_step, u32::MAX),
            durable_write: since(&self.write_since, 0),
            spawn: since(&self.spawn, u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_old_for_signs_of_life_and_young_for_waiting_writes() {
        let ages = Ages::default();
        let now = BootNs::from_ms(5_000);
        assert_eq!(ages.at(now), AgesMs { core_step: u32::MAX, durable_write: 0, spawn: u32::MAX });
        Ages::mark(&ages.core_step, BootNs::from_ms(4_000));
        Ages::mark(&ages.write_since, BootNs::from_ms(4_500));
        Ages::mark(&ages.spawn, BootNs::from_ms(6_000));
        assert_eq!(ages.at(now), AgesMs { core_step: 1_000, durable_write: 500, spawn: 0 });
    }
}
