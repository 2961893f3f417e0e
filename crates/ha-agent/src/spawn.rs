//! Starts one program: clone into its cgroup, check the gate, exec. The only module that runs code in a child.
//!
//! Must not know: what is started, or what its end means.
//! Invariants: the child shares our memory until it executes (as vfork), so nothing is copied however much memory the
//! daemon has locked, and it reads the gate's live value; it calls async-signal-safe functions only; it has none of
//! our descriptors, signal settings, scheduling class or out-of-memory protection.

use crate::gate::Gate;
use nix::errno::Errno;
use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// The child's stack up to exec: a few small frames, with room for unoptimised builds.
const CHILD_STACK_BYTES: usize = 64 * 1024;
/// What the child exits with when it could not execute; the true reason goes through shared memory.
const EXIT_NOT_EXECUTED: c_int = 127;
/// Highest signal number whose handling is reset (`_NSIG` on Linux).
const LAST_SIGNAL: c_int = 64;

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;

/// What the child was doing when it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Stage {
    Clone = 1,
    Cgroup = 2,
    Descriptors = 3,
    Parent = 4,
    Gate = 5,
    Exec = 6,
    /// After the child executed its program; never a failure of `spawn` itself.
    Following = 7,
}

impl Stage {
    fn from_raw(raw: u32) -> Option<Self> {
        [Self::Clone, Self::Cgroup, Self::Descriptors, Self::Parent, Self::Gate, Self::Exec]
            .into_iter()
            .find(|s| *s as u32 == raw)
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Clone => "creating the process",
            Self::Cgroup => "joining its cgroup",
            Self::Descriptors => "setting up its input and output",
            Self::Parent => "tying it to the daemon's life",
            Self::Gate => "checking the grant",
            Self::Exec => "executing the program",
            Self::Following => "waiting for it",
        }
    }
}

/// Why no program was executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub stage: Stage,
    pub errno: Errno,
}

/// Everything the child needs, made before the clone so that the child allocates nothing.
pub(crate) struct Prepared {
    pub program: CString,
    pub argv: Vec<CString>,
    pub envp: Vec<CString>,
    /// Standard input, output and error; each descriptor ≥ 3 (see [`above_stdio`]).
    pub stdio: [OwnedFd; 3],
    /// The leaf's directory, and its `cgroup.procs` for kernels or sandboxes without clone-into-cgroup.
    pub cgroup: Option<(OwnedFd, OwnedFd)>,
    pub gate: Gate,
    /// The child is killed when the thread that started it ends.
    pub dies_with_thread: bool,
}

/// A started program.
pub(crate) struct Started {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

struct Shared<'a> {
    prepared: &'a Prepared,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    parent: libc::pid_t,
    /// The daemon's own nice value: that of its main thread, not of a favoured one.
    nice: c_int,
    is_in_cgroup: bool,
    stage: AtomicU32,
    errno: AtomicI32,
}

/// Moves a descriptor out of the way of 0, 1 and 2, which the child overwrites.
pub(crate) fn above_stdio(fd: OwnedFd) -> nix::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    // SAFETY: F_DUPFD_CLOEXEC returns a new descriptor that nobody else owns.
    unsafe {
        Errno::result(libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3)).map(|n| OwnedFd::from_raw_fd(n))
    }
}

/// Starts the program. Blocks the calling thread until the child has executed it or failed.
pub(crate) fn spawn(prepared: &Prepared) -> Result<Started, Failure> {
    spawn_by(prepared, prepared.cgroup.is_some())
}

