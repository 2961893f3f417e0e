//! One host: its power, its clock, its disk, what runs on it, and its daemon.

use super::world::Due;
use crate::effect::AgentRun;
use crate::message::BeatBody;
use crate::node::Node;
use ha_consensus::Persist;
use ha_model::{AdminReply, BootNs, EffectId, Incarnation, LogEntry, NodeId, PlanId, SessionId, Term};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a disk holds.
#[derive(Clone, Default)]
pub struct Stored {
    pub hard: ha_consensus::HardState,
    pub snapshot: Option<ha_consensus::Snapshot>,
    pub log: BTreeMap<u64, ha_consensus::Entry<LogEntry>>,
    pub peers: Vec<ha_consensus::PeerMemory>,
    pub acted: (Term, PlanId),
}

/// A write that is not durable yet: a kill loses it.
pub struct Write {
    pub id: EffectId,
    pub votes: Option<Box<Persist<LogEntry>>>,
    pub acted: Option<(Term, PlanId)>,
    pub since: u64,
}

impl Stored {
    pub fn write(&mut self, write: Write) {
        if let Some(p) = write.votes {
            self.hard = p.hard;
            self.peers = p.peers;
            self.snapshot = p.snapshot.or(self.snapshot.take());
            if p.reset_log {
                self.log.clear();
            }
            if let Some(through) = p.discard_through {
                self.log.retain(|i, _| *i > through.0);
            }
            if let Some(from) = p.truncate_from {
                self.log.retain(|i, _| *i < from.0);
            }
            self.log.extend(p.append.into_iter().map(|e| (e.index.0, e)));
        }
        self.acted = write.acted.unwrap_or(self.acted);
    }
}

/// An agent's run under way.
pub struct Run {
    pub run: AgentRun,
    pub is_cancelled: bool,
}

/// One host.
pub struct Host {
    pub node: Option<Box<Node>>,
    pub is_on: bool,
    pub off_since: u64,
    pub is_frozen: bool,
    /// The hypervisor stopped its clock too, at this time.
    pub paused_at: Option<u64>,
    /// Its clock is the world's less this.
    pub base: i128,
    pub boots: u128,
    pub sessions: u128,
    pub session: SessionId,
    pub session_since: BootNs,
    pub incarnation: Incarnation,
    pub running: BTreeSet<String>,
    pub runs: BTreeMap<EffectId, Run>,
    pub bodies: BTreeMap<NodeId, BeatBody>,
    pub valid_until: BootNs,
    pub heard: BTreeMap<NodeId, BootNs>,
    pub last_step: BootNs,
    pub store: Stored,
    pub writes: VecDeque<Write>,
    pub disk_free_at: u64,
    pub is_disk_broken: bool,
    pub thawed_at: BootNs,
    /// A stop failed here in this boot: what runs on is the watchdog's.
    pub has_stop_failed: bool,
    pub grant: Option<BootNs>,
    pub wake: Option<u64>,
    pub parked: Vec<Due>,
    pub replies: BTreeMap<u64, AdminReply>,
    pub checked: u64,
    /// When the stream from each peer delivers next: messages keep their order.
    pub delivered: BTreeMap<NodeId, u64>,
}

impl Host {
    pub fn new() -> Self {
        Self {
            node: None,
            is_on: false,
            off_since: 0,
            is_frozen: false,
            paused_at: None,
            base: 0,
            boots: 0,
            sessions: 0,
            session: SessionId(0),
            session_since: BootNs(0),
            incarnation: Incarnation(0),
            running: BTreeSet::new(),
            runs: BTreeMap::new(),
            bodies: BTreeMap::new(),
            valid_until: BootNs(0),
            heard: BTreeMap::new(),
            last_step: BootNs(0),
            store: Stored::default(),
            writes: VecDeque::new(),
            disk_free_at: 0,
            is_disk_broken: false,
            thawed_at: BootNs(0),
            has_stop_failed: false,
            grant: None,
            wake: None,
            parked: vec![],
            replies: BTreeMap::new(),
            checked: 0,
            delivered: BTreeMap::new(),
        }
    }

    pub fn local(&self, t: u64) -> BootNs {
        let t = self.paused_at.unwrap_or(t);
        BootNs(u64::try_from(i128::from(t) - self.base).unwrap_or(0))
    }

    pub fn global(&self, at: BootNs) -> u64 {
        u64::try_from((i128::from(at.0) + self.base).max(0)).unwrap_or(u64::MAX)
    }

    /// The daemon is gone with all it had in memory, and its writes that were not durable.
    pub fn forget_daemon(&mut self) {
        self.node = None;
        self.runs.clear();
        self.bodies.clear();
        self.heard.clear();
        self.writes.clear();
        self.parked.clear();
        self.grant = None;
        self.wake = None;
        self.checked = 0;
        self.is_disk_broken = false;
        self.thawed_at = BootNs(0);
    }
}
