//! The outermost process of a lab: makes the namespaces, starts the lab's init in them, and waits.
//!
//! Whatever ends this process ends the lab: its init dies with it (PR_SET_PDEATHSIG), the kernel then removes the pid
//! namespace with every process, and with the last process go the network namespaces and mounts. Only control
//! groups can remain; they are removed at a proper end and swept at the next start.
//! Must not know: what happens inside. Invariant: single-threaded (user namespaces demand it, and PDEATHSIG
//! follows the thread).

use crate::cgroup::{self, LabGroup};
use crate::error::{Context, LabError, Result};
use crate::spawn::{bound_to_parent, own_program};
use crate::spec::LabSpec;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

/// The file in a lab's directory that describes it.
pub const SPEC_FILE: &str = "lab.json";

/// Writes the directories and the description of a lab.
pub fn prepare(spec: &LabSpec) -> Result<()> {
    spec.validate()?;
    let dir = &spec.dir;
    if !dir.is_absolute() {
        return Err(LabError::Spec(format!("directory {} is not absolute", dir.display())));
    }
    let hosts = spec.hosts.iter().flat_map(|h| {
        let host = host_dir(dir, &h.name);
        ["data", "config", "log", "root"].map(|sub| host.join(sub))
    });
    for path in hosts.chain([dir.join("ns"), dir.join("clients")]) {
        fs::create_dir_all(&path).at("create", &path)?;
    }
    let text = serde_json::to_string_pretty(spec).expect("a spec is plain data");
    let path = dir.join(SPEC_FILE);
    fs::write(&path, text).at("write", &path)
}

/// Reads the description that `prepare` wrote.
pub fn load(dir: &Path) -> Result<LabSpec> {
    let path = dir.join(SPEC_FILE);
    let text = fs::read_to_string(&path).at("read", &path)?;
    let spec: LabSpec =
        serde_json::from_str(&text).map_err(|e| LabError::Spec(format!("{}: {e}", path.display())))?;
    spec.validate()?;
    Ok(spec)
}

/// The directory of one host: `data` (its /var/lib/ha), `config` (its /etc/ha), `log`.
pub fn host_dir(dir: &Path, host: &str) -> std::path::PathBuf {
    dir.join("hosts").join(host)
}

/// Runs the lab described in `dir` until a signal, its own end, or (with `has_lifeline`) the end of standard input.
pub fn run(dir: &Path, has_lifeline: bool) -> Result<()> {
    load(dir)?;
    cgroup::sweep()?;
    let group = match LabGroup::create() {
        Ok(group) => Some(group),
        Err(e) => {
            eprintln!(
                "ha-lab: no control groups ({e}): hosts are frozen by SIGSTOP and killed by their init"
            );
            None
        }
    };
    let mut watched = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD] {
        watched.add(signal);
    }
    watched.thread_block().what(|| "block signals".into())?;
    let signals = SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .what(|| "make a signal descriptor".into())?;

    enter_namespaces()?;
    let mut init = bound_to_parent(&own_program()?);
    init.arg("lab-init").arg(dir).stdin(Stdio::piped());
    if let Some(group) = &group {
        init.arg("--cgroup").arg(group.path());
    }
    let mut init = init.spawn().what(|| "start the lab's init".into())?;
    let ended = wait_for_end(&mut init, &signals, has_lifeline);
    let _ = init.kill();
    let _ = init.wait();
    if let Some(group) = group {
        group.remove().what(|| "remove the lab's control groups".into())?;
    }
    match ended? {
        Some(status) => Err(LabError::Gone(format!("its init ended: {status}"))),
        None => Ok(()),
    }
}

/// Makes the lab's namespaces; as an ordinary user inside a user namespace whose root this user is.
fn enter_namespaces() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if uid.is_root() && unshare(flags).is_ok() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER | flags).map_err(|e| {
        LabError::Missing(format!(
            "namespaces ({e}); run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
             kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces > 0)"
        ))
    })?;
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_string()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ] {
        fs::write(file, text).what(|| format!("write {file}"))?;
    }
    Ok(())
}

/// Waits; the status when the init ended by itself, None when it shall end.
fn wait_for_end(init: &mut Child, signals: &SignalFd, has_lifeline: bool) -> Result<Option<ExitStatus>> {
    let stdin = std::io::stdin();
    loop {
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if has_lifeline {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e).what(|| "wait for the lab's end".into()),
        }
        let has_news = |i: usize| fds.get(i).and_then(PollFd::any).unwrap_or(false);
        if has_news(1) && nix::unistd::read(stdin.as_fd(), &mut [0u8; 256]).is_ok_and(|n| n == 0) {
            return Ok(None);
        }
        while let Ok(Some(info)) = signals.read_signal() {
            if info.ssi_signo != Signal::SIGCHLD as u32 {
                return Ok(None);
            }
        }
        if let Some(status) = init.try_wait().what(|| "look at the lab's init".into())? {
            return Ok(Some(status));
        }
    }
}
