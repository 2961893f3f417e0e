//! The leader's view of one follower's log: how far it matches, and what is under way.
//!
//! Must not know: votes, leases, who counts. Invariant: `matched < next`; at most `in_flight` messages wait.

use crate::log::Snapshot;
use crate::message::Identity;
use ha_model::{BootNs, Index};
use std::collections::VecDeque;
use std::time::Duration;

/// How a follower is fed.
#[derive(Clone, PartialEq, Debug, Hash)]
pub(crate) enum Flow {
    /// One message at a time, to find where the logs agree.
    Probe {
        /// One is under way.
        sent: bool,
    },
    /// Optimistically, several at a time.
    Stream,
    /// It needs a snapshot; one piece at a time.
    Snapshot {
        /// The one being sent, whole, even if a newer one is taken meanwhile.
        snapshot: Snapshot,
        /// Bytes it has.
        received: u64,
        /// The next piece is under way.
        sent: bool,
    },
}

/// One follower.
#[derive(Clone, PartialEq, Debug, Hash)]
pub(crate) struct Progress {
    pub(crate) identity: Option<Identity>,
    pub(crate) flow: Flow,
    pub(crate) matched: Index,
    pub(crate) next: Index,
    pub(crate) in_flight: VecDeque<Index>,
    /// When something was last sent or acknowledged.
    pub(crate) moved_at: BootNs,
    /// When the newest beat that it acknowledged in this term was sent.
    pub(crate) acked_sent: Option<BootNs>,
    /// The same, of those that know all hand-overs called off: the lease rests on these.
    pub(crate) lease_sent: Option<BootNs>,
    /// For how long after that it votes for nobody else.
    pub(crate) promise: Duration,
}

impl Progress {
    pub(crate) fn new(last: Index, now: BootNs) -> Self {
        Self {
            identity: None,
            flow: Flow::Probe { sent: false },
            matched: Index(0),
            next: last.next(),
            in_flight: VecDeque::new(),
            moved_at: now,
            acked_sent: None,
            lease_sent: None,
            promise: Duration::ZERO,
        }
    }

    /// Starts over from what is known to match.
    pub(crate) fn probe_from_match(&mut self) {
        self.next = self.matched.next();
        self.in_flight.clear();
        match &mut self.flow {
            Flow::Snapshot { sent, .. } => *sent = false,
            Flow::Probe { .. } | Flow::Stream => self.flow = Flow::Probe { sent: false },
        }
    }

    /// The follower's log matches through `index`.
    pub(crate) fn acknowledged(&mut self, index: Index, now: BootNs) {
        self.moved_at = now;
        self.matched = self.matched.max(index);
        self.next = self.next.max(self.matched.next());
        while self.in_flight.front().is_some_and(|end| *end <= self.matched) {
            self.in_flight.pop_front();
        }
        match &self.flow {
            Flow::Snapshot { snapshot, .. } if snapshot.meta.pos.index > self.matched => {}
            Flow::Snapshot { .. } | Flow::Probe { .. } => {
                self.next = self.matched.next();
                self.in_flight.clear();
                self.flow = Flow::Stream;
            }
            Flow::Stream => {}
        }
    }

    /// The follower refused `prev`; `true` where that is news.
    pub(crate) fn rejected(&mut self, prev: Index, hint: Index, now: BootNs) -> bool {
        let stale = match &self.flow {
            Flow::Snapshot { .. } => true,
            Flow::Probe { .. } => prev.next() != self.next,
            Flow::Stream => prev <= self.matched,
        };
        if stale {
            return false;
        }
        self.moved_at = now;
        self.in_flight.clear();
        self.next = prev.min(hint.next()).max(self.matched.next());
        self.flow = Flow::Probe { sent: false };
        true
    }

    /// Whether something sent may have been lost.
    pub(crate) fn is_waiting(&self) -> bool {
        match &self.flow {
            Flow::Probe { sent } | Flow::Snapshot { sent, .. } => *sent,
            Flow::Stream => !self.in_flight.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next: u64, matched: u64, flow: Flow) -> Progress {
        let mut p = Progress::new(Index(0), BootNs(0));
        (p.next, p.matched, p.flow) = (Index(next), Index(matched), flow);
        p
    }

    #[test]
    fn a_reject_moves_back_never_below_the_match() {
        let mut p = at(10, 3, Flow::Probe { sent: true });
        assert!(!p.rejected(Index(5), Index(1), BootNs(1)), "not the probe under way");
        assert!(p.rejected(Index(9), Index(6), BootNs(1)));
        assert_eq!(p.next, Index(7));
        assert!(p.rejected(Index(6), Index(0), BootNs(1)));
        assert_eq!(p.next, Index(4));
        let mut p = at(10, 3, Flow::Stream);
        assert!(!p.rejected(Index(3), Index(0), BootNs(1)), "that much is acknowledged already");
        assert!(p.rejected(Index(9), Index(20), BootNs(1)));
        assert_eq!(p.next, Index(9));
    }

    #[test]
    fn an_ack_opens_the_stream_and_frees_the_window() {
        let mut p = at(5, 0, Flow::Probe { sent: true });
        p.acknowledged(Index(4), BootNs(1));
        assert_eq!((p.next, &p.flow), (Index(5), &Flow::Stream));
        p.in_flight.extend([Index(6), Index(8)]);
        p.next = Index(9);
        p.acknowledged(Index(7), BootNs(2));
        assert_eq!(p.in_flight, [Index(8)]);
        assert_eq!(p.next, Index(9), "what is under way is not sent again");
        p.acknowledged(Index(5), BootNs(3));
        assert_eq!(p.matched, Index(7), "a late ack takes nothing back");
    }
}
