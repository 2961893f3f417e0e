//! The one clock of the protocol.

use ha_model::BootNs;
use nix::time::{ClockId, clock_gettime};

/// Nanoseconds since boot, counted through suspend (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boot_now() -> BootNs {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has CLOCK_BOOTTIME since 2.6.39");
    BootNs(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
