//! Running a command inside a host, in a station's network, or in the lab itself, with a time-out and bounded output.
//!
//! Two sides: `run` (in the supervisor) starts the own program as `nsexec`, which enters the namespaces and becomes
//! the parent of the command. Must not know: power, cuts.

use crate::error::{Context, LabError, Result};
use crate::proto::{OUTPUT_MAX, Output};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where to run.
#[derive(Debug, Clone)]
pub enum Inside {
    /// The lab's root namespaces.
    Lab,
    /// Every namespace (and the control group) of the host with this init.
    Host {
        /// Pid of the host's init.
        init: i32,
        /// The host's control group.
        cgroup: Option<PathBuf>,
    },
    /// A pinned network namespace.
    Network(PathBuf),
}

/// The command, ready to be given its descriptors.
pub fn command(inside: &Inside, argv: &[String]) -> Result<Command> {
    let [program, args @ ..] = argv else { return Err(LabError::Refused("nothing to run".into())) };
    let mut command = match inside {
        Inside::Lab => Command::new(program),
        Inside::Host { init, cgroup } => {
            let mut c = Command::new(crate::spawn::own_program()?);
            c.arg("nsexec").arg("--init").arg(init.to_string());
            if let Some(group) = cgroup {
                c.arg("--cgroup").arg(group);
            }
            c.arg("--").arg(program);
            c
        }
        Inside::Network(path) => {
            let mut c = Command::new(crate::spawn::own_program()?);
            c.arg("nsexec").arg("--net").arg(path).arg("--").arg(program);
            c
        }
    };
    command.args(args);
    Ok(command)
}

/// Runs a command to its end or time-out. At the time-out its whole process group is killed.
pub fn run(inside: &Inside, argv: &[String], timeout: Duration) -> Result<Output> {
    let mut command = command(inside, argv)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().what(|| format!("run `{}`", argv.join(" ")))?;
    let out = collect(child.stdout.take());
    let err = collect(child.stderr.take());
    let (status, is_timed_out) = wait_or_kill(&mut child, timeout)?;
    Ok(Output {
        code: if is_timed_out { None } else { status.code() },
        is_timed_out,
        stdout: out.join().unwrap_or_default(),
        stderr: err.join().unwrap_or_default(),
    })
}

/// Reads a stream to its end in a thread, keeping its beginning.
fn collect(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let Some(mut stream) = stream else { return String::new() };
        let mut kept = Vec::new();
        let _ = stream.by_ref().take(OUTPUT_MAX as u64).read_to_end(&mut kept);
        let dropped = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_or(0);
        let mut text = String::from_utf8_lossy(&kept).into_owned();
        if dropped > 0 {
            text += &format!("\n[{dropped} bytes dropped]\n");
        }
        text
    })
}

fn wait_or_kill(child: &mut Child, timeout: Duration) -> Result<(std::process::ExitStatus, bool)> {
    let pid = Pid::from_raw(child.id() as i32);
    // SAFETY: pidfd_open takes two integers; a descriptor that it returns is new and owned by nobody else.
    let fd = unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as i32))
    };
    let fd = fd.ok_or_else(std::io::Error::last_os_error).what(|| "open a pidfd".into())?;
    let end = Instant::now() + timeout;
    let mut is_timed_out = false;
    loop {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let left = end.saturating_duration_since(Instant::now());
        let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], wait) {
            Ok(0) if left.is_zero() => {
                is_timed_out = true;
                // The group includes the command inside the host: groups reach through pid namespaces.
                let _ = killpg(pid, Signal::SIGKILL);
                break;
            }
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => break,
            Err(e) => return Err(e).what(|| "wait for a command".into()),
        }
    }
    Ok((child.wait().what(|| "wait for a command".into())?, is_timed_out))
}

/// The `nsexec` side for a host: enters everything, runs the command, returns its exit code.
pub fn enter_host(init: i32, cgroup: Option<&Path>, argv: &[String]) -> Result<i32> {
    // SAFETY: as in `wait_or_kill`.
    let fd = unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, init, 0);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as i32))
    };
    let fd = fd.ok_or_else(std::io::Error::last_os_error).what(|| format!("open host init {init}"))?;
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    if let Some(group) = cgroup {
        std::fs::write(group.join("cgroup.procs"), "0").at("join", group)?;
        flags |= CloneFlags::CLONE_NEWCGROUP;
    }
    setns(fd, flags).what(|| format!("enter the host of init {init}"))?;
    child_code(argv, &crate::host_init::search_path())
}

/// The `nsexec` side for a station: enters its network, runs the command, returns its exit code.
pub fn enter_network(path: &Path, argv: &[String]) -> Result<i32> {
    crate::network::enter(path)?;
    child_code(argv, crate::tool::PATH)
}

/// Runs the command as a child (a pid namespace holds children only), and passes its end on as a shell does.
fn child_code(argv: &[String], path: &str) -> Result<i32> {
    let mut command = crate::spawn::bound_to_parent(Path::new(&argv[0]));
    let mut child = match command.args(&argv[1..]).current_dir("/").env("PATH", path).spawn() {
        Ok(child) => child,
        Err(e) => {
            eprintln!("{}: {e}", argv[0]);
            return Ok(127);
        }
    };
    let status = child.wait().what(|| "wait for the command".into())?;
    if let Some(signal) = status.signal() {
        // Die the same way, so that the caller sees a signal and not a code.
        let _ = Signal::try_from(signal).map(|s| kill(Pid::this(), s));
        return Ok(128 + signal);
    }
    Ok(status.code().unwrap_or(1))
}
