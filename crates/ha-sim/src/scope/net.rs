//! Time and the network between moments: heartbeats, streams that come up and break, daemons that start, deadlines.
//!
//! A step of time is one move. Heartbeats take no time and are lost only where the network is cut; the messages of streams are
//! moves of their own.

use super::cluster::{ALL, At, BEAT, Cluster, MS};
use super::world::{Pair, World, pair_of};
use ha_core::{BeatIn, Input};
use ha_membership::Ages;
use ha_model::SessionId;
use std::time::Duration;

/// A stream breaks when nothing got through for so long.
const PATIENCE: u64 = 1000 * MS;

impl World {
    /// When something happens next by itself.
    #[must_use]
    pub fn next_moment(&self) -> u64 {
        let beat = (self.t / BEAT + 1) * BEAT;
        let hosts = ALL.into_iter().map(|at| self.host(at));
        let own = hosts.flat_map(|h| {
            let wake = h.awake().and_then(|d| d.wake);
            let calls = h.awake().and_then(super::host::Daemon::given_up_at);
            [wake, h.daemon_at.filter(|_| !h.is_frozen), h.goes_off_at, calls]
        });
        own.flatten().map(|at| at.max(self.t + 1)).fold(beat, u64::min)
    }

    /// Time goes on to the next moment.
    pub fn tick(&mut self, cluster: &Cluster) {
        self.t = self.next_moment();
        for at in ALL {
            let (host, t) = (self.host(at), self.t);
            if host.goes_off_at.is_some_and(|then| then <= t) {
                self.power_goes(cluster, at);
            } else if !host.is_frozen && host.daemon_at.is_some_and(|then| then <= t) {
                self.tell(|| format!("daemon of {} starts", cluster.name(at)));
                self.edit(at).start_daemon(t, cluster);
                self.step(cluster, at, Input::Tick);
            }
        }
        let is_beat = self.t.is_multiple_of(BEAT);
        if is_beat {
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                self.tend(cluster, a, b);
            }
            self.all_beats(cluster);
        }
        for at in ALL {
            self.give_up_calls(cluster, at);
            let is_due = self.host(at).awake().and_then(|d| d.wake).is_some_and(|w| w <= self.t);
            if is_due {
                self.wake(cluster, at);
            }
        }
    }

    /// A deadline is reached.
    pub fn wake(&mut self, cluster: &Cluster, at: At) {
        if let Some(daemon) = &mut self.edit(at).daemon {
            daemon.wake = None;
        }
        self.step(cluster, at, Input::Tick);
    }

    /// Streams come up between two daemons that reach each other, and break when one is gone or nothing gets through.
    fn tend(&mut self, cluster: &Cluster, a: At, b: At) {
        let pair = pair_of(a, b);
        let sessions = (self.host(a).session(), self.host(b).session());
        let is_cut = self.is_cut(a, b);
        let Pair { stream, keys, breaks_at } = self.pairs[pair];
        let is_awake = !self.host(a).is_frozen && !self.host(b).is_frozen;
        if let Some((of_a, of_b)) = stream {
            let is_same = sessions == (Some(of_a), Some(of_b));
            if is_same && !is_cut {
                self.pairs[pair].breaks_at = None;
                return;
            }
            let then = breaks_at.unwrap_or(self.t + PATIENCE);
            self.pairs[pair].breaks_at = Some(then);
            // A host answers for a daemon that is gone, and a new daemon for the one before it.
            let is_told = !is_same && !is_cut && is_awake && [a, b].into_iter().all(|at| self.host(at).is_on);
            if !is_told && self.t < then {
                return;
            }
            self.break_stream(cluster, a, b);
        }
        for (gone, other) in [(a, b), (b, a)] {
            let host = self.host(gone);
            if host.is_on && !host.is_frozen && host.daemon.is_none() && !is_cut {
                self.step(cluster, other, Input::PeerReset { node: cluster.name(gone).clone() });
            }
        }
        if let ((Some(of_a), Some(of_b)), false, true) = (sessions, is_cut, is_awake) {
            self.connect(cluster, a, b, (of_a, of_b), keys != Some((of_a, of_b)));
        }
    }

    /// What was under way on it is lost.
    pub fn break_stream(&mut self, cluster: &Cluster, a: At, b: At) {
        let pair = &mut self.pairs[pair_of(a, b)];
        (pair.stream, pair.breaks_at) = (None, None);
        for (from, to) in [(a, b), (b, a)] {
            self.links[usize::from(from)][usize::from(to)].clear();
        }
        for (at, other) in [(a, b), (b, a)] {
            self.step(cluster, at, Input::PeerDown { node: cluster.name(other).clone() });
        }
    }

    fn connect(&mut self, cluster: &Cluster, a: At, b: At, sessions: (SessionId, SessionId), is_new: bool) {
        self.pairs[pair_of(a, b)] = Pair { stream: Some(sessions), keys: Some(sessions), breaks_at: None };
        for (at, other) in [(a, b), (b, a)] {
            if let Some(daemon) = &mut self.edit(at).daemon
                && is_new
            {
                daemon.heard[usize::from(other)] = None;
            }
        }
        for (at, other) in [(a, b), (b, a)] {
            let Some(session) = self.host(other).session() else { continue };
            let incarnation = self.host(other).incarnation();
            let node = cluster.name(other).clone();
            let [c0, c1, c2, c3, ..] = cluster.config.sha256;
            let config = [c0, c1, c2, c3];
            self.step(cluster, at, Input::PeerUp { node, incarnation, session, config });
        }
    }

    /// Everybody's regular heartbeats, at once: each core takes all that reach it in one step.
    fn all_beats(&mut self, cluster: &Cluster) {
        let mut arrives: [Vec<BeatIn>; 3] = Default::default();
        for from in ALL {
            for to in ALL {
                arrives[usize::from(to)].extend(self.beat(cluster, from, to));
            }
            if let Some(daemon) = self.edit_if_urgent(from) {
                daemon.is_beat_urgent = false;
            }
        }
        for (to, beats) in ALL.into_iter().zip(arrives) {
            self.take_beats(cluster, to, beats);
        }
    }

    /// One that something urgent made leave now, to both others.
    pub fn urgent_beat(&mut self, cluster: &Cluster, from: At) {
        if let Some(daemon) = self.edit_if_urgent(from) {
            daemon.is_beat_urgent = false;
        }
        for to in ALL {
            let beat: Vec<_> = self.beat(cluster, from, to).into_iter().collect();
            self.take_beats(cluster, to, beat);
        }
    }

    fn edit_if_urgent(&mut self, at: At) -> Option<&mut super::host::Daemon> {
        let is_urgent = self.host(at).daemon.as_ref().is_some_and(|d| d.is_beat_urgent);
        if is_urgent { self.edit(at).daemon.as_mut() } else { None }
    }

    /// A heartbeat as it arrives: under the keys of the pair's present sessions, or not at all.
    fn beat(&mut self, cluster: &Cluster, from: At, to: At) -> Option<BeatIn> {
        if from == to || self.cuts[usize::from(from)][usize::from(to)] {
            return None;
        }
        let (sender, receiver) = (self.host(from), self.host(to));
        let (daemon, heard_by) = (sender.awake()?, receiver.daemon.as_ref()?);
        let sessions =
            if from < to { (daemon.session, heard_by.session) } else { (heard_by.session, daemon.session) };
        if self.pairs[pair_of(from, to)].keys != Some(sessions) {
            return None;
        }
        let sent_at = sender.clock(self.t);
        if daemon.valid_until < sent_at {
            return None;
        }
        let oldest = sender.disk.writes.front().map_or(0, |w| self.t - w.since);
        let ages = Ages {
            core: Duration::from_nanos(sent_at.0.saturating_sub(daemon.last_step.0)),
            write: Duration::from_nanos(oldest),
            spawn: Duration::ZERO,
        };
        Some(BeatIn {
            from: cluster.name(from).clone(),
            link: 0,
            received_at: receiver.clock(self.t),
            sent_at,
            echo: daemon.heard[usize::from(to)],
            ages,
            body: daemon
                .bodies
                .iter()
                .find(|(peer, _)| peer == cluster.name(to))
                .map(|(_, body)| body.clone())?,
        })
    }

    fn take_beats(&mut self, cluster: &Cluster, to: At, beats: Vec<BeatIn>) {
        if beats.is_empty() {
            return;
        }
        if self.host(to).is_frozen {
            self.edit(to).parked.extend(beats);
            return;
        }
        self.note_heard(cluster, to, &beats);
        self.step(cluster, to, Input::Beats(beats));
    }

    fn note_heard(&mut self, cluster: &Cluster, to: At, beats: &[BeatIn]) {
        let Some(daemon) = &mut self.hosts[usize::from(to)].edit().daemon else { return };
        let ledger = self.ledger.edit();
        for beat in beats {
            let Some(from) = cluster.at(&beat.from) else { continue };
            daemon.heard[usize::from(from)] = Some(beat.sent_at);
            let newest = ledger.heard[usize::from(from)].get_or_insert((beat.body.session, beat.sent_at));
            if newest.0 != beat.body.session || newest.1 < beat.sent_at {
                *newest = (beat.body.session, beat.sent_at);
            }
        }
    }

    /// It goes on: what arrived meanwhile is taken before anybody is judged.
    pub fn thaw(&mut self, cluster: &Cluster, at: At) {
        let t = self.t;
        let host = self.edit(at);
        host.is_frozen = false;
        host.thawed_at = host.clock(t);
        let now = host.thawed_at;
        let mut beats = std::mem::take(&mut host.parked);
        for beat in &mut beats {
            beat.received_at = now;
        }
        self.note_heard(cluster, at, &beats);
        if !beats.is_empty() {
            self.step(cluster, at, Input::Beats(beats));
        }
        self.wake(cluster, at);
    }
}
