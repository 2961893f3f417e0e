//! How long a cluster may take to get well by itself, and how much it may say when it is: sums over the table of times
//! (`docs/reference/timing.md`), each the worst that may come one after the other.

use crate::shape::{ADDRESS, Shape};
use crate::world::S;
use ha_fencing::{Attempt, level_plans};
use ha_model::ClusterConfig;
use std::time::Duration;

/// `ORDER_VALID` of `ha-core`: an executor begins no later, and for as much longer its leader waits.
const ORDER_VALID: u64 = 3 * S;
/// `ASIDE` of `ha-core`, in `t_lost`: a leader that got nothing done does not stand again; an election fits in.
const ASIDE: u32 = 5;
/// `PAUSE_MAX` of `ha-core`: what failed again and again is started again in place.
const START_PAUSE: u64 = 30 * S;
/// From power, or a daemon's death, to a daemon that takes part: the world's longest of both, one after the other.
const BOOT: u64 = 17 * S;
/// A sound agent of this world takes no longer.
const AGENT: u64 = 3 * S;
/// A second node of a quorum is cut only when the first is back.
const ONE_AFTER_THE_OTHER: u64 = 2;

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn config(shape: &Shape) -> ClusterConfig {
    ha_config::parse("cluster.toml", &shape.text(ADDRESS)).expect("shapes are valid").config
}

/// The longest way: a leader that gets nothing done is relieved; the next has waited for those it never saw; an attempt
/// that began before the mending fails, the next proves; after the dwell an order to switch on that began before fails,
/// the next does it; the host boots; a stop, or a start, that hangs is given up, and everything is started.
pub(super) fn by_itself(shape: &Shape) -> u64 {
    let config = config(shape);
    let t = &config.timing;
    let attempts = config.nodes.keys().map(|id| ns(Attempt::longest(&level_plans(&config, id))));
    let attempt = attempts.max().unwrap_or(0) + ORDER_VALID;
    let retried = attempt + ns(t.fence_retry_max) + attempt;
    let lead = ns(t.write_age_max + t.t_lost) + ns(t.t_lost * ASIDE) + unseen(shape);
    let power = ns(t.off_dwell).max(attempt) + retried + BOOT;
    let hangs = config.resources.values().map(|r| ns(r.start_timeout.max(r.stop_timeout))).max().unwrap_or(0);
    let agents = hangs + START_PAUSE + 2 * AGENT * (1 + config.resources.len() as u64);
    lead + ONE_AFTER_THE_OTHER * (retried + power) + agents
}

/// Whoever was not heard is lost by then, and to be cut if it may hold something.
pub(super) fn unseen(shape: &Shape) -> u64 {
    let t = config(shape).timing;
    ns(t.startup_wait + t.t_lost * 3)
}

/// In calm each path is tested at most once: ordered, reported, and written down for everybody.
pub(super) fn calm_messages(shape: &Shape) -> u64 {
    let config = config(shape);
    let others = config.nodes.len().saturating_sub(1) as u64;
    let paths: u64 = config.devices.values().map(|d| d.outlets.len() as u64 * others).sum();
    paths * (2 + 2 * others)
}
