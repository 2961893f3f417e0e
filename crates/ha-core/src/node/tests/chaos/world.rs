//! The world: one queue of what happens next, and the hosts it happens to. Shells are as bad as real ones: writes
//! become durable late and in order, agents take their time and are killed with their daemon, every host has a
//! clock of its own that starts anew with each boot.

use super::clusters;
use super::host::{Host, Run, Write};
use super::net::Net;
use super::rng::Rng;
use crate::effect::{AgentOp, Effect};
use crate::input::{BeatIn, Input};
use crate::message::PeerMessage;
use crate::node::{Codec, Node, Restored, Setup};
use crate::state::ClusterState;
use ha_fencing::CallAction;
use ha_model::{EffectId, Incarnation, LogEntry, NodeId, Now, SessionId, StoreId, Term, WallMs};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1000 * MS;

/// Lines of the journal that a failure shows.
const JOURNAL_MAX: usize = 160;

/// What happens next.
#[derive(Clone, Debug)]
pub enum Due {
    Message { to: NodeId, from: NodeId, epoch: u64, message: Box<PeerMessage> },
    Stream { to: NodeId, input: Input },
    Beat { to: NodeId, keys: (SessionId, SessionId), beat: Box<BeatIn> },
    SendBeats { node: NodeId, session: SessionId },
    Persisted { node: NodeId, session: SessionId },
    Agent { node: NodeId, session: SessionId, id: EffectId },
    Fence { node: NodeId, session: SessionId, id: EffectId, plug: String, action: CallAction },
    Wake { node: NodeId, at: u64 },
    Boot { node: NodeId, boot: u128 },
    Net,
}

/// How the power switch behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pdu {
    Good,
    Dead,
    Slow,
    DoesButFails,
}

pub struct World {
    pub t: u64,
    queue: BTreeMap<(u64, u64), Due>,
    seq: u64,
    pub rng: Rng,
    pub kind: u64,
    pub hosts: BTreeMap<NodeId, Host>,
    pub net: Net,
    pub pdu: Pdu,
    pub is_lying: bool,
    pub is_healed: bool,
    /// Percent of stops that fail, and of starts.
    pub agents_fail: u64,
    pub leaders: BTreeMap<Term, NodeId>,
    pub entries: BTreeMap<u64, Term>,
    pub journal: VecDeque<String>,
    pub asked: u64,
}

