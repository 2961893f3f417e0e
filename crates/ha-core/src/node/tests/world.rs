//! A world of perfect shells: every message arrives after a millisecond, every write is durable after one, agents
//! take five. Faults are fields.

use crate::effect::{AgentOp, Effect};
use crate::input::{AgentOutcome, BeatIn, Input};
use crate::message::{BeatBody, Order, PeerMessage};
use crate::node::{Codec, Node, Restored, Setup};
use ha_fencing::{CallAction, CallOutcome};
use ha_membership::Ages;
use ha_model::{
    AdminReply, AdminRequest, BootNs, EffectId, FenceVerdict, Incarnation, LogEntry, NodeId, Notice, Now,
    PlanId, SessionId, StoreId, Term, WallMs,
};
use ha_scheduler::NodeStatus;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

const CLUSTER: &str = r#"
name = "test"
stickiness = 100
[timing]
off_settle = "0ms"
[[node]]
name = "alpha"
links = ["10.0.0.11"]
[[node]]
name = "beta"
links = ["10.0.0.12"]
[[node]]
name = "gamma"
links = ["10.0.0.13"]
[[fence]]
name = "pdu"
agent = "fence_pdu_snmp"
options = { ip = "10.0.9.1" }
outlets = { alpha = ["1"], beta = ["2"], gamma = ["3"] }
[[resource]]
name = "vip"
agent = "vip"
options = { address = "10.0.0.100/24", interface = "eth0" }
[[resource]]
name = "web"
agent = "exec"
options = { start = "/bin/web" }
monitor = { interval = "1s", timeout = "3s" }
[[group]]
name = "front"
members = ["vip", "web"]
prefer = { alpha = 10 }
"#;

#[derive(Clone, Debug)]
enum Due {
    Message { to: NodeId, from: NodeId, message: Box<PeerMessage> },
    Beat { to: NodeId, beat: Box<BeatIn> },
    SendBeats { node: NodeId },
    Persisted { node: NodeId, session: SessionId, id: EffectId },
    Agent { node: NodeId, session: SessionId, id: EffectId, op: AgentOp, instance: String },
    Fence { node: NodeId, session: SessionId, id: EffectId, plug: String, action: CallAction },
    NoAgent { node: NodeId, session: SessionId, id: EffectId, why: String },
    Wake { node: NodeId, session: SessionId },
    Boot { node: NodeId },
    Connect { a: NodeId, b: NodeId },
}

struct Host {
    node: Option<Node>,
    is_on: bool,
    is_frozen: bool,
    boots: u128,
    sessions: u128,
    session: SessionId,
    running: BTreeSet<String>,
    bodies: BTreeMap<NodeId, BeatBody>,
    heard: BTreeMap<NodeId, BootNs>,
    store: Stored,
    replies: BTreeMap<u64, AdminReply>,
    parked: Vec<Due>,
    wake: Option<BootNs>,
}

/// What a disk holds: enough to restart votes and log.
#[derive(Clone, Default)]
struct Stored {
    hard: ha_consensus::HardState,
    snapshot: Option<ha_consensus::Snapshot>,
    log: BTreeMap<u64, ha_consensus::Entry<LogEntry>>,
    peers: Vec<ha_consensus::PeerMemory>,
    acted: (Term, PlanId),
}

pub struct World {
    now: BootNs,
    queue: BTreeMap<(BootNs, u64), Due>,
    seq: u64,
    hosts: BTreeMap<NodeId, Host>,
    cuts: BTreeSet<(NodeId, NodeId)>,
    notices: Vec<Notice>,
    orders: BTreeMap<NodeId, Order>,
    asked: u64,
    text: String,
    /// What truly happened: power and agents, by the one who did it.
    pub journal: Vec<String>,
    pub lie: bool,
    pub switch_is_dead: bool,
    /// So many times more it does not switch on.
    pub on_fails: u32,
    pub answer_delay: Duration,
    pub stop_fails: BTreeSet<(NodeId, String)>,
    pub start_fails: BTreeSet<String>,
}

