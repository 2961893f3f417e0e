//! The tables in Markdown.
//!
//! Must not know: how anything was measured. Invariant: every value of every run is shown, and every failed run with its
//! reason; a median beside its target says in words whether it is met.

use super::Outcome;
use super::busy::Busy;
use super::idle::NodeIdle;
use super::machine::Machine;
use super::row::{Row, Setting};
use super::split::Measured;
use super::stats::Summary;
use super::stolen::DISTURBED_PERCENT;
use crate::error::Result;
use std::fmt::Write;

/// Most resident memory of a node, MiB, and most of a core, percent: targets of the first issue.
const RSS_MAX_MIB: f64 = 40.0;
const CPU_MAX_PERCENT: f64 = 1.0;

/// The runs of one row.
pub struct Timed {
    /// Row.
    pub row: Row,
    /// What each run gave, or why it failed.
    pub runs: Vec<std::result::Result<Measured, String>>,
    /// What runs gave in which the hypervisor took the processors away.
    pub disturbed: Vec<Measured>,
}

/// One row's results.
pub enum Report {
    /// Milliseconds.
    Timed(Timed),
    /// Idle nodes.
    Idle(Vec<NodeIdle>),
    /// A busy machine.
    Busy(Busy),
}

impl Report {
    /// Adds a run.
    pub(super) fn add(&mut self, row: Row, number: u32, outcome: Result<Outcome>) {
        let run = match outcome {
            Ok(Outcome::Idle(nodes)) => return *self = Self::Idle(nodes),
            Ok(Outcome::Busy(busy)) => return *self = Self::Busy(busy),
            Ok(Outcome::Timed(measured)) => {
                let (ms, stolen) = (measured.total_ms, measured.stolen_percent);
                eprintln!("  {} run {number}: {ms:.0} ms ({stolen:.1} % stolen)", row.word());
                if stolen > DISTURBED_PERCENT
                    && let Self::Timed(timed) = self
                {
                    return timed.disturbed.push(measured);
                }
                Ok(measured)
            }
            Err(e) => {
                eprintln!("  {} run {number} FAILED: {e}", row.word());
                Err(format!("run {number}: {e}"))
            }
        };
        if let Self::Timed(timed) = self {
            timed.runs.push(run);
        }
    }

    /// Runs that count, failed ones too.
    pub fn count(&self) -> usize {
        match self {
            Self::Timed(timed) => timed.runs.len(),
            Self::Idle(_) | Self::Busy(_) => 1,
        }
    }

    /// Whether every run gave something, and nobody was suspected falsely where that is promised.
    pub fn is_clean(&self, setting: &Setting) -> bool {
        match self {
            Self::Timed(timed) => timed.runs.iter().all(std::result::Result::is_ok),
            Self::Idle(_) => true,
            Self::Busy(busy) => busy.suspected.is_empty() || !setting.is_promised_quiet(),
        }
    }
}

/// The document of one setting.
pub fn render(setting: &Setting, reports: &[Report], machine: &Machine) -> String {
    let own_start_ms = machine.own_start.map_or(0.0, |s| s.median);
    let mut out = format!("## {}\n", capital(&setting.title()));
    let timed: Vec<&Timed> = reports
        .iter()
        .filter_map(|r| match r {
            Report::Timed(t) => Some(t),
            Report::Idle(_) | Report::Busy(_) => None,
        })
        .collect();
    if !timed.is_empty() {
        out += "\n| milliseconds | runs | min | median | max | target | |\n| --- | --- | --- | --- | --- | --- | --- |\n";
        timed.iter().for_each(|t| out += &summary_line(t, setting, own_start_ms));
    }
    for report in reports {
        match report {
            Report::Timed(timed) => out += &detail(timed),
            Report::Idle(nodes) => out += &idle(nodes, setting),
            Report::Busy(busy) => out += &busy_lines(busy, setting),
        }
    }
    out
}

fn summary_line(timed: &Timed, setting: &Setting, own_start_ms: f64) -> String {
    let good: Vec<f64> = timed.runs.iter().flatten().map(|m| m.total_ms).collect();
    let failed = timed.runs.len() - good.len();
    let runs =
        if failed > 0 { format!("{} and {failed} FAILED", good.len()) } else { good.len().to_string() };
    let target = timed.row.target_ms(setting, own_start_ms);
    let target_text = target.map_or("–".to_owned(), |t| format!("≤ {t:.0}"));
    let Some(s) = Summary::of(good) else {
        return format!("| {} | {runs} | – | – | – | {target_text} | |\n", timed.row.title());
    };
    let verdict = match target {
        Some(t) if s.median > t => format!("missed by {:.0}", s.median - t),
        Some(_) => "met".to_owned(),
        None => String::new(),
    };
    format!(
        "| {} | {runs} | {:.0} | {:.0} | {:.0} | {target_text} | {verdict} |\n",
        timed.row.title(),
        s.min,
        s.median,
        s.max
    )
}

/// Every value, split by phase, and why runs failed.
fn detail(timed: &Timed) -> String {
    let mut out = format!("\n### {}\n\n", capital(timed.row.title()));
    let good: Vec<&Measured> = timed.runs.iter().flatten().collect();
    if let Some(one) = good.first() {
        out += "| phase, ms | min | median | max | every run |\n| --- | --- | --- | --- | --- |\n";
        out += &phase_line("**in all**", &good.iter().map(|m| Some(m.total_ms)).collect::<Vec<_>>());
        for (i, (name, _)) in one.phases.iter().enumerate() {
            let values: Vec<Option<f64>> = good.iter().map(|m| m.phases.get(i).and_then(|p| p.1)).collect();
            out += &phase_line(name, &values);
        }
        let stolen: Vec<Option<f64>> = good.iter().map(|m| Some(m.stolen_percent)).collect();
        out += &phase_line("*taken by the hypervisor, % of the processors*", &stolen);
    }
    if !timed.disturbed.is_empty() {
        let each =
            timed.disturbed.iter().map(|m| format!("{:.0} ms ({:.0} %)", m.total_ms, m.stolen_percent));
        let each = each.collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            out,
            "\nNot counted, because the hypervisor took more than {DISTURBED_PERCENT:.0} % of the processors meanwhile: {each}"
        );
    }
    let failed: Vec<&String> = timed.runs.iter().filter_map(|r| r.as_ref().err()).collect();
    if !failed.is_empty() {
        out += "\nFailed:\n\n";
        failed.iter().for_each(|why| _ = writeln!(out, "- {}", why.replace('\n', " ")));
    }
    out
}

