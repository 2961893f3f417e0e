//! The parent of a host: joins the host's control group, makes its namespaces, forks its init, and dies with it.
//!
//! Talks to the power switch over its standard input and output, one word a line:
//! `→ {HostBoot}`, `← netns`, `→ go` (the cables are in), `← init PID`, `← up` (from the init: addresses are up).
//! Must not know: why the host is booted. Invariant: single-threaded, so that fork and PDEATHSIG are safe.

use crate::error::{Context, LabError, Result};
use crate::spec::LabSpec;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::path::PathBuf;

/// What a host must know to boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostBoot {
    /// The whole lab.
    pub spec: LabSpec,
    /// Which host.
    pub host: String,
    /// Its incarnation.
    pub boot_id: String,
    /// Its control group, where there are any.
    pub cgroup: Option<PathBuf>,
}

/// Boots the host that standard input describes; returns when its init has ended.
pub fn run() -> Result<()> {
    let boot: HostBoot =
        serde_json::from_str(&read_line()?).map_err(|e| LabError::Gone(format!("host description: {e}")))?;
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    if let Some(group) = &boot.cgroup {
        std::fs::write(group.join("cgroup.procs"), "0").at("join", group)?;
        flags |= CloneFlags::CLONE_NEWCGROUP;
    }
    unshare(flags).what(|| format!("make the namespaces of {}", boot.host))?;
    crate::network::quiet_ipv6(false)?;
    say("netns")?;
    if read_line()?.trim() != "go" {
        return Err(LabError::Gone("the power switch went away during the boot".into()));
    }
    // SAFETY: this process has one thread, so the child may use everything.
    match unsafe { fork() }.what(|| "fork the host's init".into())? {
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL).what(|| "tie the init to its parent".into())?;
            crate::host_init::run(&boot)
        }
        ForkResult::Parent { child } => {
            say(&format!("init {child}"))?;
            // The init's word is the last: this end is closed so that its death shows as the end of the stream.
            nix::unistd::close(1).what(|| "close the standard output".into())?;
            waitpid(child, None).what(|| "wait for the host's init".into())?;
            Ok(())
        }
    }
}

/// One line to the power switch.
pub fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).what(|| "answer the power switch".into())
}

fn read_line() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).what(|| "hear the power switch".into())?;
    Ok(line)
}
