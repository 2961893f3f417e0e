//! The simulated world: time, network, crashes. Each event goes to one host; the judge looks on.

use super::host::{Host, MS, T_LOST_MS, pack, unpack};
use super::ledger::Ledger;
use super::rng::Rng;
use ha_consensus::{BeatPart, Event, Message, PersistId, Raft, Ready};
use ha_model::{BootNs, NodeId};
use std::collections::{BTreeMap, BTreeSet};

pub enum Happening {
    Tick { host: usize, life: u64 },
    Beats { host: usize, life: u64 },
    Message { from: usize, to: usize, stream: u64, message: Message<u64> },
    Beat { from: usize, to: usize, stream: u64, part: BeatPart, sent_at: BootNs },
    Written { host: usize, life: u64, id: PersistId },
    Reset { from: usize, to: usize },
    Propose,
    Fault,
}

#[derive(Clone, Debug, Default)]
pub struct Weather {
    pub loss: u64,
    pub duplicate: u64,
    pub slow: u64,
    pub slow_disk: bool,
    /// Every write takes exactly this long.
    pub write_ms: Option<u64>,
    pub stale_beats: u64,
    /// Each beat is late by up to this: its sender or receiver waits for a processor.
    pub late_beats_ms: u64,
}

pub struct World {
    pub t: u64,
    pub hosts: Vec<Host>,
    pub rng: Rng,
    pub ledger: Ledger,
    pub weather: Weather,
    pub cut: BTreeSet<(usize, usize)>,
    /// Number of the present stream of each pair; words of an older one, and beats under its keys, are void.
    streams: BTreeMap<(usize, usize), u64>,
    pub formation: Vec<NodeId>,
    pub events: u64,
    /// Messages that this picks are kept back until `release`.
    pub hold: Option<fn(&Message<u64>) -> bool>,
    held: Vec<(usize, usize, Message<u64>)>,
    pub sent: u64,
    pub writes: u64,
    sent_by: BTreeMap<usize, u64>,
    /// Of all that happened: two runs of one seed must have the same (S15).
    pub trace: u64,
    pub next_value: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    seq: u64,
}

impl World {
    pub fn new(seed: u64, hosts: usize, voters: usize) -> Self {
        let mut rng = Rng::new(seed);
        let names: Vec<NodeId> =
            (0..hosts).map(|i| NodeId::from(["a", "b", "c", "d", "e", "f", "g"][i])).collect();
        let hosts = names
            .iter()
            .enumerate()
            .map(|(i, id)| {
                let drift = i64::try_from(rng.range(0, 8000)).unwrap() - 4000;
                Host::new(id.clone(), 1 + i as u128, rng.range(0, 100_000) * MS, drift)
            })
            .collect();
        let mut world = Self {
            t: 0,
            hosts,
            rng,
            ledger: Ledger::default(),
            weather: Weather::default(),
            cut: BTreeSet::new(),
            streams: BTreeMap::new(),
            formation: names[..voters].to_vec(),
            events: 0,
            hold: None,
            held: Vec::new(),
            sent: 0,
            writes: 0,
            sent_by: BTreeMap::new(),
            trace: seed,
            next_value: 1,
            queue: BTreeMap::new(),
            seq: 0,
        };
        for i in 0..world.hosts.len() {
            world.start(i);
        }
        world
    }

    pub fn at(&mut self, t: u64, what: Happening) {
        self.seq += 1;
        self.queue.insert((t.max(self.t), self.seq), what);
    }

    pub fn raft(&self, host: usize) -> Option<&Raft<u64>> {
        self.hosts[host].raft.as_ref()
    }

    pub fn leader(&self) -> Option<usize> {
        let leads = |i: &usize| self.raft(*i).is_some_and(Raft::is_serving);
        (0..self.hosts.len()).filter(leads).max_by_key(|i| self.raft(*i).map(Raft::term))
    }

    pub fn start(&mut self, i: usize) {
        let seed = self.rng.next();
        let formation = self.formation.clone();
        let (t, host) = (self.t, &mut self.hosts[i]);
        let forms = formation.contains(&host.id) && !host.wiped;
        host.start(t, forms.then_some(&formation[..]), seed);
        let life = host.life;
        self.at(t, Happening::Beats { host: i, life });
        for other in 0..self.hosts.len() {
            if other != i {
                self.at(t, Happening::Reset { from: i, to: other });
                self.at(t, Happening::Reset { from: other, to: i });
            }
        }
        self.settle(i);
    }

    /// What was not written is lost; of the writes under way some have reached the disk unconfirmed.
    pub fn crash(&mut self, i: usize) {
        let reached = self.rng.range(0, self.hosts[i].writing.len() as u64 + 1);
        let host = &mut self.hosts[i];
        for _ in 0..reached {
            let persist = host.writing.pop_front().unwrap();
            host.disk.write(persist);
        }
        host.writing.clear();
        host.raft = None;
        host.life += 1;
        host.frozen_until = 0;
    }

