//! Lives added up, and the table of them.
//!
//! Must not know: how a life is lived. Pure.

use super::life::Life;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// From so long a run on, rows that must not be zero are demanded.
pub const DEMANDING: Duration = Duration::from_secs(120);
/// Kinds of faults that such a run has at least.
const KINDS_MIN: usize = 3;

/// Many lives.
#[derive(Debug, Default)]
pub struct Total {
    lives: u32,
    kinds: BTreeMap<&'static str, usize>,
    violations: usize,
    bad_lives: BTreeSet<u32>,
    condemned: BTreeSet<&'static str>,
    broken_off: u32,
    fences: usize,
    darkened: usize,
    stalled: usize,
    failovers_ms: Vec<f64>,
    moves_ms: Vec<f64>,
    elections: u64,
    well_ms: Vec<f64>,
    signs: usize,
    unseen_ms: u64,
}

/// Rules of which a lying switch must have one broken before the eyes of the judge: two owners, or one too early.
const OWNERS: [&str; 2] = ["S1", "S2"];

impl Total {
    /// One more.
    pub fn add(&mut self, number: u32, life: &Life) {
        self.lives += 1;
        life.kinds.iter().for_each(|(kind, count)| *self.kinds.entry(kind).or_default() += count);
        self.violations += life.violations.len();
        if !life.violations.is_empty() {
            self.bad_lives.insert(number);
        }
        self.condemned.extend(&life.condemned);
        self.broken_off += u32::from(life.is_broken_off);
        self.unseen_ms = self.unseen_ms.max(life.unseen_ms);
        self.fences += life.fences;
        self.darkened += life.darkened;
        self.stalled += life.stalled;
        self.failovers_ms.extend(&life.failovers_ms);
        self.moves_ms.extend(&life.moves_ms);
        self.elections += life.elections;
        self.well_ms.extend(life.well_ms.map(|ms| ms as f64));
        self.signs += life.signs;
    }

    /// How many violations.
    pub fn violations(&self) -> usize {
        self.violations
    }

    /// Whether the judge condemned what a lying switch leads to. A life that broke off condemns nobody, and neither does
    /// one that was not well in time: they may have seen no takeover at all.
    pub fn has_seen_the_lie(&self) -> bool {
        self.broken_off == 0 && OWNERS.iter().any(|rule| self.condemned.contains(rule))
    }

    /// What a run of this length must have met and has not.
    pub fn missing(&self, wanted: Duration) -> Vec<String> {
        if wanted < DEMANDING {
            return Vec::new();
        }
        let rows = [
            ("lives", self.lives as usize, 1),
            ("kinds of faults", self.kinds.len(), KINDS_MIN),
            ("fences", self.darkened, 1),
            ("failovers", self.failovers_ms.len(), 1),
            ("signs of owners", self.signs, 1),
        ];
        let poor = rows.into_iter().filter(|(_, count, least)| count < least);
        poor.map(|(row, count, least)| format!("{row}: {count}, at least {least} in a run of this length"))
            .collect()
    }

    /// The table.
    pub fn markdown(&self) -> String {
        let mut out = String::from("| | |\n| --- | --- |\n");
        let mut row = |name: &str, value: String| _ = writeln!(out, "| {name} | {value} |");
        row("lives", self.lives.to_string());
        for (kind, count) in self.kinds.iter().filter(|(kind, _)| !kind.starts_with("operator")) {
            row(&format!("fault: {kind}"), count.to_string());
        }
        for (kind, count) in self.kinds.iter().filter(|(kind, _)| kind.starts_with("operator")) {
            row(kind, count.to_string());
        }
        row("outlets opened", self.fences.to_string());
        row("of these, on a host that ran", self.darkened.to_string());
        row("of these, after nothing but a machine that stood still", self.stalled.to_string());
        row("failovers (the old owner's power was cut)", self.failovers_ms.len().to_string());
        row("their outage: median, max", spread(&self.failovers_ms));
        row("moves in order", self.moves_ms.len().to_string());
        row("their outage: median, max", spread(&self.moves_ms));
        row("elections", self.elections.to_string());
        row("healed until all was well: median, max", spread(&self.well_ms));
        row("answers and blocks judged", self.signs.to_string());
        row("longest time that a watch did not look", format!("{} ms", self.unseen_ms));
        row("violations", self.violations.to_string());
        out
    }

    /// The last line.
    pub fn last_line(&self) -> String {
        let bad: Vec<String> = self.bad_lives.iter().map(u32::to_string).collect();
        let of = if bad.is_empty() { String::new() } else { format!(" (life {})", bad.join(", ")) };
        format!("{} lives, {} violations{of}", self.lives, self.violations)
    }
}

/// Median and largest, in milliseconds.
fn spread(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(max) = sorted.last() else { return "–".into() };
    let middle = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
    format!("{middle:.0} ms, {max:.0} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life() -> Life {
        Life {
            kinds: BTreeMap::from([("a", 1), ("b", 2), ("operator: c", 1)]),
            fences: 2,
            darkened: 1,
            failovers_ms: vec![1_000.0, 3_000.0, 2_000.0],
            signs: 10,
            ..Life::default()
        }
    }

    #[test]
    fn a_long_run_that_met_nothing_is_told() {
        let mut total = Total::default();
        assert_eq!(total.missing(DEMANDING).len(), 5);
        assert_eq!(total.missing(Duration::from_secs(60)), Vec::<String>::new());
        total.add(1, &life());
        assert_eq!(total.missing(DEMANDING), Vec::<String>::new());
        let poor = Life { darkened: 0, kinds: BTreeMap::from([("a", 9)]), ..life() };
        let mut total = Total::default();
        total.add(1, &poor);
        assert_eq!(total.missing(DEMANDING).len(), 2);
    }

    #[test]
    fn only_an_owner_too_many_or_too_early_shows_the_lie() {
        let of = |condemned: &[&'static str], is_broken_off| {
            let mut total = Total::default();
            let condemned = condemned.iter().copied().collect();
            total.add(1, &Life { violations: vec!["x".into()], condemned, is_broken_off, ..life() });
            total.has_seen_the_lie()
        };
        assert!(of(&["S1"], false) && of(&["S2"], false) && of(&["S2", "watch"], false));
        assert!(!of(&[], false), "not well in time, or cut for nothing");
        assert!(!of(&["watch"], false), "who is blind saw nothing");
        assert!(!of(&[], true) && !of(&["S2"], true), "broken off");
    }

    #[test]
    fn violations_are_counted_with_their_lives() {
        let mut total = Total::default();
        total.add(1, &life());
        assert_eq!(total.last_line(), "1 lives, 0 violations");
        total.add(2, &Life { violations: vec!["x".into(), "y".into()], ..life() });
        assert_eq!((total.violations(), total.last_line()), (2, "2 lives, 2 violations (life 2)".into()));
        assert!(
            total.markdown().contains("| their outage: median, max | 2000 ms, 3000 ms |"),
            "{}",
            total.markdown()
        );
    }
}
