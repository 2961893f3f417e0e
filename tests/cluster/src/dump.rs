//! What is said of a cluster whose test failed.
//!
//! Must not know: why it failed. Must not panic: it runs while a panic unwinds.

use crate::cluster::Cluster;
use crate::judge::Judge;
use ha_lab::cluster::DAEMON;
use std::time::Duration;

/// Lines of each daemon's log.
const LOG_LINES: usize = 40;
/// Events of the timeline.
const EVENTS: &str = "60";
/// Most of the journal of the switch.
const POWER_LINES: usize = 40;
/// A host that does not answer is left out.
const ASK: Duration = Duration::from_secs(5);

/// Prints it to standard error.
pub fn dump(cluster: &Cluster) {
    let lab = cluster.lab();
    eprintln!("==== {}", cluster.dir().display());
    for host in &lab.spec().hosts {
        let path = lab.host_dir(&host.name).join("log").join(format!("{DAEMON}.log"));
        eprintln!("---- {} {}", host.name, path.display());
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].iter().for_each(|line| eprintln!("{line}"));
    }
    eprintln!("---- power switch");
    let power = lab.power_journal().unwrap_or_default();
    power[power.len().saturating_sub(POWER_LINES)..].iter().for_each(|r| eprintln!("{r:?}"));
    eprintln!("---- client");
    for outage in cluster.client().outages().unwrap_or_default() {
        eprintln!("no answer: {outage:?} ({:?} ms)", outage.length_ms());
    }
    let judge = Judge {
        answers: cluster.answers_since(0),
        ledger: lab.ledger().unwrap_or_default(),
        power,
        ..Judge::default()
    };
    judge.owners().iter().for_each(|(owner, t_ns)| eprintln!("owner {owner} first seen at {t_ns} ns"));
    let states = lab.hosts().unwrap_or_default();
    states.iter().for_each(|state| eprintln!("{state:?}"));
    for state in states.iter().filter(|s| s.is_on && !s.is_frozen) {
        for args in [&["hactl", "status"][..], &["hactl", "timeline", "--last", EVENTS]] {
            if let Ok(out) = lab.exec(&state.name, args, ASK) {
                eprintln!("---- [{}] {}\n{}{}", state.name, args.join(" "), out.stdout, out.stderr);
            }
        }
    }
}
