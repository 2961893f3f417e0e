//! Starting and ending a host, and the daemon on it.

use super::clock::Clock;
use super::host::Daemon;
use super::{Due, MS, S, World};
use crate::act;
use ha_consensus::StartError;
use ha_core::node::Codec;
use ha_core::{AgentOp, ClusterState, Input, Node, Restored, Setup};
use ha_model::{BootNs, Incarnation, LogEntry, NodeId, Now, SessionId, StoreId, WallMs};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

thread_local! {
    /// Snapshots are kept as they are; their bytes are a number. One life at a time on a thread.
    static SNAPSHOTS: RefCell<Vec<ClusterState>> = const { RefCell::new(Vec::new()) };
}

fn encode(state: &ClusterState) -> Vec<u8> {
    SNAPSHOTS.with_borrow_mut(|all| {
        all.push(state.clone());
        (all.len() as u64 - 1).to_le_bytes().to_vec()
    })
}

fn decode(bytes: &[u8]) -> Result<ClusterState, String> {
    let at = u64::from_le_bytes(bytes.try_into().map_err(|_| "eight bytes".to_owned())?);
    SNAPSHOTS.with_borrow(|all| all.get(at as usize).cloned().ok_or("no such snapshot".to_owned()))
}

fn size(_: &LogEntry) -> usize {
    64
}

/// Snapshots of the life before are forgotten.
pub(crate) fn forget_snapshots() {
    SNAPSHOTS.with_borrow_mut(Vec::clear);
}

impl World {
    pub(crate) fn power_on(&mut self, id: &NodeId) {
        let (t, uptime) = (self.t, self.rng.range(0, 30 * S));
        let delay = self.rng.range(50 * MS, 1500 * MS);
        let host = self.host(id);
        if host.is_on {
            return;
        }
        host.is_on = true;
        host.goes_off_at = None;
        host.stops_failed.clear();
        host.ended.clear();
        host.boots += 1;
        host.clock = Clock::booted(t, uptime, host.ppm);
        let boot = host.boots;
        self.tell(format!("POWER ON {id}"));
        self.at(delay, Due::Boot { node: id.clone(), boot });
    }

    /// How many of the writes that nobody acknowledged are durable all the same, in their order.
    fn kept_writes(&mut self, id: &NodeId) -> usize {
        let disk = &self.hosts[id].disk;
        let waiting = if disk.has_failed || disk.how == act::Disk::Failing { 0 } else { disk.writes.len() };
        if waiting == 0 || !self.rng.surprises(50) {
            return 0;
        }
        self.tally.sequence("write durable and never acknowledged");
        self.rng.range(1, waiting as u64) as usize
    }

    pub(crate) fn power_off(&mut self, id: &NodeId) {
        let t = self.t;
        if !self.hosts[id].is_on {
            return;
        }
        self.note_gone(id);
        let kept = self.kept_writes(id);
        self.ledger.gone_since.entry(id.clone()).or_insert(t);
        let host = self.host(id);
        (host.is_on, host.off_since, host.is_frozen) = (false, t, false);
        host.watchdog = None;
        host.running.clear();
        host.strays.clear();
        host.seems_alive.clear();
        host.forget_daemon(kept);
        self.callers_are_gone(id);
        self.tell(format!("POWER OFF {id}"));
    }

    /// True where there was one.
    pub(crate) fn kill_daemon(&mut self, id: &NodeId) -> bool {
        if self.hosts[id].daemon.is_none() || self.hosts[id].is_frozen {
            return false;
        }
        self.note_gone(id);
        // A start that was under way has done its work, or never does it, or does it before the next daemon ends it.
        let host = &self.hosts[id];
        let (boot, session) = (host.boots, host.last_session);
        let runs = host.daemon.as_ref().map(|d| &d.runs).into_iter().flat_map(|r| r.values());
        let starts: Vec<_> =
            runs.filter(|r| r.run.op == AgentOp::Start).map(|r| r.run.instance.clone()).collect();
        for instance in starts {
            match self.rng.range(0, 3) {
                0 => self.begins(id, &instance),
                1 => {
                    let after = self.rng.range(0, 2000) * MS;
                    self.at(after, Due::Survivor { node: id.clone(), boot, session, instance });
                }
                _ => {}
            }
        }
        let (kept, t) = (self.kept_writes(id), self.t);
        self.ledger.gone_since.entry(id.clone()).or_insert(t);
        self.host(id).forget_daemon(kept);
        self.callers_are_gone(id);
        // Mostly its supervisor is quick; some are not, and its node is lost for it.
        let is_slow = self.rng.surprises(10);
        let delay = if is_slow { self.rng.range(5500, 15_000) } else { self.rng.range(100, 4000) } * MS;
        self.tell(format!("KILL daemon of {id}"));
        self.at(delay, Due::Boot { node: id.clone(), boot });
        true
    }

