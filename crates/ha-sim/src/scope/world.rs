//! One state: everything that decides what can happen from here on, and nothing else.
//!
//! Shared until it is written to: a successor copies the one host that steps. Invariant: two states with the same digest have
//! the same future, as far as this world goes.

use super::cluster::{ALL, At, Cluster, MS, NODES};
use super::digest;
use super::host::Host;
use super::judge::Ledger;
use super::moves::{Budget, Item};
use ha_core::PeerMessage;
use ha_model::{NodeId, SessionId};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Something shared, with the digest of what it was when it was last sealed.
#[derive(Clone, Debug)]
pub struct Sealed<T> {
    inner: Arc<T>,
    digest: Option<u128>,
}

impl<T: Clone + Hash> Sealed<T> {
    /// Not sealed yet.
    pub fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner), digest: None }
    }

    /// For writing.
    pub fn edit(&mut self) -> &mut T {
        self.digest = None;
        Arc::make_mut(&mut self.inner)
    }

    fn seal(&mut self) -> u128 {
        *self.digest.get_or_insert_with(|| digest::of(&*self.inner))
    }
}

impl<T> std::ops::Deref for Sealed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

/// A message under way. What it says never changes: its digest is made once.
#[derive(Debug)]
pub struct Packet {
    /// Content.
    pub message: PeerMessage,
    digest: u128,
}

impl Packet {
    /// Seals it.
    #[must_use]
    pub fn new(message: PeerMessage) -> Arc<Self> {
        let digest = digest::of(&message);
        Arc::new(Self { message, digest })
    }
}

impl Hash for Packet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.digest);
    }
}

/// What two nodes have between them.
#[derive(Clone, Copy, Default, Hash, Debug)]
pub struct Pair {
    /// Between these two sessions there is a stream.
    pub stream: Option<(SessionId, SessionId)>,
    /// Heartbeats count between these two: those of the newest stream.
    pub keys: Option<(SessionId, SessionId)>,
    /// When the stream breaks, once something is wrong with it.
    pub breaks_at: Option<u64>,
}

/// A rule was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// `S1` to `S20`, or `abort` where the core's own assertion ended it.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

/// One state.
#[derive(Clone, Debug)]
pub struct World {
    /// Nanoseconds since the world began.
    pub t: u64,
    /// By position.
    pub hosts: [Sealed<Host>; NODES],
    /// Messages under way, oldest first, by sender and receiver.
    pub links: [[Vec<Arc<Packet>>; NODES]; NODES],
    /// See [`pair_of`].
    pub pairs: [Pair; NODES],
    /// From, to: nothing gets through.
    pub cuts: [[bool; NODES]; NODES],
    /// What is slow: it happens at some later time, or never.
    pub held: BTreeSet<Item>,
    /// What may still go wrong.
    pub left: Budget,
    /// What was seen from outside.
    pub ledger: Sealed<Ledger>,
    /// The first rule that was broken.
    pub broken: Option<Violation>,
    /// No time passes after it.
    pub ends_at: u64,
    /// What happened, for whoever reads a path; nothing of it decides anything.
    pub journal: Option<Vec<String>>,
}

/// The place of a pair.
#[must_use]
pub fn pair_of(a: At, b: At) -> usize {
    usize::from(a + b) - 1
}

impl World {
    /// Everything is switched on.
    #[must_use]
    pub fn new() -> Self {
        let hosts = ALL.map(|at| {
            let mut host = Host::new(at);
            host.power_on(0, MS);
            Sealed::new(host)
        });
        Self {
            t: 0,
            hosts,
            links: Default::default(),
            pairs: Default::default(),
            cuts: Default::default(),
            held: BTreeSet::new(),
            left: Budget::default(),
            ledger: Sealed::new(Ledger::default()),
            broken: None,
            ends_at: 0,
            journal: None,
        }
    }

    /// A host.
    #[must_use]
    pub fn host(&self, at: At) -> &Host {
        &self.hosts[usize::from(at)]
    }

    /// For writing.
    pub fn edit(&mut self, at: At) -> &mut Host {
        self.hosts[usize::from(at)].edit()
    }

    /// Everything in 128 bits: the world alone, and with what may still go wrong and what was reached on the way here, which
    /// decides where a search goes on and what it counts.
    pub fn digests(&mut self) -> (u128, u128) {
        let hosts = self.hosts.each_mut().map(Sealed::seal);
        let ledger = self.ledger.seal();
        let world = digest::of(&(self.t, hosts, &self.links, &self.pairs, &self.cuts, &self.held));
        (world, digest::of(&(world, ledger, &self.left)))
    }

    /// Says what happens, where somebody reads it.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let t = self.t;
        if let Some(journal) = &mut self.journal {
            journal.push(format!("{:>8.3} s  {}", t as f64 / 1e9, line()));
        }
    }

    /// A rule is broken: the first is what counts.
    pub fn fail(&mut self, rule: &'static str, what: String) {
        if self.broken.is_none() {
            self.tell(|| format!("BROKEN {rule}: {what}"));
            self.broken = Some(Violation { rule, what });
        }
    }

    /// Neither way gets through.
    #[must_use]
    pub fn is_cut(&self, a: At, b: At) -> bool {
        let (a, b) = (usize::from(a), usize::from(b));
        self.cuts[a][b] || self.cuts[b][a]
    }

    /// Sends on the stream, where there is one between the present sessions.
    pub fn send(&mut self, cluster: &Cluster, from: At, to: &NodeId, message: PeerMessage) {
        let Some(to) = cluster.at(to) else { return };
        let pair = &self.pairs[pair_of(from, to)];
        let session = self.host(from).session();
        let is_up = pair.stream.is_some_and(|(a, b)| session == Some(if from < to { a } else { b }));
        if is_up {
            self.links[usize::from(from)][usize::from(to)].push(Packet::new(message));
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