fn encode(_: &crate::ClusterState) -> Vec<u8> {
    Vec::new()
}
fn decode(_: &[u8]) -> Result<crate::ClusterState, String> {
    Err("no snapshots in this world".to_owned())
}
fn size(_: &LogEntry) -> usize {
    64
}

impl World {
    pub fn three() -> Self {
        Self::of(CLUSTER.to_owned())
    }

    /// The same three nodes without a fence path, as somebody accepted.
    pub fn without_fencing() -> Self {
        let (before, rest) = CLUSTER.split_once("[[fence]]").expect("it has one");
        let (_, after) = rest.split_once("\n[[resource]]").expect("resources follow");
        let waiver = "waivers = [\"i-accept-that-unfenced-members-block-recovery\"]";
        Self::of(format!("{waiver}{before}\n[[resource]]{after}"))
    }

    /// The service stays where it fails.
    pub fn without_migration() -> Self {
        Self::of(CLUSTER.replacen("monitor =", "migration_threshold = 0\nmonitor =", 1))
    }

    /// Another first level of alpha: its outlet feeds nothing, it has read off ever since.
    pub fn with_a_useless_first_level() -> Self {
        let level = "[[fence]]\nname = \"blind\"\nagent = \"fence_pdu_snmp\"\noptions = { ip = \"10.0.9.2\" }\n\
                     outlets = { alpha = [\"99\"] }\n[[fence]]";
        let text = CLUSTER.replacen("[[fence]]", level, 1);
        Self::of(format!(
            "{text}[[level]]\nnode = \"alpha\"\ndevices = [\"blind\"]\n[[level]]\nnode = \"alpha\"\ndevices = [\"pdu\"]\n"
        ))
    }

    fn of(text: String) -> Self {
        let mut world = World {
            text,
            now: BootNs::from_ms(1),
            queue: BTreeMap::new(),
            seq: 0,
            hosts: BTreeMap::new(),
            cuts: BTreeSet::new(),
            notices: vec![],
            orders: BTreeMap::new(),
            asked: 0,
            journal: vec![],
            lie: false,
            switch_is_dead: false,
            on_fails: 0,
            answer_delay: MS * 5,
            stop_fails: BTreeSet::new(),
            start_fails: BTreeSet::new(),
        };
        for name in ["alpha", "beta", "gamma"] {
            let host = Host {
                node: None,
                is_on: false,
                is_frozen: false,
                boots: 0,
                sessions: 0,
                session: SessionId(0),
                running: BTreeSet::new(),
                bodies: BTreeMap::new(),
                heard: BTreeMap::new(),
                store: Stored::default(),
                replies: BTreeMap::new(),
                parked: vec![],
                wake: None,
            };
            world.hosts.insert(name.into(), host);
        }
        for name in ["alpha", "beta", "gamma"] {
            world.power_on(name);
        }
        world
    }

    fn at(&mut self, after: Duration, due: Due) {
        self.seq += 1;
        self.queue.insert((self.now + after, self.seq), due);
    }

    pub fn now_ms(&self) -> u64 {
        self.now.0 / 1_000_000
    }

    fn now(&self) -> Now {
        Now { boot: self.now, wall: WallMs(1_700_000_000_000 + self.now_ms() as i64) }
    }

    pub fn time(&self) -> BootNs {
        self.now
    }

    pub fn names(&self) -> Vec<NodeId> {
        self.hosts.keys().cloned().collect()
    }

    pub fn power_on(&mut self, name: &str) {
        let host = self.hosts.get_mut(&name.into()).unwrap();
        if !host.is_on {
            host.is_on = true;
            host.boots += 1;
            self.journal.push(format!("on {name}"));
            self.boot_daemon(&name.into());
        }
    }

