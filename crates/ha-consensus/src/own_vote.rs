//! This node's own vote: when it may stand, when it has none, and how it gets one again (S10, S16).
//!
//! Must not know: what others vote. Invariant: a vote that was given up is given up durably, and comes back by the log alone.

use crate::membership::Membership;
use crate::node::Raft;
use crate::ready::{Event, NoVote};
use std::fmt::Debug;

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// Whether this node may stand and vote for itself.
    pub(crate) fn may_stand(&self) -> bool {
        !self.hard.no_vote
            && !self.durable.failed
            && !self.would_found_anew(self.log.last())
            && self.membership().accepts(&self.settings.node, self.settings.store)
    }

    /// Whether this node stands now: it may, and did not step aside just before.
    pub(crate) fn stands(&self) -> bool {
        self.may_stand() && self.now >= self.aside_until
    }

    /// A store that was lost votes again once the members name this very store.
    pub(crate) fn regain_vote(&mut self) {
        let named = self.history.newest().1.binds(&self.settings.node, self.settings.store);
        if self.hard.no_vote && named && !self.hard.regressed {
            self.hard.no_vote = false;
            self.durable.touch();
        }
    }

    /// Another voter remembers that this store had promised more: it was put back from a copy. It gives its vote up, durably,
    /// and says so to those who have never heard it (S10).
    pub(crate) fn confess(&mut self) {
        if !self.hard.regressed {
            (self.hard.regressed, self.hard.no_vote) = (true, true);
            self.identity.regressed = true;
            self.durable.touch();
            self.events.push(Event::NoVote(NoVote::PutBack));
        }
    }

    /// A committed membership does without this store: what it had promised once counts no more. Another that names it gives
    /// it its vote back.
    pub(crate) fn absolve(&mut self, membership: &Membership) {
        if self.hard.regressed && !membership.accepts(&self.settings.node, self.settings.store) {
            self.hard.regressed = false;
            self.identity.regressed = false;
            self.durable.touch();
        }
    }
}
