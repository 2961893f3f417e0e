//! The network: streams that keep order, stall while cut and break in the end; heartbeats on every link that are lost,
//! late, doubled and overtake each other. A heartbeat counts only under the keys of the pair's newest stream.

use super::{Due, MS, World};
use ha_core::{BeatIn, Input, PeerMessage};
use ha_membership::Ages;
use ha_model::{NodeId, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often streams are looked after.
const TEND: u64 = 50 * MS;

pub(super) type Pair = (NodeId, NodeId);

/// How bad a link of a pair is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Worse {
    /// Of a hundred heartbeats lost.
    pub loss: u8,
    /// Of a hundred heartbeats doubled.
    pub double: u8,
    /// Milliseconds that everything takes longer.
    pub late_ms: u16,
}

/// A stream between two daemons.
pub struct Stream {
    pub epoch: u64,
    sessions: (SessionId, SessionId),
    /// When it breaks, once something is wrong with it.
    breaks_at: Option<u64>,
    stalled: Vec<(NodeId, NodeId, Box<PeerMessage>)>,
}

/// The network.
#[derive(Default)]
pub struct Net {
    streams: BTreeMap<Pair, Stream>,
    keys: BTreeMap<Pair, (SessionId, SessionId)>,
    /// From, to, link.
    pub cuts: BTreeSet<(NodeId, NodeId, u8)>,
    /// Links of pairs that come and go, each with how long it stays and is gone.
    flaps: BTreeMap<(Pair, u8), u64>,
    /// Links of pairs that are worse than the network.
    pub worse: BTreeMap<(Pair, u8), Worse>,
    /// Ends of broken streams that have not noticed it yet: which, whose stream, and of which epoch.
    unnoticed: BTreeSet<(NodeId, NodeId, u64)>,
    /// The time of the world.
    pub t: u64,
    pub links: u8,
    pub loss: u64,
    pub double: u64,
    /// Longest delay of a heartbeat, and of a message.
    pub late_ms: u64,
    epochs: u64,
}

pub(super) fn pair(a: &NodeId, b: &NodeId) -> Pair {
    if a < b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
}

impl Net {
    pub fn new(links: u8) -> Self {
        Self { links, late_ms: 1, ..Self::default() }
    }

    /// A stream needs one link that works both ways.
    pub fn is_cut(&self, a: &NodeId, b: &NodeId) -> bool {
        !self.is_whole()
            && (0..self.links).all(|link| self.is_link_cut(a, b, link) || self.is_link_cut(b, a, link))
    }

    pub fn is_link_cut(&self, from: &NodeId, to: &NodeId, link: u8) -> bool {
        !self.is_whole()
            && (self.cuts.contains(&(from.clone(), to.clone(), link)) || self.is_flapped(from, to, link))
    }

    /// Nothing of the one reaches the other.
    pub fn is_deaf(&self, from: &NodeId, to: &NodeId) -> bool {
        (0..self.links).all(|link| self.is_link_cut(from, to, link))
    }

    pub fn is_whole(&self) -> bool {
        self.cuts.is_empty() && self.flaps.is_empty()
    }

    fn is_flapped(&self, a: &NodeId, b: &NodeId, link: u8) -> bool {
        let period = self.flaps.get(&(pair(a, b), link));
        period.is_some_and(|period| self.t / period % 2 == 1)
    }

    fn links(&self, link: Option<u8>) -> impl Iterator<Item = u8> + use<> {
        (0..self.links).filter(move |l| link.is_none_or(|only| only == *l))
    }

    pub fn flap(&mut self, a: &NodeId, b: &NodeId, link: Option<u8>, period: u64) {
        self.flaps.extend(self.links(link).map(|l| ((pair(a, b), l), period)));
    }

    pub fn worsen(&mut self, a: &NodeId, b: &NodeId, link: Option<u8>, by: Worse) {
        for l in self.links(link) {
            let path = self.worse.entry((pair(a, b), l)).or_default();
            path.loss = path.loss.max(by.loss);
            path.double = path.double.max(by.double);
            path.late_ms = path.late_ms.max(by.late_ms);
        }
    }

    /// How bad a link is: loss and doubling in percent, and by how long everything takes longer.
    fn badness(&self, a: &NodeId, b: &NodeId, link: u8) -> (u64, u64, u64) {
        if self.worse.is_empty() {
            return (self.loss, self.double, 0);
        }
        let worse = self.worse.get(&(pair(a, b), link)).copied().unwrap_or_default();
        let (loss, double) = (u64::from(worse.loss), u64::from(worse.double));
        (self.loss.max(loss), self.double.max(double), u64::from(worse.late_ms) * MS)
    }

