//! A cold start: every node loses its power, then all get it back at once.
//!
//! Must not know: tables. The logs of the nodes are kept, as after a real power cut; only boots are new.

use super::bed::{Bed, HOSTS, wall_minus_boot_ms};
use super::refused;
use super::split::{Measured, first, mark, measured, service_marks};
use super::stolen::Stolen;
use crate::clock::boot_ns;
use crate::error::Result;
use crate::lab::Remote;
use crate::proto::PowerEffect;
use std::time::Duration;

/// A formation that waits for a member takes `startup_wait`, 20 s; with all three there it must not.
const LIMIT: Duration = Duration::from_secs(60);
/// How long it stays dark.
const DARK: Duration = Duration::from_millis(500);

/// Measures one.
pub fn run(bed: &mut Bed) -> Result<Measured> {
    let since = bed.newest()?;
    let (name, client) = bed.client()?;
    client.wait_ok(LIMIT)?;
    all(bed, Remote::power_off)?;
    client.wait_fail(LIMIT)?;
    std::thread::sleep(DARK);
    let (dark, stolen) = (boot_ns(), Stolen::begin());
    all(bed, Remote::power_on)?;
    let answer = client.wait_ok(LIMIT)?;
    let stolen = stolen.percent();
    bed.unwatch(&name)?;
    let booted: Vec<_> =
        bed.power_journal()?.into_iter().filter(|r| r.t_ns >= dark && r.effect == PowerEffect::On).collect();
    let (Some(begin), Some(up)) =
        (booted.iter().map(|r| r.began_ns).min(), booted.iter().map(|r| r.t_ns).max())
    else {
        return Err(refused("no host booted"));
    };
    // The first answer of all, not the first that was waited for.
    let first_answer = client.records()?.iter().filter(|r| r.ok && r.t_ns >= begin).map(|r| r.end_ns).min();
    let host = answer.host().unwrap_or_default().to_owned();
    let events = bed.events_until_up(since, &host)?;
    let offset = wall_minus_boot_ms();
    let at = |ns: u64| ns as f64 / 1e6 + offset;
    let joined = events.iter().filter(|e| e.is("NodeJoined", &[])).map(|e| e.at_ms).reduce(f64::max);
    let mut marks = vec![
        mark("hosts booted", Some(at(up))),
        mark("elected", first(&events, "LeaderElected", &[])),
        mark("all joined", joined),
    ];
    marks.extend(service_marks(&events));
    let end = at(first_answer.unwrap_or(answer.end_ns));
    Ok(measured(at(begin), &marks, "answered", end).while_stolen(stolen))
}

/// All at once, as a power cut is.
fn all(bed: &Bed, act: fn(&Remote, &str) -> Result<()>) -> Result<()> {
    let lab: &Remote = bed;
    std::thread::scope(|scope| {
        let acts: Vec<_> = HOSTS.map(|host| scope.spawn(move || act(lab, host))).into();
        acts.into_iter().try_for_each(|a| a.join().unwrap_or_else(|_| Err(refused("a switch panicked"))))
    })
}
