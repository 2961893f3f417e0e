//! Presence of each peer from its heartbeats.

use ha_model::{BootNs, Incarnation, NodeId, SessionId, Stalled, Timing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A core steps at each heartbeat that it hears: what it last said is of the present when that was so many ago.
const FRESH_BEATS: u32 = 2;

/// How long ago the sender's inner life last moved, as its heartbeat says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Ages {
    /// Last step of the core.
    pub core: Duration,
    /// Oldest write still under way (zero: none).
    pub write: Duration,
    /// Last successful fork and exec.
    pub spawn: Duration,
}

/// One authenticated heartbeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beat {
    /// Sender.
    pub from: NodeId,
    /// Link it came over, from 0.
    pub link: u8,
    /// When it arrived here.
    pub received_at: BootNs,
    /// When the sender sent it, by the sender's clock.
    pub sent_at: BootNs,
    /// The newest of our own sending times that the sender had received.
    pub echo: Option<BootNs>,
    /// Its inner life.
    pub ages: Ages,
    /// Its boot.
    pub incarnation: Incarnation,
    /// Its daemon's start.
    pub session: SessionId,
    /// Whom it hears, as bit sets over node positions; only where it numbers the nodes as we do.
    pub hears: Option<Hears>,
}

/// Of whom a node hears, as bit sets over the positions of the nodes in order of names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize)]
pub struct Hears {
    /// Both ways, and all is well inside: it could lead the node.
    pub present: u32,
    /// Anything at all, also one way, stalled, or of a boot that is over: the node is not off.
    pub any: u32,
    /// A boot that is over by the log.
    pub over: u32,
    /// Anything at all, within the last few heartbeats: it was not off then.
    pub lately: u32,
}

/// Whether a heartbeat counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Both directions are proven.
    Counts,
    /// The sender has not heard us recently: it does not count.
    OneWay,
    /// Older than what was heard on that link already.
    Stale,
}

/// Where a peer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// Not heard in this session of ours.
    NeverHeard,
    /// Heard within `t_lost`, both ways, inner life in bounds.
    Present,
    /// Nothing for `t_lost`.
    Silent {
        /// For so long.
        for_: Duration,
    },
    /// It speaks but does not hear us.
    OneWay {
        /// No two-way heartbeat for so long.
        for_: Duration,
    },
    /// It speaks, but something inside stands still.
    Stalled {
        /// What.
        what: Stalled,
        /// For so long.
        age: Duration,
    },
}

#[derive(Clone, Debug, Hash)]
struct Peer {
    links: BTreeMap<u8, LinkState>,
    /// First word of this session, counted or not.
    began: BootNs,
    last: Option<BootNs>,
    last_one_way: Option<BootNs>,
    newest_sent_at: BootNs,
    /// The newest of our own sending times that it had received in this life.
    newest_echo: Option<BootNs>,
    ages: Ages,
    incarnation: Incarnation,
    session: SessionId,
    hears: Option<Hears>,
}

#[derive(Clone, Copy, Debug, Hash)]
struct LinkState {
    last: BootNs,
    sent_at: BootNs,
}

/// A peer at one look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sight {
    /// As [`Membership::is_present`].
    pub is_present: bool,
    /// Time since its last heartbeat that counted.
    pub silence: Option<Duration>,
    /// Time since anything at all of it arrived, in its present session.
    pub wordless: Option<Duration>,
}

/// Presence of all peers.
#[derive(Clone, Debug, Hash)]
pub struct Membership {
    timing: Timing,
    peers: BTreeMap<NodeId, Peer>,
    longest_gap: Duration,
}

