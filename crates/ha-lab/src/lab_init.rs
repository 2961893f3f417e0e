//! Process 1 of the lab's pid namespace: private mounts, a /proc of its own, the supervisor as its child, and the
//! burial of orphans. When the supervisor ends it ends too, and the kernel removes everything else.
//!
//! Must not know: anything else about the lab.

use crate::error::{Context, LabError, Result};
use crate::spawn::{bound_to_parent, own_program};
use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitStatus, wait};
use std::path::Path;
use std::process::Stdio;

/// Runs the lab's init; returns when the supervisor has ended.
pub fn run(dir: &Path, cgroup: Option<&Path>) -> Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .what(|| "make the mounts private".into())?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
        .what(|| "mount the lab's /proc".into())?;
    // The outer process holds the other end of standard input: if it died before the kernel was told to tie us to
    // it, the end shows here.
    if lifeline_is_cut() {
        return Err(LabError::Gone("the outer process ended during the start".into()));
    }
    let mut command = bound_to_parent(&own_program()?);
    command.arg("supervise").arg(dir).stdin(Stdio::null());
    if let Some(path) = cgroup {
        command.arg("--cgroup").arg(path);
    }
    let supervisor = command.spawn().what(|| "start the supervisor".into())?.id() as i32;
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == supervisor => {
                return Err(LabError::Gone(format!("the supervisor ended with code {code}")));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == supervisor => {
                return Err(LabError::Gone(format!("the supervisor was ended by {signal}")));
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e).what(|| "wait for the lab's processes".into()),
        }
    }
}

fn lifeline_is_cut() -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let is_ready = poll(&mut fds, PollTimeout::ZERO).is_ok_and(|n| n > 0);
    is_ready && fds[0].revents().is_some_and(|r| r.contains(PollFlags::POLLHUP))
}
