//! Who votes, who only listens, and the sets of a joint change.
//!
//! A voter is (node, store): another store under the same name is another voter (S10). Must not know: time,
//! messages, roles. Invariant: each voter set that a change makes is odd; a quorum of a joint membership is a
//! quorum of both sets.

use crate::quorum::{self, Outcome};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{Index, NodeId, StoreId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One voter as a person or a file names it; without a store it is bound to the store that is first heard.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Voter {
    /// The node.
    pub node: NodeId,
    /// Its store, where known.
    pub store: Option<StoreId>,
}

/// What a change of voters asks for: the whole new set, and the whole list of learners.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VoterSet {
    /// Voters after the change; an odd number.
    pub voters: Vec<Voter>,
    /// Nodes that get the log and have no vote.
    pub learners: Vec<NodeId>,
}

/// One voter set: each node with the store that votes for it.
pub type Voters = BTreeMap<NodeId, Option<StoreId>>;

/// The members by the log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// The voters; in a joint change, those after it.
    pub voters: Voters,
    /// In a joint change the voters before it; both sets must agree.
    pub outgoing: Option<Voters>,
    /// Nodes without a vote.
    pub learners: BTreeSet<NodeId>,
    /// The entry that made a store a voter, after a time without it; those not here vote since the formation.
    pub named_at: BTreeMap<(NodeId, StoreId), Index>,
}

impl Membership {
    /// The membership that a new cluster is formed with: stores are bound later, by the log.
    #[must_use]
    pub fn formed(voters: &[NodeId], learners: &[NodeId]) -> Self {
        let late: &[NodeId] = if sabotage::is(Sabotage::LearnersVote) { learners } else { &[] };
        Self {
            voters: voters.iter().chain(late).map(|n| (n.clone(), None)).collect(),
            outgoing: None,
            learners: learners.iter().cloned().collect(),
            named_at: BTreeMap::new(),
        }
    }

    /// Since which entry this store votes for the node without a break; 0 for the formation, and where it does not vote.
    #[must_use]
    pub fn named_at(&self, node: &NodeId, store: StoreId) -> Index {
        self.named_at.get(&(node.clone(), store)).copied().unwrap_or_default()
    }

    /// The membership that an entry at `at` makes of this one: joint where the voters change (S10).
    pub(crate) fn changed(&self, voters: Voters, learners: BTreeSet<NodeId>, at: Index) -> Self {
        let mut named_at = self.named_at.clone();
        for (node, store) in &voters {
            if let Some(store) = store
                && !self.accepts(node, *store)
            {
                named_at.insert((node.clone(), *store), at);
            }
        }
        let is_joint = voters != self.voters && !sabotage::is(Sabotage::SwapInOneStep);
        let outgoing = is_joint.then(|| self.voters.clone());
        Self { voters, outgoing, learners, named_at }
    }