fn phase_line(name: &str, values: &[Option<f64>]) -> String {
    let all: Vec<String> = values.iter().map(|v| v.map_or("–".to_owned(), |v| format!("{v:.0}"))).collect();
    let numbers = Summary::of(values.iter().flatten().copied())
        .map_or("– | – | –".to_owned(), |s| format!("{:.0} | {:.0} | {:.0}", s.min, s.median, s.max));
    format!("| {name} | {numbers} | {} |\n", all.join(", "))
}

fn idle(nodes: &[NodeIdle], setting: &Setting) -> String {
    let seconds = nodes.first().map_or(0.0, |n| n.seconds);
    let targets = format!("targets: ≤ {RSS_MAX_MIB:.0} MiB resident, ≤ {CPU_MAX_PERCENT:.0} % of a core");
    let targets = if setting.is_promised_quiet() { targets.as_str() } else { "reported only" };
    let mut out = format!("\n### Idle, over {seconds:.0} s ({targets})\n\n");
    out += "| node | resident MiB | proportional MiB | processes | % of a core, itself | its checks | bytes/s sent | bytes/s received | |\n";
    out += "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    for n in nodes {
        let is_met = n.rss_mib <= RSS_MAX_MIB && n.own_percent + n.child_percent <= CPU_MAX_PERCENT;
        let _ = writeln!(
            out,
            "| {} | {:.1} | {:.1} | {} | {:.2} | {:.2} | {:.0} | {:.0} | {} |",
            n.node,
            n.rss_mib,
            n.pss_mib,
            n.processes,
            n.own_percent,
            n.child_percent,
            n.sent_per_s,
            n.received_per_s,
            match (setting.is_promised_quiet(), is_met) {
                (false, _) => "",
                (true, true) => "met",
                (true, false) => "missed",
            }
        );
    }
    out
}

fn busy_lines(busy: &Busy, setting: &Setting) -> String {
    let ms = |value: Option<u64>| value.map_or("not noted".to_owned(), |v| format!("{v} ms"));
    let suspected = match busy.suspected.as_slice() {
        [] => "0 (met)".to_owned(),
        nodes if setting.is_promised_quiet() => {
            format!("{} (MISSED, the target is 0): {}", nodes.len(), nodes.join(", "))
        }
        nodes => format!("{} (reported only): {}", nodes.len(), nodes.join(", ")),
    };
    let mut out =
        "\n### False suspicion: every core busy, memory short, log disk saturated\n\n| | |\n| --- | --- |\n"
            .to_owned();
    for (name, value) in [
        (
            "watched",
            format!("{:.0} s, {} load processes, load average {}", busy.seconds, busy.loads, busy.load),
        ),
        ("some task waited for", format!("{} of the time", busy.pressure)),
        ("least memory available", format!("{} MiB", busy.available_mib)),
        ("nodes suspected", suspected),
        ("elections", busy.elections.to_string()),
        ("largest silence between heartbeats", ms(busy.gap_ms)),
        ("latest heartbeat at its sender", ms(busy.late_ms)),
        ("longest time without an answer for the client", format!("{:.0} ms", busy.outage_ms)),
    ] {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> Setting {
        Setting { profile: "default".into(), off_settle_ms: 0, dir: "/x".into(), storage: "tmpfs".into() }
    }

    fn run(total_ms: f64) -> std::result::Result<Measured, String> {
        Ok(Measured {
            total_ms,
            phases: vec![("lost", Some(total_ms - 10.0)), ("answered", Some(10.0))],
            stolen_percent: 2.0,
        })
    }

    #[test]
    fn a_failed_run_is_shown_and_the_median_is_judged() {
        let timed = Timed {
            row: Row::ALL[0],
            runs: vec![run(1100.0), Err("run 2: no quorum".into()), run(1400.0)],
            disturbed: vec![Measured { total_ms: 2190.0, phases: Vec::new(), stolen_percent: 44.0 }],
        };
        let line = summary_line(&timed, &setting(), 0.0);
        assert!(line.contains("| 2 and 1 FAILED | 1100 | 1250 | 1400 | ≤ 1200 | missed by 50 |"), "{line}");
        let text = detail(&timed);
        assert!(text.contains("| lost | 1090 | 1240 | 1390 | 1090, 1390 |"), "{text}");
        assert!(text.contains("- run 2: no quorum"), "{text}");
        assert!(text.contains("meanwhile: 2190 ms (44 %)"), "shown, not counted: {text}");
        assert!(text.contains("| 2 | 2 | 2 | 2, 2 |"), "{text}");
        assert!(!Report::Timed(timed).is_clean(&setting()));
    }

    #[test]
    fn nothing_measured_is_no_target_met() {
        let timed = Timed { row: Row::Kill, runs: vec![Err("run 1: x".into())], disturbed: Vec::new() };
        let line = summary_line(&timed, &setting(), 4.0);
        assert!(line.contains("| 0 and 1 FAILED | – | – | – | ≤ 104 | |"), "{line}");
    }
}
