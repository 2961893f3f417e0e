//! What holds the processes of one job together: a cgroup v2 leaf, or, without permission for one, a mark.
//!
//! Must not know: agents and their meaning. Invariants: a leash is derived from its name alone, so that a new session of
//! the daemon finds again what an earlier one started; `kill` reaches every process of a cgroup leash, forked, detached
//! or orphaned; a marked leash is best effort and says so.

use crate::cgroup;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Environment variable that marks the processes of a leash without cgroup.
pub(crate) const MARK: &str = "HANODE_LEASH";
/// First and longest pause between two looks at whether a leash is empty: a kill takes effect within a millisecond.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LONGEST: Duration = Duration::from_millis(20);

/// Where leashes are made.
#[derive(Clone, Debug)]
pub struct CgroupRoot(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Cgroup(PathBuf),
    Marked { tag: String, why: String },
}

impl CgroupRoot {
    /// A root below the daemon's own cgroup (v2 alone, or beside v1), proven by starting a process in it; otherwise
    /// marks. `tag` tells several daemons of one machine apart and must be the same after a restart of the daemon.
    #[must_use]
    pub fn detect(tag: &str) -> Self {
        match cgroup::own().and_then(|own| cgroup::prove(&own.join(format!("hanode.{}", escape(tag))))) {
            Ok(dir) => Self(Arc::new(Kind::Cgroup(dir))),
            Err(why) => Self::marked(tag, why),
        }
    }

    /// A root at a given cgroup v2 directory (made if missing).
    #[must_use]
    pub fn at(dir: &Path, tag: &str) -> Self {
        match cgroup::prove(dir) {
            Ok(dir) => Self(Arc::new(Kind::Cgroup(dir))),
            Err(why) => Self::marked(tag, why),
        }
    }

    /// A root without cgroups: processes are found by session and by a variable in their environment.
    #[must_use]
    pub fn marked(tag: &str, why: impl fmt::Display) -> Self {
        Self(Arc::new(Kind::Marked { tag: tag.into(), why: why.to_string() }))
    }

    /// The cgroup directory, where there is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &*self.0 {
            Kind::Cgroup(dir) => Some(dir),
            Kind::Marked { .. } => None,
        }
    }

    /// What a user should know: `None` when processes are held by cgroups, else one sentence.
    #[must_use]
    pub fn limitation(&self) -> Option<String> {
        match &*self.0 {
            Kind::Cgroup(_) => None,
            Kind::Marked { why, .. } => Some(format!(
                "no cgroup for agents ({why}): their processes are held by session and environment only, and one that leaves both is not found"
            )),
        }
    }

    /// The leash of that name: path segments, outermost first.
    #[must_use]
    pub fn leash(&self, segments: &[&str]) -> Leash {
        let path: PathBuf = segments.iter().map(|s| escape(s)).collect();
        Leash { root: self.clone(), path, sessions: Arc::default() }
    }
}

/// A name as one path segment that cannot collide with the kernel's own files (`cgroup.procs`, `memory.max`).
pub(crate) fn escape(name: &str) -> String {
    let mut out = String::from("ha-");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02x}")),
        }
    }
    out
}

/// The processes of one job.
#[derive(Clone, Debug)]
pub struct Leash {
    root: CgroupRoot,
    path: PathBuf,
    /// Sessions begun in this leash by this daemon (marked leashes only).
    sessions: Arc<Mutex<BTreeSet<i32>>>,
}

/// What a child needs to join the leash.
pub(crate) struct Joining {
    /// The leaf's directory and its `cgroup.procs`.
    pub cgroup: Option<(OwnedFd, OwnedFd)>,
    /// The mark for the environment.
    pub mark: Option<(String, String)>,
}

impl Leash {
    /// Makes the leaf ready for a child.
    pub(crate) fn open(&self) -> io::Result<Joining> {
        match &*self.root.0 {
            Kind::Cgroup(dir) => {
                Ok(Joining { cgroup: Some(cgroup::open_leaf(&dir.join(&self.path))?), mark: None })
            }
            Kind::Marked { .. } => Ok(Joining { cgroup: None, mark: Some((MARK.into(), self.mark())) }),
        }
    }

    fn mark(&self) -> String {
        match &*self.root.0 {
            Kind::Marked { tag, .. } => format!("{tag}/{}", self.path.display()),
            Kind::Cgroup(_) => String::new(),
        }
    }

    /// Notes a child that was started in this leash; it leads a session of its own.
    pub(crate) fn joined(&self, pid: i32) {
        if let Kind::Marked { .. } = &*self.root.0 {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let alive: BTreeSet<i32> = cgroup::sessions_alive();
            sessions.retain(|s| alive.contains(s));
            sessions.insert(pid);
        }
    }

    /// The leaf's directory, where the leash is a cgroup.
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        self.root.directory().map(|dir| dir.join(&self.path))
    }

    /// The living processes, in order of their ids.
    #[must_use]
    pub fn members(&self) -> BTreeSet<i32> {
        match self.directory() {
            Some(dir) => cgroup::members(&dir),
            None => {
                let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
                cgroup::marked_members(&self.mark(), &sessions)
            }
        }
    }

    /// Whether no process is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self.directory() {
            Some(dir) => !cgroup::is_populated(&dir),
            None => self.members().is_empty(),
        }
    }

    /// Sends a signal to every process.
    pub fn signal(&self, signal: Signal) {
        for pid in self.members() {
            // A process that ended meanwhile is what was wanted.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Kills every process, those that fork meanwhile included (cgroup).
    pub fn kill(&self) {
        let is_done = self.directory().is_some_and(|dir| cgroup::kill(&dir));
        if !is_done {
            self.signal(Signal::SIGKILL);
        }
    }

    /// Waits until no process is left, at most `within`. `true` when empty.
    pub async fn wait_empty(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let mut pause = LOOK_FIRST;
        while !self.is_empty() {
            if Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_LONGEST);
        }
        true
    }

    /// Kills again and again until no process is left, at most `within`. `true` when empty.
    pub async fn kill_all(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        loop {
            if self.is_empty() {
                return true;
            }
            self.kill();
            if self.wait_empty(LOOK_LONGEST * 5).await {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
        }
    }

    /// Removes the empty leaf; one that is in use stays.
    pub fn remove(&self) {
        if let Some(dir) = self.directory() {
            cgroup::remove(&dir);
        }
    }
}
