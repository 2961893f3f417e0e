//! This node's own vote: when it may stand, when it has none, and how it gets one again (S10, S16).
//!
//! Must not know: what others vote. Invariant: a vote that was given up is given up durably, and comes back by the log alone.

use crate::node::Raft;
use crate::ready::{Event, NoVote};
use ha_model::Index;
use std::fmt::Debug;

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// Whether this node may stand and vote for itself.
    pub(crate) fn may_stand(&self) -> bool {
        !self.hard.no_vote
            && !self.durable.failed
            && !self.would_found_anew(self.log.last())
            && (self.membership().accepts(&self.settings.node, self.settings.store) || self.is_needed_still())
    }

    /// A voter whose log ends the change that takes its vote, and that does not know that end as committed: nobody may know it yet,
    /// and who has just started knows of nothing. Its log may be
    /// the longest, and the voters elect nobody else: it stands, without a vote of its own (Ongaro, "Consensus: Bridging
    /// Theory and Practice", 4.2.2), and leads until the change is committed.
    fn is_needed_still(&self) -> bool {
        let (at, _) = self.history.newest();
        let (node, store) = (&self.settings.node, self.settings.store);
        at > self.commit && self.history.at(self.commit).accepts(node, store)
    }

    /// Whether this node stands now: it may, and did not step aside just before.
    pub(crate) fn stands(&self) -> bool {
        self.may_stand() && self.now >= self.aside_until
    }

    /// A store that was lost votes again once the members name this very store; one that was put back, once they name it
    /// later than what it had promised. That entry need not be committed here: no leader writes it before it has committed
    /// members without this store ([`Peers::forgot`](crate::peers::Peers::forgot)).
    pub(crate) fn regain_vote(&mut self) {
        let (node, store, members) = (&self.settings.node, self.settings.store, self.history.newest().1);
        let is_late = self.hard.regressed.is_none_or(|through| members.named_at(node, store) > through);
        if self.hard.no_vote && members.binds(node, store) && is_late {
            (self.hard.regressed, self.hard.no_vote) = (None, false);
            self.identity.regressed = None;
            self.durable.touch();
        }
    }

    /// Another voter remembers that this store had promised through there: it was put back from a copy. It gives its vote up,
    /// durably, and says so to those who have never heard it (S10). Who remembers that may have been away since the members
    /// did without this store and named it anew.
    pub(crate) fn confess(&mut self, through: Index) {
        let is_over = self.membership().named_at(&self.settings.node, self.settings.store) > through;
        if is_over || self.hard.regressed >= Some(through) {
            return;
        }
        if self.hard.regressed.is_none() {
            self.events.push(Event::NoVote(NoVote::PutBack));
        }
        (self.hard.regressed, self.hard.no_vote) = (Some(through), true);
        self.identity.regressed = self.hard.regressed;
        self.durable.touch();
    }
}
