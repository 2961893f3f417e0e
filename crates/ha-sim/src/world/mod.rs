//! The world: one queue of what happens next, and the hosts it happens to. Shells are as bad as real ones: writes become
//! durable late and in order, agents take their time and are killed with their daemon, every host has a clock of its
//! own that starts anew with each boot.
//!
//! Must not know: how the core works; it carries out effects and brings their results back. Invariant: the same shape,
//! schedule and seed give the same events (S15).

mod acts;
mod agents;
mod calls;
mod clock;
mod daemon;
pub(crate) mod disk;
mod due;
mod effects;
mod faults;
mod host;
mod net;
mod orders;
mod power;
mod queue;
mod record;
mod sequences;
mod sights;
mod table;
mod watchdog;

use crate::act::{Act, Agents, Moment, Switch};
use crate::check::{Judged, Ledger};
use crate::golden::Recorder;
use crate::rng::Rng;
use crate::shape::{ADDRESS, Shape};
use crate::tally::Tally;
pub(crate) use daemon::forget_snapshots;
pub(crate) use due::Due;
use faults::Parts;
use ha_core::Input;
use ha_fencing::CallAction;
use ha_model::{ClusterConfig, NodeId};
pub(crate) use host::{Daemon, Host, Run};
use net::Net;
use queue::Queue;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
pub(crate) use watchdog::NO_DEVICE;

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1000 * MS;

/// Lines of the journal that a failure shows.
const JOURNAL_MAX: usize = 400;

/// How a life is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Nobody looks.
    Silent,
    /// Lines go to standard output as they come, the hosts after each act.
    Told,
    /// After each act it waits for a line of standard input.
    Steps,
}

/// A rule was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// `S1` to `L7`.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

/// The world.
pub struct World {
    pub(crate) t: u64,
    queue: Queue,
    pub(crate) rng: Rng,
    pub(crate) shape: Shape,
    /// The cluster file of every host, and what it says.
    text: String,
    config: Arc<ClusterConfig>,
    pub(crate) hosts: BTreeMap<NodeId, Host>,
    pub(crate) net: Net,
    /// Every switch, but those that behave in their own way.
    pub(crate) switch: Switch,
    pub(crate) agents: Agents,
    /// What behaves in its own way.
    pub(crate) parts: Parts,
    /// Calls of fence agents under way, by number.
    calls: BTreeMap<u64, calls::Call>,
    called: u64,
    /// Kinds of faults that are there and have met nobody yet.
    waiting: BTreeSet<&'static str>,
    /// What operators asked that counts when it is answered.
    orders: BTreeMap<u64, orders::Asked>,
    /// The only one that the leader misses, and since when.
    missed: Option<sequences::Missed>,
    /// Cluster files that an operator may apply, by name.
    pub(crate) files: BTreeMap<String, String>,
    /// What a golden scenario keeps.
    pub(crate) recorder: Option<Box<Recorder>>,
    /// From here on what rests on a truthful switch is not judged.
    pub(crate) has_lied: bool,
    pub(crate) is_healed: bool,
    pub(crate) moments: Vec<(Moment, Act)>,
    sudden: VecDeque<Act>,
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
    pub(crate) broken: Option<Violation>,
    pub(crate) journal: VecDeque<String>,
    pub(crate) hash: u64,
    /// Voters of the first membership that forgot what they wrote, or will.
    pub(crate) forgetful: Vec<NodeId>,
    asked: u64,
    pub(crate) pace: Pace,
    pub(crate) judged: Judged,
}

impl World {
    /// All hosts are switched on.
    #[must_use]
    pub fn new(seed: u64, shape: &Shape) -> Self {
        let text = shape.text(ADDRESS);
        let config = Arc::new(ha_config::parse("cluster.toml", &text).expect("shapes are valid").config);
        let mut world = World {
            text,
            config: Arc::clone(&config),
            t: S,
            queue: Queue::default(),
            rng: if shape.file.is_some() { Rng::steady(seed, 2) } else { Rng::new(seed, 2) },
            shape: shape.clone(),
            hosts: BTreeMap::new(),
            net: Net::new(shape.links),
            switch: Switch::Sound,
            agents: Agents::Sound,
            parts: Parts::default(),
            calls: BTreeMap::new(),
            called: 0,
            waiting: BTreeSet::new(),
            orders: BTreeMap::new(),
            missed: None,
            files: BTreeMap::new(),
            recorder: None,
            has_lied: false,
            is_healed: false,
            moments: vec![],
            sudden: VecDeque::new(),
            ledger: Ledger::default(),
            tally: Tally { seeds: 1, ..Tally::default() },
            broken: None,
            journal: VecDeque::new(),
            hash: 0xCBF2_9CE4_8422_2325,
            forgetful: vec![],
            asked: 0,
            pace: Pace::Silent,
            judged: Judged::Every,
        };
        for (index, node) in (1..).zip(&shape.nodes) {
            let id: NodeId = node.name.as_str().into();
            let id = config.nodes.get_key_value(&id).map_or(id.clone(), |(known, _)| known.clone());
            world.hosts.insert(id, Host::new(index));
        }
        for id in world.names() {
            world.power_on(&id);
        }
        world.at(0, Due::Net);
        world
    }

    pub(crate) fn at(&mut self, after: u64, due: Due) {
        self.queue.push(self.t + after, due);
    }

    /// FNV-1a over whatever tells one life from another.
    pub(crate) fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    pub(crate) fn tell(&mut self, line: String) {
        self.mix(line.as_bytes());
        self.mix(&self.t.to_le_bytes());
        let line = format!("{:>9.3} {line}", (self.t - S) as f64 / S as f64);
        if self.pace != Pace::Silent {
            println!("{line}");
        }
        if self.journal.len() >= JOURNAL_MAX {
            self.journal.pop_front();
        }
        self.journal.push_back(line);
    }

