//! How far the failover of the first owner is, and between which of its steps the leader changed.

use super::cluster::At;

/// The node that owns the resource when a scope begins.
pub const OWNER: At = 0;

/// What a path can reach, in the order of the table.
pub const ROWS: [&str; 11] = [
    "owner lost",
    "its fence ordered",
    "its power cut",
    "proven off",
    "started elsewhere",
    "leader changed before it was lost",
    "leader changed: lost, not ordered",
    "leader changed: ordered, not cut",
    "leader changed: cut, not proven",
    "leader changed: proven, not started",
    "started after a change since the loss",
];

/// Steps of a failover.
const LOST: u8 = 1;
const ORDERED: u8 = 2;
const CUT: u8 = 3;
const PROVEN: u8 = 4;
const STARTED: u8 = 5;

/// See above.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Milestones {
    /// The scope has begun; what led there does not count.
    has_begun: bool,
    step: u8,
    /// Bit n: the leader changed after step n and before the next.
    changed: u8,
}

impl Milestones {
    /// From here on it counts.
    pub fn begin(&mut self) {
        self.has_begun = true;
    }

    fn reach(&mut self, step: u8) {
        // Each after the one before it: what is proven without a cut (a human's word) is no failover of this table.
        if self.has_begun && self.step + 1 == step {
            self.step = step;
        }
    }

    /// The log says that a node is lost.
    pub fn lost(&mut self, node: Option<At>) {
        if node == Some(OWNER) {
            self.reach(LOST);
        }
    }

    /// The log says that its fence begins.
    pub fn ordered(&mut self, node: Option<At>) {
        if node == Some(OWNER) {
            self.reach(ORDERED);
        }
    }

    /// The switch took its power.
    pub fn cut(&mut self, node: At) {
        if node == OWNER {
            self.reach(CUT);
        }
    }

    /// The log says that it is off.
    pub fn proven(&mut self, node: At) {
        if node == OWNER {
            self.reach(PROVEN);
        }
    }

    /// The resource came to run.
    pub fn runs_on(&mut self, node: At) {
        if node != OWNER {
            self.reach(STARTED);
        }
    }

    /// A leader of a new term.
    pub fn leader_changed(&mut self) {
        if self.has_begun {
            self.changed |= 1 << self.step;
        }
    }

    /// Which rows of the table hold.
    #[must_use]
    pub fn rows(&self) -> [bool; ROWS.len()] {
        let at = |step: u8| self.step >= step;
        let changed = |step: u8| self.changed & (1 << step) != 0;
        let between = (LOST..STARTED).any(changed);
        [
            at(LOST),
            at(ORDERED),
            at(CUT),
            at(PROVEN),
            at(STARTED),
            changed(0),
            changed(LOST),
            changed(ORDERED),
            changed(CUT),
            changed(PROVEN),
            at(STARTED) && between,
        ]
    }
}
