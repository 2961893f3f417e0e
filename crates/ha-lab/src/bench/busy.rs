//! False suspicion: nothing is wrong, but the machine is as busy as it can be. Nobody may be suspected.
//!
//! Must not know: tables. Suspected is who the log says was lost; how near it came is the largest silence between two
//! heartbeats, which each daemon logs once a minute.

use super::bed::{Bed, HOSTS};
use super::load::{Loads, memory};
use super::refused;
use crate::cluster::DAEMON;
use crate::error::{Context, Result};
use std::fs;
use std::time::{Duration, Instant};

/// What happened on the busy machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Busy {
    /// Over how long, seconds.
    pub seconds: f64,
    /// Nodes that were lost.
    pub suspected: Vec<String>,
    /// Changes of leader.
    pub elections: usize,
    /// Largest silence between heartbeats that any daemon noted, milliseconds; None when none was noted.
    pub gap_ms: Option<u64>,
    /// How late a daemon's own heartbeats left at most, milliseconds.
    pub late_ms: Option<u64>,
    /// Longest time without an answer that the client saw, milliseconds.
    pub outage_ms: f64,
    /// The machine's one-minute load average at the end.
    pub load: String,
    /// Processes that made the load.
    pub loads: usize,
    /// Least memory that was available, MiB.
    pub available_mib: u64,
    /// Share of the time in which some task of the machine waited, in words.
    pub pressure: String,
}

/// How often it is made sure that the load is there.
const LOOK: Duration = Duration::from_secs(1);
/// The daemon notes its largest silence once a minute: so long is waited for the last one.
const NOTE: Duration = Duration::from_secs(61);

/// Watches.
pub fn run(bed: &mut Bed, seconds: u64, number: u32) -> Result<Busy> {
    let since = bed.newest()?;
    let logs: Vec<usize> = HOSTS.into_iter().map(|h| log(bed, h).map(|l| l.len())).collect::<Result<_>>()?;
    let (name, client) = bed.client()?;
    client.wait_ok(Duration::from_secs(20))?;
    let dir = bed.dir().join(format!("load{number}"));
    fs::create_dir_all(&dir).at("create", &dir)?;
    let began = Instant::now();
    let pressed = pressures();
    let mut available = u64::MAX;
    let mut loads = Loads::start(&dir)?;
    while began.elapsed() < Duration::from_secs(seconds).max(NOTE) {
        std::thread::sleep(LOOK);
        available = available.min(memory()?.1);
        let missing = loads.missing();
        if missing > 0 {
            return Err(refused(format!("{missing} of {} load processes ended", loads.len())));
        }
    }
    let took = began.elapsed().as_secs_f64();
    let pressure = in_words(pressed, pressures(), took);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let count = loads.len();
    drop(loads);
    let _ = fs::remove_dir_all(&dir);
    bed.unwatch(&name)?;
    let outage_ms =
        client.outages()?.iter().map(|o| o.length_ms().unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
    let mut notes = String::new();
    for (host, from) in HOSTS.into_iter().zip(logs) {
        let text = log(bed, host)?;
        notes += text.get(from..).unwrap_or(&text);
    }
    let events: Vec<_> = bed.events()?.into_iter().filter(|e| e.index > since).collect();
    let suspected = events.iter().filter(|e| e.is("NodeLost", &[]));
    Ok(Busy {
        seconds: took,
        suspected: suspected.map(|e| e.fields["node"].as_str().unwrap_or("?").to_owned()).collect(),
        elections: events.iter().filter(|e| e.is("LeaderElected", &[])).count(),
        gap_ms: largest(&notes, "longest gap between heartbeats "),
        late_ms: largest(&notes, "latest own beat "),
        outage_ms,
        load: load.split(' ').next().unwrap_or_default().to_owned(),
        loads: count,
        available_mib: available >> 20,
        pressure,
    })
}

/// What tasks can wait for, as the kernel counts it (Documentation/accounting/psi.rst).
const WAITS: [(&str, &str); 3] = [("processors", "cpu"), ("memory", "memory"), ("disk", "io")];

/// Microseconds in which some task waited, since the boot; None where the kernel does not count.
fn pressures() -> [Option<u64>; 3] {
    WAITS.map(|(_, file)| {
        let text = fs::read_to_string(format!("/proc/pressure/{file}")).ok()?;
        text.lines().next()?.rsplit_once("total=")?.1.parse().ok()
    })
}

fn in_words(before: [Option<u64>; 3], after: [Option<u64>; 3], seconds: f64) -> String {
    let share = |(i, (what, _)): (usize, &(&str, &str))| match (before[i], after[i]) {
        (Some(a), Some(b)) => format!("{what} {:.0} %", b.saturating_sub(a) as f64 / 1e4 / seconds),
        _ => format!("{what} not counted"),
    };
    WAITS.iter().enumerate().map(share).collect::<Vec<_>>().join(", ")
}

fn log(bed: &Bed, host: &str) -> Result<String> {
    let path = bed.host_dir(host).join("log").join(format!("{DAEMON}.log"));
    fs::read_to_string(&path).at("read", &path)
}

/// The largest number behind a word.
fn largest(text: &str, word: &str) -> Option<u64> {
    let numbers = text.split(word).skip(1);
    numbers.filter_map(|rest| rest.split(' ').next()?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_note_of_all_daemons_counts() {
        let text = "x longest gap between heartbeats 117 ms, latest own beat 3 ms late, 0 refused\n\
                    y longest gap between heartbeats 240 ms, latest own beat 12 ms late, 0 refused\n";
        assert_eq!(largest(text, "longest gap between heartbeats "), Some(240));
        assert_eq!(largest(text, "latest own beat "), Some(12));
        assert_eq!(largest("", "latest own beat "), None);
    }

    #[test]
    fn waits_are_a_share_of_the_time() {
        let text = in_words([Some(1_000_000), None, Some(0)], [Some(6_000_000), None, Some(1_000_000)], 10.0);
        assert_eq!(text, "processors 50 %, memory not counted, disk 10 %");
    }
}
