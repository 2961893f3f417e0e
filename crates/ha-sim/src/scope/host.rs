//! One host: its outlet, its clock, its disk, what truly runs on it, and its daemon with the real core.

use super::cluster::{At, Cluster, NODES, boot_clock, wall_clock};
use crate::world::disk::Disk;
use ha_core::{AgentRun, BeatBody, BeatIn, FenceRun, Node};
use ha_model::{BootNs, EffectId, Incarnation, NodeId, Now, SessionId, StoreId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far a call of the fence agent is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// The switch has not done it yet.
    Asked,
    /// It has; the answer is on its way.
    Acted,
}

/// A call of the fence agent under way.
#[derive(Clone, Hash, Debug)]
pub struct Call {
    /// What was asked.
    pub run: FenceRun,
    /// How far it is.
    pub stage: Stage,
    /// Nobody waits for its answer any more.
    pub is_cancelled: bool,
    /// When it is given up.
    pub until: u64,
}

/// A run of the resource's agent under way.
#[derive(Clone, Hash, Debug)]
pub struct Run {
    /// What was asked.
    pub run: AgentRun,
    /// Its daemon wishes it away.
    pub is_cancelled: bool,
}

/// What ends with the daemon.
#[derive(Clone, Hash, Debug)]
pub struct Daemon {
    /// The real core.
    pub node: Box<Node>,
    /// This start.
    pub session: SessionId,
    /// By the host's clock.
    pub started_at: BootNs,
    /// Agents.
    pub runs: BTreeMap<EffectId, Run>,
    /// Fence agents.
    pub calls: BTreeMap<EffectId, Call>,
    /// What heartbeats say.
    pub bodies: Vec<(NodeId, BeatBody)>,
    /// Past this there are none.
    pub valid_until: BootNs,
    /// One is to be sent now.
    pub is_beat_urgent: bool,
    /// Newest sending time heard of each other.
    pub heard: [Option<BootNs>; NODES],
    /// Of the core.
    pub last_step: BootNs,
    /// Until when it may start what is exclusive.
    pub grant: Option<BootNs>,
    /// When it wants to be stepped at the latest, in the world's time.
    pub wake: Option<u64>,
    /// The resource was probed or started in this session.
    pub is_known: bool,
    /// Entries through here were compared with what others applied.
    pub checked: u64,
}

impl Daemon {
    /// When the next call of the fence agent is given up.
    #[must_use]
    pub fn given_up_at(&self) -> Option<u64> {
        self.calls.values().filter(|c| !c.is_cancelled).map(|c| c.until).min()
    }
}

/// One host.
#[derive(Clone, Hash, Debug)]
pub struct Host {
    /// Where it is in the order of names.
    pub at: At,
    /// It has power and has not crashed.
    pub is_on: bool,
    /// What the switch says of its outlet.
    pub is_outlet_on: bool,
    /// It stands still; its clock does not.
    pub is_frozen: bool,
    /// Power goes then, though the outlet reads off already: the supply holds its charge.
    pub goes_off_at: Option<u64>,
    /// Boots so far.
    pub boots: u128,
    /// Daemon starts so far.
    pub sessions: u128,
    /// When it booted.
    pub booted_at: u64,
    /// When its daemon starts.
    pub daemon_at: Option<u64>,
    /// When it was thawed last in this boot, by its clock.
    pub thawed_at: BootNs,
    /// The resource truly runs here.
    pub runs: bool,
    /// A stop failed here in this boot: what runs on is no fault of the core's.
    pub has_stop_failed: bool,
    /// Shared until it is written to.
    pub disk: Arc<Disk>,
    /// The daemon.
    pub daemon: Option<Daemon>,
    /// Heartbeats that arrived while it stood still.
    pub parked: Vec<BeatIn>,
}

