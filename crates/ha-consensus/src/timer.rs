//! The timers, in one table. A deadline is computed from the state, never stored: none can be stale.
//!
//! Invariant: a timer that is due changes the state so that its deadline moves on.

use crate::node::Raft;
use ha_model::BootNs;
use ha_model::sabotage::{self, Sabotage};
use std::fmt::Debug;

/// Nobody stands after it, where that is broken on purpose.
const LAST_TERM: u64 = 3;

/// What may fall due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// Stand for election, or give one up.
    Election,
    /// A leader without a quorum steps down.
    CheckQuorum,
    /// A hand-over is called off.
    Transfer,
    /// Appends are sent again.
    Retransmit,
}

impl Timer {
    /// The table.
    pub const ALL: [Timer; 4] = [Timer::Election, Timer::CheckQuorum, Timer::Transfer, Timer::Retransmit];
}

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// When a timer falls due, if it runs.
    #[must_use]
    pub fn deadline(&self, timer: Timer) -> Option<BootNs> {
        match timer {
            Timer::Election if self.term().0 >= LAST_TERM && sabotage::is(Sabotage::StandNoMore) => None,
            Timer::Election => self.election_deadline(),
            Timer::CheckQuorum => self.check_quorum_deadline(),
            Timer::Transfer => self.transfer_deadline(),
            Timer::Retransmit => self.retransmit_deadline(),
        }
    }

    /// When `tick` is needed next, unless another input comes first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<BootNs> {
        Timer::ALL.into_iter().filter_map(|timer| self.deadline(timer)).min()
    }

    pub(crate) fn run_timers(&mut self) {
        for timer in Timer::ALL {
            if self.deadline(timer).is_none_or(|at| at > self.now) {
                continue;
            }
            match timer {
                Timer::Election => self.election_due(),
                Timer::CheckQuorum => self.check_quorum_due(),
                Timer::Transfer => self.transfer_due(),
                Timer::Retransmit => self.retransmit_due(),
            }
        }
        self.hold_own_lease();
    }
}