thread_local! {
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

impl World {
    pub fn new(seed: u64) -> Self {
        SNAPSHOTS.with_borrow_mut(Vec::clear);
        let mut rng = Rng::new(seed);
        let kind = rng.range(0, clusters::KINDS - 1);
        let mut world = World {
            t: S,
            queue: BTreeMap::new(),
            seq: 0,
            rng,
            kind,
            hosts: BTreeMap::new(),
            net: Net::default(),
            pdu: Pdu::Good,
            is_lying: false,
            is_healed: false,
            agents_fail: 0,
            leaders: BTreeMap::new(),
            entries: BTreeMap::new(),
            journal: VecDeque::new(),
            asked: 0,
        };
        for name in clusters::names(kind) {
            world.hosts.insert(name.into(), Host::new());
        }
        for id in world.names() {
            world.power_on(&id);
        }
        world.at(0, Due::Net);
        world
    }

    pub fn at(&mut self, after: u64, due: Due) {
        self.seq += 1;
        self.queue.insert((self.t + after, self.seq), due);
    }

    pub fn tell(&mut self, line: String) {
        if self.journal.len() >= JOURNAL_MAX {
            self.journal.pop_front();
        }
        self.journal.push_back(format!("{:>9.3} {line}", self.t as f64 / S as f64));
    }

    pub fn names(&self) -> Vec<NodeId> {
        self.hosts.keys().cloned().collect()
    }

    pub fn host(&mut self, id: &NodeId) -> &mut Host {
        self.hosts.get_mut(id).expect("a host of this world")
    }

    pub fn power_on(&mut self, id: &NodeId) {
        let (t, uptime) = (self.t, self.rng.range(0, 30 * S));
        let delay = self.rng.range(50 * MS, 1500 * MS);
        let host = self.host(id);
        if host.is_on {
            return;
        }
        host.is_on = true;
        host.has_stop_failed = false;
        host.boots += 1;
        host.base = i128::from(t) - i128::from(uptime);
        let boot = host.boots;
        self.tell(format!("POWER ON {id}"));
        self.at(delay, Due::Boot { node: id.clone(), boot });
    }

    pub fn power_off(&mut self, id: &NodeId) {
        let t = self.t;
        let host = self.host(id);
        if !host.is_on {
            return;
        }
        host.is_on = false;
        host.off_since = t;
        host.is_frozen = false;
        host.paused_at = None;
        host.running.clear();
        host.forget_daemon();
        self.tell(format!("POWER OFF {id}"));
    }

    pub fn kill_daemon(&mut self, id: &NodeId) {
        // Agents die with their daemon; a start that was under way may have done its work, or not.
        let starts: Vec<_> = self.hosts[id]
            .runs
            .values()
            .filter(|r| r.run.op == AgentOp::Start)
            .map(|r| r.run.instance.to_string())
            .collect();
        for instance in starts {
            if self.rng.percent(50) {
                self.begins(id, &instance);
            }
        }
        self.host(id).forget_daemon();
        let boot = self.hosts[id].boots;
        let delay = self.rng.range(100 * MS, 4000 * MS);
        self.tell(format!("KILL daemon of {id}"));
        self.at(delay, Due::Boot { node: id.clone(), boot });
    }

    pub fn freeze(&mut self, id: &NodeId, is_pause: bool) {
        let t = self.t;
        let host = self.host(id);
        if host.is_on && !host.is_frozen {
            host.is_frozen = true;
            host.paused_at = is_pause.then_some(t);
            self.tell(format!("{} {id}", if is_pause { "PAUSE" } else { "FREEZE" }));
        }
    }

    pub fn thaw(&mut self, id: &NodeId) {
        let t = self.t;
        let host = self.host(id);
        if !host.is_frozen {
            return;
        }
        host.is_frozen = false;
        if let Some(at) = host.paused_at.take() {
            host.base += i128::from(t - at);
        }
        host.thawed_at = host.local(t);
        let parked = std::mem::take(&mut host.parked);
        self.tell(format!("THAW {id}"));
        // Heartbeats that have arrived are taken before anybody is judged.
        let (beats, others): (Vec<_>, Vec<_>) =
            parked.into_iter().partition(|d| matches!(d, Due::Beat { .. }));
        let beats = beats.into_iter().filter_map(|due| self.take_beat(due)).collect();
        self.step(id, Input::Beats(beats));
        for due in others {
            self.at(0, due);
        }
        let session = self.hosts[id].session;
        self.at(0, Due::SendBeats { node: id.clone(), session });
        self.host(id).wake = Some(t);
        self.at(0, Due::Wake { node: id.clone(), at: t });
    }

    fn boot_daemon(&mut self, id: &NodeId) {
        let (now, t) = (self.now(id), self.t);
        let index =
            1 + clusters::names(self.kind).iter().position(|n| *n == id.as_str()).unwrap_or(0) as u128;
        let text = clusters::text(self.kind, 100);
        let config = Arc::new(ha_config::parse("cluster.toml", &text).expect("valid").config);
        let seed = self.rng.next();
        let host = self.host(id);
        host.sessions += 1;
        host.session = SessionId((host.sessions << 96) | index);
        host.session_since = host.local(t);
        host.incarnation = Incarnation((host.boots << 100) | index);
        let store = host.store.clone();
        let votes = match &store.snapshot {
            None => ha_consensus::Restored::Fresh { voters: config.voters(), learners: config.learners() },
            Some(snapshot) => ha_consensus::Restored::Intact {
                hard: store.hard.clone(),
                snapshot: snapshot.clone(),
                log: store.log.values().cloned().collect(),
                peers: store.peers.clone(),
            },
        };
        let setup = Setup {
            me: id.clone(),
            incarnation: host.incarnation,
            session: host.session,
            store: StoreId(index),
            file_name: "cluster.toml".into(),
            file_text: text,
            config,
            codec: Codec { encode_state: encode, decode_state: decode, entry_size: size },
            seed,
        };
        let node = Node::new(setup, Restored { votes, acted: store.acted }, now).expect("starts");
        host.node = Some(Box::new(node));
        let session = host.session;
        self.tell(format!("daemon of {id} starts"));
        self.step(id, Input::Tick);
        self.at(MS, Due::SendBeats { node: id.clone(), session });
    }

    pub fn now(&self, id: &NodeId) -> Now {
        Now { boot: self.hosts[id].local(self.t), wall: WallMs(1_700_000_000_000 + (self.t / MS) as i64) }
    }

    /// Runs until a time or until it is done; true where it is done.
    pub fn run_until(&mut self, end: u64, done: impl Fn(&World) -> bool) -> bool {
        while !done(self) {
            let Some((&key, _)) = self.queue.first_key_value() else { return false };
            if key.0 > end {
                self.t = end;
                return done(self);
            }
            let due = self.queue.remove(&key).expect("just seen");
            self.t = self.t.max(key.0);
            self.happen(due);
        }
        true
    }

    pub fn is_session(&self, id: &NodeId, session: SessionId) -> bool {
        self.hosts[id].session == session && self.hosts[id].node.is_some()
    }

    fn happen(&mut self, due: Due) {
        let node = match &due {
            Due::Message { to, .. } | Due::Beat { to, .. } | Due::Stream { to, .. } => to.clone(),
            Due::SendBeats { node, .. }
            | Due::Persisted { node, .. }
            | Due::Agent { node, .. }
            | Due::Fence { node, .. }
            | Due::Wake { node, .. }
            | Due::Boot { node, .. } => node.clone(),
            Due::Net => return self.tend_net(),
        };
        let host = self.host(&node);
        if !host.is_on {
            return;
        }
        if host.is_frozen {
            if !matches!(due, Due::Wake { .. } | Due::SendBeats { .. }) {
                host.parked.push(due);
            }
            return;
        }
        match due {
            Due::Message { to, from, epoch, message } => {
                if self.net.stream(&to, &from).is_some_and(|s| s.epoch == epoch) {
                    self.step(&to, Input::Message { from, message });
                }
            }
            Due::Stream { to, input } => self.step(&to, input),
            Due::Beat { .. } => {
                if let Some(beat) = self.take_beat(due) {
                    self.step(&node, Input::Beats(vec![beat]));
                }
            }
            Due::SendBeats { node, session } if self.is_session(&node, session) => {
                self.send_beats(&node);
                self.at(100 * MS, Due::SendBeats { node, session });
            }
            Due::Persisted { node, session } if self.is_session(&node, session) => self.persisted(&node),
            Due::Agent { node, session, id } if self.is_session(&node, session) => self.agent_ends(&node, id),
            Due::Fence { node, session, id, plug, action } if self.is_session(&node, session) => {
                self.fence_ends(&node, id, &plug, action);
            }
            Due::Wake { node, at } if self.hosts[&node].wake == Some(at) => {
                self.host(&node).wake = None;
                self.step(&node, Input::Tick);
            }
            Due::Boot { node, boot }
                if self.hosts[&node].boots == boot && self.hosts[&node].node.is_none() =>
            {
                self.boot_daemon(&node);
            }
            Due::SendBeats { .. }
            | Due::Persisted { .. }
            | Due::Agent { .. }
            | Due::Fence { .. }
            | Due::Wake { .. }
            | Due::Boot { .. }
            | Due::Net => {}
        }
    }

    fn persisted(&mut self, id: &NodeId) {
        let host = self.host(id);
        let Some(write) = host.writes.pop_front() else { return };
        let effect = write.id;
        if host.is_disk_broken {
            return self.step(id, Input::PersistFailed { id: effect, why: "no space left on device".into() });
        }
        host.store.write(write);
        self.step(id, Input::Persisted(effect));
    }

    pub fn step(&mut self, id: &NodeId, input: Input) {
        let now = self.now(id);
        let host = self.host(id);
        let Some(node) = &mut host.node else { return };
        if host.is_frozen {
            return;
        }
        host.last_step = now.boot;
        let effects = node.step(now, input);
        let session = host.session;
        for effect in effects {
            if self.is_session(id, session) {
                self.effect(id, session, effect);
            }
        }
        self.check(id);
    }

    fn effect(&mut self, id: &NodeId, session: SessionId, effect: Effect) {
        let node = id.clone();
        let t = self.t;
        match effect {
            Effect::Persist { id: effect, votes, acted } => {
                let slow = self.net.is_disk_slow && self.rng.percent(20);
                let takes =
                    if slow { self.rng.range(50, 800) * MS } else { self.rng.range(200, 3000) * 1000 };
                let host = self.host(id);
                host.writes.push_back(Write { id: effect, votes, acted, since: t });
                host.disk_free_at = host.disk_free_at.max(t) + takes;
                let after = host.disk_free_at - t;
                self.at(after, Due::Persisted { node, session });
            }
            Effect::Send { to, message } => {
                self.check_order(id, &message);
                self.send(id, &to, message);
            }
            Effect::Beat { valid_until, bodies, is_urgent } => {
                self.check_grants(id, &bodies);
                let host = self.host(id);
                (host.bodies, host.valid_until) = (bodies, valid_until);
                if is_urgent {
                    self.send_beats(id);
                }
            }
            Effect::Grant { until } => {
                let now = self.hosts[id].local(t);
                let longest = self.hosts[id].node.as_ref().map_or(now, |n| now + n.config.timing.t_grant);
                assert!(until <= longest, "S4: {id} was granted until {until:?}, now is {now:?}");
                self.host(id).grant = Some(until);
            }
            Effect::RunAgent(run) => {
                let effect = run.id;
                let is_long = self.rng.percent(5);
                let takes = if is_long { self.rng.range(300, 3000) } else { self.rng.range(1, 60) };
                self.check_start(id, &run);
                self.host(id).runs.insert(effect, Run { run, is_cancelled: false });
                self.at(takes * MS, Due::Agent { node, session, id: effect });
            }
            Effect::CancelAgent { id: effect } => {
                let after = self.rng.range(1, 20) * MS;
                if let Some(run) = self.host(id).runs.get_mut(&effect) {
                    run.is_cancelled = true;
                    self.at(after, Due::Agent { node, session, id: effect });
                }
            }
            Effect::RunFence(run) => {
                let takes = match self.pdu {
                    Pdu::Good | Pdu::DoesButFails => self.rng.range(2, 60),
                    Pdu::Dead => 1000,
                    Pdu::Slow => self.rng.range(300, 1900),
                };
                self.at(
                    takes * MS,
                    Due::Fence { node, session, id: run.id, plug: run.plug, action: run.action },
                );
            }
            Effect::AdminReply { id: request, reply } => {
                self.host(id).replies.insert(request, *reply);
            }
            Effect::Tell(event) => {
                if self.hosts[id].node.as_ref().is_some_and(|n| n.raft.is_leader()) {
                    self.tell(format!("    {id}: {}", event.notice.text()));
                }
            }
            Effect::KeepPlannerInput(input) => panic!("S20: planner failed: {}", input.why),
            Effect::TellLocal(notice) => self.tell(format!("    {id} (local): {}", notice.text())),
            Effect::Deadline(at) => {
                let host = self.host(id);
                let at = host.global(at).max(t + 1);
                if host.wake.is_none_or(|w| at < w) {
                    host.wake = Some(at);
                    self.at(at - t, Due::Wake { node, at });
                }
            }
            Effect::CancelFence { .. } | Effect::ConfigInForce(_) => {}
            Effect::Halt { why } => panic!("{id} halted: {why}"),
        }
    }

    /// Names of nodes that lead as far as they know, and are not frozen.
    pub fn leaders_now(&self) -> BTreeSet<NodeId> {
        let leads = |h: &Host| !h.is_frozen && h.node.as_ref().is_some_and(|n| n.raft.is_leader());
        self.hosts.iter().filter(|(_, h)| leads(h)).map(|(id, _)| id.clone()).collect()
    }
}