    fn boot_daemon(&mut self, id: &NodeId) {
        let now = self.now();
        let host = self.hosts.get_mut(id).unwrap();
        host.sessions += 1;
        host.session = SessionId(host.sessions << 96);
        let index = 1 + ["alpha", "beta", "gamma"].iter().position(|n| *n == id.as_str()).unwrap() as u128;
        let config = Arc::new(ha_config::parse("cluster.toml", &self.text).expect("valid").config);
        let votes = match &host.store.snapshot {
            None => ha_consensus::Restored::Fresh { voters: config.voters(), learners: config.learners() },
            Some(snapshot) => ha_consensus::Restored::Intact {
                hard: host.store.hard.clone(),
                snapshot: snapshot.clone(),
                log: host.store.log.values().cloned().collect(),
                peers: host.store.peers.clone(),
            },
        };
        let setup = Setup {
            me: id.clone(),
            incarnation: Incarnation((host.boots << 100) | index),
            session: host.session,
            store: StoreId(index),
            file_name: "cluster.toml".into(),
            file_text: self.text.clone(),
            config,
            codec: Codec { encode_state: encode, decode_state: decode, entry_size: size },
            seed: index as u64,
        };
        let node = Node::new(setup, Restored { votes, acted: host.store.acted }, now).expect("starts");
        host.node = Some(node);
        host.bodies.clear();
        host.heard.clear();
        host.parked.clear();
        host.wake = None;
        self.step(id, Input::Tick);
        self.at(MS, Due::SendBeats { node: id.clone() });
        for other in self.names() {
            if other != *id && self.hosts[&other].node.is_some() {
                self.at(MS * 2, Due::Connect { a: id.clone(), b: other });
            }
        }
    }

    pub fn power_off(&mut self, name: &str) {
        let host = self.hosts.get_mut(&name.into()).unwrap();
        if host.is_on {
            host.is_on = false;
            host.is_frozen = false;
            host.node = None;
            host.running.clear();
            host.parked.clear();
            self.journal.push(format!("off {name}"));
        }
    }

    pub fn freeze(&mut self, name: &str) {
        self.hosts.get_mut(&name.into()).unwrap().is_frozen = true;
    }

    pub fn thaw(&mut self, name: &str) {
        let host = self.hosts.get_mut(&name.into()).unwrap();
        host.is_frozen = false;
        for due in std::mem::take(&mut host.parked) {
            self.at(Duration::ZERO, due);
        }
    }

    /// What `from` sends does not reach `to`.
    pub fn cut_way(&mut self, from: &str, to: &str) {
        self.cuts.insert((from.into(), to.into()));
    }

