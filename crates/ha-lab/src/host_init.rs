//! Process 1 of a host: brings it up, starts its services, restarts those that died, buries orphans.
//!
//! Must not know: what the services are, power, cuts. Invariants: a boot id is written before anything is started; a
//! service has one main process at a time; log files are bounded.

use crate::error::{Context, Result};
use crate::host_launch::{HostBoot, say};
use crate::spec::ServiceSpec;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where the incarnation is written.
pub const BOOT_ID: &str = "/run/ha/boot_id";
/// Where the init notes the main process of each service, and reads which are not to be restarted.
pub const INIT_DIR: &str = "/run/ha-lab";
/// Where a host finds the lab's own program and the lab's tools; first in the PATH of everything that runs there.
pub const BIN: &str = "/run/ha-lab/bin";
/// The lab's own program there (the tiny service, the block writer).
pub const PROGRAM: &str = "/run/ha-lab/bin/ha-lab";
/// How often services that wait for their start are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often log sizes are looked at while every service runs: a host that does nothing costs next to nothing.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// Largest log of a service; then it is copied to `.1` and begun anew.
const LOG_MAX: u64 = 32 << 20;

struct Service {
    spec: ServiceSpec,
    pid: Option<i32>,
    start_at: Instant,
}

/// Boots; returns only on failure.
pub fn run(boot: &HostBoot) -> Result<()> {
    let mut child_ends = SigSet::empty();
    child_ends.add(Signal::SIGCHLD);
    child_ends.thread_block().what(|| "block SIGCHLD".into())?;
    let ends = SignalFd::with_flags(&child_ends, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .what(|| "make a signal descriptor".into())?;
    nix::unistd::sethostname(&boot.host).what(|| "set the host name".into())?;
    crate::host_root::enter(boot)?;
    fs::create_dir_all("/run/ha").what(|| "create /run/ha".into())?;
    fs::create_dir_all(INIT_DIR).what(|| format!("create {INIT_DIR}"))?;
    fs::write(BOOT_ID, format!("{}\n", boot.boot_id)).what(|| format!("write {BOOT_ID}"))?;
    let station =
        boot.spec.stations().into_iter().find(|s| s.name == boot.host).expect("own host is in the spec");
    crate::tool::ip_batch(&crate::network::address_script(&boot.spec, &station))?;
    say("up")?;
    detach_stdio()?;
    let now = Instant::now();
    let mut services: Vec<Service> = boot
        .spec
        .host(&boot.host)?
        .services
        .iter()
        .map(|spec| Service { spec: spec.clone(), pid: None, start_at: now })
        .collect();
    loop {
        for service in &mut services {
            tend(service, boot);
        }
        let mut fds = [PollFd::new(ends.as_fd(), PollFlags::POLLIN)];
        let look = if services.iter().all(|s| s.pid.is_some()) { IDLE_LOOK } else { LOOK };
        let wait = PollTimeout::try_from(look).expect("a second fits");
        match poll(&mut fds, wait) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e).what(|| "wait for children".into()),
        }
        while let Ok(Some(_)) = ends.read_signal() {}
        bury(&mut services);
    }
}

/// Starts a service that is due and not held, and bounds its log.
fn tend(service: &mut Service, boot: &HostBoot) {
    let log = PathBuf::from("/var/log/ha").join(format!("{}.log", service.spec.name));
    if fs::metadata(&log).is_ok_and(|m| m.len() > LOG_MAX) {
        // Copy, then truncate: the service writes on with O_APPEND.
        let _ = fs::copy(&log, log.with_extension("log.1"));
        let _ = OpenOptions::new().write(true).open(&log).and_then(|f| f.set_len(0));
    }
    if service.pid.is_some() || Instant::now() < service.start_at {
        return;
    }
    if Path::new(INIT_DIR).join(format!("{}.hold", service.spec.name)).exists() {
        return;
    }
    match start(&service.spec, &log, &boot.boot_id) {
        Ok(pid) => service.pid = Some(pid),
        Err(e) => {
            service.start_at = Instant::now() + Duration::from_millis(service.spec.restart_ms);
            let _ = append(&log).and_then(|mut f| writeln!(f, "--- ha-lab: {e}"));
        }
    }
}

/// PATH of everything that runs in a host.
pub fn search_path() -> String {
    format!("{BIN}:{}", crate::tool::PATH)
}

fn start(spec: &ServiceSpec, log: &Path, boot_id: &str) -> Result<i32> {
    let mut out = append(log).at("open", log)?;
    let now = crate::clock::boot_ns();
    writeln!(out, "--- ha-lab: start at {now} ns, incarnation {boot_id}").at("write", log)?;
    let err = out.try_clone().at("clone", log)?;
    let mut command = Command::new(&spec.argv[0]);
    command
        .args(&spec.argv[1..])
        .env("PATH", search_path())
        .envs(&spec.env)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .current_dir("/");
    command.process_group(0);
    // SAFETY: one async-signal-safe system call between fork and exec.
    unsafe { command.pre_exec(crate::spawn::clear_signals) };
    let pid = command.spawn().what(|| format!("start `{}`", spec.argv.join(" ")))?.id() as i32;
    let pid_file = Path::new(INIT_DIR).join(format!("{}.pid", spec.name));
    fs::write(&pid_file, pid.to_string()).at("write", &pid_file)?;
    Ok(pid)
}

/// Reaps everything that ended, services and orphans alike.
fn bury(services: &mut [Service]) {
    loop {
        let (pid, how) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid.as_raw(), format!("exit code {code}")),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid.as_raw(), signal.to_string()),
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(_) => continue,
        };
        if let Some(service) = services.iter_mut().find(|s| s.pid == Some(pid)) {
            service.pid = None;
            service.start_at = Instant::now() + Duration::from_millis(service.spec.restart_ms);
            let _ = fs::remove_file(Path::new(INIT_DIR).join(format!("{}.pid", service.spec.name)));
            let log = PathBuf::from("/var/log/ha").join(format!("{}.log", service.spec.name));
            let _ = append(&log).and_then(|mut f| writeln!(f, "--- ha-lab: ended by {how}"));
        }
    }
}

fn append(path: &Path) -> std::io::Result<fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Lets go of the pipes to the power switch.
fn detach_stdio() -> Result<()> {
    let null =
        OpenOptions::new().read(true).write(true).open("/dev/null").what(|| "open /dev/null".into())?;
    nix::unistd::dup2_stdin(&null).what(|| "detach the standard input".into())?;
    nix::unistd::dup2_stdout(&null).what(|| "detach the standard output".into())
}
