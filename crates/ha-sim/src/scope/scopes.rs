//! What is explored: where each scope begins, what may go wrong in it, and how far it goes.

use super::cluster::{At, Shape};
use super::faults::{Fault, Kind, Who};
use super::moves::{Budget, Item};

/// What may be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slow {
    /// Writes.
    Disks,
    /// Streams.
    Streams,
    /// The switch and its agent.
    Switch,
    /// Agents of the resource.
    Agents,
}

/// One scope.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name.
    pub name: &'static str,
    /// In a few words.
    pub what: &'static str,
    /// The cluster file.
    pub shape: Shape,
    /// Who leads when it begins. The owner is always the first node.
    pub leader: At,
    /// What has just gone wrong when it begins.
    pub first: &'static [Fault],
    /// Whatever is under way at one moment happens in every order.
    pub is_interleaved: bool,
    /// Faults only while nothing is under way; otherwise between any two steps.
    pub are_faults_quiet: bool,
    /// What may go wrong.
    pub faults: &'static [(Kind, Who)],
    /// What may be held.
    pub slow: &'static [Slow],
    /// How much of it on one path.
    pub budget: Budget,
    /// How much time passes, in milliseconds.
    pub horizon_ms: u64,
    /// A failover to the end is among its paths.
    pub fails_over: bool,
    /// The switch may also say off of what is on.
    pub has_liar: bool,
}

impl Scope {
    /// Whether this may be held.
    #[must_use]
    pub fn holds(&self, item: Item) -> bool {
        let kind = match item {
            Item::Beat(_) => return false,
            Item::Write(_) => Slow::Disks,
            Item::Message(..) => Slow::Streams,
            Item::Call(..) => Slow::Switch,
            Item::Agent(..) => Slow::Agents,
        };
        self.slow.contains(&kind)
    }
}

const PLAIN: Shape = Shape { off_settle_ms: 0, off_dwell_ms: 5000 };
const NOTHING: Budget = Budget { faults: 0, mends: 0, holds: 0, words: 0, fails: 0 };
const EVERYTHING: &[Slow] = &[Slow::Disks, Slow::Streams, Slow::Switch, Slow::Agents];

const BASE: Scope = Scope {
    name: "",
    what: "",
    shape: PLAIN,
    leader: 1,
    first: &[],
    is_interleaved: false,
    are_faults_quiet: false,
    faults: &[],
    slow: &[],
    budget: NOTHING,
    horizon_ms: 3200,
    fails_over: true,
    has_liar: false,
};

/// The scope of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Scope> {
    ALL.iter().chain(CONTROLS).find(|scope| scope.name == name)
}