/// `tries_cgroup`: whether the child may be born in its cgroup; otherwise it moves there by itself.
fn spawn_by(prepared: &Prepared, tries_cgroup: bool) -> Result<Started, Failure> {
    let mut shared = Shared {
        prepared,
        argv: pointers(&prepared.argv),
        envp: pointers(&prepared.envp),
        // SAFETY: getpid has no preconditions.
        parent: unsafe { libc::getpid() },
        // SAFETY: as above; a process id names the main thread.
        nice: unsafe { libc::getpriority(libc::PRIO_PROCESS, libc::getpid().unsigned_abs()) },
        is_in_cgroup: tries_cgroup,
        stage: AtomicU32::new(0),
        errno: AtomicI32::new(0),
    };
    let clone_failed = |errno| Failure { stage: Stage::Clone, errno };
    let (pid, pidfd) = with_signals_blocked(|| clone_child(&mut shared)).map_err(clone_failed)?;
    let Some(stage) = Stage::from_raw(shared.stage.load(Ordering::Acquire)) else {
        return Ok(Started { pid, pidfd });
    };
    reap(pid);
    Err(Failure { stage, errno: Errno::from_raw(shared.errno.load(Ordering::Acquire)) })
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}

/// Collects a child that is known to have exited, or is about to.
fn reap(pid: i32) {
    while nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None) == Err(Errno::EINTR) {}
}

/// A signal handler must not run in the child while it shares our memory.
fn with_signals_blocked<T>(f: impl FnOnce() -> T) -> T {
    use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
    let mut before = SigSet::empty();
    let blocked = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before));
    let result = f();
    if blocked.is_ok() {
        // Restoring a mask that was read a moment ago cannot fail.
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    }
    result
}

