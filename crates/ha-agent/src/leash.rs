//! What holds the processes of one job together: a cgroup v2 leaf, or, without permission for one, a mark.
//!
//! Must not know: agents and their meaning. Invariants: children join below one root; what an earlier session of the
//! daemon began below another root is seen, signalled and killed together with it, once it was told of that root
//! ([`Leash::also_below`]): a name alone finds nothing again; `kill` reaches every process of a cgroup leash, forked,
//! detached or orphaned; a marked leash is best effort and says so.

use crate::cgroup;
use crate::root::{CgroupRoot, Kind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Environment variable that marks the processes of a leash without cgroup.
pub(crate) const MARK: &str = "HANODE_LEASH";
/// First and longest pause between two looks at whether a leash is empty: a kill takes effect within a millisecond.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LONGEST: Duration = Duration::from_millis(20);

/// The processes of one job.
#[derive(Clone, Debug)]
pub struct Leash {
    root: CgroupRoot,
    path: PathBuf,
    /// Sessions begun in this leash by this daemon (marked leashes only).
    sessions: Arc<Mutex<BTreeSet<i32>>>,
    /// Where an earlier session of the daemon began it.
    former: Option<CgroupRoot>,
}

/// What a child needs to join the leash.
pub(crate) struct Joining {
    /// The leaf's directory and its `cgroup.procs`.
    pub cgroup: Option<(OwnedFd, OwnedFd)>,
    /// The mark for the environment.
    pub mark: Option<(String, String)>,
}

impl Leash {
    pub(crate) fn new(root: CgroupRoot, path: PathBuf) -> Self {
        Self { root, path, sessions: Arc::default(), former: None }
    }

    /// From now on also what is held by this name below `former`, and below no root told of earlier.
    pub(crate) fn also_below(&mut self, former: Option<CgroupRoot>) {
        self.former = former;
    }

    /// Makes the leaf ready for a child.
    pub(crate) fn open(&self) -> io::Result<Joining> {
        match self.root.kind() {
            Kind::Cgroup(dir) => {
                let leaf = dir.join(&self.path);
                // Linux 6.18, for one, kills at birth what is born in a cgroup in which something was killed before. An
                // empty one is made anew.
                cgroup::remove(&leaf);
                Ok(Joining { cgroup: Some(cgroup::open_leaf(&leaf)?), mark: None })
            }
            Kind::Marked { tag, .. } => {
                Ok(Joining { cgroup: None, mark: Some((MARK.into(), self.mark(tag))) })
            }
        }
    }

    fn mark(&self, tag: &str) -> String {
        format!("{tag}/{}", self.path.display())
    }

    /// Notes a child that was started in this leash; it leads a session of its own.
    pub(crate) fn joined(&self, pid: i32) {
        if let Kind::Marked { .. } = self.root.kind() {
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

    /// The root that children join, then where an earlier session began.
    fn roots(&self) -> impl Iterator<Item = &CgroupRoot> {
        std::iter::once(&self.root).chain(&self.former)
    }

    fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.roots().filter_map(|root| Some(root.directory()?.join(&self.path)))
    }

    fn members_below(&self, root: &CgroupRoot) -> BTreeSet<i32> {
        match root.kind() {
            Kind::Cgroup(dir) => cgroup::members(&dir.join(&self.path)),
            Kind::Marked { tag, .. } => {
                let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
                cgroup::marked_members(&self.mark(tag), &sessions)
            }
        }
    }

    /// The living processes, in order of their ids.
    #[must_use]
    pub fn members(&self) -> BTreeSet<i32> {
        self.roots().flat_map(|root| self.members_below(root)).collect()
    }

    /// Whether no process is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots().all(|root| match root.kind() {
            Kind::Cgroup(dir) => !cgroup::is_populated(&dir.join(&self.path)),
            Kind::Marked { .. } => self.members_below(root).is_empty(),
        })
    }

    /// Sends a signal to every process.
    pub fn signal(&self, signal: Signal) {
        send(signal, &self.members());
    }

    /// Kills every process, those that fork meanwhile included (cgroup).
    pub fn kill(&self) {
        for root in self.roots() {
            let is_done = root.directory().is_some_and(|dir| cgroup::kill(&dir.join(&self.path)));
            if !is_done {
                send(Signal::SIGKILL, &self.members_below(root));
            }
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
        for dir in self.directories() {
            cgroup::remove(&dir);
        }
    }
}

fn send(signal: Signal, members: &BTreeSet<i32>) {
    for pid in members {
        // A process that ended meanwhile is what was wanted.
        let _ = kill(Pid::from_raw(*pid), signal);
    }
}
