//! Every time of the table by its name: how to read and set it, how it is derived, what it is for.
//! Written once, for the reader of `[timing]`, for `docs/reference/timing.md` and for the difference of two files.

use crate::limits::TIMING_MAX;
use ha_model::{CANARY_PERIOD, Timing};
use std::time::Duration;

/// One time of the table.
pub(crate) struct TimingField {
    pub name: &'static str,
    pub get: fn(&Timing) -> Duration,
    pub set: fn(&mut Timing, Duration),
    pub min: Duration,
    pub max: Duration,
    /// How it follows from `t_lost`.
    pub formula: &'static str,
    pub meaning: &'static str,
}

/// One time that no key changes, and that a rule of the table speaks of.
pub(crate) struct FixedTime {
    pub name: &'static str,
    pub value: Duration,
    pub meaning: &'static str,
}

/// All of them.
pub(crate) static FIXED: &[FixedTime] = &[FixedTime {
    name: "canary_period",
    value: CANARY_PERIOD,
    meaning: "pause between two attempts to start a program; the age that `spawn_age_max` bounds reaches it on a healthy host",
}];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

macro_rules! fields {
    ($($name:ident: $min:expr, $max:expr, $formula:literal, $meaning:literal;)*) => {
        /// The table in its order.
        pub(crate) static FIELDS: &[TimingField] = &[$(TimingField {
            name: stringify!($name),
            get: |timing| timing.$name,
            set: |timing, value| timing.$name = value,
            min: $min,
            max: $max,
            formula: $formula,
            meaning: $meaning,
        },)*];
    };
}

fields! {
    t_lost: ms(1), TIMING_MAX, "the profile", "a node silent on every link for this long is lost";
    beat: ms(1), TIMING_MAX, "t_lost / 10", "pause between two heartbeats on each link";
    t_lease: ms(1), TIMING_MAX, "0.7 t_lost", "how long a leader may act after it sent a heartbeat that a quorum acknowledged";
    t_grant: ms(1), TIMING_MAX, "3 t_lost", "how long a member may run exclusive resources after it sent the request that was granted";
    handover_after: ms(1), TIMING_MAX, "t_lost / 2", "silence after which a leader that alone loses a node hands leadership to one that hears it";
    rank_delay: ms(1), TIMING_MAX, "fixed", "distance at which candidates stand one after another";
    election_retry: ms(1), TIMING_MAX, "t_lost / 4", "largest random part of a repeated candidacy";
    core_age_max: ms(1), TIMING_MAX, "2 t_lost, at least 1s", "a node whose core has not stepped for this long counts as lost";
    write_age_max: ms(1), TIMING_MAX, "10 t_lost, at least 10s", "a node with a write outstanding for this long counts as lost";
    spawn_age_max: ms(1), TIMING_MAX, "10 t_lost, at least 15s", "a node that could not start a process for this long counts as lost";
    startup_wait: ms(0), TIMING_MAX, "fixed", "how long a forming cluster waits for members it has not seen, before it fences those that it can prove off";
    daemon_grace: ms(1), TIMING_MAX, "fixed", "how long a host that answers may be without its daemon before it is fenced";
    t_watchdog: ms(1), TIMING_MAX, "daemon_grace + t_grant in whole seconds, at least 10s", "a host is reset by its watchdog when nobody has written to it for this long";
    off_settle: ms(0), TIMING_MAX, "fixed", "distance of the two readings that prove power off; longer than a supply holds its charge";
    off_dwell: ms(0), TIMING_MAX, "fixed", "how long power stays off before it is switched on again";
    fence_retry_min: ms(1), TIMING_MAX, "fixed", "first pause after a failed fence attempt; it doubles";
    fence_retry_max: ms(1), TIMING_MAX, "fixed", "longest pause between two fence attempts";
    path_test: ms(1), TIMING_MAX, "fixed", "pause between two harmless tests of a fence path";
    path_fresh: ms(1), TIMING_MAX, "fixed", "age from which a test of a fence path proves nothing any more";
}
