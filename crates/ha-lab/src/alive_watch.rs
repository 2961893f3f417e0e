//! Looks again and again which processes of the lab's own services (`web`, `writer`) live in which incarnation, by the
//! kernel's process table: also those that are frozen, cut off or silent, of which no client and no disk can tell.
//!
//! Runs in the lab's pid namespace, which holds every host's processes. Must not know: who may run what. Invariant: what
//! one round names was alive at one instant, whatever happened while it was collected.

use crate::clock::boot_ns;
use crate::error::Result;
use crate::host_init::BOOT_ID;
use crate::json_log::{FILE_MAX, JsonLog};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Sub-commands of the lab's program that are services.
const SERVICES: [&str; 2] = ["web", "writer"];

/// One look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliveRound {
    /// Boot-clock nanoseconds of the instant.
    pub t_ns: u64,
    /// Which processes were alive then.
    pub alive: BTreeSet<Alive>,
}

/// A process of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alive {
    /// `web` or `writer`.
    pub service: String,
    /// The boot of its host that it belongs to.
    pub incarnation: String,
    /// Process id as the lab sees it.
    pub pid: i32,
    /// When it was started, in the kernel's ticks: the id alone may be used again.
    pub started: u64,
}

/// Looks for ever.
pub fn run(every: Duration, out: &Path) -> Result<()> {
    let mut log = JsonLog::open(out, FILE_MAX)?;
    crate::spawn::prefer();
    loop {
        let begun = Instant::now();
        let mut alive: BTreeSet<Alive> = pids().filter_map(service).collect();
        let t_ns = boot_ns();
        // Seen before the instant and there after it: alive at the instant, all of them.
        alive.retain(|process| started(process.pid) == Some(process.started));
        log.write(&AliveRound { t_ns, alive })?;
        std::thread::sleep(every.saturating_sub(begun.elapsed()));
    }
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The process as a service, when it is one.
fn service(pid: i32) -> Option<Alive> {
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let service = service_of(&command)?.to_string();
    // The host's own file, by the process's own root.
    let incarnation = fs::read_to_string(format!("/proc/{pid}/root{BOOT_ID}")).ok()?.trim().to_string();
    Some(Alive { service, incarnation, pid, started: started(pid)? })
}

fn service_of(command: &[u8]) -> Option<&'static str> {
    let mut words = command.split(|byte| *byte == 0);
    let (program, word) = (words.next()?, words.next()?);
    let is_ours = program.rsplit(|byte| *byte == b'/').next() == Some(b"ha-lab");
    SERVICES.into_iter().find(|name| is_ours && name.as_bytes() == word)
}

/// When a process that has not ended was started; a zombie has ended.
fn started(pid: i32) -> Option<u64> {
    started_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5): the state is the third field, the start the 22nd; the name before them may hold anything.
fn started_of(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_labs_own_services_count() {
        assert_eq!(service_of(b"/run/ha-lab/bin/ha-lab\0writer\0--ledger\0x\0"), Some("writer"));
        assert_eq!(service_of(b"ha-lab\0web\0"), Some("web"));
        for other in [&b"/bin/ha-lab\0probe\0"[..], b"/bin/other\0web\0", b"web\0", b""] {
            assert_eq!(service_of(other), None);
        }
    }

    #[test]
    fn a_zombie_has_ended_and_a_name_may_hold_anything() {
        let fields = |state: &str| format!("7 (a) b) {state} {} 4242 0", ["0"; 18].join(" "));
        assert_eq!(started_of(&fields("S")), Some(4242));
        assert_eq!(started_of(&fields("T")), Some(4242), "stopped is not ended");
        assert_eq!(started_of(&fields("Z")), None);
        assert_eq!(started_of("7 (a"), None);
        assert!(started(std::process::id() as i32).is_some());
        assert!(pids().any(|pid| pid == std::process::id() as i32));
    }
}
