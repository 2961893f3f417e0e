//! What this node remembers of each peer: when it was heard, which store and session spoke, and how far that
//! store had promised. A store that comes back having promised less was put back from a copy, and is barred (S10).
//!
//! Must not know: roles, the log. Invariants: what is remembered of a (node, store) falls only where its store was found put
//! back, and then the bar remembers it; a bar ends only with a naming later than what it remembers.

use crate::hearing::MISSES_TOLD;
use crate::membership::Membership;
use crate::message::{Identity, Mark};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, Index, NodeId, SessionId, StoreId, Term};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Peers known at once, beyond any cluster this is made for; strangers past it are ignored.
const PEERS: usize = 256;

/// What is remembered of one voter's store; kept durably, so that it outlives a restart of this node.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct PeerMemory {
    /// The node.
    pub node: NodeId,
    /// Its store.
    pub store: StoreId,
    /// The session that last spoke for the store.
    pub session: SessionId,
    /// How far the store had promised, as far as this node heard.
    pub mark: Mark,
    /// The highest index that the store ever acknowledged, as far as this node heard.
    pub promised: Index,
    /// As a voter since this entry: what it promised without a vote, above all before it, is not held against it.
    pub named_at: Index,
    /// It came back having promised less than this: no vote until the members name it later. What is remembered beside it is
    /// the store as it came back.
    pub regressed: Option<Index>,
}

/// Why a store's votes and acknowledgements do not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum BarReason {
    /// The members name another store for this node.
    OtherStore,
    /// It forgot what it had promised.
    Regressed,
}

/// What was heard of a peer in this run.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Peer {
    pub(crate) heard_at: Option<BootNs>,
    pub(crate) identity: Option<Identity>,
    pub(crate) hears_leader: bool,
    pub(crate) term: Term,
    /// It said that something is committed, or that it holds something that may be.
    pub(crate) has_history: bool,
    /// Whom it misses by its newest beat, and whether this node has heard that one since it was told so.
    misses: BTreeMap<NodeId, bool>,
    /// The stream was established anew since this session was first heard: another may follow it.
    reset: bool,
    announced: Option<(StoreId, BarReason)>,
}

impl Peer {
    /// Its newest beat names those it misses.
    pub(crate) fn told_misses(&mut self, told: &[NodeId]) {
        let told = told.iter().take(MISSES_TOLD);
        self.misses = told.map(|node| (node.clone(), self.deaf_to().any(|deaf| deaf == node))).collect();
    }

    pub(crate) fn misses(&self, node: &NodeId) -> bool {
        self.misses.contains_key(node)
    }

    /// Those it said it misses and this node heard afterwards.
    pub(crate) fn deaf_to(&self) -> impl Iterator<Item = &NodeId> {
        self.misses.iter().filter(|(_, heard_since)| **heard_since).map(|(node, _)| node)
    }
}

/// Whether a speaker may be listened to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaker {
    /// Another session than the one that speaks, or one stranger too many.
    Void,
    /// Same store and session as before.
    Known,
    /// First words of this store and session.
    New,
}

/// All peers.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Peers {
    peers: BTreeMap<NodeId, Peer>,
    /// By node, then by store.
    memory: BTreeMap<NodeId, BTreeMap<StoreId, PeerMemory>>,
    /// A bar was set that is not yet handed out for persisting.
    pub(crate) urgent: bool,
}

impl Peers {
    pub(crate) fn restored(memory: Vec<PeerMemory>) -> Self {
        let mut peers = Self::default();
        for kept in memory {
            peers.memory.entry(kept.node.clone()).or_default().insert(kept.store, kept);
        }
        peers
    }

    pub(crate) fn get(&self, node: &NodeId) -> Option<&Peer> {
        self.peers.get(node)
    }

    pub(crate) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Peer> {
        self.peers.get_mut(node)
    }

    pub(crate) fn memory(&self) -> Vec<PeerMemory> {
        self.memory.values().flat_map(BTreeMap::values).cloned().collect()
    }

