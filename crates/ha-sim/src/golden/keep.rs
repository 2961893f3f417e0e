//! A seed's schedule kept as a scenario: what a life has found stays found.
//!
//! Must not know: files. Invariant: what is written is read again as a scenario, with a fact for each resource.

use super::fact::time;
use super::live;
use super::scenario::Scenario;
use crate::schedule::{LIFE_MS, Schedule};
use crate::shape::Shape;
use crate::world::MS;

/// The text of a scenario that lives a schedule in a seed's cluster, with the journal that comes of it. The first comment and
/// the facts are to be completed.
///
/// # Errors
/// The schedule is not one that a scenario can hold.
pub fn keep(seed: u64, shape: &Shape, schedule: &Schedule) -> Result<String, String> {
    let mut text = format!(
        "# Kept from seed {seed}: {shape}.\n# Say here what happens, and what is expected.\n# Guards: S1\nseed {seed}\n"
    );
    let mut at_ms = 0;
    for entry in &schedule.0 {
        if entry.at_ms > at_ms {
            text += &format!("run {}\n", time((entry.at_ms - at_ms) * MS));
            at_ms = entry.at_ms;
        }
        text += &format!("{}\n", entry.act);
    }
    if LIFE_MS > at_ms {
        text += &format!("run {}\n", time((LIFE_MS - at_ms) * MS));
    }
    text += "mend\n---- expect\n---- facts\n";
    for instance in shape.instances() {
        text += &format!("  owners of {instance} at any time <= 1\n");
    }
    let scenario = Scenario::read(&text, &|name| Err(format!("a kept schedule has no file {name}")))
        .map_err(|e| format!("line {e}"))?;
    Ok(scenario.with_journal(&text, &live(&scenario).seen.lines))
}
