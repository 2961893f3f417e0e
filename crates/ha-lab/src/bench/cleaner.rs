//! Leaves nothing behind: ends the lab and removes its directory, also at Ctrl-C.
//!
//! Must not know: what is measured. A lab dies with this process in any case (its lifeline is a pipe); this adds the
//! directory, and the wait for the end. Invariant: made before any other thread, so that no thread gets the signals.

use super::refused;
use crate::error::{Context, Result};
use crate::lab::{Lab, Remote};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A lab that was told to end is gone within this time.
const END_WAIT: Duration = Duration::from_secs(10);
/// Exit code after a signal, as a shell gives it for Ctrl-C.
const INTERRUPTED: i32 = 130;

#[derive(Default)]
struct Held {
    outer: Option<u32>,
    dir: Option<PathBuf>,
}

/// What is to be removed at the end.
#[derive(Clone)]
pub struct Cleaner {
    held: Arc<Mutex<Held>>,
}

impl Cleaner {
    /// From now on a Ctrl-C ends in order.
    pub fn begin() -> Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block().what(|| "block signals".into())?;
        let cleaner = Self { held: Arc::default() };
        let own = cleaner.clone();
        std::thread::spawn(move || {
            let signal = signals.wait();
            let name = signal.map_or("a signal", Signal::as_str);
            eprintln!("ha-lab bench: {name}: the lab ends");
            own.end_now();
            std::process::exit(INTERRUPTED);
        });
        Ok(cleaner)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an empty directory for a lab. What an ended lab left there is removed, anything else is refused.
    pub fn fresh_dir(&self, dir: &Path) -> Result<PathBuf> {
        let dir = std::path::absolute(dir).at("resolve", dir)?;
        // Held meanwhile: nothing is made any more while a signal ends it all.
        let mut held = self.held();
        if Remote::open(&dir).is_ok_and(|lab| lab.hosts().is_ok()) {
            return Err(refused(format!("a lab runs in {} already", dir.display())));
        }
        let is_empty = std::fs::read_dir(&dir).map_or(true, |mut entries| entries.next().is_none());
        if !is_empty && !dir.join(crate::outer::SPEC_FILE).exists() && !dir.join("cluster.toml").exists() {
            return Err(refused(format!(
                "{} holds something else than a lab; choose another",
                dir.display()
            )));
        }
        if dir.exists() {
            std::fs::remove_dir_all(&dir).at("empty", &dir)?;
        }
        std::fs::create_dir_all(&dir).at("create", &dir)?;
        held.dir = Some(dir.clone());
        Ok(dir)
    }

    /// This lab runs now.
    pub fn holds(&self, lab: &Lab) {
        self.held().outer = Some(lab.outer_pid());
    }

    /// The lab has ended; removes its directory.
    pub fn lab_ended(&self) {
        let mut held = self.held();
        held.outer = None;
        remove(held.dir.take());
    }

    fn end_now(&self) {
        // Held to the end, so that no new lab is noted meanwhile.
        let mut held = self.held();
        if let Some(pid) = held.outer.take() {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
            let end = Instant::now() + END_WAIT;
            while is_running(pid) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        remove(held.dir.take());
    }
}

fn remove(dir: Option<PathBuf>) {
    if let Some(dir) = dir
        && let Err(e) = std::fs::remove_dir_all(&dir)
    {
        eprintln!("ha-lab bench: {} cannot be removed: {e}", dir.display());
    }
}

/// Whether it is there and no zombie: the one who would bury it is about to end too.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
