//! Bounds of a cluster file. Each keeps one thing small that would otherwise grow with what somebody types.

use std::time::Duration;

/// Longest file. A cluster of 1000 resources with long options stays below it; the text travels in the log.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Most nodes. Every pair keeps a connection and every node votes or follows each write.
pub const NODES_MAX: usize = 32;
/// Most resources; the plan of a failover is made within one beat for this many.
pub const RESOURCES_MAX: usize = 1000;
/// Most groups: no more than half the resources can be in groups of two.
pub const GROUPS_MAX: usize = 500;
/// Most fence devices: two for each node.
pub const DEVICES_MAX: usize = 2 * NODES_MAX;
/// Most links of a node. More than two networks are rare, each costs a heartbeat to each node.
pub const LINKS_MAX: usize = 4;
/// Most fence levels of one node; Pacemaker's topology has nine.
pub const LEVELS_MAX: usize = 9;
/// Most devices in one level, and most outlets of a node on one device: hosts have up to four supplies.
pub const OUTLETS_MAX: usize = 8;
/// Most options of one resource or device.
pub const OPTIONS_MAX: usize = 64;
/// Most declared locks of one resource.
pub const LOCKS_MAX: usize = 16;
/// Longest string in bytes; a command line of `exec` is the longest thing that anyone writes.
pub const STRING_MAX: usize = 4096;
/// Longest name of a network interface (`IFNAMSIZ` − 1, Linux `if.h`).
pub const INTERFACE_MAX: usize = 15;
/// Most failures that `migration_threshold` may wait for; each is a record in the log.
pub const THRESHOLD_MAX: i64 = 1000;
/// Most diagnostics shown; beyond that nobody reads on.
pub const DIAGNOSTICS_MAX: usize = 100;
/// Most diagnostics kept: a megabyte of nonsense must not become a gigabyte of messages.
pub const DIAGNOSTICS_KEPT: usize = 1000;

/// Shortest pause between two checks: shorter ones cost more than they tell.
pub const MONITOR_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two checks.
pub const MONITOR_INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);
/// Shortest run that an agent is allowed.
pub const RUN_MIN: Duration = Duration::from_millis(100);
/// Longest run that an agent is allowed: recovery waits for it.
pub const RUN_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest call of a fence agent: recovery of every resource of the node waits for it.
pub const FENCE_RUN_MAX: Duration = Duration::from_secs(600);
/// Longest distance of two readings (the table of times says why).
pub const OFF_SETTLE_MAX: Duration = Duration::from_secs(60);
/// Shortest age at which a failure is forgotten.
pub const FAILURE_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Longest age at which a failure is forgotten.
pub const FAILURE_TIMEOUT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest entry of `[timing]`.
pub const TIMING_MAX: Duration = Duration::from_secs(3600);
