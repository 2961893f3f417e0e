//! One loss of the owner: power-off, freeze or cut.
//!
//! Must not know: tables.

use super::bed::{Bed, wall_minus_boot_ms};
use super::refused;
use super::row::How;
use super::split::{Measured, failover_marks, handover, measured, server};
use super::stolen::Stolen;
use crate::error::Result;
use crate::lab::wait_for;
use std::time::Duration;

/// A failover that takes longer failed; with the longest settling it takes some three seconds.
const LIMIT: Duration = Duration::from_secs(40);
/// How long the client goes on after the first answer, so that an answer of the old owner would be seen.
const AFTER: Duration = Duration::from_millis(300);

/// Measures one.
pub fn run(bed: &mut Bed, how: How, leads: bool) -> Result<Measured> {
    let (owner, leader) = bed.arrange(leads)?;
    let since = bed.newest()?;
    let (name, client) = bed.client()?;
    let before = client.wait_ok(LIMIT)?;
    let old = server(&before).unwrap_or_default().to_owned();
    if before.host() != Some(owner.as_str()) {
        return Err(refused(format!(
            "the cluster says that {owner} owns, the client hears `{}`",
            before.line
        )));
    }
    std::thread::sleep(AFTER);
    let stolen = Stolen::begin();
    match how {
        How::PowerOff => bed.power_off(&owner)?,
        How::Freeze => bed.freeze(&owner)?,
        How::Cut => bed.cut_host(&owner)?,
    }
    let mut after = None;
    wait_for(&format!("another host than {owner} to answer"), LIMIT, || {
        let answer = client.wait_ok(LIMIT)?;
        let is_new = answer.host() != Some(owner.as_str());
        after = is_new.then_some(answer);
        Ok(is_new)
    })?;
    let stolen = stolen.percent();
    let host = after.and_then(|r| r.host().map(str::to_owned)).unwrap_or_default();
    std::thread::sleep(AFTER);
    bed.unwatch(&name)?;
    let seen = handover(&client.records()?, &old).map_err(refused)?;
    let events = bed.events_until_up(since, &host)?;
    let offset = wall_minus_boot_ms();
    let at = |ns: u64| ns as f64 / 1e6 + offset;
    let marks = failover_marks(&events, &owner, leads);
    if marks.iter().any(|m| m.name == "lost" && m.at_ms.is_none()) {
        return Err(refused(format!("the timeline does not show that {owner} was lost ({leader} led)")));
    }
    Ok(measured(at(seen.last_old_ns), &marks, "answered", at(seen.first_new_ns)).while_stolen(stolen))
}
