//! One child process: found on disk, prepared, started on a thread of its own, waited for by pidfd.
//!
//! Must not know: time-outs and outcomes (`runner`). Invariants: starting never blocks the async threads, even when the
//! program's file system hangs; a child that dies with the daemon was started by a thread that lives as long as it.

use crate::leash::Leash;
use crate::runner::{Ended, Program};
use crate::spawn::{self, Failure, Prepared, Stage, Started};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// Stack of a starting thread: a few frames.
const THREAD_STACK_BYTES: usize = 128 * 1024;
/// Another thread's clone may for an instant hold a descriptor that is open for writing on the program just written
/// (execve(2), ETXTBSY); it is gone when that clone executes.
const BUSY_RETRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(2);
/// Longest first line of a script (the kernel reads 256 bytes).
const SHEBANG_BYTES: u64 = 256;

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It ended, and it was not our child (started by an earlier session of the daemon, or detached).
    Unknown,
}

/// A program that is ready to start.
pub(crate) struct Ready {
    pub path: PathBuf,
    prepared: Prepared,
}

/// Finds the program, opens its leash, builds arguments and environment.
pub(crate) fn prepare(
    program: &Program,
    leash: &Leash,
    stdout: OwnedFd,
    stderr: OwnedFd,
) -> Result<Ready, Ended> {
    let failed = |what: &str, why: String| Ended::SpawnFailed { why: format!("{what} failed: {why}") };
    let name = program.argv.first().ok_or(Ended::NotFound { path: "(empty command)".into() })?;
    let path = find(name, program.env.get("PATH").map_or(DEFAULT_PATH, String::as_str))?;
    let joining = leash.open().map_err(|e| failed("making its cgroup", e.to_string()))?;
    let stdin = input(&program.stdin).map_err(|e| failed("preparing its input", e.to_string()))?;
    let c_string = |s: String| CString::new(s).map_err(|e| failed("passing its arguments", e.to_string()));
    let mut env = program.env.clone();
    env.extend(joining.mark);
    let stdio = match (spawn::above_stdio(stdin), spawn::above_stdio(stdout), spawn::above_stdio(stderr)) {
        (Ok(i), Ok(o), Ok(e)) => [i, o, e],
        (Err(e), _, _) | (_, Err(e), _) | (_, _, Err(e)) => {
            return Err(failed("setting up its input and output", e.to_string()));
        }
    };
    let prepared = Prepared {
        program: c_string(path.to_string_lossy().into_owned())?,
        argv: program.argv.iter().cloned().map(c_string).collect::<Result<_, _>>()?,
        envp: env.into_iter().map(|(k, v)| c_string(format!("{k}={v}"))).collect::<Result<_, _>>()?,
        stdio,
        cgroup: joining.cgroup,
        gate: program.gate.clone(),
        dies_with_thread: program.dies_with_daemon,
    };
    Ok(Ready { path, prepared })
}

/// Where programs are looked for when the environment does not say.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The file that a program's name stands for.
fn find(name: &str, search: &str) -> Result<PathBuf, Ended> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return match why_not_executable(&path) {
            None => Ok(path),
            Some(None) => Err(Ended::NotFound { path: name.into() }),
            Some(Some(why)) => Err(Ended::NotExecutable { path, why }),
        };
    }
    let mut refused = None;
    for dir in search.split(':').filter(|d| !d.is_empty()) {
        let path = Path::new(dir).join(name);
        match why_not_executable(&path) {
            None => return Ok(path),
            Some(None) => {}
            Some(Some(why)) => refused = refused.or(Some(Ended::NotExecutable { path, why })),
        }
    }
    Err(refused.unwrap_or_else(|| Ended::NotFound { path: format!("{name} (searched in {search})") }))
}

/// `None`: executable; `Some(None)`: no such file; `Some(Some(why))`: there, but not executable.
fn why_not_executable(path: &Path) -> Option<Option<String>> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Some(Some("it is a directory".into())),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => {
            Some(Some(format!("it is not executable (type `chmod +x {}`)", path.display())))
        }
        Ok(_) => None,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Some(None)
        }
        Err(e) => Some(Some(e.to_string())),
    }
}

/// The interpreter named in a script's first line.
pub(crate) fn interpreter(path: &Path) -> Option<String> {
    let mut line = Vec::new();
    File::open(path).ok()?.take(SHEBANG_BYTES).read_to_end(&mut line).ok()?;
    let line = String::from_utf8_lossy(&line);
    line.strip_prefix("#!")?.lines().next()?.split_whitespace().next().map(str::to_owned)
}