    /// Gives one input to a host's core, then does what it asks.
    pub fn input(&mut self, i: usize, f: impl FnOnce(&mut Raft<u64>, BootNs)) {
        let host = &mut self.hosts[i];
        let now = host.clock(self.t);
        let Some(raft) = &mut host.raft else { return };
        f(raft, now);
        self.settle(i);
    }

    fn settle(&mut self, i: usize) {
        loop {
            let Some(raft) = &mut self.hosts[i].raft else { return };
            let ready = raft.take_ready();
            if ready.is_empty() {
                break;
            }
            self.carry_out(i, ready);
        }
        self.ledger.leading(&self.hosts, i);
        self.ledger.leases(self.t, &self.hosts[i]);
        let host = &mut self.hosts[i];
        let Some(at) = host.raft.as_ref().and_then(Raft::next_deadline) else { return };
        let at = host.world_time(at, self.t + 1000);
        if host.wake.is_none_or(|wake| wake > at || wake <= self.t) {
            host.wake = Some(at);
            let life = host.life;
            self.at(at, Happening::Tick { host: i, life });
        }
    }

    fn carry_out(&mut self, i: usize, ready: Ready<u64>) {
        let life = self.hosts[i].life;
        if let Some(persist) = ready.persist {
            let slow = if self.weather.slow_disk { 400 } else { 20 };
            let drawn = self.rng.range(MS / 2, slow * MS);
            let due = self.t + self.weather.write_ms.map_or(drawn, |ms| ms * MS);
            let id = persist.id;
            self.writes += 1;
            self.hosts[i].writing.push_back(persist);
            self.at(due, Happening::Written { host: i, life, id });
        }
        for (to, message) in ready.messages {
            self.ledger.sent(&self.hosts[i], &to, &message);
            self.send(i, &to, message);
        }
        let host = &mut self.hosts[i];
        if let Some(snapshot) = &ready.install_snapshot {
            host.applied = snapshot.meta.pos.index;
            host.hash = unpack(&snapshot.data);
            self.ledger.installed(&self.hosts[i], snapshot, self.hosts[i].hash);
        }
        for entry in &ready.committed {
            self.hosts[i].apply(entry);
            self.ledger.applied(&self.hosts[i], entry);
        }
        for event in ready.events {
            self.happened(i, event);
        }
    }

    fn happened(&mut self, i: usize, event: Event) {
        self.trace =
            self.trace.rotate_left(7) ^ self.t ^ format!("{i}{event:?}").bytes().map(u64::from).sum::<u64>();
        match event {
            Event::BecameLeader { term } => self.ledger.became_leader(self.t, &self.hosts[i], term),
            Event::SteppedDown { why, .. } => self.ledger.stepped_down(&self.hosts[i], why),
            Event::VotersChanged { index, membership } => {
                self.ledger.members_changed(&self.hosts[i], index, &membership);
                let host = &mut self.hosts[i];
                if membership.binds(&host.id, host.disk.store) {
                    host.wiped = false;
                }
            }
            Event::TransferFailed { .. } => self.ledger.transfers_failed += 1,
            Event::SnapshotWanted => {
                let host = &mut self.hosts[i];
                let (index, hash) = (host.applied, host.hash);
                host.raft.as_mut().unwrap().snapshot_taken(index, pack(hash)).unwrap();
            }
            Event::LeaderChanged { .. } | Event::VoteBarred { .. } | Event::NoVote(_) => {}
        }
    }

    fn arrival(&mut self, from: usize, to: usize) -> Option<u64> {
        if self.cut.contains(&(from, to)) || self.rng.chance(self.weather.loss) {
            return None;
        }
        let most = if self.rng.chance(self.weather.slow) { 1500 } else { 4 };
        Some(self.t + self.rng.range(MS / 10, most * MS))
    }

    /// Delivers now what was kept back; returns how many that were.
    pub fn release(&mut self) -> usize {
        self.hold = None;
        let held = std::mem::take(&mut self.held);
        let n = held.len();
        for (from, to, message) in held {
            let stream = self.stream(from, to);
            self.at(self.t, Happening::Message { from, to, stream, message });
        }
        n
    }

    pub fn sent_by(&self, host: usize) -> u64 {
        self.sent_by.get(&host).copied().unwrap_or(0)
    }

    fn stream(&self, from: usize, to: usize) -> u64 {
        self.streams.get(&(from, to)).copied().unwrap_or(0)
    }

    fn index_of(&self, node: &NodeId) -> usize {
        self.hosts.iter().position(|h| h.id == *node).unwrap()
    }

    fn send(&mut self, from: usize, to: &NodeId, message: Message<u64>) {
        let to = self.index_of(to);
        self.sent += 1;
        *self.sent_by.entry(from).or_default() += 1;
        if self.hold.is_some_and(|hold| hold(&message)) {
            self.held.push((from, to, message));
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(self.weather.duplicate));
        for _ in 0..copies {
            if let Some(at) = self.arrival(from, to) {
                let stream = self.stream(from, to);
                let message = message.clone();
                self.at(at, Happening::Message { from, to, stream, message });
            }
        }
    }

