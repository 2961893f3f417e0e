//! The file as typed: every value read and in its range, every name still text, each with its place.
//! What the values mean together is judged by the modules of `check`.

use crate::report::{Bytes, Sp};
use ha_model::{Profile, Role, Score, Timing};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// One `[[node]]`.
#[derive(Debug)]
pub(crate) struct RawNode {
    pub name: Sp<String>,
    pub at: Bytes,
    pub role: Role,
    pub links: Sp<Vec<Sp<IpAddr>>>,
    pub watchdog: Option<String>,
}

/// One `[[fence]]`.
#[derive(Debug)]
pub(crate) struct RawDevice {
    pub name: Sp<String>,
    pub at: Bytes,
    pub agent: String,
    pub options: BTreeMap<String, String>,
    pub outlets: Vec<(Sp<String>, Vec<Sp<String>>)>,
    pub outlets_at: Bytes,
    pub timeout: Duration,
    pub off_settle: Option<Duration>,
}

/// One `[[level]]`.
#[derive(Debug)]
pub(crate) struct RawLevel {
    pub at: Bytes,
    pub node: Sp<String>,
    pub devices: Vec<Sp<String>>,
}

/// Scores for nodes.
pub(crate) type RawPrefer = Vec<(Sp<String>, Score)>;

/// An agent that can be executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Agent {
    Vip,
    Exec,
}

/// One `[[resource]]`.
#[derive(Debug)]
pub(crate) struct RawResource {
    pub name: Sp<String>,
    pub at: Bytes,
    /// `None` after an error: the name still counts for others.
    pub agent: Option<Agent>,
    pub options: BTreeMap<String, String>,
    /// The normalised address of a `vip`.
    pub address: Option<Sp<IpAddr>>,
    pub interval: Option<Duration>,
    pub check_timeout: Option<Duration>,
    pub start_timeout: Option<Duration>,
    pub stop_timeout: Option<Duration>,
    pub is_exclusive: bool,
    pub locks: Vec<Sp<String>>,
    pub prefer: RawPrefer,
    pub stickiness: Option<Score>,
    pub migration_threshold: Option<i64>,
    pub failure_timeout: Option<Duration>,
    pub priority: Option<Score>,
    pub enabled: bool,
}

/// One `[[group]]`.
#[derive(Debug)]
pub(crate) struct RawGroup {
    pub name: Sp<String>,
    pub at: Bytes,
    pub members: Vec<Sp<String>>,
    pub prefer: RawPrefer,
    pub stickiness: Option<Score>,
}

/// The times, and where each that was typed stands.
#[derive(Debug)]
pub(crate) struct RawTiming {
    pub profile: Profile,
    pub timing: Timing,
    pub places: BTreeMap<&'static str, Bytes>,
    /// Where the pace is set: `profile`, else the top of the file.
    pub pace_at: Bytes,
}