impl Host {
    /// Without power, with an empty disk.
    #[must_use]
    pub fn new(at: At) -> Self {
        Self {
            at,
            is_on: false,
            is_outlet_on: true,
            is_frozen: false,
            goes_off_at: None,
            boots: 0,
            sessions: 0,
            booted_at: 0,
            daemon_at: None,
            thawed_at: BootNs(0),
            runs: false,
            has_stop_failed: false,
            disk: Arc::new(Disk::new(StoreId(u128::from(at) + 1))),
            daemon: None,
            parked: vec![],
        }
    }

    /// What its clocks show.
    #[must_use]
    pub fn now(&self, t: u64) -> Now {
        Now { boot: self.clock(t), wall: wall_clock(self.at, t) }
    }

    /// What its boot clock shows.
    #[must_use]
    pub fn clock(&self, t: u64) -> BootNs {
        boot_clock(self.at, t.saturating_sub(self.booted_at))
    }

    /// Its present boot.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        Incarnation((self.boots << 100) | (u128::from(self.at) + 1))
    }

    /// Its core.
    #[must_use]
    pub fn node(&self) -> Option<&Node> {
        self.daemon.as_ref().map(|d| &*d.node)
    }

    /// The core of one that does not stand still.
    #[must_use]
    pub fn awake(&self) -> Option<&Daemon> {
        self.daemon.as_ref().filter(|_| !self.is_frozen)
    }

    /// It leads as far as it knows.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.node().is_some_and(|n| n.votes().is_leader())
    }

    /// Its session, where it has a daemon.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.daemon.as_ref().map(|d| d.session)
    }

    /// The daemon is gone with all it had in memory, and its writes that were not durable.
    pub fn forget_daemon(&mut self) {
        self.daemon = None;
        if !self.disk.writes.is_empty() {
            Arc::make_mut(&mut self.disk).writes.clear();
        }
        self.parked.clear();
        self.thawed_at = BootNs(0);
    }

    /// Its power is gone.
    pub fn power_off(&mut self) {
        (self.is_on, self.is_frozen, self.runs, self.has_stop_failed) = (false, false, false, false);
        (self.goes_off_at, self.daemon_at) = (None, None);
        self.forget_daemon();
    }

    /// It boots; its daemon starts then.
    pub fn power_on(&mut self, t: u64, daemon_at: u64) {
        if self.is_on {
            return;
        }
        self.is_on = true;
        self.boots += 1;
        (self.booted_at, self.daemon_at) = (t, Some(daemon_at));
    }

    /// Something of the resource runs or is being started here.
    #[must_use]
    pub fn has_any_of_it(&self) -> bool {
        let starts = |d: &Daemon| d.runs.values().any(|r| r.run.op == ha_core::AgentOp::Start);
        self.runs || self.daemon.as_ref().is_some_and(starts)
    }

    /// The daemon's start: a core from what the disk holds.
    ///
    /// # Panics
    /// What was stored is not whole: nothing here damages it.
    pub fn start_daemon(&mut self, t: u64, cluster: &Cluster) {
        self.sessions += 1;
        self.daemon_at = None;
        let session = SessionId((self.sessions << 96) | (u128::from(self.at) + 1));
        let (config, store) = (&cluster.config, &self.disk.stored);
        let votes = store.restored(config);
        let setup = ha_core::Setup {
            me: cluster.name(self.at).clone(),
            incarnation: self.incarnation(),
            session,
            store: self.disk.id,
            file_name: "cluster.toml".into(),
            file_text: cluster.text.clone(),
            config: Arc::clone(config),
            codec: super::cluster::CODEC,
            limits: ha_consensus::Limits::default(),
            seed: u64::from(self.at) + 1,
        };
        let now = self.now(t);
        let restored = ha_core::Restored { votes, acted: store.acted };
        let node = Node::new(setup, restored, now).expect("what was stored is whole");
        self.daemon = Some(Daemon {
            node: Box::new(node),
            session,
            started_at: now.boot,
            runs: BTreeMap::new(),
            calls: BTreeMap::new(),
            bodies: vec![],
            valid_until: BootNs(0),
            is_beat_urgent: false,
            heard: [None; NODES],
            last_step: now.boot,
            grant: None,
            wake: None,
            is_known: false,
            checked: 0,
        });
    }
}
