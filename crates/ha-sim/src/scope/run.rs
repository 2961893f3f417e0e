//! Many scopes on all cores, and what they add up to.
//!
//! A scope is searched by one thread: nothing is shared, and its numbers are the same each time.

use super::explore::{Bounds, Outcome, Seen, explore};
use super::milestones::ROWS;
use super::scopes::Scope;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What every run must find in all scopes together.
pub const STATES_MIN: usize = 1_000_000;

/// What came of all.
#[derive(Debug, Default)]
pub struct Total {
    /// By scope, in the order given; those that were not begun are missing.
    pub outcomes: Vec<(Scope, Outcome)>,
    /// Different worlds in all of them.
    pub states: usize,
}

/// Explores them on `threads` threads. `each` hears of every one that ended, and says whether to go on.
pub fn run(
    scopes: &[Scope],
    threads: usize,
    bounds: Bounds,
    each: impl Fn(&Scope, &Outcome) -> bool + Sync,
) -> Total {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let all = Mutex::new((Vec::new(), Seen::default()));
    std::thread::scope(|threads_scope| {
        for _ in 0..threads.max(1) {
            threads_scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scope) = scopes.get(at) else { return };
                    let mut outcome = explore(scope, bounds);
                    if !each(scope, &outcome) {
                        is_over.store(true, Ordering::Relaxed);
                    }
                    let worlds = std::mem::take(&mut outcome.worlds);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.1.extend(worlds);
                    all.0.push((at, *scope, outcome));
                }
            });
        }
    });
    let (mut outcomes, worlds) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(at, _, _)| *at);
    let outcomes = outcomes.into_iter().map(|(_, scope, outcome)| (scope, outcome)).collect();
    Total { outcomes, states: worlds.len() }
}

impl Total {
    /// How many scopes broke a rule.
    #[must_use]
    pub fn violations(&self) -> usize {
        self.outcomes.iter().filter(|(_, o)| o.broken.is_some()).count()
    }

    /// What every run must contain and this one does not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (scope, outcome) in &self.outcomes {
            if outcome.is_cut_short {
                missing.push(format!("{} was not explored to its end", scope.name));
            }
            let failover = ROWS.iter().zip(outcome.rows).take(5).filter(|_| scope.fails_over);
            let zeros = failover.filter(|(_, n)| *n == 0);
            missing.extend(zeros.map(|(row, _)| format!("{}: {row}: never", scope.name)));
        }
        for (at, row) in ROWS.iter().enumerate() {
            if self.outcomes.iter().all(|(_, o)| o.rows[at] == 0) {
                missing.push(format!("{row}: never, in no scope"));
            }
        }
        if self.states < STATES_MIN {
            missing.push(format!("{} states are fewer than {STATES_MIN}", self.states));
        }
        missing
    }

    /// What was explored and what it reached.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<14} {:>9} {:>9} {:>5} {:>6}  {:>8} {:>8} {:>8} {:>8}\n",
            "scope", "states", "moves", "depth", "s", "lost", "proven", "started", "and led"
        );
        for (scope, o) in &self.outcomes {
            let [lost, .., after] = o.rows;
            let (proven, started) = (o.rows[3], o.rows[4]);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:<14} {:>9} {:>9} {:>5} {:>6.1}  {lost:>8} {proven:>8} {started:>8} {after:>8}",
                scope.name,
                o.states,
                o.moves,
                o.depth,
                o.took.as_secs_f64()
            );
        }
        text.push_str("(and led: started elsewhere after a change of leader since the loss)\n");
        for (at, row) in ROWS.iter().enumerate() {
            let sum: u64 = self.outcomes.iter().map(|(_, o)| o.rows[at]).sum();
            let _ = writeln!(text, "{sum:>12}  states: {row}");
        }
        text
    }
}
