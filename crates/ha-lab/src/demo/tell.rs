//! What the demonstration prints, and the one judgement it makes from the client's records.
//!
//! Must not know: what is done to the lab.

use crate::cluster::DAEMON;
use crate::error::Result;
use crate::lab::Remote;
use crate::outage::{Outage, ProbeRecord, outages};
use crate::proto::PowerEffect;
use std::io::Write;
use std::time::Duration;

/// Lines of each daemon's log that are shown when the demonstration fails.
const LOG_LINES: usize = 30;

/// A heading.
pub fn step(text: &str) {
    line(&format!("\n== {text}"));
}

/// A fact.
pub fn say(text: &str) {
    line(&format!("   {text}"));
}

/// A closed standard output is no reason to end a lab that somebody plays with.
fn line(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Runs `hactl` in a host and shows what it says.
pub fn show_hactl(lab: &Remote, host: &str, args: &[&str]) {
    let argv: Vec<&str> = std::iter::once("hactl").chain(args.iter().copied()).collect();
    say(&format!("[{host}] {}", argv.join(" ")));
    match lab.exec(host, &argv, Duration::from_secs(30)) {
        Ok(out) => {
            for text in out.stdout.lines().chain(out.stderr.lines()) {
                say(&format!("| {text}"));
            }
            if !out.is_success() {
                say(&format!("| (exit code {:?})", out.code));
            }
        }
        Err(e) => say(&format!("| {e}")),
    }
}

/// What the power switch truly did since then.
pub fn power_facts(lab: &Remote, since_ns: u64) -> Result<()> {
    for r in lab.power_journal()?.iter().filter(|r| r.t_ns >= since_ns) {
        let ms = (r.t_ns - since_ns) as f64 / 1e6;
        let by = match (&r.pdu, r.outlet) {
            (Some(pdu), Some(outlet)) => format!("{pdu} outlet {outlet}"),
            _ => r.cause.clone(),
        };
        let what = match r.effect {
            PowerEffect::Off => "lost its power",
            PowerEffect::On => "booted",
            PowerEffect::None => "was switched, which changed nothing",
            PowerEffect::BootFailed => "did not boot",
        };
        say(&format!("power switch, {ms:.0} ms after the last answer: {} {what} ({by})", r.host));
    }
    Ok(())
}

/// The end of each daemon's log.
pub fn daemon_logs(lab: &Remote) {
    for host in &lab.spec().hosts {
        let path = lab.host_dir(&host.name).join("log").join(format!("{DAEMON}.log"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| e.to_string());
        let lines: Vec<&str> = text.lines().collect();
        step(&format!("the end of {}", path.display()));
        lines.iter().skip(lines.len().saturating_sub(LOG_LINES)).for_each(|l| say(l));
    }
}

/// The outage between two answers, if they show a failover: another incarnation answers after it than before.
pub fn failover_outage(records: &[ProbeRecord], before: &ProbeRecord, after: &ProbeRecord) -> Option<Outage> {
    let incarnation = |r: &ProbeRecord| r.line.split(' ').nth(1).map(str::to_string);
    if before.host() == after.host() || incarnation(before) == incarnation(after) {
        return None;
    }
    let within =
        |o: &Outage| o.last_ok_ns >= before.end_ns && o.first_ok_ns.is_some_and(|end| end <= after.end_ns);
    // The longest is the failover; single late answers of a busy machine are shorter.
    outages(records)
        .into_iter()
        .filter(within)
        .max_by_key(|o| o.first_ok_ns.unwrap_or(o.last_ok_ns) - o.last_ok_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(t_ms: u64, ok: bool, line: &str) -> ProbeRecord {
        let ns = t_ms * 1_000_000;
        ProbeRecord { t_ns: ns, end_ns: ns + 1, ok, line: line.into(), mac: None }
    }

    #[test]
    fn only_another_incarnation_after_a_gap_is_a_failover() {
        let (a, b) = (probe(0, true, "alpha i1 9 1"), probe(900, true, "beta i2 7 1"));
        let records = [
            a.clone(),
            probe(10, false, "x"),
            probe(20, true, "alpha i1 9 2"),
            probe(30, false, "x"),
            b.clone(),
        ];
        let found = failover_outage(&records, &a, &b).unwrap();
        assert_eq!((found.last_ok_ns, found.first_ok_ns), (20_000_001, Some(900_000_001)));
        assert_eq!(failover_outage(&records, &a, &records[2]), None, "the same host answers");
        assert_eq!(failover_outage(&[a.clone(), b.clone()], &a, &b), None, "nothing failed in between");
    }
}