    /// Shows the hosts, and waits for Enter where somebody steps through.
    pub(crate) fn show(&mut self) {
        if self.pace == Pace::Silent {
            return;
        }
        println!("{}", self.side_by_side().join("\n"));
        if self.pace == Pace::Steps {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            // At the end of the input the rest runs through.
            if !matches!(read, Ok(n) if n > 0) {
                self.pace = Pace::Told;
            }
        }
    }

    /// A rule is broken: the first is what counts.
    pub(crate) fn fail(&mut self, rule: &'static str, what: String) {
        if self.broken.is_none() && self.judged.is_about(rule) {
            self.tell(format!("BROKEN {rule}: {what}"));
            let table = self.side_by_side();
            if self.pace != Pace::Silent {
                println!("{}", table.join("\n"));
            }
            self.journal.extend(table);
            self.broken = Some(Violation { rule, what });
        }
    }

    pub(crate) fn names(&self) -> Vec<NodeId> {
        self.hosts.keys().cloned().collect()
    }

    pub(crate) fn host(&mut self, id: &NodeId) -> &mut Host {
        self.hosts.get_mut(id).expect("a host of this world")
    }

    /// Runs until a time, or until it is done or broken; true where it is done.
    pub(crate) fn run_until(&mut self, end: u64, done: impl Fn(&World) -> bool) -> bool {
        let mut looked = 0;
        while self.broken.is_none() {
            // Looking costs more than most events: often enough.
            if self.t >= looked + 20 * MS {
                looked = self.t;
                if done(self) {
                    return true;
                }
            }
            let Some(at) = self.queue.next_at() else { return false };
            if at > end {
                self.t = self.t.max(end);
                return done(self);
            }
            let Some((_, due)) = self.queue.pop() else { return false };
            self.t = self.t.max(at);
            self.net.t = self.t;
            self.tally.events += 1;
            self.happen(due);
            self.record();
        }
        false
    }

    fn happen(&mut self, due: Due) {
        let node = match &due {
            Due::Message { to, .. } | Due::Beat { to, .. } | Due::Stream { to, .. } => to.clone(),
            Due::Broken { to, from, epoch } => return self.notices(&to.clone(), &from.clone(), *epoch),
            Due::SendBeats { node, .. }
            | Due::Gathered { node, .. }
            | Due::Persisted { node, .. }
            | Due::Agent { node, .. }
            | Due::Fence { node, .. }
            | Due::WatchdogIs { node, .. }
            | Due::Wake { node, .. }
            | Due::Survivor { node, .. }
            | Due::Boot { node, .. } => node.clone(),
            Due::CycledOn { plug } => return self.switched(plug, CallAction::On),
            Due::Switch { call } => return self.switch_is_asked(*call),
            Due::Discharged { node, boot } => return self.discharged(&node.clone(), *boot),
            Due::Bite { node, boot, serial } => return self.watchdog_is_due(&node.clone(), *boot, *serial),
            Due::Sudden => return self.sudden(),
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
        if host.is_stalled() {
            return self.happen_stalled(&node, due);
        }
        self.happen_at(&node, due);
    }

    fn happen_at(&mut self, node: &NodeId, due: Due) {
        let is_session = |w: &Self, session| w.hosts[node].is_session(session);
        match due {
            Due::Message { from, epoch, message, .. } => {
                if self.net.is_epoch(node, &from, epoch) {
                    self.step(node, Input::Message { from, message });
                }
            }
            Due::Stream { input, .. } => self.step(node, input),
            Due::Beat { keys, beat, .. } => {
                if let Some(beat) = self.take_beat(node, keys, *beat) {
                    self.gather(node, beat);
                }
            }
            Due::Gathered { session, .. } if is_session(self, session) => self.take_gathered(node),
            Due::SendBeats { session, .. } if is_session(self, session) => {
                self.pet(node);
                self.send_beats(node);
                let pause = self.config.timing.beat.as_nanos() as u64;
                self.at(pause, Due::SendBeats { node: node.clone(), session });
            }
            Due::Persisted { session, .. } if is_session(self, session) => self.persisted(node),
            Due::Agent { session, id, .. } if is_session(self, session) => self.agent_ends(node, id),
            Due::Fence { session, call, .. } if is_session(self, session) => self.fence_ends(node, call),
            Due::WatchdogIs { session, state, .. } if is_session(self, session) => {
                self.step(node, Input::Watchdog(state));
            }
            Due::Wake { at, .. } => {
                if let Some(daemon) = &mut self.host(node).daemon
                    && daemon.wake == Some(at)
                {
                    daemon.wake = None;
                    self.step(node, Input::Tick);
                }
            }
            // The next daemon ends it with the rest of its group.
            Due::Survivor { boot, session, instance, .. } => {
                let host = &self.hosts[node];
                if host.boots == boot && host.daemon.is_none() && host.last_session == session {
                    self.begins(node, &instance);
                }
            }
            Due::Boot { boot, .. } => {
                let host = &self.hosts[node];
                if host.boots == boot && host.daemon.is_none() && !self.parts.has_no_supervisor.contains(node)
                {
                    self.boot_daemon(node);
                }
            }
            Due::SendBeats { .. }
            | Due::Gathered { .. }
            | Due::Persisted { .. }
            | Due::Agent { .. }
            | Due::WatchdogIs { .. }
            | Due::Fence { .. } => {}
            Due::CycledOn { .. }
            | Due::Switch { .. }
            | Due::Broken { .. }
            | Due::Discharged { .. }
            | Due::Bite { .. }
            | Due::Sudden
            | Due::Net => {}
        }
    }
}