    /// A stream takes the best link that works both ways.
    fn delay(&self, a: &NodeId, b: &NodeId) -> u64 {
        let works = |l: &u8| !self.is_link_cut(a, b, *l) && !self.is_link_cut(b, a, *l);
        (0..self.links).filter(works).map(|l| self.badness(a, b, l).2).min().unwrap_or(0)
    }

    pub fn heal(&mut self) {
        self.worse.clear();
        self.cuts.clear();
        self.flaps.clear();
    }

    pub fn cut(&mut self, from: &NodeId, to: &NodeId, link: Option<u8>) {
        for l in self.links(link) {
            self.cuts.insert((from.clone(), to.clone(), l));
        }
    }

    pub fn mend(&mut self) {
        self.heal();
        (self.loss, self.double, self.late_ms) = (0, 0, 1);
    }

    pub fn is_epoch(&self, a: &NodeId, b: &NodeId, epoch: u64) -> bool {
        self.streams.get(&pair(a, b)).is_some_and(|s| s.epoch == epoch)
    }
}

impl World {
    fn latency(&mut self) -> u64 {
        self.rng.range(100_000, MS + self.net.late_ms * MS)
    }

    pub(super) fn send(&mut self, from: &NodeId, to: &NodeId, message: Box<PeerMessage>) {
        let is_cut = self.net.is_cut(from, to);
        let Some(stream) = self.net.streams.get_mut(&pair(from, to)) else { return };
        self.tally.messages += 1;
        if is_cut {
            stream.stalled.push((from.clone(), to.clone(), message));
            return;
        }
        let epoch = stream.epoch;
        let mut arrives = self.t + self.latency() + self.net.delay(from, to);
        if let Some(daemon) = &mut self.host(to).daemon {
            let last = daemon.delivered.entry(from.clone()).or_default();
            arrives = arrives.max(*last + 1);
            *last = arrives;
        }
        self.at(arrives - self.t, Due::Message { to: to.clone(), from: from.clone(), epoch, message });
    }

    pub(super) fn tend_net(&mut self) {
        let names = self.names();
        for (i, a) in names.iter().enumerate() {
            for b in &names[i + 1..] {
                self.tend(a, b);
            }
        }
        self.check_all_grants();
        self.note_missed();
        self.note_served();
        self.at(TEND, Due::Net);
    }

    fn tend(&mut self, a: &NodeId, b: &NodeId) {
        let is_cut = self.net.is_cut(a, b);
        let session = |w: &World, n: &NodeId| w.hosts[n].daemon.as_ref().map(|d| d.session);
        let (of_a, of_b) = (session(self, a), session(self, b));
        let key = pair(a, b);
        if self.net.streams.contains_key(&key) {
            return self.tend_stream(a, b, is_cut, of_a, of_b);
        }
        for (x, y, of_x, of_y) in [(a, b, of_a, of_b), (b, a, of_b, of_a)] {
            if of_x.is_some() && of_y.is_none() && self.is_resetting(y, is_cut) {
                self.at(0, Due::Stream { to: x.clone(), input: Input::PeerReset { node: y.clone() } });
            }
        }
        if let (Some(of_a), Some(of_b), false) = (of_a, of_b, is_cut)
            && !self.hosts[a].is_frozen
            && !self.hosts[b].is_frozen
        {
            self.connect(a, b, (of_a, of_b));
        }
    }

    /// The host answers that nobody listens.
    fn is_resetting(&self, n: &NodeId, is_cut: bool) -> bool {
        let host = &self.hosts[n];
        host.is_on && !host.is_frozen && host.daemon.is_none() && !is_cut
    }

    fn tend_stream(
        &mut self,
        a: &NodeId,
        b: &NodeId,
        is_cut: bool,
        of_a: Option<SessionId>,
        of_b: Option<SessionId>,
    ) {
        let patience = self.rng.range(500 * MS, 3000 * MS);
        let t = self.t;
        let is_reset = self.is_resetting(a, is_cut) || self.is_resetting(b, is_cut);
        let key = pair(a, b);
        let Some(stream) = self.net.streams.get_mut(&key) else { return };
        let is_whole = Some(stream.sessions.0) == of_a && Some(stream.sessions.1) == of_b;
        if is_whole && !is_cut {
            stream.breaks_at = None;
            for (from, to, message) in std::mem::take(&mut stream.stalled) {
                self.send(&from, &to, message);
            }
            return;
        }
        let breaks_at = *stream.breaks_at.get_or_insert(t + patience);
        let is_noticed = !is_whole && !is_cut && (is_reset || (of_a.is_some() && of_b.is_some()));
        if t >= breaks_at || is_noticed {
            let epoch = stream.epoch;
            self.net.streams.remove(&key);
            // The two ends notice it at times of their own.
            let second = if self.rng.surprises(50) { self.rng.range(1, 1500) * MS } else { 0 };
            let ends = if self.rng.surprises(50) {
                [(b, a, 0), (a, b, second)]
            } else {
                [(a, b, 0), (b, a, second)]
            };
            for (x, y, after) in ends {
                self.net.unnoticed.insert((x.clone(), y.clone(), epoch));
                if after == 0 {
                    self.notices(x, y, epoch);
                } else {
                    self.at(after, Due::Broken { to: x.clone(), from: y.clone(), epoch });
                }
            }
        }
    }

