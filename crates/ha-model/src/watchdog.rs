//! A node's watchdog: a device that resets its host where nobody writes to it for a while. It protects what the host must
//! not go on with; it proves nothing to others (see docs/adr/0015).

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A watchdog that counts down.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct ArmedWatchdog {
    /// Device file, `/dev/watchdog`.
    pub device: String,
    /// What its driver calls it (`WDIOC_GETSUPPORT`).
    pub identity: String,
    /// The host is reset so many milliseconds after the last write.
    pub timeout_ms: u64,
}

/// What a daemon's device does.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Default)]
pub enum WatchdogState {
    /// It was not asked for, or disarmed.
    #[default]
    Off,
    /// It counts down.
    Armed(ArmedWatchdog),
    /// It cannot be had: one sentence.
    Missing(String),
}

/// What a core wants of it.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum WatchdogPlan {
    /// Open it and let it count down from `timeout`.
    Arm {
        /// Device file.
        device: String,
        /// Whole seconds: drivers know no others.
        timeout: Duration,
    },
    /// Let it never fire: by the log nobody counts on it.
    Disarm,
}
