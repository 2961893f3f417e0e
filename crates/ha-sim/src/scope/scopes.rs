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

const PLAIN: Shape = Shape { off_settle_ms: 0 };
const NOTHING: Budget = Budget { faults: 0, mends: 0, holds: 0, words: 0, fails: 0 };

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
    horizon_ms: 4000,
};

/// All of them, the largest first.
pub const ALL: &[Scope] = &[
    Scope {
        name: "orders",
        what: "the owner crashes; everything under way in every order",
        first: &[Fault::Crash(0)],
        is_interleaved: true,
        horizon_ms: 2400,
        ..BASE
    },
    Scope {
        name: "leader-dies",
        what: "the owner crashes; the leader crashes at any step, one thing is slow",
        first: &[Fault::Crash(0)],
        faults: &[(Kind::Crash, Who::Leader)],
        slow: &[Slow::Disks, Slow::Streams, Slow::Switch, Slow::Agents],
        budget: Budget { faults: 1, holds: 1, ..NOTHING },
        horizon_ms: 5000,
        ..BASE
    },
];
