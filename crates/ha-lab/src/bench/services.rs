//! What happens to the service alone: its process is killed, the operator moves it.
//!
//! Must not know: tables.

use super::bed::{Bed, HOSTS, WISH_S, wall_minus_boot_ms};
use super::refused;
use super::split::{Mark, Measured, first, handover, mark, measured, server, service_marks};
use super::stolen::Stolen;
use crate::error::Result;
use crate::lab::wait_for;
use crate::observe::Client;
use std::time::Duration;

/// Neither takes longer.
const LIMIT: Duration = Duration::from_secs(20);
/// As in a failover.
const AFTER: Duration = Duration::from_millis(300);

/// Kills the main process of the service where it runs.
pub fn kill(bed: &mut Bed) -> Result<Measured> {
    bed.hactl(&["resource", "cleanup"])?;
    let since = bed.newest()?;
    let (name, client) = bed.client()?;
    let before = client.wait_ok(LIMIT)?;
    let (Some(host), Some(pid)) = (before.host(), before.line.split(' ').nth(2)) else {
        return Err(refused(format!("something else answers: `{}`", before.line)));
    };
    std::thread::sleep(AFTER);
    let stolen = Stolen::begin();
    let done = bed.exec(host, &["sh", "-c", &format!("kill -KILL {pid}")], LIMIT)?;
    if !done.is_success() {
        return Err(refused(format!("the service could not be killed: {}", done.stderr.trim())));
    }
    let (begin, end) = change(bed, &name, &client, server(&before).unwrap_or_default())?;
    let stolen = stolen.percent();
    let events = bed.events_until_up(since, host)?;
    let of_web = [("instance", "web")];
    let marks = [
        mark("noticed", first(&events, "Failed", &of_web)),
        mark("start ordered", first(&events, "Starting", &of_web)),
        mark("service up", first(&events, "Running", &of_web)),
    ];
    Ok(measured(begin, &marks, "answered", end).while_stolen(stolen))
}

/// Moves address and service to another node.
pub fn planned_move(bed: &mut Bed) -> Result<Measured> {
    let status = bed.status()?;
    let owner = status.owner().ok_or_else(|| refused("not everything runs on one node"))?.to_owned();
    // Round and round, so that every pair is measured, with and without the leader in it.
    let here = HOSTS.iter().position(|h| *h == owner).unwrap_or_default();
    let to = HOSTS[(here + 1) % HOSTS.len()];
    let since = bed.newest()?;
    let (name, client) = bed.client()?;
    let before = client.wait_ok(LIMIT)?;
    std::thread::sleep(AFTER);
    let stolen = Stolen::begin();
    bed.hactl(&["resource", "move", "vip", to, "--for", &format!("{WISH_S}s")])?;
    let (begin, end) = change(bed, &name, &client, server(&before).unwrap_or_default())?;
    let stolen = stolen.percent();
    let events = bed.events_until_up(since, to)?;
    let mut marks: Vec<Mark> = vec![
        mark("service stopped", first(&events, "Stopped", &[("instance", "web")])),
        mark("address stopped", first(&events, "Stopped", &[("instance", "vip")])),
    ];
    marks.extend(service_marks(&events));
    Ok(measured(begin, &marks, "answered", end).while_stolen(stolen))
}

/// Waits for another server's answer; wall times of the last answer of the old one and of the first of the new one.
fn change(bed: &Bed, name: &str, client: &Client, old: &str) -> Result<(f64, f64)> {
    wait_for("another server to answer", LIMIT, || Ok(server(&client.wait_ok(LIMIT)?) != Some(old)))?;
    std::thread::sleep(AFTER);
    bed.unwatch(name)?;
    let seen = handover(&client.records()?, old).map_err(refused)?;
    let offset = wall_minus_boot_ms();
    Ok((seen.last_old_ns as f64 / 1e6 + offset, seen.first_new_ns as f64 / 1e6 + offset))
}
