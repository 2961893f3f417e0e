//! Presence of each peer from its heartbeats.

use ha_model::{BootNs, Incarnation, NodeId, SessionId, Stalled, Timing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long ago the sender's inner life last moved, as its heartbeat says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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
    /// Whom it hears, as bit sets over node positions; only where it has our configuration.
    pub hears: Option<Hears>,
}

/// Of whom a node hears, as bit sets over the positions of the nodes in order of names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hears {
    /// Both ways, and all is well inside: it could lead the node.
    pub present: u32,
    /// Anything at all, also one way, stalled, or of a boot that is over: the node is not off.
    pub any: u32,
    /// A boot that is over by the log.
    pub over: u32,
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

#[derive(Clone, Debug)]
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

#[derive(Clone, Copy, Debug)]
struct LinkState {
    last: BootNs,
    sent_at: BootNs,
}

/// Presence of all peers.
#[derive(Clone, Debug)]
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
        let Some(peer) = self.peers.get(node) else { return Presence::NeverHeard };
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

    /// Whether `witness` says that it hears the node at `position` (its heartbeat is fresh and carries our
    /// configuration's positions).
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

    fn says(&self, witness: &NodeId, position: u32, now: BootNs, which: fn(&Hears) -> u32) -> bool {
        let hears = self.peers.get(witness).and_then(|p| p.hears.as_ref());
        self.is_present(witness, now) && hears.is_some_and(|h| which(h) >> position & 1 == 1)
    }

    /// Whether anything at all of the peer arrived within `t_lost`: whatever stands still there, it is not off.
    #[must_use]
    pub fn is_speaking(&self, node: &NodeId, now: BootNs) -> bool {
        let newest = self.peers.get(node).and_then(|p| p.last.max(p.last_one_way));
        newest.is_some_and(|at| now.since(at) < self.timing.t_lost)
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
mod tests {
    use super::*;
    use ha_model::Profile;

    fn timing() -> Timing {
        Timing::derive(Profile::Default)
    }

    fn beat(at_ms: u64) -> Beat {
        Beat {
            from: "beta".into(),
            link: 0,
            received_at: BootNs::from_ms(at_ms),
            sent_at: BootNs::from_ms(at_ms + 5_000_000),
            echo: Some(BootNs::from_ms(at_ms.saturating_sub(100))),
            ages: Ages::default(),
            incarnation: Incarnation(1),
            session: SessionId(1),
            hears: Some(Hears { present: 0b101, any: 0b111, over: 0b1000 }),
        }
    }

    fn presence_after(beats: &[Beat], now_ms: u64) -> Presence {
        let mut m = Membership::new(timing());
        for b in beats {
            m.beat(b);
        }
        m.presence(&"beta".into(), BootNs::from_ms(now_ms))
    }

    #[test]
    fn lost_exactly_at_t_lost() {
        assert_eq!(presence_after(&[], 1), Presence::NeverHeard);
        assert_eq!(presence_after(&[beat(1000)], 1999), Presence::Present);
        assert_eq!(
            presence_after(&[beat(1000)], 2000),
            Presence::Silent { for_: Duration::from_millis(1000) }
        );
    }

    #[test]
    fn a_beat_without_recent_echo_does_not_count() {
        let deaf = Beat { echo: Some(BootNs::from_ms(3000)), ..beat(4500) };
        let never = Beat { echo: None, ..beat(4500) };
        let of_an_earlier_boot = Beat { echo: Some(BootNs::from_ms(9_000_000)), ..beat(4500) };
        for b in [deaf, never, of_an_earlier_boot] {
            let mut m = Membership::new(timing());
            assert_eq!(m.beat(&b), Judgement::OneWay);
            assert_eq!(m.presence(&"beta".into(), BootNs::from_ms(4500)), Presence::NeverHeard);
        }
    }

    #[test]
    fn a_node_that_turns_deaf_is_one_way_not_silent() {
        let deaf = Beat { echo: Some(BootNs::from_ms(900)), ..beat(2500) };
        assert_eq!(
            presence_after(&[beat(1000), deaf], 2500),
            Presence::OneWay { for_: Duration::from_millis(1500) }
        );
    }

    #[test]
    fn a_node_that_is_deaf_or_stalled_still_speaks() {
        let (beta, at) = ("beta".into(), BootNs::from_ms);
        let deaf = Beat { echo: None, ..beat(1000) };
        let stalled = Beat { ages: Ages { core: timing().core_age_max, ..Ages::default() }, ..beat(1000) };
        for b in [deaf, stalled] {
            let mut m = Membership::new(timing());
            assert!(!m.is_speaking(&beta, at(1000)));
            m.beat(&b);
            assert!(!m.is_present(&beta, at(1000)));
            assert!(m.is_speaking(&beta, at(1999)) && !m.is_speaking(&beta, at(2000)));
        }
    }

    #[test]
    fn a_replayed_beat_is_stale() {
        let mut m = Membership::new(timing());
        assert_eq!(m.beat(&beat(1000)), Judgement::Counts);
        let replay =
            Beat { received_at: BootNs::from_ms(1900), echo: Some(BootNs::from_ms(1800)), ..beat(1000) };
        assert_eq!(m.beat(&replay), Judgement::Stale);
        assert_eq!(m.silence(&"beta".into(), BootNs::from_ms(1900)), Some(Duration::from_millis(900)));
    }

    #[test]
    fn each_age_has_its_bound() {
        let t = timing();
        let cases = [
            (Ages { core: t.core_age_max, ..Ages::default() }, Stalled::Core),
            (Ages { write: t.write_age_max, ..Ages::default() }, Stalled::Disk),
            (Ages { spawn: t.spawn_age_max, ..Ages::default() }, Stalled::Spawn),
        ];
        for (ages, what) in cases {
            let p = presence_after(&[Beat { ages, ..beat(1000) }], 1000);
            assert!(matches!(p, Presence::Stalled { what: w, .. } if w == what), "{what:?}: {p:?}");
        }
        let below = Ages { core: t.core_age_max - Duration::from_millis(1), ..Ages::default() };
        assert_eq!(presence_after(&[Beat { ages: below, ..beat(1000) }], 1000), Presence::Present);
    }

    #[test]
    fn two_links_keep_a_node_present_and_one_shows_down() {
        let mut m = Membership::new(timing());
        m.beat(&beat(1000));
        m.beat(&Beat { link: 1, ..beat(1000) });
        m.beat(&Beat { link: 1, ..beat(2500) });
        let (beta, now) = ("beta".into(), BootNs::from_ms(2600));
        assert!(m.is_present(&beta, now));
        assert!(!m.is_link_up(&beta, 0, now));
        assert!(m.is_link_up(&beta, 1, now));
    }

    #[test]
    fn a_session_that_cannot_have_heard_us_yet_is_arriving_for_t_lost() {
        let mut m = Membership::new(timing());
        m.beat(&beat(1000));
        let (beta, at) = ("beta".into(), BootNs::from_ms);
        assert!(!m.is_arriving(&beta, at(1000)), "it is here");
        let first = Beat { session: SessionId(2), echo: None, ..beat(5000) };
        assert_eq!(m.beat(&first), Judgement::OneWay);
        assert_eq!(m.presence(&beta, at(5000)), Presence::NeverHeard);
        assert!(m.is_arriving(&beta, at(5999)));
        assert_eq!(m.next_deadline(at(5000)), Some(at(6000)));
        m.beat(&Beat { session: SessionId(2), echo: None, ..beat(5900) });
        assert!(!m.is_arriving(&beta, at(6000)), "it still does not hear us");
    }

    #[test]
    fn a_new_session_starts_from_nothing() {
        let mut m = Membership::new(timing());
        m.beat(&beat(1000));
        let reborn = Beat { session: SessionId(2), sent_at: BootNs::from_ms(1), ..beat(1500) };
        assert_eq!(m.beat(&reborn), Judgement::Counts, "its clock may be younger");
        assert_eq!(m.life(&"beta".into()), Some((Incarnation(1), SessionId(2))));
    }

    #[test]
    fn what_it_heard_of_us_proves_until_when_it_lived() {
        let mut m = Membership::new(timing());
        let (beta, at) = ("beta".into(), BootNs::from_ms);
        assert_eq!(m.lived_after(&beta), None);
        m.beat(&beat(1000));
        assert_eq!(
            m.lived_after(&beta),
            Some(at(900)),
            "not when it arrived: it may have been under way for long"
        );
        let late = Beat { sent_at: at(5_001_050), echo: Some(at(850)), link: 1, ..beat(1050) };
        m.beat(&late);
        assert_eq!(m.lived_after(&beta), Some(at(900)));
        m.beat(&Beat { session: SessionId(2), echo: None, ..beat(1100) });
        assert_eq!(m.lived_after(&beta), None, "another life");
    }

    #[test]
    fn hearsay_counts_only_while_the_witness_is_present() {
        let mut m = Membership::new(timing());
        m.beat(&beat(1000));
        let beta = "beta".into();
        assert!(m.is_heard_by(&beta, 2, BootNs::from_ms(1100)));
        assert!(!m.is_heard_by(&beta, 1, BootNs::from_ms(1100)));
        assert!(!m.is_heard_by(&beta, 2, BootNs::from_ms(2100)));
        assert!(m.is_noticed_by(&beta, 1, BootNs::from_ms(1100)), "what it hears one way is not off");
        assert!(m.is_heard_over_by(&beta, 3, BootNs::from_ms(1100)));
    }
}
