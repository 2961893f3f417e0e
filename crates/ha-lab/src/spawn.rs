//! Starting processes of the own program, with what every one of them needs: no blocked signals, and death with its
//! parent.
//!
//! Must not know: what they do.

use crate::error::{Context, Result};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The running program, also when its file was replaced meanwhile: the kernel keeps the old one for us.
pub fn own_program() -> Result<PathBuf> {
    let path = std::env::current_exe().what(|| "find the own program".into())?;
    Ok(if path.exists() { path } else { PathBuf::from("/proc/self/exe") })
}

/// A command that the kernel kills when the thread that spawned it ends.
pub fn bound_to_parent(program: &Path) -> Command {
    let mut command = Command::new(program);
    // SAFETY: between fork and exec only two system calls are made, both async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            clear_signals()?;
            prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into)
        })
    };
    command
}

/// Unblocks every signal: a blocked mask survives exec and would make the child deaf.
pub fn clear_signals() -> std::io::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(Into::into)
}

/// Asks to be scheduled before ordinary processes, where that is permitted: an observer on a busy machine must not
/// report its own delay as an outage.
pub fn prefer() {
    // SAFETY: a plain system call on the calling process; it fails without effect where it is not permitted.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, OBSERVER_NICE) };
}

/// Nice value of observers: before everything ordinary, behind realtime threads.
const OBSERVER_NICE: libc::c_int = -15;