    /// Whether a joint change is under way.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        self.outgoing.is_some()
    }

    fn sets(&self) -> impl Iterator<Item = &Voters> {
        std::iter::once(&self.voters).chain(self.outgoing.as_ref())
    }

    /// Whether a node votes in either set, with whatever store.
    #[must_use]
    pub fn is_voter(&self, node: &NodeId) -> bool {
        self.sets().any(|set| set.contains_key(node))
    }

    /// Whether this very store votes in either set (an unbound voter accepts any).
    #[must_use]
    pub fn accepts(&self, node: &NodeId, store: StoreId) -> bool {
        self.sets().any(|set| matches!(set.get(node), Some(s) if s.is_none_or(|s| s == store)))
    }

    /// Whether this very store is bound as a voter in either set.
    #[must_use]
    pub fn binds(&self, node: &NodeId, store: StoreId) -> bool {
        self.sets().any(|set| set.get(node) == Some(&Some(store)))
    }

    /// The store that is bound for `node`; in a joint change the one after it first.
    #[must_use]
    pub fn named(&self, node: &NodeId) -> Option<StoreId> {
        self.sets().find_map(|set| *set.get(node)?)
    }

    /// Whether the node is a voter whose store no entry of the log has named yet.
    #[must_use]
    pub fn is_unbound(&self, node: &NodeId) -> bool {
        self.sets().any(|set| set.get(node) == Some(&None))
    }

    /// Whether the node is a voter or learner.
    #[must_use]
    pub fn contains(&self, node: &NodeId) -> bool {
        self.is_voter(node) || self.learners.contains(node)
    }

    /// All nodes that get the log.
    #[must_use]
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        self.voter_nodes().union(&self.learners).cloned().collect()
    }

    /// Nodes of one set after the other: those of both come twice.
    pub(crate) fn voters_of_both(&self) -> impl Iterator<Item = &NodeId> {
        self.sets().flat_map(BTreeMap::keys)
    }

    /// All nodes that vote in either set.
    #[must_use]
    pub fn voter_nodes(&self) -> BTreeSet<NodeId> {
        self.sets().flat_map(|set| set.keys().cloned()).collect()
    }

    /// Whether those for whom `is_there` holds are a quorum (of both sets).
    #[must_use]
    pub fn is_quorum(&self, is_there: impl Fn(&NodeId) -> bool) -> bool {
        self.reached(|node, _| is_there(node).then_some(())).is_some()
    }

    /// The highest value that a quorum (of both sets) has reached. `of` is asked for each voter with the store
    /// that the set demands.
    pub(crate) fn reached<T: Ord>(&self, of: impl Fn(&NodeId, Option<StoreId>) -> Option<T>) -> Option<T> {
        self.sets()
            .map(|set| quorum::reached(set.iter().map(|(node, store)| of(node, *store))))
            .min()
            .flatten()
    }

    /// Counts a ballot: won only where both sets are won, lost where either is lost.
    pub(crate) fn tally(&self, of: impl Fn(&NodeId, Option<StoreId>) -> Option<bool>) -> Outcome {
        self.sets()
            .map(|set| quorum::tally(set.iter().map(|(node, store)| of(node, *store))))
            .min()
            .unwrap_or(Outcome::Lost)
    }

    /// The membership after the joint one: the new set alone.
    pub(crate) fn left_joint(&self) -> Self {
        let mut left = Self { outgoing: None, ..self.clone() };
        let voters = &left.voters;
        left.named_at.retain(|(node, store), _| voters.get(node) == Some(&Some(*store)));
        left
    }
}

/// The memberships in the log, oldest first: the newest in the log counts, committed or not (Raft §4.1).
#[derive(Clone, Debug, Hash)]
pub(crate) struct History(Vec<(Index, Membership)>);

impl History {
    pub(crate) fn new(at: Index, membership: Membership) -> Self {
        Self(vec![(at, membership)])
    }

    pub(crate) fn newest(&self) -> (Index, &Membership) {
        let (at, membership) = self.0.last().expect("a history starts with one and keeps one");
        (*at, membership)
    }

    pub(crate) fn at(&self, index: Index) -> &Membership {
        let found = self.0.iter().rev().find(|(at, _)| *at <= index);
        &found.expect("asked only at or after the snapshot, where the history starts").1
    }

    pub(crate) fn between(&self, after: Index, through: Index) -> impl Iterator<Item = &(Index, Membership)> {
        self.0.iter().filter(move |(at, _)| *at > after && *at <= through)
    }

    pub(crate) fn push(&mut self, at: Index, membership: Membership) {
        assert!(at > self.newest().0, "S10: a membership at {at} is not after the newest");
        self.0.push((at, membership));
    }

    /// Forgets entries from `from` on, with the log.
    pub(crate) fn truncate(&mut self, from: Index) {
        self.0.retain(|(at, _)| *at < from);
        assert!(!self.0.is_empty(), "S5: truncation at {from} reaches below the snapshot");
    }