    /// An end notices that its stream broke, before it has another.
    pub(super) fn notices(&mut self, to: &NodeId, from: &NodeId, epoch: u64) {
        if self.net.unnoticed.remove(&(to.clone(), from.clone(), epoch)) {
            self.at(0, Due::Stream { to: to.clone(), input: Input::PeerDown { node: from.clone() } });
        }
    }

    fn connect(&mut self, a: &NodeId, b: &NodeId, sessions: (SessionId, SessionId)) {
        self.net.epochs += 1;
        let key = pair(a, b);
        let old = self.net.unnoticed.iter().filter(|(to, from, _)| pair(to, from) == key);
        for (to, from, epoch) in old.cloned().collect::<Vec<_>>() {
            self.notices(&to, &from, epoch);
        }
        let stream = Stream { epoch: self.net.epochs, sessions, breaks_at: None, stalled: vec![] };
        self.net.streams.insert(key.clone(), stream);
        let is_new = self.net.keys.insert(key, sessions) != Some(sessions);
        let config = self.config.sha256.first_chunk().copied().unwrap_or_default();
        for (x, y) in [(a, b), (b, a)] {
            let incarnation = self.hosts[x].incarnation;
            if let Some(daemon) = &mut self.host(y).daemon
                && is_new
            {
                daemon.heard.retain(|(n, _), _| n != x);
            }
            let Some(session) = self.hosts[x].daemon.as_ref().map(|d| d.session) else { continue };
            let input = Input::PeerUp { node: x.clone(), incarnation, session, config };
            self.at(0, Due::Stream { to: y.clone(), input });
        }
    }

    pub(super) fn send_beats(&mut self, id: &NodeId) {
        let (host, t) = (&self.hosts[id], self.t);
        let Some(daemon) = host.daemon.as_ref().filter(|_| !host.is_frozen) else { return };
        let sent_at = host.clock.at(t);
        if daemon.valid_until < sent_at {
            return;
        }
        let write = host.disk.write_age(t);
        let ages = Ages {
            core: Duration::from_nanos(sent_at.0.saturating_sub(daemon.last_step.0)),
            write: Duration::from_nanos(write),
            spawn: Duration::ZERO,
        };
        let session = daemon.session;
        // Lent, and given back: cloned they would cost more than what is done with them.
        let bodies = self.host(id).daemon.as_mut().map(|d| std::mem::take(&mut d.bodies)).unwrap_or_default();
        for (to, body) in &bodies {
            let Some(keys) = self.net.keys.get(&pair(id, to)).copied() else { continue };
            if ![keys.0, keys.1].contains(&session) {
                continue;
            }
            for link in 0..self.net.links {
                let (loss, double, late) = self.net.badness(id, to, link);
                if self.net.is_link_cut(id, to, link) || self.rng.percent(loss) {
                    continue;
                }
                let echo =
                    self.hosts[id].daemon.as_ref().and_then(|d| d.heard.get(&(to.clone(), link)).copied());
                let beat = BeatIn {
                    from: id.clone(),
                    link,
                    received_at: sent_at,
                    sent_at,
                    echo,
                    ages,
                    body: body.clone(),
                };
                if self.rng.percent(double) {
                    let after = self.latency() + late;
                    self.at(after, Due::Beat { to: to.clone(), keys, beat: Box::new(beat.clone()) });
                }
                let after = self.latency() + late;
                self.at(after, Due::Beat { to: to.clone(), keys, beat: Box::new(beat) });
            }
        }
        if let Some(daemon) = &mut self.host(id).daemon {
            daemon.bodies = bodies;
        }
    }

    /// A heartbeat arrives: under the keys of the pair's present sessions, or not at all.
    pub(super) fn take_beat(
        &mut self,
        to: &NodeId,
        keys: (SessionId, SessionId),
        beat: BeatIn,
    ) -> Option<BeatIn> {
        let t = self.t;
        if self.net.keys.get(&pair(to, &beat.from)) != Some(&keys) {
            return None;
        }
        let host = self.host(to);
        let received_at = host.clock.at(t);
        let daemon = host.daemon.as_mut().filter(|d| [keys.0, keys.1].contains(&d.session))?;
        let heard = daemon.heard.entry((beat.from.clone(), beat.link)).or_default();
        *heard = (*heard).max(beat.sent_at);
        self.note_heard((&beat.from, beat.link), to, beat.body.incarnation, beat.sent_at);
        Some(BeatIn { received_at, ..beat })
    }
}
