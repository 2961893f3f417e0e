//! Making the heartbeat thread run when nothing else does: realtime priority, locked memory, no out-of-memory kill.
//!
//! Each may be forbidden; then there is a warning and the daemon goes on. Memory is locked with `MCL_ONFAULT`: without
//! it every thread's stack and every cache would be made resident.

use crate::warning::Warning;
use nix::errno::Errno;

/// Realtime priority of the heartbeat thread: above ordinary realtime work, below the kernel's own threads (50).
pub const PRIORITY: i32 = 40;

/// What to ask of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Realtime {
    /// `SCHED_RR` for the heartbeat thread; its children do not inherit it.
    pub scheduling: bool,
    /// Lock the whole process in memory. Not inherited by what it executes.
    pub lock_memory: bool,
    /// `oom_score_adj` −1000 for the process. Children inherit it: whoever starts one sets it back.
    pub oom_protection: bool,
}

impl Realtime {
    /// Everything: what the daemon wants.
    pub const ALL: Realtime = Realtime { scheduling: true, lock_memory: true, oom_protection: true };
    /// Nothing: for tests, which share a process.
    pub const NONE: Realtime = Realtime { scheduling: false, lock_memory: false, oom_protection: false };
}

/// Asks for what concerns the calling thread and the process; says what was refused.
pub(crate) fn set_up(wanted: Realtime) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if wanted.scheduling
        && let Err(e) = schedule_realtime()
    {
        warnings.push(Warning::NoRealtime { why: e.to_string() });
    }
    if wanted.lock_memory
        && let Err(e) = lock_memory()
    {
        warnings.push(Warning::NotLocked { why: e.to_string() });
    }
    if wanted.oom_protection
        && let Err(e) = std::fs::write("/proc/self/oom_score_adj", "-1000")
    {
        warnings.push(Warning::NotOomProtected { why: e.to_string() });
    }
    warnings
}

fn schedule_realtime() -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the call reads the structure, which lives through it; 0 is the calling thread. The raw call, since
    // musl's wrapper only returns ENOSYS.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const parameters) };
    Errno::result(result).map(drop)
}

fn lock_memory() -> Result<(), Errno> {
    // SAFETY: takes no pointer.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
    Errno::result(result).map(drop)
}
