//! The network: streams that keep order, stall while cut and break in the end; heartbeats that are lost, late,
//! doubled and overtake each other. A heartbeat counts only under the keys of the pair's newest stream.

use super::world::{Due, MS, World};
use crate::input::{BeatIn, Input};
use crate::message::PeerMessage;
use ha_membership::Ages;
use ha_model::{NodeId, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often streams are looked after.
const TEND: u64 = 50 * MS;

/// A stream between two daemons.
pub struct Stream {
    pub epoch: u64,
    pub sessions: (SessionId, SessionId),
    /// When it breaks, once something is wrong with it.
    breaks_at: Option<u64>,
    stalled: Vec<(NodeId, NodeId, Box<PeerMessage>)>,
}

#[derive(Default)]
pub struct Net {
    streams: BTreeMap<(NodeId, NodeId), Stream>,
    keys: BTreeMap<(NodeId, NodeId), (SessionId, SessionId)>,
    pub cuts: BTreeSet<(NodeId, NodeId)>,
    pub loss: u64,
    pub double: u64,
    /// Longest delay of a heartbeat, and of a message.
    pub late_ms: u64,
    pub is_disk_slow: bool,
    epochs: u64,
}

fn pair(a: &NodeId, b: &NodeId) -> (NodeId, NodeId) {
    if a < b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
}

impl Net {
    pub fn stream(&self, a: &NodeId, b: &NodeId) -> Option<&Stream> {
        self.streams.get(&pair(a, b))
    }

    fn stream_mut(&mut self, a: &NodeId, b: &NodeId) -> Option<&mut Stream> {
        self.streams.get_mut(&pair(a, b))
    }

    pub fn is_cut(&self, from: &NodeId, to: &NodeId) -> bool {
        self.cuts.contains(&(from.clone(), to.clone()))
    }

    pub fn cut(&mut self, from: &NodeId, to: &NodeId) {
        self.cuts.insert((from.clone(), to.clone()));
    }
}

impl World {
    fn latency(&mut self) -> u64 {
        self.rng.range(100_000, MS + self.net.late_ms * MS)
    }

    pub fn send(&mut self, from: &NodeId, to: &NodeId, message: Box<PeerMessage>) {
        let is_cut = self.net.is_cut(from, to) || self.net.is_cut(to, from);
        let Some(stream) = self.net.stream_mut(from, to) else { return };
        if is_cut {
            stream.stalled.push((from.clone(), to.clone(), message));
            return;
        }
        let epoch = stream.epoch;
        let arrives = self.t + self.latency();
        let before = self.hosts[to].delivered.get(from).copied().unwrap_or(0);
        let arrives = arrives.max(before + 1);
        self.host(to).delivered.insert(from.clone(), arrives);
        let after = arrives - self.t;
        self.at(after, Due::Message { to: to.clone(), from: from.clone(), epoch, message });
    }

    pub fn tend_net(&mut self) {
        let names = self.names();
        for (i, a) in names.iter().enumerate() {
            for b in &names[i + 1..] {
                self.tend(a, b);
            }
        }
        self.at(TEND, Due::Net);
    }

    fn tend(&mut self, a: &NodeId, b: &NodeId) {
        let is_cut = self.net.is_cut(a, b) || self.net.is_cut(b, a);
        let sessions = (self.hosts[a].session, self.hosts[b].session);
        let has = |w: &World, n: &NodeId| w.hosts[n].node.is_some();
        let (has_a, has_b) = (has(self, a), has(self, b));
        let patience = self.rng.range(500 * MS, 3000 * MS);
        let t = self.t;
        let is_reset =
            |w: &World, n: &NodeId| w.hosts[n].is_on && !w.hosts[n].is_frozen && !has(w, n) && !is_cut;
        let (reset_a, reset_b) = (is_reset(self, a), is_reset(self, b));
        if let Some(stream) = self.net.stream_mut(a, b) {
            let is_whole = has_a && has_b && stream.sessions == sessions;
            if is_whole && !is_cut {
                stream.breaks_at = None;
                for (from, to, message) in std::mem::take(&mut stream.stalled) {
                    self.send(&from, &to, message);
                }
                return;
            }
            let breaks_at = *stream.breaks_at.get_or_insert(t + patience);
            let is_noticed = !is_whole && !is_cut && (reset_a || reset_b || (has_a && has_b));
            if t >= breaks_at || is_noticed {
                self.net.streams.remove(&pair(a, b));
                for (x, y) in [(a, b), (b, a)] {
                    self.at(0, Due::Stream { to: x.clone(), input: Input::PeerDown { node: y.clone() } });
                }
            }
            return;
        }
        for (x, y, is_reset) in [(a, b, reset_b), (b, a, reset_a)] {
            if is_reset && has(self, x) {
                self.at(0, Due::Stream { to: x.clone(), input: Input::PeerReset { node: y.clone() } });
            }
        }
        if has_a && has_b && !is_cut && !self.hosts[a].is_frozen && !self.hosts[b].is_frozen {
            self.net.epochs += 1;
            let stream = Stream { epoch: self.net.epochs, sessions, breaks_at: None, stalled: vec![] };
            self.net.streams.insert(pair(a, b), stream);
            if self.net.keys.insert(pair(a, b), sessions) != Some(sessions) {
                self.host(a).heard.remove(b);
                self.host(b).heard.remove(a);
            }
            for (x, y) in [(a, b), (b, a)] {
                let host = &self.hosts[x];
                let (incarnation, session) = (host.incarnation, host.session);
                let input = Input::PeerUp { node: x.clone(), incarnation, session, config: [0; 4] };
                self.at(0, Due::Stream { to: y.clone(), input });
            }
        }
    }

    pub fn send_beats(&mut self, id: &NodeId) {
        let host = &self.hosts[id];
        let sent_at = host.local(self.t);
        if host.node.is_none() || host.is_frozen || host.valid_until < sent_at {
            return;
        }
        let write = host.writes.front().map_or(0, |w| self.t - w.since);
        let ages = Ages {
            core: Duration::from_nanos(sent_at.0.saturating_sub(host.last_step.0)),
            write: Duration::from_nanos(write),
            spawn: Duration::ZERO,
        };
        let bodies = host.bodies.clone();
        for (to, body) in bodies {
            let keys = self.net.keys.get(&pair(id, &to)).copied();
            let Some(keys) = keys else { continue };
            let is_mine = [keys.0, keys.1].contains(&self.hosts[id].session);
            if self.net.is_cut(id, &to) || !is_mine || self.rng.percent(self.net.loss) {
                continue;
            }
            let echo = self.hosts[id].heard.get(&to).copied();
            let beat = BeatIn { from: id.clone(), link: 0, received_at: sent_at, sent_at, echo, ages, body };
            let copies = if self.rng.percent(self.net.double) { 2 } else { 1 };
            for _ in 0..copies {
                let after = self.latency();
                self.at(after, Due::Beat { to: to.clone(), keys, beat: Box::new(beat.clone()) });
            }
        }
    }

    /// A heartbeat arrives: under the keys of the pair's present sessions, or not at all.
    pub fn take_beat(&mut self, due: Due) -> Option<BeatIn> {
        let Due::Beat { to, keys, beat } = due else { return None };
        let is_mine = [keys.0, keys.1].contains(&self.hosts[&to].session);
        let is_keyed = self.net.keys.get(&pair(&to, &beat.from)) == Some(&keys);
        if !is_mine || !is_keyed || self.hosts[&to].node.is_none() {
            return None;
        }
        let received_at = self.hosts[&to].local(self.t);
        let heard = self.host(&to).heard.entry(beat.from.clone()).or_default();
        *heard = (*heard).max(beat.sent_at);
        Some(BeatIn { received_at, ..*beat })
    }
}