    /// Every process stands still; false where nothing changes by it.
    pub(crate) fn freeze(&mut self, id: &NodeId, stops_clock: bool) -> bool {
        let t = self.t;
        let host = self.host(id);
        if !host.is_on || host.is_frozen {
            return false;
        }
        host.is_frozen = true;
        if stops_clock {
            host.clock.stop(t);
        }
        self.tell(format!("{} {id}", if stops_clock { "PAUSE" } else { "FREEZE" }));
        self.freeze_before_exec(id);
        true
    }

    /// Of starts that are under way with a grant, some have looked at it already and are not executed yet.
    fn freeze_before_exec(&mut self, id: &NodeId) {
        let now = self.now(id).boot;
        let is_past = self.rng.surprises(50);
        let Some(daemon) = &mut self.host(id).daemon else { return };
        let has_grant = daemon.grant.is_some_and(|g| now < g);
        for run in daemon.runs.values_mut().filter(|r| r.run.op == AgentOp::Start && r.run.needs_grant) {
            run.is_past_check = is_past && has_grant && !run.is_cancelled;
        }
    }

    /// The core stands still, heartbeats go on; false where nothing changes by it.
    pub(super) fn stall(&mut self, id: &NodeId) -> bool {
        let is_awake = self.hosts[id].is_awake();
        if let Some(daemon) = self.host(id).daemon.as_mut().filter(|_| is_awake) {
            daemon.is_stalled = true;
            self.tell(format!("STALL {id}"));
        }
        is_awake
    }

    pub(crate) fn thaw(&mut self, id: &NodeId) {
        let t = self.t;
        let host = self.host(id);
        let was_stalled = host.daemon.as_mut().is_some_and(|d| std::mem::take(&mut d.is_stalled));
        if !host.is_frozen && !was_stalled {
            return;
        }
        host.is_frozen = false;
        let stood = host.clock.is_stopped();
        host.clock.go_on(t);
        host.thawed_at = host.clock.at(t);
        if stood {
            host.clock_stood_until = Some(host.thawed_at);
        }
        let parked = std::mem::take(&mut host.parked);
        self.tell(format!("THAW {id}"));
        // Heartbeats that have arrived are taken before anybody is judged.
        let (beats, others): (Vec<_>, Vec<_>) =
            parked.into_iter().partition(|d| matches!(d, Due::Beat { .. }));
        let take = |due| match due {
            Due::Beat { to, keys, beat } => self.take_beat(&to, keys, *beat),
            _ => None,
        };
        let beats: Vec<_> = beats.into_iter().filter_map(take).collect();
        if let Some(daemon) = &mut self.host(id).daemon {
            daemon.inbox.extend(beats);
        }
        // What runs agents goes on before the core, or after it; where a scenario tells it, first where all stood
        // still and the clock went on.
        let are_first = if self.rng.is_steady() { !stood && !was_stalled } else { self.rng.percent(50) };
        let (ends, others): (Vec<_>, Vec<_>) = if are_first {
            others.into_iter().partition(|d| matches!(d, Due::Agent { .. }))
        } else {
            (vec![], others)
        };
        ends.into_iter().for_each(|due| self.happen_at(id, due));
        self.take_gathered(id);
        self.step(id, Input::Tick);
        for due in others {
            self.at(0, due);
        }
        let t = self.t;
        let Some(daemon) = &mut self.host(id).daemon else { return };
        let session = daemon.session;
        daemon.wake = Some(t);
        self.at(0, Due::SendBeats { node: id.clone(), session });
        self.at(0, Due::Wake { node: id.clone(), at: t });
    }