    fn remembered(&self, node: &NodeId, store: StoreId) -> Option<&PeerMemory> {
        self.memory.get(node)?.get(&store)
    }

    /// The store that speaks for `node` in this run.
    pub(crate) fn store_of(&self, node: &NodeId) -> Option<StoreId> {
        self.peers.get(node)?.identity.map(|i| i.store)
    }

    pub(crate) fn heard_within(&self, node: &NodeId, now: BootNs, span: Duration) -> bool {
        self.peers.get(node).and_then(|p| p.heard_at).is_some_and(|at| now.since(at) < span)
    }

    /// `node` was heard just now: those that miss it are deaf to it.
    pub(crate) fn lives(&mut self, node: &NodeId) {
        for peer in self.peers.values_mut() {
            if let Some(heard_since) = peer.misses.get_mut(node) {
                *heard_since = true;
            }
        }
    }

    /// The stream to `node` was established anew.
    pub(crate) fn reset(&mut self, node: &NodeId) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.reset = true;
        }
    }

    /// Takes note of who speaks. Another session is believed once the stream was established anew, or the one
    /// before is silent for `t_lost`: a late word of a session that is over must not look like a store that forgot.
    pub(crate) fn speaks(
        &mut self,
        now: BootNs,
        t_lost: Duration,
        from: &NodeId,
        identity: &Identity,
        members: &Membership,
    ) -> Speaker {
        if !self.peers.contains_key(from) && self.peers.len() >= PEERS {
            return Speaker::Void;
        }
        let peer = self.peers.entry(from.clone()).or_default();
        let new = peer.identity.is_none_or(|known| known.session != identity.session);
        if new && peer.identity.is_some() {
            let silent = peer.heard_at.is_none_or(|at| now.since(at) >= t_lost);
            if !peer.reset && !silent {
                return Speaker::Void;
            }
            *peer = Peer { has_history: peer.has_history, ..Peer::default() };
        }
        peer.identity = Some(*identity);
        peer.has_history |= identity.promised > Index(0);
        self.remember(from, identity, members);
        if new { Speaker::New } else { Speaker::Known }
    }

    fn remember(&mut self, from: &NodeId, identity: &Identity, members: &Membership) {
        let acceptable = if members.binds(from, identity.store) {
            true
        } else {
            // Unbound: the first store that is heard is the one (until the log binds it).
            members.is_unbound(from)
                && !self.memory.get(from).is_some_and(|of| of.keys().any(|store| *store != identity.store))
        };
        if !acceptable {
            return;
        }
        let named_at = members.named_at(from, identity.store);
        let of_node = self.memory.entry(from.clone()).or_default();
        let memory = of_node.entry(identity.store).or_insert_with(|| PeerMemory {
            node: from.clone(),
            store: identity.store,
            session: identity.session,
            mark: identity.restored,
            promised: identity.promised,
            named_at,
            regressed: None,
        });
        // A confession may be older than its end, which this node knows already.
        let mut forgot = identity.regressed.filter(|through| named_at <= *through);
        if memory.session != identity.session {
            memory.session = identity.session;
            // A term can be caught up with without the entries that were acknowledged before it.
            if identity.restored < memory.mark || identity.promised < memory.promised {
                // A vote may be all that it forgot: it has one since it is named, whatever it has acknowledged.
                forgot = forgot.max(Some(memory.promised.max(memory.named_at)));
                (memory.mark, memory.promised) = (identity.restored, identity.promised);
            }
        }
        if forgot > memory.regressed {
            memory.regressed = forgot;
            self.urgent = true;
        }
        memory.named_at = memory.named_at.max(named_at);
        memory.mark = memory.mark.max(identity.restored);
        memory.promised = memory.promised.max(identity.promised);
    }

    /// Through where `store` had promised before it was put back; `None` if it was not, or if that is over: `members` name it
    /// later (S10). That is enough. A leader writes such a naming only after it has committed members without this store, and
    /// what is committed since then, and before, a majority without this store holds. What it acknowledged and forgot was
    /// below the naming, so nothing that is committed rests on it; and what it acknowledges from the naming on, it has.
    pub(crate) fn forgot(&self, node: &NodeId, store: StoreId, members: &Membership) -> Option<Index> {
        let through =
            self.remembered(node, store)?.regressed.filter(|_| !sabotage::is(Sabotage::PutBackVotes))?;
        (members.named_at(node, store) <= through).then_some(through)
    }

    /// The store of a peer that promised more than it remembers, to be told of it: others may not have heard it before.
    pub(crate) fn put_back(&self, node: &NodeId, members: &Membership) -> Option<(StoreId, Index)> {
        let store = self.store_of(node)?;
        Some((store, self.forgot(node, store, members)?))
    }

    /// The peer told that its store has promised this far.
    pub(crate) fn promised(&mut self, from: &NodeId, who: &Identity, mark: Mark, through: Index) {
        // Of a session that is not remembered, because no membership known here names its store, nothing is: what it
        // promised would be held against its own start.
        let known = self.memory.get_mut(from).and_then(|of| of.get_mut(&who.store));
        if let Some(memory) = known.filter(|m| m.session == who.session) {
            memory.promised = memory.promised.max(through);
            memory.mark = memory.mark.max(mark);
        }
    }

    /// Whether the cluster has a log already, by the word of anybody heard in this run, or remembered.
    pub(crate) fn know_history(&self) -> bool {
        // A mark alone tells nothing: in a newer term a store has acknowledged nothing yet, whatever it holds.
        let is_kept = |m: &PeerMemory| m.promised.max(m.regressed.unwrap_or_default()) > Index(0);
        self.peers.values().any(|p| p.has_history)
            || self.memory.values().flat_map(BTreeMap::values).any(is_kept)
    }

    /// Whether what `store` says for `node` counts in a set that demands `required` (None: not yet bound).
    pub(crate) fn counts(
        &self,
        node: &NodeId,
        store: StoreId,
        required: Option<StoreId>,
        members: &Membership,
    ) -> bool {
        let is_known = || self.remembered(node, store).is_some();
        let right_store = required.map_or_else(is_known, |required| required == store);
        right_store && self.forgot(node, store, members).is_none()
    }

    /// Why `store` has no vote for `node`, if it is a voter there at all.
    pub(crate) fn bar(&self, node: &NodeId, store: StoreId, members: &Membership) -> Option<BarReason> {
        if !members.is_voter(node) {
            return None;
        }
        if self.forgot(node, store, members).is_some() {
            return Some(BarReason::Regressed);
        }
        let first_heard = members.is_unbound(node) && self.remembered(node, store).is_some();
        let right = members.binds(node, store) || first_heard;
        (!right).then_some(BarReason::OtherStore)
    }

    /// The same, told once for each bar.
    pub(crate) fn new_bar(&mut self, node: &NodeId, members: &Membership) -> Option<(StoreId, BarReason)> {
        let store = self.store_of(node)?;
        let bar = self.bar(node, store, members).map(|reason| (store, reason));
        let peer = self.peers.get_mut(node)?;
        if peer.announced == bar {
            return None;
        }
        peer.announced = bar;
        bar
    }

    /// Forgets bars that are over with the membership that was just committed at `at`, and stores and nodes that neither it nor the newest
    /// one names. What a store forgot beyond `at` stays known: this membership may be an older one, from before.
    pub(crate) fn prune(&mut self, at: Index, committed: &Membership, newest: &Membership) {
        self.memory.retain(|node, of| {
            of.retain(|store, memory| {
                memory.regressed = memory.regressed.filter(|t| committed.named_at(node, *store) <= *t);
                let is_named = committed.accepts(node, *store) || newest.accepts(node, *store);
                is_named || memory.regressed.is_some_and(|through| through >= at)
            });
            !of.is_empty()
        });
        self.peers.retain(|node, _| committed.contains(node) || newest.contains(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ha_model::Index;

    fn mark(term: u64, index: u64) -> Mark {
        Mark { term: Term(term), index: Index(index) }
    }

    fn who(store: u128, session: u128, restored: Mark) -> Identity {
        let (promised, regressed) = (restored.index, None);
        Identity { store: StoreId(store), session: SessionId(session), restored, promised, regressed }
    }

    /// One word at a time when the one before is long silent.
    fn speaks(p: &mut Peers, from: &NodeId, identity: Identity, m: &Membership) -> Speaker {
        p.speaks(BootNs(0), Duration::from_secs(1), from, &identity, m)
    }

    fn bound(store: u128) -> Membership {
        let mut m = Membership::formed(&[NodeId::from("a")], &[]);
        m.voters.insert(NodeId::from("a"), Some(StoreId(store)));
        m
    }

    fn named(store: u128, at: u64) -> Membership {
        let mut m = bound(store);
        m.named_at.insert((NodeId::from("a"), StoreId(store)), Index(at));
        m
    }

    #[test]
    fn a_store_that_forgot_is_barred_until_the_members_name_it_later() {
        let (a, m) = (NodeId::from("a"), bound(1));
        let mut p = Peers::default();
        assert_eq!(speaks(&mut p, &a, who(1, 1, mark(1, 0)), &m), Speaker::New);
        p.promised(&a, &who(1, 1, mark(1, 0)), mark(2, 7), Index(7));
        assert_eq!(speaks(&mut p, &a, who(1, 1, mark(1, 0)), &m), Speaker::Known);
        assert!(p.counts(&a, StoreId(1), Some(StoreId(1)), &m), "the same session is no regression");
        speaks(&mut p, &a, who(1, 2, mark(2, 7)), &m);
        assert!(p.counts(&a, StoreId(1), Some(StoreId(1)), &m), "an honest restart");
        // The memory outlives this node's own restart.
        let mut p = Peers::restored(p.memory());
        speaks(&mut p, &a, who(1, 3, mark(2, 6)), &m);
        assert!(p.urgent && !p.counts(&a, StoreId(1), Some(StoreId(1)), &m));
        assert_eq!(p.new_bar(&a, &m), Some((StoreId(1), BarReason::Regressed)));
        assert_eq!(p.new_bar(&a, &m), None, "told once");
        speaks(&mut p, &a, who(1, 4, mark(9, 9)), &m);
        assert!(!p.counts(&a, StoreId(1), Some(StoreId(1)), &m), "growing again does not lift the bar");
        assert_eq!(p.put_back(&a, &m), Some((StoreId(1), Index(7))), "it is told of the most that it forgot");
        assert!(
            !p.counts(&a, StoreId(1), Some(StoreId(1)), &named(1, 7)),
            "named before it acknowledged that"
        );
        let later = named(1, 8);
        assert!(p.counts(&a, StoreId(1), Some(StoreId(1)), &later), "removed and added again");
        let confesses = Identity { regressed: Some(Index(7)), ..who(1, 4, mark(9, 9)) };
        speaks(&mut p, &a, confesses, &later);
        assert!(p.counts(&a, StoreId(1), Some(StoreId(1)), &later), "it has not heard of that yet");
        p.prune(Index(8), &later, &later);
        assert_eq!(p.memory()[0].regressed, None, "over for good");
        speaks(&mut p, &a, who(1, 5, mark(9, 8)), &later);
        assert_eq!(p.put_back(&a, &later), Some((StoreId(1), Index(9))), "and once more");
    }

    #[test]
    fn what_was_forgotten_outlives_a_removal_that_is_older() {
        let (a, old) = (NodeId::from("a"), bound(1));
        let mut p = Peers::default();
        speaks(&mut p, &a, who(1, 1, mark(1, 0)), &old);
        p.promised(&a, &who(1, 1, mark(1, 0)), mark(2, 300), Index(300));
        speaks(&mut p, &a, who(1, 2, mark(2, 250)), &old);
        // This node's log lags behind: removed at 100, and named at 200, which it has not yet.
        p.prune(Index(100), &bound(2), &bound(2));
        assert!(!p.counts(&a, StoreId(1), Some(StoreId(1)), &named(1, 200)));
        p.prune(Index(301), &bound(2), &bound(2));
        assert!(p.memory().is_empty(), "S13");
    }

    #[test]
    fn who_slept_since_before_a_store_was_put_back_holds_it_not_against_its_next_naming() {
        let (a, old) = (NodeId::from("a"), bound(1));
        let mut p = Peers::default();
        speaks(&mut p, &a, who(1, 1, mark(1, 7)), &old);
        let mut p = Peers::restored(p.memory());
        let later = named(1, 8);
        speaks(&mut p, &a, who(1, 3, mark(1, 5)), &later);
        assert!(p.counts(&a, StoreId(1), Some(StoreId(1)), &later));
        speaks(&mut p, &a, who(1, 4, mark(1, 6)), &later);
        assert!(p.counts(&a, StoreId(1), Some(StoreId(1)), &later), "an honest restart");
    }

    #[test]
    fn a_vote_that_was_forgotten_counts_as_of_the_naming() {
        let (a, m) = (NodeId::from("a"), named(1, 8));
        let mut p = Peers::default();
        speaks(&mut p, &a, who(1, 1, mark(1, 5)), &m);
        p.promised(&a, &who(1, 1, mark(1, 5)), mark(4, 0), Index(5));
        speaks(&mut p, &a, who(1, 2, mark(1, 5)), &m);
        assert_eq!(p.put_back(&a, &m), Some((StoreId(1), Index(8))));
    }

    #[test]
    fn what_a_learner_promised_is_not_held_against_its_start() {
        let (a, m) = (NodeId::from("a"), bound(1));
        let mut p = Peers::default();
        speaks(&mut p, &a, who(1, 1, mark(1, 2)), &m);
        // It starts anew while this node's log, an old one, does not name its store.
        let next = who(1, 2, mark(1, 4));
        p.reset(&a);
        speaks(&mut p, &a, next, &bound(9));
        p.promised(&a, &next, mark(3, 8), Index(8));
        speaks(&mut p, &a, next, &m);
        assert!(p.counts(&a, StoreId(1), Some(StoreId(1)), &m), "it fell behind nothing");
    }

    #[test]
    fn a_term_that_was_caught_up_with_does_not_hide_what_was_forgotten() {
        let (a, m) = (NodeId::from("a"), bound(1));
        let mut p = Peers::default();
        speaks(&mut p, &a, who(1, 1, mark(2, 0)), &m);
        p.promised(&a, &who(1, 1, mark(2, 0)), mark(2, 7), Index(7));
        // Put back from before that, it heard of term 5 from another, and started once more.
        let back = Identity { promised: Index(3), ..who(1, 2, mark(5, 0)) };
        speaks(&mut p, &a, back, &m);
        assert!(!p.counts(&a, StoreId(1), Some(StoreId(1)), &m));
        assert_eq!(p.put_back(&a, &m), Some((StoreId(1), Index(7))), "it is told");
    }

    #[test]
    fn s5_a_newer_term_hides_no_log_neither_after_a_restart_nor_in_a_new_session() {
        let (a, m) = (NodeId::from("a"), bound(1));
        let mut p = Peers::default();
        speaks(&mut p, &a, who(1, 1, mark(0, 0)), &m);
        assert!(!p.know_history());
        p.promised(&a, &who(1, 1, mark(0, 0)), mark(1, 7), Index(7));
        p.promised(&a, &who(1, 1, mark(0, 0)), mark(2, 0), Index(7));
        assert!(Peers::restored(p.memory()).know_history(), "though the mark of term 2 says 0");
        let mut p = Peers::default();
        speaks(&mut p, &a, Identity { promised: Index(7), ..who(2, 1, mark(2, 0)) }, &m);
        assert!(p.know_history() && p.memory().is_empty(), "though it is no voter's store");
        speaks(&mut p, &a, who(3, 2, mark(0, 0)), &m);
        assert!(p.know_history(), "nor does another store on the same node");
    }

    #[test]
    fn a_late_word_of_a_session_that_is_over_is_void_and_bars_nobody() {
        let (a, m, second) = (NodeId::from("a"), bound(1), Duration::from_secs(1));
        let mut p = Peers::default();
        let (first, next) = (who(1, 1, mark(1, 0)), who(1, 2, mark(1, 5)));
        let say = |p: &mut Peers, at, who: &Identity| {
            let speaker = p.speaks(BootNs::from_ms(at), second, &a, who, &m);
            if speaker != Speaker::Void {
                p.get_mut(&a).unwrap().heard_at = Some(BootNs::from_ms(at));
            }
            speaker
        };
        assert_eq!(say(&mut p, 0, &first), Speaker::New);
        p.promised(&a, &first, mark(1, 5), Index(5));
        assert_eq!(say(&mut p, 10, &next), Speaker::Void, "the first one still speaks");
        p.reset(&a);
        assert_eq!(say(&mut p, 20, &next), Speaker::New);
        assert_eq!(say(&mut p, 30, &first), Speaker::Void);
        assert!(p.counts(&a, StoreId(1), Some(StoreId(1)), &m));
        assert_eq!(say(&mut p, 40, &next), Speaker::Known);
        assert_eq!(say(&mut p, 1040, &who(1, 3, mark(1, 5))), Speaker::New, "long silent");
    }

    #[test]
    fn an_unbound_voter_is_the_first_store_heard() {
        let (a, m) = (NodeId::from("a"), Membership::formed(&[NodeId::from("a")], &[]));
        let mut p = Peers::default();
        assert!(!p.counts(&a, StoreId(1), None, &m), "nobody heard yet");
        speaks(&mut p, &a, who(1, 1, mark(0, 0)), &m);
        speaks(&mut p, &a, who(2, 2, mark(0, 0)), &m);
        assert!(p.counts(&a, StoreId(1), None, &m) && !p.counts(&a, StoreId(2), None, &m));
        assert_eq!(p.bar(&a, StoreId(2), &m), Some(BarReason::OtherStore));
        assert_eq!(p.bar(&a, StoreId(1), &m), None);
    }

    #[test]
    fn who_misses_a_voter_is_deaf_to_it_once_that_is_heard_again() {
        let (a, b, m) = (NodeId::from("a"), NodeId::from("b"), Membership::default());
        let mut p = Peers::default();
        speaks(&mut p, &a, who(1, 1, mark(0, 0)), &m);
        let deaf = |p: &Peers| p.get(&a).unwrap().deaf_to().cloned().collect::<Vec<_>>();
        let told = |p: &mut Peers, who: &[NodeId]| p.get_mut(&a).unwrap().told_misses(who);
        p.lives(&b);
        told(&mut p, std::slice::from_ref(&b));
        assert_eq!(deaf(&p), [], "b may have died: it was heard before that");
        p.lives(&a);
        assert_eq!(deaf(&p), []);
        p.lives(&b);
        told(&mut p, std::slice::from_ref(&b));
        assert_eq!(deaf(&p), std::slice::from_ref(&b), "and it stays known");
        told(&mut p, &[]);
        told(&mut p, std::slice::from_ref(&b));
        assert_eq!(deaf(&p), [], "it heard b meanwhile");
        let many: Vec<_> = (0..100).map(|i| NodeId::from(format!("n{i}"))).collect();
        told(&mut p, &many);
        assert_eq!(p.get(&a).unwrap().misses.len(), MISSES_TOLD, "S13");
    }

    #[test]
    fn strangers_are_bounded() {
        let (mut p, m) = (Peers::default(), Membership::default());
        for i in 0..PEERS + 10 {
            speaks(&mut p, &NodeId::from(format!("n{i}")), who(1, 1, mark(0, 0)), &m);
        }
        assert_eq!(p.peers.len(), PEERS);
    }
}