    fn send_beats(&mut self, i: usize) {
        for to in 0..self.hosts.len() {
            if to == i {
                continue;
            }
            let stale = self.rng.chance(self.weather.stale_beats);
            let peer = self.hosts[to].id.clone();
            let host = &mut self.hosts[i];
            let now = host.clock(self.t);
            let part = host.raft.as_ref().unwrap().beat_parts(now)(&peer);
            // The sending thread may still hold what the core gave it one beat ago.
            let before = host.beats.insert(peer, part.clone());
            let part = before.filter(|_| stale).unwrap_or(part);
            self.ledger.sent_beat(&self.hosts[i], &part);
            if let Some(at) = self.arrival(i, to) {
                let late = self.weather.late_beats_ms;
                let at = if late > 0 { at + self.rng.range(0, late * MS) } else { at };
                let stream = self.stream(i, to);
                self.at(at, Happening::Beat { from: i, to, stream, part, sent_at: now });
            }
        }
    }

    /// Runs until `end`; `fault` is called for each scheduled fault.
    pub fn run(&mut self, end: u64, fault: &mut impl FnMut(&mut World)) {
        while let Some(next) = self.queue.first_entry() {
            if next.key().0 > end {
                break;
            }
            let ((t, _), what) = next.remove_entry();
            self.t = t;
            self.events += 1;
            self.step(what, fault);
        }
        self.t = end;
    }

    fn step(&mut self, what: Happening, fault: &mut impl FnMut(&mut World)) {
        let to = match &what {
            Happening::Tick { host, .. }
            | Happening::Beats { host, .. }
            | Happening::Written { host, .. } => Some(*host),
            Happening::Message { to, .. } | Happening::Beat { to, .. } | Happening::Reset { to, .. } => {
                Some(*to)
            }
            Happening::Propose | Happening::Fault => None,
        };
        if let Some(until) = to.map(|to| self.hosts[to].frozen_until).filter(|until| *until > self.t) {
            self.at(until, what);
            return;
        }
        match what {
            Happening::Tick { host, life } => {
                if self.hosts[host].life == life {
                    self.hosts[host].wake = None;
                    self.input(host, |raft, now| raft.tick(now));
                }
            }
            Happening::Beats { host, life } => {
                if self.hosts[host].life == life && self.hosts[host].raft.is_some() {
                    self.send_beats(host);
                    let next = self.t + T_LOST_MS / 10 * MS - self.rng.range(0, MS);
                    self.at(next, Happening::Beats { host, life });
                }
            }
            Happening::Message { from, to, stream, message } => {
                if self.stream(from, to) == stream {
                    let from = self.hosts[from].id.clone();
                    self.input(to, |raft, now| raft.receive(now, &from, message));
                }
            }
            Happening::Beat { from, to, stream, part, sent_at } => {
                if self.stream(from, to) == stream {
                    let from = self.hosts[from].id.clone();
                    self.input(to, |raft, now| raft.beat(now, &from, &part, sent_at));
                }
            }
            Happening::Written { host, life, id } => self.written(host, life, id),
            Happening::Reset { from, to } => {
                *self.streams.entry((from, to)).or_default() += 1;
                let from = self.hosts[from].id.clone();
                self.input(to, |raft, now| raft.peer_reset(now, &from));
            }
            Happening::Propose => {
                self.propose();
                let next = self.t + self.rng.range(5, 150) * MS;
                self.at(next, Happening::Propose);
            }
            Happening::Fault => fault(self),
        }
    }

    /// Writes are confirmed in order: one that is done early waits for those before it.
    fn written(&mut self, i: usize, life: u64, id: PersistId) {
        while self.hosts[i].life == life
            && self.hosts[i].raft.is_some()
            && self.hosts[i].writing.front().is_some_and(|p| p.id <= id)
        {
            let persist = self.hosts[i].writing.pop_front().unwrap();
            let id = persist.id;
            self.hosts[i].disk.write(persist);
            self.input(i, |raft, now| raft.persisted(now, id));
        }
    }

    /// A client that asks any node which leads, also one that only believes it does.
    pub fn propose(&mut self) {
        let leads =
            |i: &usize| self.hosts[*i].frozen_until <= self.t && self.raft(*i).is_some_and(Raft::is_leader);
        let leaders: Vec<usize> = (0..self.hosts.len()).filter(leads).collect();
        if leaders.is_empty() {
            return;
        }
        let leader = *self.rng.pick(&leaders);
        let n = self.rng.range(1, 5);
        let values: Vec<u64> = (0..n).map(|k| self.next_value + k).collect();
        self.next_value += n;
        self.input(leader, |raft, now| drop(raft.propose(now, values)));
    }
}