/// All of them.
pub const ALL: &[Scope] = &[
    Scope {
        name: "orders",
        what: "the owner crashes; whatever is under way happens in every order",
        first: &[Fault::Crash(0)],
        is_interleaved: true,
        horizon_ms: 1400,
        ..BASE
    },
    Scope {
        name: "leader-lost",
        what: "the owner crashes; between any two steps the leader crashes, stands still, is cut off, or loses its daemon",
        first: &[Fault::Crash(0)],
        faults: &[
            (Kind::Crash, Who::Leader),
            (Kind::Kill, Who::Leader),
            (Kind::Freeze, Who::Leader),
            (Kind::Cut, Who::Leader),
            (Kind::HandOver, Who::Leader),
        ],
        budget: Budget { faults: 1, mends: 1, ..NOTHING },
        ..BASE
    },
    Scope {
        name: "leader-slow",
        what: "the owner crashes; the leader's daemon dies between any two steps, and one write, call or agent is slow",
        first: &[Fault::Crash(0)],
        faults: &[(Kind::Kill, Who::Leader)],
        slow: &[Slow::Disks, Slow::Switch, Slow::Agents],
        budget: Budget { faults: 1, holds: 1, ..NOTHING },
        horizon_ms: 2400,
        ..BASE
    },
    Scope {
        name: "slow",
        what: "the owner crashes; two things are slow",
        first: &[Fault::Crash(0)],
        slow: EVERYTHING,
        budget: Budget { holds: 2, ..NOTHING },
        horizon_ms: 2000,
        ..BASE
    },
    Scope {
        name: "switch",
        what: "the owner stands still; the switch says two things that are not so, and is slow once",
        first: &[Fault::Freeze(0)],
        slow: &[Slow::Switch],
        budget: Budget { holds: 1, words: 2, ..NOTHING },
        horizon_ms: 3600,
        ..BASE
    },
    Scope {
        name: "answers",
        what: "the owner stands still; the switch says three things that are not so",
        first: &[Fault::Freeze(0)],
        budget: Budget { words: 3, ..NOTHING },
        horizon_ms: 2200,
        ..BASE
    },
    Scope {
        name: "switch-leader",
        what: "the owner stands still; the switch says one thing that is not so, and the leader is lost",
        first: &[Fault::Freeze(0)],
        faults: &[(Kind::Crash, Who::Leader), (Kind::Kill, Who::Leader), (Kind::HandOver, Who::Leader)],
        budget: Budget { faults: 1, words: 1, ..NOTHING },
        ..BASE
    },
    Scope {
        name: "frozen",
        what: "the owner stands still and may go on; a stream breaks, or a daemon dies, between any two steps",
        first: &[Fault::Freeze(0)],
        faults: &[(Kind::Break, Who::Any), (Kind::Kill, Who::Any)],
        budget: Budget { faults: 1, mends: 1, ..NOTHING },
        ..BASE
    },
    Scope {
        name: "frozen-leader",
        what: "the owner leads, stands still, and may go on; a stream or the switch is slow once",
        leader: 0,
        first: &[Fault::Freeze(0)],
        slow: &[Slow::Streams, Slow::Switch],
        budget: Budget { mends: 1, holds: 1, ..NOTHING },
        horizon_ms: 2800,
        ..BASE
    },
    Scope {
        name: "cut",
        what: "the owner is cut off and may be back; a daemon dies between any two steps",
        first: &[Fault::Cut(0)],
        faults: &[(Kind::Kill, Who::Any), (Kind::HandOver, Who::Leader)],
        budget: Budget { faults: 1, mends: 1, ..NOTHING },
        ..BASE
    },
    Scope {
        name: "cut-leader",
        what: "the owner leads, is cut off and may be back; a stream or the switch is slow once",
        leader: 0,
        first: &[Fault::Cut(0)],
        slow: &[Slow::Streams, Slow::Switch],
        budget: Budget { mends: 1, holds: 1, ..NOTHING },
        horizon_ms: 2800,
        ..BASE
    },
    Scope {
        name: "one-way",
        what: "nobody hears the owner, which hears all, and it may be mended; the leader is lost",
        first: &[Fault::Mute(0)],
        faults: &[(Kind::Crash, Who::Leader), (Kind::Kill, Who::Leader), (Kind::HandOver, Who::Leader)],
        budget: Budget { faults: 1, mends: 1, ..NOTHING },
        ..BASE
    },
    Scope {
        name: "deaf",
        what: "the owner hears nobody, all hear it; the leader is lost, one agent fails",
        first: &[Fault::Deaf(0)],
        faults: &[(Kind::Crash, Who::Leader), (Kind::Kill, Who::Leader)],
        budget: Budget { faults: 1, fails: 1, ..NOTHING },
        ..BASE
    },
    Scope {
        name: "votes",
        what: "the leader crashes and the owner lives: two voters of three choose, in every order",
        first: &[Fault::Crash(1)],
        is_interleaved: true,
        horizon_ms: 1600,
        fails_over: false,
        ..BASE
    },
    Scope {
        name: "restarts",
        what: "nothing is wrong; two daemons die, or leadership moves, while nothing is under way",
        faults: &[(Kind::Kill, Who::Any), (Kind::HandOver, Who::Leader)],
        are_faults_quiet: true,
        budget: Budget { faults: 2, ..NOTHING },
        horizon_ms: 1600,
        fails_over: false,
        ..BASE
    },
    Scope {
        name: "alone",
        what: "the owner is cut off and a second node crashes: nobody can fence it, it stops by itself",
        first: &[Fault::Cut(0), Fault::Crash(1)],
        faults: &[(Kind::Kill, Who::Any)],
        budget: Budget { faults: 1, mends: 1, ..NOTHING },
        horizon_ms: 4400,
        fails_over: false,
        ..BASE
    },
    Scope {
        name: "charge",
        what: "the owner stands still and its supply holds its charge; the leader is lost in a quiet moment, the switch says one thing that is not so",
        shape: Shape { off_settle_ms: 1000, ..PLAIN },
        first: &[Fault::Freeze(0)],
        faults: &[(Kind::Kill, Who::Leader), (Kind::HandOver, Who::Leader)],
        are_faults_quiet: true,
        budget: Budget { faults: 1, words: 1, ..NOTHING },
        horizon_ms: 4200,
        ..BASE
    },
    Scope {
        name: "return",
        what: "the owner crashes, is fenced, switched on again and comes back; the leader is lost",
        shape: Shape { off_dwell_ms: 400, ..PLAIN },
        first: &[Fault::Crash(0)],
        faults: &[(Kind::Crash, Who::Leader), (Kind::Kill, Who::Leader), (Kind::HandOver, Who::Leader)],
        budget: Budget { faults: 1, ..NOTHING },
        horizon_ms: 4400,
        ..BASE
    },
];

/// Scopes in which a rule must be seen broken although the core is sound: no design is safe there.
pub const CONTROLS: &[Scope] = &[Scope {
    name: "liar",
    what: "the owner stands still, and the switch says once that it is off although it is on",
    first: &[Fault::Freeze(0)],
    budget: Budget { words: 3, ..NOTHING },
    has_liar: true,
    ..BASE
}];