impl Membership {
    /// Nobody heard yet.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self { timing, peers: BTreeMap::new(), longest_gap: Duration::ZERO }
    }

    /// New times; what was heard stays.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// Takes in a heartbeat.
    pub fn beat(&mut self, beat: &Beat) -> Judgement {
        // A time that is still to come was sent in an earlier boot of ours: it proves nothing about this one.
        let echo_is_recent = beat
            .echo
            .is_some_and(|e| e <= beat.received_at && beat.received_at.since(e) <= self.timing.t_lost);
        let fresh = Peer {
            links: BTreeMap::new(),
            began: beat.received_at,
            last: None,
            last_one_way: None,
            newest_sent_at: BootNs::default(),
            newest_echo: None,
            ages: beat.ages,
            incarnation: beat.incarnation,
            session: beat.session,
            hears: None,
        };
        let peer = self.peers.entry(beat.from.clone()).or_insert_with(|| fresh.clone());
        if (peer.incarnation, peer.session) != (beat.incarnation, beat.session) {
            *peer = fresh;
        }
        if peer.links.get(&beat.link).is_some_and(|l| beat.sent_at <= l.sent_at) {
            return Judgement::Stale;
        }
        if !echo_is_recent {
            peer.last_one_way = Some(beat.received_at);
            return Judgement::OneWay;
        }
        if let Some(last) = peer.last {
            self.longest_gap = self.longest_gap.max(beat.received_at.since(last));
        }
        peer.links.insert(beat.link, LinkState { last: beat.received_at, sent_at: beat.sent_at });
        peer.newest_echo = peer.newest_echo.max(beat.echo);
        peer.last = Some(peer.last.map_or(beat.received_at, |l| l.max(beat.received_at)));
        if beat.sent_at >= peer.newest_sent_at {
            peer.newest_sent_at = beat.sent_at;
            peer.ages = beat.ages;
            peer.hears = beat.hears;
        }
        Judgement::Counts
    }

    /// Where a peer stands now.
    #[must_use]
    pub fn presence(&self, node: &NodeId, now: BootNs) -> Presence {
        self.peers.get(node).map_or(Presence::NeverHeard, |peer| self.presence_of(peer, now))
    }

    fn presence_of(&self, peer: &Peer, now: BootNs) -> Presence {
        let t = &self.timing;
        let one_way = peer.last_one_way.is_some_and(|o| now.since(o) < t.t_lost);
        match peer.last {
            None => Presence::NeverHeard,
            Some(last) if now.since(last) >= t.t_lost => {
                let for_ = now.since(last);
                if one_way { Presence::OneWay { for_ } } else { Presence::Silent { for_ } }
            }
            Some(last) => {
                let stood = now.since(last);
                let over = |what, age: Duration, bound| {
                    (age + stood >= bound && age > Duration::ZERO)
                        .then_some(Presence::Stalled { what, age: age + stood })
                };
                over(Stalled::Core, peer.ages.core, t.core_age_max)
                    .or_else(|| over(Stalled::Disk, peer.ages.write, t.write_age_max))
                    .or_else(|| over(Stalled::Spawn, peer.ages.spawn, t.spawn_age_max))
                    .unwrap_or(Presence::Present)
            }
        }
    }

    /// What is told of a peer in our own heartbeats, by one look.
    #[must_use]
    pub fn sight(&self, node: &NodeId, now: BootNs) -> Sight {
        let Some(peer) = self.peers.get(node) else { return Sight::default() };
        let last_word = peer.last.max(peer.last_one_way);
        Sight {
            is_present: self.presence_of(peer, now) == Presence::Present,
            silence: peer.last.map(|l| now.since(l)),
            wordless: last_word.map(|at| now.since(at)),
        }
    }

    /// Whether a peer is present now.
    #[must_use]
    pub fn is_present(&self, node: &NodeId, now: BootNs) -> bool {
        self.presence(node, now) == Presence::Present
    }

    /// Time since the last heartbeat that counted.
    #[must_use]
    pub fn silence(&self, node: &NodeId, now: BootNs) -> Option<Duration> {
        self.peers.get(node)?.last.map(|l| now.since(l))
    }

    /// A session of the peer has just begun to speak: none of its heartbeats counted yet, because it cannot have
    /// heard us before, and `t_lost` has not passed since its first.
    #[must_use]
    pub fn is_arriving(&self, node: &NodeId, now: BootNs) -> bool {
        self.peers.get(node).is_some_and(|p| p.last.is_none() && now.since(p.began) < self.timing.t_lost)
    }

    /// Boot and session of a peer as its newest heartbeats say.
    #[must_use]
    pub fn life(&self, node: &NodeId) -> Option<(Incarnation, SessionId)> {
        self.peers.get(node).filter(|p| p.last.is_some()).map(|p| (p.incarnation, p.session))
    }

    /// A time of our own clock after which that life of the peer was still alive: it had heard what we sent then.
    #[must_use]
    pub fn lived_after(&self, node: &NodeId) -> Option<BootNs> {
        self.peers.get(node).and_then(|p| p.newest_echo)
    }

    /// Whether `witness` says that it hears the node at `position` (its heartbeat is fresh and its positions are ours).
    #[must_use]
    pub fn is_heard_by(&self, witness: &NodeId, position: u32, now: BootNs) -> bool {
        self.says(witness, position, now, |h| h.present)
    }

    /// Whether `witness` hears anything at all of the node at `position`.
    #[must_use]
    pub fn is_noticed_by(&self, witness: &NodeId, position: u32, now: BootNs) -> bool {
        self.says(witness, position, now, |h| h.any)
    }

    /// Whether `witness` hears a boot of the node at `position` that is over.
    #[must_use]
    pub fn is_heard_over_by(&self, witness: &NodeId, position: u32, now: BootNs) -> bool {
        self.says(witness, position, now, |h| h.over)
    }

    /// Whether `witness` heard anything at all of the node at `position` just before it said so. A core that stood still
    /// goes on saying what it heard before: that was not lately.
    #[must_use]
    pub fn is_lately_noticed_by(&self, witness: &NodeId, position: u32, now: BootNs) -> bool {
        let is_fresh = self.peers.get(witness).is_some_and(|p| {
            let said_ago = p.last.map_or(Duration::MAX, |at| now.since(at));
            said_ago.saturating_add(p.ages.core) <= self.timing.beat * FRESH_BEATS
        });
        is_fresh && self.says(witness, position, now, |h| h.lately)
    }

    fn says(&self, witness: &NodeId, position: u32, now: BootNs, which: fn(&Hears) -> u32) -> bool {
        let hears = self.peers.get(witness).and_then(|p| p.hears.as_ref());
        self.is_present(witness, now) && hears.is_some_and(|h| which(h) >> position & 1 == 1)
    }

    /// Whether anything at all of the peer arrived within `t_lost`: whatever stands still there, it is not off.
    #[must_use]
    pub fn is_speaking(&self, node: &NodeId, now: BootNs) -> bool {
        self.last_word(node).is_some_and(|at| now.since(at) < self.timing.t_lost)
    }

    /// When anything at all of the peer arrived last, in its present session.
    #[must_use]
    pub fn last_word(&self, node: &NodeId) -> Option<BootNs> {
        self.peers.get(node).and_then(|p| p.last.max(p.last_one_way))
    }

    /// Whether the peer is heard on a link.
    #[must_use]
    pub fn is_link_up(&self, node: &NodeId, link: u8, now: BootNs) -> bool {
        self.peers
            .get(node)
            .and_then(|p| p.links.get(&link))
            .is_some_and(|l| now.since(l.last) < self.timing.t_lost)
    }

    /// Forgets a peer (removed, or proven fenced: only a new boot counts again).
    pub fn forget(&mut self, node: &NodeId) {
        self.peers.remove(node);
    }

    /// The longest gap between two heartbeats that counted, of any peer, since the last call.
    pub fn take_longest_gap(&mut self) -> Duration {
        std::mem::take(&mut self.longest_gap)
    }

    /// When the presence of some peer can next change by silence alone.
    #[must_use]
    pub fn next_deadline(&self, now: BootNs) -> Option<BootNs> {
        let t = &self.timing;
        self.peers
            .values()
            .flat_map(|p| match p.last {
                Some(last) => [last + t.handover_after, last + t.t_lost],
                None => [p.began + t.t_lost; 2],
            })
            .filter(|d| *d > now)
            .min()
    }
}

#[cfg(test)]
mod tests;