/// Standard input: nothing, or bytes in anonymous memory (no writer has to stay, no secret reaches a disk).
fn input(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    if bytes.is_empty() {
        return Ok(File::open("/dev/null")?.into());
    }
    // SAFETY: the name is a valid C string; the result is a new descriptor that only we own.
    let mut file = unsafe {
        let fd = Errno::result(libc::memfd_create(c"agent-stdin".as_ptr(), libc::MFD_CLOEXEC))?;
        File::from_raw_fd(fd)
    };
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Child {
    pub pid: i32,
    /// Taken only by `drop`.
    pidfd: Option<AsyncFd<OwnedFd>>,
    is_reaped: AtomicBool,
    /// Dropped, it lets the starting thread end.
    _thread: Option<mpsc::Sender<()>>,
}

/// Starts the program on a thread of its own.
pub(crate) async fn launch(ready: Ready, leash: &Leash) -> Result<Child, Failure> {
    let (tell, told) = oneshot::channel();
    let (hold, held) = mpsc::channel::<()>();
    let keeps_thread = ready.prepared.dies_with_thread;
    let thread = std::thread::Builder::new().name("agent-start".into()).stack_size(THREAD_STACK_BYTES);
    let body = move || {
        let result = start(&ready.prepared).map(|started| Unclaimed(Some(started)));
        drop(ready);
        if tell.send(result).is_ok() && keeps_thread {
            // Ends when the child has been waited for: the sender is dropped.
            let _ = held.recv();
        }
    };
    let from_io = |stage, e: std::io::Error| {
        let errno = e.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw);
        Failure { stage, errno }
    };
    thread.spawn(body).map_err(|e| from_io(Stage::Clone, e))?;
    // Only a panic of the thread drops the sender: whether the child was executed is then unknown.
    let vanished = Failure { stage: Stage::Following, errno: Errno::ECANCELED };
    let Some(started) = told.await.map_err(|_| vanished)??.0.take() else { return Err(vanished) };
    leash.joined(started.pid);
    let _thread = keeps_thread.then_some(hold);
    let pidfd = crate::fd::readable(started.pidfd).map_err(|e| {
        // Without a pidfd it could not be waited for.
        leash.kill();
        from_io(Stage::Following, e)
    })?;
    Ok(Child { pid: started.pid, pidfd: Some(pidfd), is_reaped: AtomicBool::new(false), _thread })
}

fn start(prepared: &Prepared) -> Result<Started, Failure> {
    for _ in 0..BUSY_RETRIES {
        match spawn::spawn(prepared) {
            Err(Failure { stage: Stage::Exec, errno: Errno::ETXTBSY }) => std::thread::sleep(BUSY_PAUSE),
            result => return result,
        }
    }
    spawn::spawn(prepared)
}

/// A child on its way to whoever asked for it. Where that one is gone, before the message or after it, the child is
/// ended and collected.
struct Unclaimed(Option<Started>);

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(started) = self.0.take() else { return };
        // Both fail only when the child is gone already.
        let pid = nix::unistd::Pid::from_raw(started.pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        let _ = waitid(Id::PIDFd(started.pidfd.as_fd()), WaitPidFlag::WEXITED);
    }
}

impl Child {
    /// Follows a process that this session did not start. `None` when it is gone.
    pub(crate) fn adopt(pid: i32) -> Option<Self> {
        // SAFETY: pidfd_open takes plain integers; the result is a new descriptor that only we own.
        let pidfd = unsafe {
            let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0)).ok()?;
            OwnedFd::from_raw_fd(i32::try_from(fd).ok()?)
        };
        let pidfd = crate::fd::readable(pidfd).ok()?;
        Some(Self { pid, pidfd: Some(pidfd), is_reaped: AtomicBool::new(false), _thread: None })
    }

    /// Waits for the end and collects it.
    pub(crate) async fn wait(&self) -> How {
        let Some(pidfd) = &self.pidfd else { return How::Unknown };
        let how = wait_for(pidfd).await;
        self.is_reaped.store(true, Ordering::Release);
        how
    }
}

/// A child that nobody waits for any more is still collected, so that no zombie stays.
impl Drop for Child {
    fn drop(&mut self) {
        let Some(pidfd) = self.pidfd.take() else { return };
        if self.is_reaped.load(Ordering::Acquire) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { wait_for(&pidfd).await });
        }
    }
}

async fn wait_for(pidfd: &AsyncFd<OwnedFd>) -> How {
    loop {
        let Ok(mut ready) = pidfd.readable().await else { return How::Unknown };
        match waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Ok(WaitStatus::Exited(_, code)) => return How::Code(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return How::Signal(signal as i32),
            Ok(_) => ready.clear_ready(),
            Err(Errno::EINTR) => {}
            Err(_) if has_ended(pidfd) => return How::Unknown,
            Err(_) => ready.clear_ready(),
        }
    }
}

/// Whether a process that is not our child has ended (pidfd_open(2): the descriptor is then readable).
fn has_ended(pidfd: &AsyncFd<OwnedFd>) -> bool {
    let mut polled = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO) != Ok(0)
}
