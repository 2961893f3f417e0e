//! Finding and stopping the processes of a host from outside its namespaces, through the lab's /proc.
//!
//! Must not know: control groups, power. Everything is by pid namespace: a host's processes are exactly those that
//! share the pid namespace of its init.

use crate::error::{Context, Result};
use crate::host_init::INIT_DIR;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// Passes over /proc until no new process appears; a fork bomb in a host must not hold the switch for ever.
const PASSES_MAX: usize = 100;

/// The lab's view of every process in the pid namespace of `init`: (pid here, pid in the host).
pub fn of_host(init: i32) -> Vec<(i32, i32)> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(own) = namespace(init) else { return Vec::new() };
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    all.flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| namespace(pid).as_ref() == Some(&own))
        .filter_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let inner = status.lines().find_map(|l| l.strip_prefix("NSpid:"))?;
            Some((pid, inner.split_whitespace().last()?.parse().ok()?))
        })
        .collect()
}

/// A path of the host's own file system, seen from the lab.
pub fn host_path(init: i32, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{init}/root{path}"))
}

/// The main process of each running service, by the lab's pids.
pub fn services(init: i32) -> BTreeMap<String, i32> {
    let inside: BTreeMap<i32, i32> = of_host(init).into_iter().map(|(here, there)| (there, here)).collect();
    let Ok(files) = fs::read_dir(host_path(init, INIT_DIR)) else { return BTreeMap::new() };
    files
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.strip_suffix(".pid")?.to_string();
            let pid: i32 = fs::read_to_string(entry.path()).ok()?.trim().parse().ok()?;
            Some((name, *inside.get(&pid)?))
        })
        .collect()
}

/// Stops (or continues) every process of a host, its init included: the freezer of those without control groups.
/// It differs from the real one: each process is stopped on its own, so that for some microseconds some still run,
/// and parents inside the host could notice their stopped children.
pub fn stop_all(init: i32, stopped: bool) -> Result<()> {
    let signal = if stopped { Signal::SIGSTOP } else { Signal::SIGCONT };
    let mut done = BTreeSet::new();
    for _ in 0..PASSES_MAX {
        let fresh: Vec<i32> = of_host(init).into_iter().map(|p| p.0).filter(|p| !done.contains(p)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        for pid in fresh {
            // One that ended meanwhile needs no signal.
            let _ = kill(Pid::from_raw(pid), signal);
            done.insert(pid);
        }
    }
    Err(std::io::Error::other("it forks faster than it can be stopped"))
        .what(|| format!("stop host of {init}"))
}
