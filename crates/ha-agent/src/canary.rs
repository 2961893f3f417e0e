//! Proves again and again that this host can still start a program; the heartbeats carry the age of the last success.
//!
//! Must not know: heartbeats, bounds. Invariant: a success counts from when the attempt *began*, so an attempt that
//! hangs makes the age grow.

use crate::gate::{Gate, boot_now};
use crate::spawn::{self, Prepared, Started};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is executed: found on every host, reads two or three files.
pub const PROGRAM: &str = "/bin/true";
/// Stack of its thread: a few frames.
const STACK_BYTES: usize = 128 * 1024;
/// How often a hanging attempt looks whether it shall end.
const LOOK_MS: u16 = 100;

/// Runs until dropped, on a thread of its own.
#[derive(Debug)]
pub struct Canary {
    last: Arc<AtomicU64>,
    shall_end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Canary {
    /// Executes `program` (usually [`PROGRAM`]) every `period`. The first success is reached before this returns, so that
    /// the age starts true.
    ///
    /// # Errors
    /// When the first attempt fails, or no thread can be made.
    pub fn start(program: &Path, period: Duration) -> io::Result<Self> {
        let prepared = prepare(program)?;
        let last = Arc::new(AtomicU64::new(0));
        let shall_end = Arc::new(AtomicBool::new(false));
        if !attempt(&prepared, &last, &shall_end) {
            return Err(io::Error::other(format!("{} could not be run", program.display())));
        }
        let (told, flag) = (last.clone(), shall_end.clone());
        let body = move || {
            while !flag.load(Ordering::Acquire) {
                std::thread::park_timeout(period);
                if !flag.load(Ordering::Acquire) && !attempt(&prepared, &told, &flag) {
                    tracing::warn!("starting a program failed; this node counts as lost if that goes on");
                }
            }
        };
        let thread = std::thread::Builder::new().name("canary".into()).stack_size(STACK_BYTES).spawn(body)?;
        Ok(Self { last, shall_end, thread: Some(thread) })
    }

    /// When the latest successful attempt began, in nanoseconds of `CLOCK_BOOTTIME`. Readable without a lock.
    #[must_use]
    pub fn last_success(&self) -> Arc<AtomicU64> {
        self.last.clone()
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.shall_end.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

fn prepare(program: &Path) -> io::Result<Prepared> {
    let null = || -> io::Result<OwnedFd> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        Ok(spawn::above_stdio(file.into())?)
    };
    let program = CString::new(program.as_os_str().as_encoded_bytes()).map_err(io::Error::other)?;
    Ok(Prepared {
        argv: vec![program.clone()],
        program,
        envp: vec![],
        stdio: [null()?, null()?, null()?],
        cgroup: None,
        gate: Gate::always(),
        dies_with_thread: true,
    })
}

fn attempt(prepared: &Prepared, last: &AtomicU64, shall_end: &AtomicBool) -> bool {
    let began = boot_now();
    let is_success = spawn::spawn(prepared).is_ok_and(|started| exits_with_zero(&started, shall_end));
    if is_success {
        last.store(began.0, Ordering::Release);
    }
    is_success
}

fn exits_with_zero(started: &Started, shall_end: &AtomicBool) -> bool {
    loop {
        let mut polled = [PollFd::new(started.pidfd.as_fd(), PollFlags::POLLIN)];
        // An error (a signal) is as good as a look.
        let _ = poll(&mut polled, PollTimeout::from(LOOK_MS));
        let status = waitid(Id::PIDFd(started.pidfd.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
        match status {
            Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::EINTR) => {}
            Ok(WaitStatus::Exited(_, code)) => return code == 0,
            Ok(_) | Err(_) => return false,
        }
        if shall_end.load(Ordering::Acquire) {
            let pid = nix::unistd::Pid::from_raw(started.pid);
            // Both fail only when it is gone already.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            let _ = waitid(Id::PIDFd(started.pidfd.as_fd()), WaitPidFlag::WEXITED);
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    #[test]
    fn success_goes_on_and_a_hang_makes_the_age_grow() {
        let dir = tempfile::tempdir().unwrap();
        let (program, block) = (dir.path().join("canary"), dir.path().join("block"));
        let script = format!("#!/bin/sh\nwhile [ -e {} ]; do sleep 0.01; done\n", block.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let canary = Canary::start(&program, Duration::from_millis(5)).unwrap();
        let last = canary.last_success();
        let wait_for_newer = |than: u64| {
            let end = Instant::now() + Duration::from_secs(5);
            while last.load(Ordering::Acquire) <= than {
                assert!(Instant::now() < end, "no success after {than}");
                std::thread::yield_now();
            }
        };
        wait_for_newer(boot_now().0);
        std::fs::write(&block, "").unwrap();
        let blocked = boot_now().0;
        std::thread::sleep(Duration::from_millis(200));
        let stale = last.load(Ordering::Acquire);
        assert!(stale <= blocked, "an attempt that began after the block cannot have succeeded");
        std::fs::remove_file(&block).unwrap();
        wait_for_newer(blocked);
        std::fs::write(&block, "").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let dropped = Instant::now();
        drop(canary);
        assert!(dropped.elapsed() < Duration::from_secs(1), "dropping it ends a hanging attempt");
    }

    #[test]
    fn a_program_that_fails_is_no_success() {
        assert!(Canary::start(Path::new("/bin/false"), Duration::from_secs(1)).is_err());
        assert!(Canary::start(Path::new("/opt/none/true"), Duration::from_secs(1)).is_err());
    }
}
