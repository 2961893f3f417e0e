//! One host: its power, its clock, its disk, what runs on it, and its daemon.

use super::Due;
use super::clock::Clock;
use super::disk::Disk;
use super::watchdog::Watchdog;
use ha_core::{AgentRun, BeatBody, BeatIn, Node};
use ha_model::{AdminReply, BootNs, EffectId, Incarnation, InstanceId, NodeId, SessionId, StoreId, Term};
use std::collections::{BTreeMap, BTreeSet};

/// An agent's run under way.
pub struct Run {
    pub run: AgentRun,
    pub is_cancelled: bool,
    /// It is killed at its time-out.
    pub hangs: bool,
    /// The grant was looked at, and held, before the host stood still; the program is executed after.
    pub is_past_check: bool,
    /// The daemon's term when it began.
    pub term: Term,
}

/// What ends with the daemon.
pub struct Daemon {
    pub node: Box<Node>,
    pub session: SessionId,
    pub started_at: BootNs,
    pub runs: BTreeMap<EffectId, Run>,
    pub bodies: Vec<(NodeId, BeatBody)>,
    pub valid_until: BootNs,
    /// Heartbeats that have arrived and wait for a step.
    pub inbox: Vec<BeatIn>,
    /// Newest sending time heard, by peer and link.
    pub heard: BTreeMap<(NodeId, u8), BootNs>,
    pub last_step: BootNs,
    pub grant: Option<BootNs>,
    /// Until when its heartbeat thread may write to the watchdog.
    pub pet_until: Option<BootNs>,
    /// Offs that its fence agents are about, and of whom.
    pub cutting: BTreeMap<EffectId, NodeId>,
    /// The core stands still; heartbeats go on.
    pub is_stalled: bool,
    pub wake: Option<u64>,
    pub replies: BTreeMap<u64, AdminReply>,
    /// Entries through here were compared with what others applied.
    pub checked: u64,
    /// What was probed or started in this session.
    pub known: BTreeSet<InstanceId>,
    /// When each peer's stream delivers next: messages keep their order.
    pub delivered: BTreeMap<NodeId, u64>,
}

/// One host.
pub struct Host {
    pub daemon: Option<Daemon>,
    pub is_on: bool,
    pub off_since: u64,
    /// Power goes only then, though the switch said off.
    pub goes_off_at: Option<u64>,
    pub is_frozen: bool,
    pub clock: Clock,
    pub ppm: i32,
    pub wall_s: i64,
    pub boots: u128,
    pub sessions: u128,
    /// Of the daemon that ran last.
    pub last_session: SessionId,
    pub incarnation: Incarnation,
    /// Instances that truly run here.
    pub running: BTreeSet<InstanceId>,
    pub disk: Disk,
    pub watchdog: Option<Watchdog>,
    pub thawed_at: BootNs,
    /// The same, where its clock stood with it: it cannot know that time has passed.
    pub clock_stood_until: Option<BootNs>,
    /// What failed to stop here in this boot, and was not stopped since: what runs on is the watchdog's.
    pub stops_failed: BTreeSet<InstanceId>,
    /// When what does not run here any more ended.
    pub ended: BTreeMap<InstanceId, u64>,
    /// What lives though its agent called it dead.
    pub strays: BTreeSet<InstanceId>,
    /// What does not live though its agent said so last.
    pub seems_alive: BTreeSet<InstanceId>,
    /// What arrived while it stood still.
    pub parked: Vec<Due>,
}

impl Host {
    pub fn new(index: u128) -> Self {
        Self {
            daemon: None,
            is_on: false,
            off_since: 0,
            goes_off_at: None,
            is_frozen: false,
            clock: Clock::booted(0, 0, 0),
            ppm: 0,
            wall_s: 0,
            boots: 0,
            sessions: 0,
            last_session: SessionId(0),
            incarnation: Incarnation(0),
            running: BTreeSet::new(),
            disk: Disk::new(StoreId(index)),
            watchdog: None,
            thawed_at: BootNs(0),
            clock_stood_until: None,
            stops_failed: BTreeSet::new(),
            ended: BTreeMap::new(),
            strays: BTreeSet::new(),
            seems_alive: BTreeSet::new(),
            parked: vec![],
        }
    }

    pub fn node(&self) -> Option<&Node> {
        self.daemon.as_ref().map(|d| &*d.node)
    }

    pub fn leads(&self) -> bool {
        self.node().is_some_and(|n| n.votes().is_leader())
    }

    pub fn is_session(&self, session: SessionId) -> bool {
        self.daemon.as_ref().is_some_and(|d| d.session == session)
    }

    /// A core that stands still behind heartbeats.
    pub fn is_stalled(&self) -> bool {
        self.daemon.as_ref().is_some_and(|d| d.is_stalled)
    }

    /// A daemon that can take something in.
    pub fn is_awake(&self) -> bool {
        self.is_on && !self.is_frozen && self.daemon.as_ref().is_some_and(|d| !d.is_stalled)
    }

    /// All that truly lives here.
    pub fn alive(&self) -> BTreeSet<InstanceId> {
        self.running.union(&self.strays).cloned().collect()
    }

    /// Whether something truly lives here, whatever was said of it.
    pub fn is_alive(&self, instance: &InstanceId) -> bool {
        self.running.contains(instance) || self.strays.contains(instance)
    }

    /// The daemon is gone with all it had in memory, and its writes that were not durable but for the oldest `kept`.
    pub fn forget_daemon(&mut self, kept: usize) {
        for write in self.disk.writes.drain(..kept).collect::<Vec<_>>() {
            self.disk.write(write);
        }
        self.daemon = None;
        self.disk.writes.clear();
        self.parked.clear();
        self.thawed_at = BootNs(0);
        self.clock_stood_until = None;
    }
}
