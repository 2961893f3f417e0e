//! A world of perfect shells: every message arrives after a millisecond, every write is durable after one, agents
//! take five. Faults are fields.

mod acts;
mod clusters;
mod shells;
mod sights;

use crate::effect::AgentOp;
use crate::input::{BeatIn, Input};
use crate::message::{BeatBody, Order, PeerMessage};
use crate::node::Node;
use ha_fencing::{CallAction, CallOutcome};
use ha_model::{
    AdminReply, BootNs, EffectId, Incarnation, LogEntry, NodeId, Notice, Now, PlanId, SessionId, Term,
    WallMs, WatchdogState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
enum Due {
    Message { to: NodeId, from: NodeId, message: Box<PeerMessage> },
    Beat { to: NodeId, beat: Box<BeatIn> },
    SendBeats { node: NodeId },
    Persisted { node: NodeId, session: SessionId, id: EffectId },
    Agent { node: NodeId, session: SessionId, id: EffectId, op: AgentOp, instance: String },
    Fence { node: NodeId, session: SessionId, id: EffectId, plug: String, action: CallAction },
    Watchdog { node: NodeId, session: SessionId, state: WatchdogState },
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
    bodies: Vec<(NodeId, BeatBody)>,
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

/// What is wrong with the switch and its agents.
#[derive(Default)]
pub struct Switch {
    /// These outlets feed nothing, and read off.
    pub dead_outlets: BTreeSet<String>,
    /// It does not look at the outlet: all is alpha's.
    pub is_alphas: bool,
    /// On these nodes the agent ends with code 2, which means off, whatever it is asked.
    pub broken_agents: BTreeSet<NodeId>,
}

pub struct World {
    now: BootNs,
    queue: BTreeMap<(BootNs, u64), Due>,
    seq: u64,
    hosts: BTreeMap<NodeId, Host>,
    cuts: BTreeSet<(NodeId, NodeId)>,
    /// Between them heartbeats alone come through.
    broken: BTreeSet<(NodeId, NodeId)>,
    /// Disks that hang: since their first write that did not return, and what would tell of those.
    hung: BTreeMap<NodeId, (Option<BootNs>, Vec<Due>)>,
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
    pub switch: Switch,
    /// What these hear grants them nothing.
    pub ungranted: BTreeSet<NodeId>,
    /// These get no message, though heartbeats reach them.
    pub without_stream: BTreeSet<NodeId>,
    pub stop_fails: BTreeSet<(NodeId, String)>,
    /// The command with which each service was last started.
    pub commands: BTreeMap<String, String>,
    pub start_fails: BTreeSet<String>,
    /// Probes of these end at their time-out.
    pub probe_hangs: BTreeSet<String>,
    /// Whether a quick check of its address sufficed when each service was last started.
    pub quick_checks: BTreeMap<String, bool>,
    /// By so many milliseconds the wall clocks of these hosts are ahead.
    pub clock_ahead_ms: BTreeMap<NodeId, i64>,
    /// These hosts get no answer from the switch.
    pub unanswered: BTreeSet<NodeId>,
    /// Until when each node's watchdog may be written to.
    pub pets: BTreeMap<NodeId, BootNs>,
    /// What streams lose, by its sender.
    pub loses: fn(&NodeId, &PeerMessage) -> bool,
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

/// All there ever are, in the order of their outlets.
const NODES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];

impl World {
    fn of(text: String) -> Self {
        let mut world = World {
            text,
            now: BootNs::from_ms(1),
            queue: BTreeMap::new(),
            seq: 0,
            hosts: BTreeMap::new(),
            cuts: BTreeSet::new(),
            broken: BTreeSet::new(),
            hung: BTreeMap::new(),
            notices: vec![],
            orders: BTreeMap::new(),
            asked: 0,
            journal: vec![],
            lie: false,
            switch_is_dead: false,
            on_fails: 0,
            answer_delay: MS * 5,
            switch: Switch::default(),
            ungranted: BTreeSet::new(),
            without_stream: BTreeSet::new(),
            stop_fails: BTreeSet::new(),
            commands: BTreeMap::new(),
            start_fails: BTreeSet::new(),
            probe_hangs: BTreeSet::new(),
            quick_checks: BTreeMap::new(),
            clock_ahead_ms: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            pets: BTreeMap::new(),
            loses: |_, _| false,
        };
        let names: Vec<_> = NODES.into_iter().filter(|n| world.text.contains(&format!("\"{n}\""))).collect();
        for name in &names {
            let host = Host {
                node: None,
                is_on: false,
                is_frozen: false,
                boots: 0,
                sessions: 0,
                session: SessionId(0),
                running: BTreeSet::new(),
                bodies: vec![],
                heard: BTreeMap::new(),
                store: Stored::default(),
                replies: BTreeMap::new(),
                parked: vec![],
                wake: None,
            };
            world.hosts.insert((*name).into(), host);
        }
        for name in names {
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

    pub fn now(&self) -> Now {
        Now { boot: self.now, wall: WallMs(1_700_000_000_000 + self.now_ms() as i64) }
    }

    pub fn time(&self) -> BootNs {
        self.now
    }

    /// The present by a host's own clocks.
    pub fn now_at(&self, id: &NodeId) -> Now {
        let now = self.now();
        let ahead = self.clock_ahead_ms.get(id).copied().unwrap_or_default();
        Now { wall: WallMs(now.wall.0 + ahead), ..now }
    }

    pub fn names(&self) -> Vec<NodeId> {
        self.hosts.keys().cloned().collect()
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
            | Due::Watchdog { node, .. }
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
            Due::Watchdog { node, session, state } if self.is_session(&node, session) => {
                self.step(&node, Input::Watchdog(state));
            }
            Due::Persisted { .. } | Due::Wake { .. } | Due::NoAgent { .. } | Due::Watchdog { .. } => {}
        }
    }

    fn is_session(&self, node: &NodeId, session: SessionId) -> bool {
        self.hosts[node].session == session && self.hosts[node].node.is_some()
    }

    fn is_cut(&self, from: &NodeId, to: &NodeId) -> bool {
        self.cuts.contains(&(from.clone(), to.clone()))
    }
}
