//! A shorter schedule that breaks the same rule: lines are left out as long as it still does (delta debugging, Zeller and
//! Hildebrandt 2002).

use crate::Pace;
use crate::schedule::{Entry, Schedule};
use crate::shape::Shape;
use crate::story::live;

/// Lives that shrinking may cost.
const TRIES_MAX: usize = 300;

/// The shortest found that still breaks `rule`.
#[must_use]
pub fn shrink(seed: u64, shape: &Shape, schedule: &Schedule, rule: &str) -> Schedule {
    let breaks = |entries: &[Entry]| {
        let outcome = live(seed, shape, &Schedule(entries.to_vec()), Pace::Silent);
        outcome.broken.is_some_and(|b| b.rule == rule)
    };
    let mut best = schedule.0.clone();
    let mut part = best.len().div_ceil(2).max(1);
    let mut tries = 0;
    while tries < TRIES_MAX {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < best.len() && tries < TRIES_MAX {
            let mut fewer = best.clone();
            fewer.drain(at..(at + part).min(best.len()));
            tries += 1;
            if breaks(&fewer) {
                best = fewer;
                has_shrunk = true;
            } else {
                at += part;
            }
        }
        if part == 1 && !has_shrunk {
            break;
        }
        part = if has_shrunk { part } else { part.div_ceil(2).min(part - usize::from(part > 1)).max(1) };
    }
    Schedule(best)
}
