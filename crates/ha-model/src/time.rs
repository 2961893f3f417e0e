//! Time as an argument. The core never reads a clock: each input brings `Now`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since boot (`CLOCK_BOOTTIME`, counts through suspend). All protocol time is this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootNs(pub u64);

impl BootNs {
    /// From whole milliseconds since boot.
    #[must_use]
    pub fn from_ms(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }

    /// Time from `earlier` to this; zero where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: BootNs) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for BootNs {
    type Output = BootNs;
    fn add(self, d: Duration) -> BootNs {
        BootNs(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for BootNs {
    type Output = BootNs;
    fn sub(self, d: Duration) -> BootNs {
        BootNs(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for BootNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// Wall time in milliseconds since 1970-01-01 UTC. For display and date rules only, never for protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallMs(pub i64);

/// The present, as each input brings it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize)]
pub struct Now {
    /// Protocol time.
    pub boot: BootNs,
    /// Display time.
    pub wall: WallMs,
}