fn clone_child(shared: &mut Shared<'_>) -> nix::Result<(i32, OwnedFd)> {
    let mut stack = vec![0_u128; CHILD_STACK_BYTES / size_of::<u128>()];
    let mut pidfd: c_int = -1;
    let mut done = Err(Errno::ENOSYS);
    if shared.is_in_cgroup {
        done = clone_into_cgroup(shared, &mut stack, &mut pidfd);
    }
    if let Err(Errno::ENOSYS | Errno::EINVAL | Errno::EPERM | Errno::EACCES | Errno::E2BIG) = done {
        shared.is_in_cgroup = false;
        let top = stack.as_mut_ptr_range().end.cast::<c_void>();
        // SAFETY: `top` is the aligned end of a stack that lives until clone returns, which CLONE_VFORK delays until the
        // child has executed or exited; `shared` lives as long. `entry` never returns into this frame.
        let pid = unsafe {
            libc::clone(
                entry,
                top,
                CLONE_FLAGS | libc::SIGCHLD,
                std::ptr::from_mut(shared).cast::<c_void>(),
                &raw mut pidfd,
            )
        };
        done = Errno::result(pid);
    }
    let pid = done?;
    // SAFETY: CLONE_PIDFD stored a new descriptor that only we own.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// clone3 with CLONE_INTO_CGROUP: the child is born in its cgroup. Moving it there afterwards would wait for an RCU
/// grace period (tens of milliseconds).
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn clone_into_cgroup(shared: &Shared<'_>, stack: &mut [u128], pidfd: &mut c_int) -> nix::Result<i32> {
    let Some((directory, _)) = &shared.prepared.cgroup else { return Err(Errno::ENOSYS) };
    let args = CloneArgs {
        flags: u64::from(CLONE_FLAGS.unsigned_abs()) | CLONE_INTO_CGROUP,
        pidfd: std::ptr::from_mut(pidfd) as u64,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        stack: stack.as_mut_ptr() as u64,
        stack_size: size_of_val(stack) as u64,
        cgroup: u64::from(directory.as_raw_fd().unsigned_abs()),
        ..CloneArgs::default()
    };
    let arg = std::ptr::from_ref(shared).cast::<c_void>();
    let result: i64;
    // SAFETY: `args` describes a stack and descriptors that outlive the call (CLONE_VFORK suspends this thread until the
    // child has executed or exited). The child runs on its own aligned stack, calls `entry` and never comes back.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, {arg}",
            "call {entry}",
            "ud2",
            "2:",
            arg = in(reg) arg,
            entry = in(reg) entry as extern "C" fn(*mut c_void) -> c_int,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(&args),
            in("rsi") size_of::<CloneArgs>(),
            out("rcx") _,
            out("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x0, {arg}",
            "blr {entry}",
            "brk #1",
            "2:",
            arg = in(reg) arg,
            entry = in(reg) entry as extern "C" fn(*mut c_void) -> c_int,
            in("x8") libc::SYS_clone3,
            inlateout("x0") std::ptr::from_ref(&args) as i64 => result,
            in("x1") size_of::<CloneArgs>(),
        );
    }
    match i32::try_from(result) {
        Ok(pid) if pid > 0 => Ok(pid),
        Ok(error) => Err(Errno::from_raw(-error)),
        Err(_) => Err(Errno::EOVERFLOW),
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn clone_into_cgroup(_: &Shared<'_>, _: &mut [u128], _: &mut c_int) -> nix::Result<i32> {
    Err(Errno::ENOSYS)
}

/// The child, on a stack of its own in our memory. Async-signal-safe calls only; no allocation, no panic.
extern "C" fn entry(arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is the `Shared` of `clone_child`, whose thread is suspended until we execute or exit.
    let shared = unsafe { &*arg.cast::<Shared<'_>>() };
    // SAFETY: only system calls on values prepared before the clone; see each call's own manual page.
    unsafe {
        let (stage, errno) = match run_child(shared) {
            Err(stage) => (stage, *libc::__errno_location()),
            Ok(never) => match never {},
        };
        shared.errno.store(errno, Ordering::Release);
        shared.stage.store(stage as u32, Ordering::Release);
        libc::_exit(EXIT_NOT_EXECUTED)
    }
}

enum Never {}

/// # Safety
/// Only in a child made by `clone_child`.
unsafe fn run_child(shared: &Shared<'_>) -> Result<Never, Stage> {
    let prepared = shared.prepared;
    // SAFETY: system calls with valid arguments; failures that do not matter to what runs are ignored.
    unsafe {
        if !shared.is_in_cgroup
            && let Some((_, procs)) = &prepared.cgroup
            && libc::write(procs.as_raw_fd(), b"0".as_ptr().cast(), 1) != 1
        {
            return Err(Stage::Cgroup);
        }
        libc::setsid();
        for (target, fd) in prepared.stdio.iter().enumerate() {
            if libc::dup2(fd.as_raw_fd(), target as RawFd) < 0 {
                return Err(Stage::Descriptors);
            }
        }
        if libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, CLOSE_RANGE_CLOEXEC) != 0 {
            return Err(Stage::Descriptors);
        }
        if prepared.dies_with_thread {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(Stage::Parent);
            }
            if libc::getppid() != shared.parent {
                *libc::__errno_location() = libc::ESRCH;
                return Err(Stage::Parent);
            }
        }
        drop_privileged_settings();
        // What a recovery waits for goes before ordinary work on a loaded host, as the threads do that start it; a service
        // and its commands have the daemon's own nice value.
        if !prepared.dies_with_thread {
            libc::setpriority(libc::PRIO_PROCESS, 0, shared.nice);
        }
        libc::umask(0o022);
        if libc::chdir(c"/".as_ptr()) != 0 {
            return Err(Stage::Descriptors);
        }
        if !prepared.gate.is_open() {
            *libc::__errno_location() = libc::ETIME;
            return Err(Stage::Gate);
        }
        libc::execve(prepared.program.as_ptr(), shared.argv.as_ptr(), shared.envp.as_ptr());
    }
    Err(Stage::Exec)
}

/// Signals, scheduling class and out-of-memory score as a plain process has them, not as the daemon has.
///
/// # Safety
/// Only in a child made by `clone_child`.
unsafe fn drop_privileged_settings() {
    // SAFETY: all arguments are valid for the whole call; errors leave the setting as inherited.
    unsafe {
        // The kernel's own structure, all zero: default action, no flags. The C library's wrapper would leave out the
        // two signals that it keeps for itself, which an ancestor may have ignored.
        let action = [0_u64; 4];
        let unwanted = std::ptr::null_mut::<c_void>();
        for signal in 1..=LAST_SIGNAL {
            libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), unwanted, size_of::<u64>());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        let normal: c_int = 0;
        libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &raw const normal);
        let score = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if score >= 0 {
            libc::write(score, b"0".as_ptr().cast(), 1);
        }
    }
}

#[cfg(test)]
mod tests;
