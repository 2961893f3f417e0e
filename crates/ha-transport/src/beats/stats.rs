//! What the heartbeat thread counts, for status and tests.

use super::table::Dropped;
use std::sync::atomic::{AtomicU64, Ordering};

/// Live counters.
#[derive(Default)]
pub(super) struct Counters {
    pub sent: AtomicU64,
    pub not_sent: AtomicU64,
    pub received: AtomicU64,
    foreign: AtomicU64,
    version: AtomicU64,
    unknown_key: AtomicU64,
    forged: AtomicU64,
    replayed: AtomicU64,
    pub late_max_ns: AtomicU64,
    pub silent_periods: AtomicU64,
}

/// A reading of the counters, since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BeatStats {
    /// Heartbeats handed to the network.
    pub sent: u64,
    /// Heartbeats the system refused to send (link down, no route).
    pub not_sent: u64,
    /// Heartbeats that counted.
    pub received: u64,
    /// Datagrams dropped: no heartbeat, or of an impossible size.
    pub foreign: u64,
    /// Dropped: another version of the format.
    pub version: u64,
    /// Dropped: under no present key; strangers, and recordings of earlier sessions.
    pub unknown_key: u64,
    /// Dropped: not sealed by the key they name.
    pub forged: u64,
    /// Dropped: seen before, or sent on another link.
    pub replayed: u64,
    /// The latest that a period began after its due time, in nanoseconds.
    pub late_max_ns: u64,
    /// Periods without sending, since the core's contents were out of date.
    pub silent_periods: u64,
}

impl Counters {
    pub fn dropped(&self, why: Dropped) {
        let counter = match why {
            Dropped::Foreign => &self.foreign,
            Dropped::Version => &self.version,
            Dropped::UnknownKey => &self.unknown_key,
            Dropped::Forged => &self.forged,
            Dropped::Replayed => &self.replayed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> BeatStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BeatStats {
            sent: get(&self.sent),
            not_sent: get(&self.not_sent),
            received: get(&self.received),
            foreign: get(&self.foreign),
            version: get(&self.version),
            unknown_key: get(&self.unknown_key),
            forged: get(&self.forged),
            replayed: get(&self.replayed),
            late_max_ns: get(&self.late_max_ns),
            silent_periods: get(&self.silent_periods),
        }
    }
}