    pub(super) fn boot_daemon(&mut self, id: &NodeId) {
        self.mend_disk_before_start(id);
        self.note_restart(id);
        let (now, t) = (self.now(id), self.t);
        let index = 1 + self.shape.nodes.iter().position(|n| n.name == id.as_str()).unwrap_or(0) as u128;
        let (text, config) = (self.text.clone(), Arc::clone(&self.config));
        let (beat, seed) = (config.timing.beat.as_nanos() as u64, self.rng.draw());
        let host = self.host(id);
        host.sessions += 1;
        let session = SessionId((host.sessions << 96) | index);
        host.last_session = session;
        host.incarnation = Incarnation((host.boots << 100) | index);
        let store = &host.disk.stored;
        let votes = store.restored(&config);
        let setup = Setup {
            me: id.clone(),
            incarnation: host.incarnation,
            session,
            store: host.disk.id,
            file_name: "cluster.toml".into(),
            file_text: text,
            config,
            codec: Codec { encode_state: encode, decode_state: decode, entry_size: size },
            limits: crate::story::limits(),
            seed,
        };
        let node = Node::new(setup, Restored { votes, acted: store.acted }, now)
            .unwrap_or_else(|e| panic!("{}", refused(&e)));
        host.daemon = Some(Daemon {
            node: Box::new(node),
            session,
            started_at: host.clock.at(t),
            runs: BTreeMap::new(),
            bodies: vec![],
            inbox: vec![],
            valid_until: BootNs(0),
            heard: BTreeMap::new(),
            last_step: now.boot,
            grant: None,
            pet_until: None,
            cutting: BTreeMap::new(),
            is_stalled: false,
            wake: None,
            replies: BTreeMap::new(),
            checked: 0,
            known: BTreeSet::new(),
            delivered: BTreeMap::new(),
        });
        self.tell(format!("daemon of {id} starts"));
        self.step(id, Input::Tick);
        self.at(beat / 100, Due::SendBeats { node: id.clone(), session });
    }

    /// A disk that failed is mended, replaced or restored while no daemon uses it.
    fn mend_disk_before_start(&mut self, id: &NodeId) {
        let serial = 1_000 + (self.rng.draw() >> 24);
        let disk = &mut self.host(id).disk;
        (disk.free_at, disk.has_failed, disk.failed_since) = (0, false, None);
        match disk.how {
            act::Disk::Failing => disk.how = act::Disk::Sound,
            act::Disk::Wiped => {
                disk.replace(StoreId(u128::from(serial)));
                self.tell(format!("the disk of {id} is empty"));
                self.meets("wiped disk");
            }
            act::Disk::Older => {
                disk.how = act::Disk::Sound;
                if self.is_copy_told_apart(id) {
                    self.host(id).disk.restore();
                    self.tell(format!("the disk of {id} is an older copy"));
                    self.meets("older copy of a disk");
                }
            }
            act::Disk::Sound | act::Disk::Slow | act::Disk::Hanging | act::Disk::Copied => {}
        }
    }

    /// Whether no quorum with this host is without one that remembers how far its store had promised. A copy that nobody in a
    /// quorum can tell from the store itself is outside of what votes can survive, as a majority that forgets is.
    fn is_copy_told_apart(&self, id: &NodeId) -> bool {
        let disk = &self.hosts[id].disk;
        let Some(mark) = disk.copied_mark() else { return false };
        let knows = |host: &super::Host| {
            host.disk.stored.peers.iter().any(|p| p.node == *id && p.store == disk.id && p.mark > mark)
        };
        let voters = self.shape.voters();
        let others = voters.iter().filter(|v| v.as_str() != id.as_str());
        let ignorant = others.filter(|v| !knows(&self.hosts[&NodeId::from(v.as_str())])).count();
        mark == disk.stored.hard.mark() || ignorant < voters.len() / 2
    }

    pub(crate) fn now(&self, id: &NodeId) -> Now {
        let host = &self.hosts[id];
        let wall = 1_700_000_000_000 + (self.t / MS) as i64 + host.wall_s * 1000;
        Now { boot: host.clock.at(self.t), wall: WallMs(wall) }
    }
}

/// Which rule a store broke with which no core starts.
fn refused(error: &StartError) -> String {
    let rule = if matches!(error, StartError::EvenVoters(_)) { "S10: " } else { "" };
    format!("{rule}what was stored is not whole: {error}")
}