    pub fn cut(&mut self, a: &NodeId, b: &NodeId) {
        self.cuts.insert((a.clone(), b.clone()));
        self.cuts.insert((b.clone(), a.clone()));
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    pub fn leaders_but(&self, not: &NodeId) -> Vec<NodeId> {
        self.leaders().into_iter().filter(|l| l != not).collect()
    }

    /// Another than `from` leads from here on.
    pub fn leave_leading(&mut self, from: &str) {
        if self.leader() == from.into() {
            self.transfer_away(&from.into());
        }
    }

    fn leading(&self) -> &Node {
        self.hosts[&self.leader()].node.as_ref().unwrap()
    }

    pub fn term(&self) -> Term {
        self.leading().votes().term()
    }

    pub fn path_hash(&self, device: &str) -> [u8; 32] {
        self.leading().config.devices[&device.into()].path_hash
    }

    /// The boot in which its daemon runs.
    pub fn boot_of(&self, name: &str) -> Option<Incarnation> {
        self.hosts[&name.into()].node.as_ref().map(|n| n.setup.incarnation)
    }

    pub fn is_standby(&self, name: &str) -> bool {
        let node = self.hosts[&self.leader()].node.as_ref().unwrap();
        node.state().node(&name.into()).is_some_and(|r| r.standby.is_some())
    }

    pub fn restart_daemon(&mut self, name: &str) {
        let id: NodeId = name.into();
        self.hosts.get_mut(&id).unwrap().node = None;
        for other in self.names().into_iter().filter(|o| *o != id) {
            self.step(&other, Input::PeerReset { node: id.clone() });
        }
        self.at(MS * 200, Due::Boot { node: id });
    }

    pub fn kill_process(&mut self, name: &str, instance: &str) {
        let id: NodeId = name.into();
        assert!(self.hosts.get_mut(&id).unwrap().running.remove(instance));
        let how = "was killed by signal 9".to_owned();
        self.step(&id, Input::ProcessExited { instance: instance.into(), how });
    }

    /// A leader that hands over to nobody, for the sake of no node.
    pub fn refuse_hand_over(&mut self, leader: &NodeId) {
        let names = self.names();
        let node = self.hosts.get_mut(leader).unwrap().node.as_mut().unwrap();
        node.lead.as_mut().unwrap().handover_at = names.into_iter().map(|n| (n, BootNs(u64::MAX))).collect();
    }

    pub fn transfer_away(&mut self, from: &NodeId) {
        let to = self.names().into_iter().find(|n| n != from).unwrap();
        self.transfer(from, &to);
    }

    pub fn transfer(&mut self, from: &NodeId, to: &NodeId) {
        let boot = self.now;
        let node = self.hosts.get_mut(from).unwrap().node.as_mut().unwrap();
        node.raft.transfer(boot, to).expect("the leader can hand over");
        self.step(&from.clone(), Input::Tick);
        self.run_until(Duration::from_secs(5), "another leads", |w| w.leaders() == vec![to.clone()]);
    }

    fn leaders(&self) -> Vec<NodeId> {
        let leads = |h: &Host| h.node.as_ref().is_some_and(|n| n.raft.is_leader()) && !h.is_frozen;
        self.hosts.iter().filter(|(_, h)| leads(h)).map(|(n, _)| n.clone()).collect()
    }

    pub fn leader(&self) -> NodeId {
        self.leaders().first().cloned().expect("somebody leads")
    }

    pub fn owners(&self, instance: &str) -> Vec<NodeId> {
        let runs = |h: &Host| h.is_on && h.running.contains(instance);
        self.hosts.iter().filter(|(_, h)| runs(h)).map(|(n, _)| n.clone()).collect()
    }

    pub fn owner(&self, instance: &str) -> Option<NodeId> {
        let owners = self.owners(instance);
        assert!(self.lie || owners.len() <= 1, "S1: {instance} runs on {owners:?}: {:?}", self.journal);
        owners.first().cloned()
    }

    pub fn power_of(&self, name: &str) -> bool {
        self.hosts[&name.into()].is_on
    }

    pub fn is_member(&self, name: &str) -> bool {
        let Some(leader) = self.leaders().first().cloned() else { return false };
        let node = self.hosts[&leader].node.as_ref().unwrap();
        node.state().node(&name.into()).is_some_and(|r| r.status == NodeStatus::Member)
    }

    pub fn saw(&self, which: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(which)
    }

    pub fn count(&self, which: impl Fn(&Notice) -> bool) -> usize {
        self.notices.iter().filter(|n| which(n)).count()
    }

    pub fn log_of(&self, verb: &str) -> Vec<String> {
        let prefix = format!("{verb} ");
        self.journal.iter().filter_map(|l| l.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    /// After the last off of the node something started elsewhere, and nothing did between its loss and the off.
    pub fn fenced_before_start(&self, name: &str) -> bool {
        let off = self.journal.iter().rposition(|l| *l == format!("cut {name}"));
        let start = self.journal.iter().rposition(|l| l.starts_with("start ") && !l.contains(name));
        let first_elsewhere = self.journal.iter().position(|l| l.starts_with("start ") && !l.contains(name));
        matches!((off, start, first_elsewhere), (Some(o), Some(s), Some(f)) if o < s && o < f)
    }

    pub fn last_order(&self, name: &str) -> Option<Order> {
        self.orders.get(&name.into()).cloned()
    }

    pub fn deliver(&mut self, from: &str, to: &str, message: PeerMessage) {
        self.step(&to.into(), Input::Message { from: from.into(), message: Box::new(message) });
    }

    /// Asks without waiting for the answer; its number.
    pub fn ask_only(&mut self, name: &str, request: AdminRequest) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.step(&name.into(), Input::Admin { id, who: "test".into(), request });
        id
    }

    pub fn reply(&mut self, name: &str, id: u64) -> Option<AdminReply> {
        self.hosts.get_mut(&name.into()).unwrap().replies.remove(&id)
    }

    pub fn ask(&mut self, name: &str, request: AdminRequest) -> AdminReply {
        let id = self.ask_only(name, request);
        let node: NodeId = name.into();
        self.run_until(Duration::from_secs(30), "an answer", |w| w.hosts[&node].replies.contains_key(&id));
        self.hosts.get_mut(&node).unwrap().replies.remove(&id).unwrap()
    }

    pub fn run(&mut self, for_: Duration) {
        let end = self.now + for_;
        while self.one(end) {}
        self.now = end;
    }

    pub fn run_until(&mut self, at_most: Duration, what: &str, done: impl Fn(&World) -> bool) {
        let end = self.now + at_most;
        while !done(self) {
            if !self.one(end) {
                let tail = &self.notices[self.notices.len().saturating_sub(25)..];
                let tail: Vec<_> = tail.iter().map(Notice::text).collect();
                let holds: Vec<_> = self
                    .hosts
                    .values()
                    .filter_map(|h| h.node.as_ref()?.lead.as_ref()?.hold.clone())
                    .collect();
                panic!(
                    "not within {at_most:?}: {what}; hold {holds:?}\njournal {:#?}\nnotices {tail:#?}",
                    self.journal
                );
            }
        }
    }

    fn one(&mut self, end: BootNs) -> bool {
        let Some((key, _)) = self.queue.first_key_value() else { return false };
        let key = *key;
        if key.0 > end {
            return false;
        }
        let due = self.queue.remove(&key).unwrap();
        self.now = key.0.max(self.now);
        self.happen(due);
        for instance in ["vip", "web"] {
            self.owner(instance);
        }
        true
    }

    fn park(&mut self, id: &NodeId, due: Due) -> Option<Due> {
        let host = self.hosts.get_mut(id).unwrap();
        if host.is_frozen {
            host.parked.push(due);
            return None;
        }
        Some(due)
    }

    fn happen(&mut self, due: Due) {
        let target = match &due {
            Due::Message { to, .. } | Due::Beat { to, .. } => to.clone(),
            Due::SendBeats { node }
            | Due::Persisted { node, .. }
            | Due::Agent { node, .. }
            | Due::Fence { node, .. }
            | Due::NoAgent { node, .. }
            | Due::Wake { node, .. }
            | Due::Boot { node } => node.clone(),
            Due::Connect { a, .. } => a.clone(),
        };
        if !self.hosts[&target].is_on {
            return;
        }
        let Some(due) = self.park(&target, due) else { return };
        match due {
            Due::Message { to, from, message } => self.step(&to, Input::Message { from, message }),
            Due::Beat { to, beat } => {
                let host = self.hosts.get_mut(&to).unwrap();
                host.heard.insert(beat.from.clone(), beat.sent_at);
                self.step(&to, Input::Beats(vec![BeatIn { received_at: self.now, ..*beat }]));
            }
            Due::SendBeats { node } => self.send_beats(&node),
            Due::Persisted { node, session, id } if self.is_session(&node, session) => {
                self.step(&node, Input::Persisted(id));
            }
            Due::Wake { node, session } if self.is_session(&node, session) => {
                self.hosts.get_mut(&node).unwrap().wake = None;
                self.step(&node, Input::Tick);
            }
            Due::Agent { node, session, id, op, instance } => self.agent(&node, session, id, op, instance),
            Due::Fence { node, session, id, plug, action } => self.fence(&node, session, id, &plug, action),
            Due::Boot { node } => self.boot_daemon(&node),
            Due::Connect { a, b } => {
                let sha = ha_config::sha256(self.text.as_bytes());
                let config = [sha[0], sha[1], sha[2], sha[3]];
                for (x, y) in [(&a, &b), (&b, &a)] {
                    let session = self.hosts[x].session;
                    let input =
                        Input::PeerUp { node: x.clone(), incarnation: Incarnation(0), session, config };
                    self.step(&y.clone(), input);
                }
            }
            Due::NoAgent { node, session, id, why } if self.is_session(&node, session) => {
                self.step(&node, Input::FenceCallDone { id, outcome: CallOutcome::Failed { why } });
            }
            Due::Persisted { .. } | Due::Wake { .. } | Due::NoAgent { .. } => {}
        }
    }

    fn is_session(&self, node: &NodeId, session: SessionId) -> bool {
        self.hosts[node].session == session && self.hosts[node].node.is_some()
    }

    fn is_cut(&self, from: &NodeId, to: &NodeId) -> bool {
        self.cuts.contains(&(from.clone(), to.clone()))
    }

    fn send_beats(&mut self, id: &NodeId) {
        let sent_at = self.now;
        let host = &self.hosts[id];
        if host.node.is_none() {
            return;
        }
        let beats: Vec<_> = host
            .bodies
            .iter()
            .filter(|(to, _)| !self.is_cut(id, to))
            .map(|(to, body)| {
                let beat = BeatIn {
                    from: id.clone(),
                    link: 0,
                    received_at: sent_at,
                    sent_at,
                    echo: host.heard.get(to).copied(),
                    ages: Ages::default(),
                    body: body.clone(),
                };
                (to.clone(), beat)
            })
            .collect();
        for (to, beat) in beats {
            self.at(MS, Due::Beat { to, beat: Box::new(beat) });
        }
        self.at(MS * 100, Due::SendBeats { node: id.clone() });
    }

    fn agent(&mut self, id: &NodeId, session: SessionId, effect: EffectId, op: AgentOp, instance: String) {
        let fails = self.stop_fails.contains(&(id.clone(), instance.clone()));
        let host = self.hosts.get_mut(id).unwrap();
        let is_running = host.running.contains(&instance);
        let outcome = match op {
            AgentOp::Start if self.start_fails.contains(&instance) => {
                self.journal.push(format!("try {id} {instance}"));
                AgentOutcome::Failed { why: "it does not start".into() }
            }
            AgentOp::Start => {
                host.running.insert(instance.clone());
                self.journal.push(format!("start {id} {instance}"));
                AgentOutcome::Running
            }
            AgentOp::Stop if fails => AgentOutcome::Failed { why: "it does not stop".into() },
            AgentOp::Stop => {
                if host.running.remove(&instance) {
                    self.journal.push(format!("stop {id} {instance}"));
                }
                AgentOutcome::NotRunning
            }
            AgentOp::Monitor | AgentOp::Probe if is_running => AgentOutcome::Running,
            AgentOp::Monitor | AgentOp::Probe => AgentOutcome::NotRunning,
        };
        if self.is_session(id, session) {
            self.step(id, Input::AgentDone { id: effect, outcome });
        }
    }

    fn fence(&mut self, id: &NodeId, session: SessionId, effect: EffectId, plug: &str, action: CallAction) {
        let target = match plug {
            "1" => "alpha",
            "2" => "beta",
            "3" => "gamma",
            _ => "",
        };
        let outcome = match action {
            _ if self.switch_is_dead => CallOutcome::Failed { why: "no answer".into() },
            CallAction::Off if plug == "99" => CallOutcome::Done,
            CallAction::Status if plug == "99" => CallOutcome::Read(FenceVerdict::Off),
            _ if target.is_empty() => CallOutcome::Failed { why: "no such outlet".into() },
            CallAction::Off => {
                self.journal.push(format!("cut {target}"));
                if !self.lie {
                    self.power_off(target);
                }
                CallOutcome::Done
            }
            CallAction::On if self.on_fails > 0 => {
                self.on_fails -= 1;
                CallOutcome::Failed { why: "busy".into() }
            }
            CallAction::On => {
                self.power_on(target);
                CallOutcome::Done
            }
            CallAction::Status if self.lie && self.journal.iter().any(|l| *l == format!("cut {target}")) => {
                CallOutcome::Read(FenceVerdict::Off)
            }
            CallAction::Status if self.power_of(target) => CallOutcome::Read(FenceVerdict::On),
            CallAction::Status => CallOutcome::Read(FenceVerdict::Off),
        };
        if self.is_session(id, session) && self.hosts[id].is_on {
            self.step(id, Input::FenceCallDone { id: effect, outcome });
        }
    }

    fn step(&mut self, id: &NodeId, input: Input) {
        let now = self.now();
        let host = self.hosts.get_mut(id).unwrap();
        if host.is_frozen {
            return;
        }
        let Some(node) = &mut host.node else { return };
        let effects = node.step(now, input);
        let session = host.session;
        for effect in effects {
            self.effect(id, session, effect);
        }
    }

    fn effect(&mut self, id: &NodeId, session: SessionId, effect: Effect) {
        let node = id.clone();
        match effect {
            Effect::Persist { id: effect, votes, acted } => {
                let store = &mut self.hosts.get_mut(id).unwrap().store;
                if let Some(p) = votes {
                    store.hard = p.hard;
                    store.peers = p.peers;
                    store.snapshot = p.snapshot.or(store.snapshot.take());
                    if let Some(from) = p.truncate_from {
                        store.log.retain(|i, _| *i < from.0);
                    }
                    store.log.extend(p.append.into_iter().map(|e| (e.index.0, e)));
                }
                store.acted = acted.unwrap_or(store.acted);
                self.at(MS, Due::Persisted { node, session, id: effect });
            }
            Effect::Send { to, message } => {
                if let PeerMessage::Order(order) = &*message {
                    self.orders.insert(to.clone(), order.clone());
                }
                let is_linked = self.hosts[&to].node.is_some() && !self.is_cut(id, &to);
                if is_linked {
                    self.at(MS, Due::Message { to, from: node, message });
                }
            }
            Effect::Beat { bodies, .. } => self.hosts.get_mut(id).unwrap().bodies = bodies,
            Effect::RunAgent(run) => {
                let instance = run.instance.to_string();
                self.at(MS * 5, Due::Agent { node, session, id: run.id, op: run.op, instance });
            }
            Effect::RunFence(run) if run.agent.as_str().starts_with('(') => {
                let why = format!("there is no agent {}", run.agent);
                let delay = self.answer_delay;
                self.at(delay, Due::NoAgent { node, session, id: run.id, why });
            }
            Effect::RunFence(run) => {
                let delay = self.answer_delay;
                self.at(delay, Due::Fence { node, session, id: run.id, plug: run.plug, action: run.action });
            }
            Effect::AdminReply { id: request, reply } => {
                self.hosts.get_mut(id).unwrap().replies.insert(request, *reply);
            }
            Effect::Tell(event) => {
                if self.leaders().first() == Some(id) {
                    self.notices.push(event.notice);
                }
            }
            Effect::TellLocal(notice) => self.notices.push(notice),
            Effect::Deadline(at) => {
                let at = at.max(self.now);
                let host = self.hosts.get_mut(id).unwrap();
                if host.wake.is_none_or(|w| at < w) {
                    host.wake = Some(at);
                    self.seq += 1;
                    self.queue.insert((at, self.seq), Due::Wake { node, session });
                }
            }
            Effect::CancelFence { id: effect } => {
                let is_it =
                    |due: &Due| matches!(due, Due::Fence { node: n, id, .. } if (n, *id) == (&node, effect));
                self.queue.retain(|_, due| !is_it(due));
            }
            Effect::Grant { .. } | Effect::CancelAgent { .. } | Effect::ConfigInForce(_) => {}
            Effect::Halt { why } => panic!("{id} halted: {why}"),
        }
    }
}
