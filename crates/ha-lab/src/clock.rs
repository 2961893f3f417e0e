//! The one clock of the lab: CLOCK_BOOTTIME in nanoseconds, the same in every namespace of one machine,
//! so that records of different processes can be compared.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine booted, suspend included.
pub fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("CLOCK_BOOTTIME exists since Linux 2.6.39");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
