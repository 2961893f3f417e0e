//! The cluster that is explored: three members that vote, one switch with an outlet for each, one exclusive resource.

use ha_core::ClusterState;
use ha_core::node::Codec;
use ha_model::{BootNs, ClusterConfig, LogEntry, NodeId, WallMs};
use std::sync::Arc;

/// Nanoseconds of the world in a millisecond.
pub const MS: u64 = 1_000_000;

/// How many nodes there are.
pub const NODES: usize = 3;

/// A node by its position.
pub type At = u8;

/// All positions.
pub const ALL: [At; NODES] = [0, 1, 2];

/// The resource and its only instance.
pub const INSTANCE: &str = "db";

/// Interval of heartbeats; the cluster file says the same.
pub const BEAT: u64 = 200 * MS;

/// Every boot clock starts elsewhere: what mixes the clocks of two nodes is seen at once.
const CLOCK_STARTS: [u64; NODES] = [1_000_000 * MS, 2_000_000 * MS, 30_000 * MS];

/// Wall clocks do not agree either, by so many milliseconds.
const WALL_SKEWS: [i64; NODES] = [0, 1700, -2300];

/// What does not change while a state is explored.
#[derive(Debug)]
pub struct Cluster {
    /// Names by position.
    pub names: [NodeId; NODES],
    /// The cluster file and what it says.
    pub text: String,
    /// The same, read.
    pub config: Arc<ClusterConfig>,
}

/// What the cluster file of a scope says besides.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Distance of the two readings that prove power off, in milliseconds.
    pub off_settle_ms: u64,
    /// How long power stays off before it is switched on again, in milliseconds.
    pub off_dwell_ms: u64,
}

impl Cluster {
    /// Reads the file.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let text = text(shape);
        let config = Arc::new(ha_config::parse("cluster.toml", &text).expect("the file is valid").config);
        let mut names = config.nodes.keys().cloned();
        let names = std::array::from_fn(|_| names.next().expect("three nodes"));
        Self { names, text, config }
    }

    /// Where a node is.
    #[must_use]
    pub fn at(&self, id: &NodeId) -> Option<At> {
        ALL.into_iter().find(|at| self.names[usize::from(*at)] == *id)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self, at: At) -> &NodeId {
        &self.names[usize::from(at)]
    }

    /// Who is at an outlet: `1` feeds the first.
    #[must_use]
    pub fn at_outlet(plug: &str) -> Option<At> {
        let number: At = plug.parse().ok()?;
        number.checked_sub(1).filter(|at| ALL.contains(at))
    }
}

/// A boot clock, so long after its boot.
#[must_use]
pub fn boot_clock(at: At, since_boot: u64) -> BootNs {
    BootNs(CLOCK_STARTS[usize::from(at)] + since_boot)
}

/// The world's time at which that boot clock shows this.
#[must_use]
pub fn when(at: At, booted_at: u64, shows: BootNs) -> u64 {
    booted_at + shows.0.saturating_sub(CLOCK_STARTS[usize::from(at)])
}

/// A wall clock.
#[must_use]
pub fn wall_clock(at: At, t: u64) -> WallMs {
    WallMs(1_700_000_000_000 + (t / MS) as i64 + WALL_SKEWS[usize::from(at)])
}

/// Logs here are far shorter than what makes a snapshot: none is ever taken.
pub const CODEC: Codec = Codec { encode_state: encode, decode_state: decode, entry_size: size };

fn encode(_: &ClusterState) -> Vec<u8> {
    panic!("a snapshot was taken: paths are too long for the limits of the log")
}

fn decode(_: &[u8]) -> Result<ClusterState, String> {
    Err("no snapshot was ever taken".to_owned())
}

fn size(_: &LogEntry) -> usize {
    64
}

/// Heartbeats are rarer than by default: fewer moments. What is heard of a node is up to three of them old, so that a leader waits
/// as long before it takes itself for the only one that misses it.
fn text(shape: Shape) -> String {
    let Shape { off_settle_ms: settle, off_dwell_ms: dwell } = shape;
    format!(
        r#"name = "scope"
stickiness = 100
[timing]
beat = "200ms"
t_grant = "2200ms"
off_settle = "{settle}ms"
off_dwell = "{dwell}ms"
handover_after = "700ms"
[[node]]
name = "n1"
links = ["10.0.0.11"]
[[node]]
name = "n2"
links = ["10.0.0.12"]
[[node]]
name = "n3"
links = ["10.0.0.13"]
[[fence]]
name = "pdu"
agent = "fence_pdu_snmp"
timeout = "2s"
options = {{ ip = "10.9.0.1" }}
outlets = {{ n1 = ["1"], n2 = ["2"], n3 = ["3"] }}
[[resource]]
name = "{INSTANCE}"
agent = "exec"
options = {{ start = "/bin/db" }}
monitor = {{ interval = "60s", timeout = "3s" }}
prefer = {{ n1 = 10 }}
"#
    )
}