    /// Forgets what lies before the one in force at `index`.
    pub(crate) fn compact(&mut self, index: Index) {
        let keep = self.0.iter().rposition(|(at, _)| *at <= index).unwrap_or(0);
        self.0.drain(..keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> NodeId {
        NodeId::from(name)
    }

    fn joint() -> Membership {
        let mut m = Membership::formed(&[id("a"), id("b"), id("d")], &[id("c")]);
        m.outgoing = Some([id("a"), id("b"), id("c")].into_iter().map(|n| (n, None)).collect());
        m
    }

    #[test]
    fn a_joint_quorum_is_one_of_both_sets() {
        let m = joint();
        let with = |up: &'static [&str]| m.tally(move |n, _| up.contains(&n.as_str()).then_some(true));
        assert_eq!(with(&["a", "b"]), Outcome::Won);
        assert_eq!(with(&["c", "d"]), Outcome::Open);
        assert_eq!(with(&["a", "c"]), Outcome::Open, "a majority of the old set alone");
        assert_eq!(with(&["a", "d"]), Outcome::Open, "a majority of the new set alone");
        assert_eq!(with(&["b", "c", "d"]), Outcome::Won);
        let value = |n: &NodeId| match n.as_str() {
            "a" => Some(9),
            "b" => Some(7),
            "c" => Some(3),
            _ => None,
        };
        assert_eq!(m.reached(|n, _| value(n)), Some(7));
        assert_eq!(m.reached(|n, _| value(n).filter(|v| *v != 7)), None, "the new set has only a");
    }

    #[test]
    fn one_store_replaced_is_two_voters() {
        let (old, new) = (StoreId(1), StoreId(2));
        let m = Membership {
            voters: [(id("a"), Some(new)), (id("b"), None), (id("c"), None)].into(),
            outgoing: Some([(id("a"), Some(old)), (id("b"), None), (id("c"), None)].into()),
            learners: BTreeSet::new(),
            named_at: BTreeMap::new(),
        };
        assert!(m.accepts(&id("a"), old) && m.accepts(&id("a"), new));
        assert!(!m.accepts(&id("a"), StoreId(3)) && m.accepts(&id("b"), StoreId(3)));
        let only_old = m.tally(|n, s| match n.as_str() {
            "a" => (s == Some(old)).then_some(true),
            "b" => Some(true),
            _ => None,
        });
        assert_eq!(only_old, Outcome::Open, "the old store does not vote in the new set");
        assert!(!m.left_joint().accepts(&id("a"), old));
    }

    #[test]
    fn a_store_is_named_where_it_begins_to_vote_and_as_long_as_it_does() {
        let (a, one, two) = (id("a"), StoreId(1), StoreId(2));
        let of = |store: Option<StoreId>| Voters::from([(a.clone(), store), (id("b"), None)]);
        let formed = Membership::formed(&[a.clone(), id("b")], &[]);
        let bound = formed.changed(of(Some(one)), BTreeSet::new(), Index(5)).left_joint();
        assert_eq!(bound.named_at(&a, one), Index(0), "it voted before it was bound");
        let joint = bound.changed(of(Some(two)), BTreeSet::new(), Index(7));
        assert_eq!((joint.named_at(&a, one), joint.named_at(&a, two)), (Index(0), Index(7)));
        let left = joint.left_joint();
        let other = left.changed(of(Some(two)), [id("c")].into(), Index(8));
        assert!(!other.is_joint());
        assert_eq!(other.named_at(&a, two), Index(7), "it stays");
        let back = other.changed(of(Some(one)), BTreeSet::new(), Index(9));
        assert_eq!((back.named_at(&a, one), back.named_at(&a, two)), (Index(9), Index(7)), "both sets count");
        let left = back.left_joint();
        assert_eq!(left.named_at, [((a.clone(), one), Index(9))].into(), "S13: voters alone");
    }

    #[test]
    fn history_follows_the_log() {
        let mut h = History::new(Index(0), Membership::default());
        h.push(Index(4), joint());
        h.push(Index(6), joint().left_joint());
        assert!(!h.newest().1.is_joint());
        assert!(h.at(Index(5)).is_joint());
        h.truncate(Index(6));
        assert_eq!(h.newest().0, Index(4));
        h.compact(Index(5));
        assert_eq!(h.at(Index(5)), &joint());
        assert_eq!(h.between(Index(3), Index(4)).count(), 1);
        assert_eq!(h.between(Index(4), Index(9)).count(), 0);
    }
}
