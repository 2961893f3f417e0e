//! The grant as a deadline that a child reads just before it executes its agent.
//!
//! Must not know: who grants, or why. Invariant: a gate past its deadline never lets an agent begin; being open
//! proves nothing (the grant narrows a race, see "Who may run what").

use ha_model::BootNs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds since boot (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boot_now() -> BootNs {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `ts` is a valid, writable timespec. The call cannot fail for CLOCK_BOOTTIME (Linux ≥ 2.6.39), and it is
    // async-signal-safe, which the use between clone and exec needs.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut ts) };
    let (secs, nanos) = (ts.tv_sec.unsigned_abs(), ts.tv_nsec.unsigned_abs());
    BootNs(secs * 1_000_000_000 + nanos)
}

/// A deadline shared between the holder of the grant, who extends or ends it, and the agents that depend on it.
#[derive(Clone, Debug)]
pub struct Gate(Arc<AtomicU64>);

impl Gate {
    /// A gate that never closes: for stops, monitors and objects that need no grant.
    #[must_use]
    pub fn always() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// A gate that closes at `deadline`.
    #[must_use]
    pub fn until(deadline: BootNs) -> Self {
        Self(Arc::new(AtomicU64::new(deadline.0)))
    }

    /// A gate over a deadline that another part keeps (nanoseconds of `CLOCK_BOOTTIME`).
    #[must_use]
    pub fn shared(deadline: Arc<AtomicU64>) -> Self {
        Self(deadline)
    }

    /// Moves the deadline: later when a grant is renewed, to zero when it is revoked.
    pub fn set(&self, deadline: BootNs) {
        self.0.store(deadline.0, Ordering::Release);
    }

    /// Whether the deadline lies ahead. Async-signal-safe.
    #[must_use]
    pub fn is_open(&self) -> bool {
        boot_now().0 < self.0.load(Ordering::Acquire)
    }
}
