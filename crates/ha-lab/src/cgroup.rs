//! The lab's own control groups: one directory a lab, one a host in it.
//!
//! They are the only thing of a lab that the kernel does not remove by itself, so the lab's directory is locked
//! (flock) by the outer process for as long as it lives: whoever can take the lock may sweep it.
//! Must not know: what runs in them.

use crate::error::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How every lab's directory begins.
pub const PREFIX: &str = "ha-lab-";
/// A killed host is gone within this time, or something is wrong with the machine.
const EMPTY_WAIT: Duration = Duration::from_secs(5);
/// How often a directory is made anew when a sweep was faster.
const CREATE_TRIES: u32 = 20;
/// Deepest nesting that is swept; a host's daemon makes two or three levels.
const DEPTH_MAX: usize = 16;

/// Where version 2 of the control groups is mounted (`/sys/fs/cgroup`, or `…/unified` on a hybrid machine).
pub fn v2_mount() -> Option<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    table.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let is_v2 = after.split(' ').next() == Some("cgroup2");
        is_v2.then(|| before.split(' ').nth(4).map(PathBuf::from)).flatten()
    })
}

/// Where this process may make its groups: the top when that is writable (root), else its own group.
fn parent() -> io::Result<PathBuf> {
    let none = |text: &str| io::Error::new(io::ErrorKind::NotFound, text.to_string());
    let mount = v2_mount().ok_or_else(|| none("no cgroup2 is mounted"))?;
    if nix::unistd::access(&mount.join("cgroup.procs"), nix::unistd::AccessFlags::W_OK).is_ok() {
        return Ok(mount);
    }
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let path = own.lines().find_map(|l| l.strip_prefix("0::")).ok_or_else(|| none("not in a cgroup2"))?;
    Ok(mount.join(path.trim_start_matches('/')))
}

/// A lab's directory, locked while this value lives.
#[derive(Debug)]
pub struct LabGroup {
    path: PathBuf,
    _lock: Flock<File>,
}

impl LabGroup {
    /// Makes and locks a directory for this process and proves that processes can be moved there, frozen, killed.
    pub fn create() -> io::Result<Self> {
        // A sweep of another lab may take the fresh directory before it is locked; then another one is made.
        for _ in 0..CREATE_TRIES {
            let path = parent()?.join(format!("{PREFIX}{}-{}", std::process::id(), crate::clock::boot_ns()));
            fs::create_dir(&path)?;
            let group = match lock(&path) {
                Ok(Some(lock)) if path.exists() => Self { path, _lock: lock },
                Ok(_) => continue,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            return match group.prove() {
                Ok(()) => Ok(group),
                Err(e) => {
                    let _ = fs::remove_dir(&group.path);
                    Err(e)
                }
            };
        }
        Err(io::Error::other("sweeps took it again and again"))
    }

    fn prove(&self) -> io::Result<()> {
        for file in ["cgroup.freeze", "cgroup.kill"] {
            fs::metadata(self.path.join(file))?;
        }
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let moved = fs::write(self.path.join("cgroup.procs"), child.id().to_string());
        child.kill()?;
        child.wait()?;
        moved
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Kills what is left in it and removes it.
    pub fn remove(self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// Takes the lock of a lab's directory; None when its owner lives.
fn lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    match Flock::lock(File::open(path)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, e)) => Err(e.into()),
    }
}

/// Removes the directories of labs whose owner is dead, with every process in them. Returns what was removed.
pub fn sweep() -> Result<Vec<PathBuf>> {
    let mut swept = Vec::new();
    let Ok(parent) = parent() else { return Ok(swept) };
    for entry in fs::read_dir(&parent).at("list", &parent)?.flatten() {
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // A directory that vanishes meanwhile was swept by its owner.
        if let Ok(Some(_lock)) = lock(&path) {
            match remove(&path) {
                Ok(()) => swept.push(path),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                // Another user's: he sweeps it.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                Err(e) => return Err(e).at("sweep", &path),
            }
        }
    }
    Ok(swept)
}

/// Kills every process in a group and below, thaws nothing: the kernel kills frozen processes too.
pub fn kill(path: &Path) -> io::Result<()> {
    fs::write(path.join("cgroup.kill"), "1")
}

/// Waits until no process is left in a group and below.
pub fn wait_empty(path: &Path) -> io::Result<()> {
    wait_event(path, "populated 0")
}

/// Freezes or thaws everything in a group and waits until the kernel says it is so.
pub fn freeze(path: &Path, frozen: bool) -> io::Result<()> {
    fs::write(path.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
    wait_event(path, if frozen { "frozen 1" } else { "frozen 0" })
}

fn wait_event(path: &Path, line: &str) -> io::Result<()> {
    let end = Instant::now() + EMPTY_WAIT;
    loop {
        if fs::read_to_string(path.join("cgroup.events"))?.lines().any(|l| l == line) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("never `{line}`")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills a group's processes and removes it with everything below.
pub fn remove(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    kill(path)?;
    wait_empty(path)?;
    remove_tree(path, 0)
}

fn remove_tree(path: &Path, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("groups nested too deep"));
    }
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path(), depth + 1)?;
        }
    }
    fs::remove_dir(path)
}
