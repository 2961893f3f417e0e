//! Notices the end of a service's main process at once, by pidfd.
//!
//! Must not know: what is done about it. Invariants: one event for one end; none after a stop has begun, and none for a
//! start command that has done what it is there for.

use super::record::Record;
use crate::cgroup;
use crate::child::{Child, How};
use crate::leash::Leash;
use ha_model::InstanceId;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the output file's length is looked at: bounds it to what a service writes in this time.
const TRIM_EVERY: Duration = Duration::from_secs(1);

/// The main process of a service has ended, unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessExited {
    /// Whose.
    pub instance: InstanceId,
    /// How.
    pub how: How,
}

/// Whose main process is watched.
pub(crate) struct Subject {
    pub instance: InstanceId,
    pub leash: Leash,
    pub pidfile: Option<PathBuf>,
    pub record: Record,
}

/// A start command that was taken for the service because its check passed while it ran.
#[derive(Clone, Copy)]
pub(crate) struct StartCommand {
    /// Until then it may prove to be one that leaves no process, by exiting with 0.
    pub until: Instant,
    /// Whether that is as it should be.
    pub may_complete: bool,
}

#[derive(Clone, Copy, Debug)]
struct End {
    how: How,
    has_completed: bool,
}

/// A running watch; ended when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    task: AbortHandle,
    ended: Arc<OnceLock<End>>,
    is_hushed: Arc<AtomicBool>,
    pub pid: i32,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    pub(crate) fn begin(
        subject: Subject,
        main: Child,
        start: Option<StartCommand>,
        events: mpsc::Sender<ProcessExited>,
    ) -> Self {
        let ended = Arc::new(OnceLock::new());
        let is_hushed = Arc::new(AtomicBool::new(false));
        let (tell, hushed, pid) = (ended.clone(), is_hushed.clone(), main.pid);
        let task = tokio::spawn(async move {
            let end = follow(main, start, &subject).await;
            // Set once, here only.
            let _ = tell.set(end);
            let is_well = end.has_completed && start.is_some_and(|s| s.may_complete);
            if is_well || hushed.load(Ordering::Acquire) {
                return;
            }
            // Without a receiver nobody wants to know.
            let _ = events.send(ProcessExited { instance: subject.instance, how: end.how }).await;
        });
        Self { task: task.abort_handle(), ended, is_hushed, pid }
    }

    /// From now on an end is asked for: no event.
    pub(crate) fn hush(&self) {
        self.is_hushed.store(true, Ordering::Release);
    }

    /// How the main process ended, if it has.
    pub(crate) fn ended(&self) -> Option<How> {
        self.ended.get().map(|end| end.how)
    }

    /// Whether it was a start command, and has exited as one that leaves no process.
    pub(crate) fn has_completed(&self) -> bool {
        self.ended.get().is_some_and(|end| end.has_completed)
    }
}

async fn follow(mut main: Child, mut start: Option<StartCommand>, subject: &Subject) -> End {
    let mut trim = interval(TRIM_EVERY);
    trim.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let how = loop {
            tokio::select! {
                how = main.wait() => break how,
                _ = trim.tick() => subject.record.trim(),
            }
        };
        // A start command that put the service into the background only after it was taken for the service itself.
        match find_main(&subject.leash, subject.pidfile.as_deref()) {
            Some(next) if how == How::Code(0) => (main, start) = (next, None),
            _ => {
                let is_in_time = start.is_some_and(|start| Instant::now() < start.until);
                let has_completed = how == How::Code(0) && is_in_time && subject.leash.is_empty();
                return End { how, has_completed };
            }
        }
    }
}

/// The main process among the members of a leash: the one in the pidfile, else the oldest whose parent is not a member.
pub(crate) fn find_main(leash: &Leash, pidfile: Option<&Path>) -> Option<Child> {
    let members = leash.members();
    let written = pidfile
        .and_then(|path| std::fs::read_to_string(path).ok())
        .and_then(|text| text.split_whitespace().next()?.parse::<i32>().ok())
        .filter(|pid| members.contains(pid));
    let is_top = |pid: &&i32| cgroup::parent(**pid).is_some_and(|parent| !members.contains(&parent));
    let top = || members.iter().find(is_top).or(members.first()).copied();
    let pid = match pidfile {
        Some(_) => written?,
        None => top()?,
    };
    let child = Child::adopt(pid)?;
    // The id may have been given to another process between reading and opening.
    leash.members().contains(&pid).then_some(child)
}
