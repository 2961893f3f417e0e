//! Who votes: S10.

use super::Broken;
use crate::world::{Host, World};
use ha_consensus::Membership;
use ha_core::ClusterState;
use ha_model::{NodeId, Term};
use ha_scheduler::NodeStatus;
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// S10: voter sets are odd, and change by joint consensus only.
    pub(super) fn judge_members(&mut self, id: &NodeId) -> Broken {
        let votes = self.hosts[id].node()?.votes();
        let members = votes.membership();
        let outgoing = members.outgoing.as_ref().map_or(1, BTreeMap::len);
        if members.voters.len().is_multiple_of(2) || outgoing.is_multiple_of(2) {
            return Some(("S10", format!("{id} counts an even set: {members:?}")));
        }
        if !votes.is_leader() {
            return None;
        }
        let term = votes.term();
        // Who was deposed and does not know it changes nothing.
        let is_told =
            |(t, l, m): &(Term, NodeId, Membership)| *t > term || (*t == term && l == id && m == members);
        if self.ledger.members.as_ref().is_some_and(is_told) {
            return None;
        }
        let state = self.hosts[id].node()?.state();
        let off: BTreeSet<NodeId> =
            before_names(self.ledger.members.as_ref()).filter(|n| is_called_off(state, n)).cloned().collect();
        let (members, before) = (members.clone(), self.ledger.members.take());
        let is_off = |n: &&NodeId| off.contains(*n);
        self.note_voters(id, before.as_ref(), &members);
        let broken = before.filter(|(t, l, _)| *t == term && l == id).and_then(|(_, _, before)| {
            let what = || format!("{id} changes voters at once: {before:?}, then {members:?}");
            if !is_joint_step(&before, &members) {
                return Some(("S10", what()));
            }
            let out =
                before.voters.keys().filter(|n| !members.voters.contains_key(*n)).find(|n| !is_off(n))?;
            Some(("S10", format!("{id} takes the vote of {out}, which is not proven off")))
        });
        self.ledger.members = Some((term, id.clone(), members));
        broken
    }

    /// Counts changes of who votes. A store that is named no more may be let in again as a new one.
    fn note_voters(
        &mut self,
        id: &NodeId,
        before: Option<&(Term, NodeId, Membership)>,
        members: &Membership,
    ) {
        if members.outgoing.is_none() {
            for (other, host) in &mut self.hosts {
                host.disk.has_regressed &= members.is_voter(other);
            }
        }
        if before.is_some_and(|(_, _, before)| before.voters.keys().eq(members.voters.keys())) {
            return;
        }
        self.ledger.voters = members.voters.keys().cloned().collect();
        if before.is_none() {
            return;
        }
        self.tally.voter_changes += 1;
        if self.hosts[id].node().is_some_and(|n| !n.state().fences.is_empty()) {
            self.tally.sequence("voter swap during a fence");
        }
    }

    /// A vote leaves: with which store it was given. One that regressed has none.
    pub(super) fn note_vote(&mut self, id: &NodeId, to: &NodeId, term: Term) {
        let disk = &self.hosts[id].disk;
        if !disk.has_regressed {
            let store = disk.id;
            self.ledger.votes.entry((term, to.clone())).or_default().insert(id.clone(), store);
        }
    }

    /// S5, S10: who leads was voted for by a quorum of those stores that have votes.
    pub(super) fn judge_won(&mut self, id: &NodeId) -> Broken {
        let host = &self.hosts[id];
        let votes = host.node()?.votes();
        let (term, members) = (votes.term(), votes.membership());
        let given = self.ledger.votes.remove(&(term, id.clone())).unwrap_or_default();
        // A vote that is under way counts as long as who asked for it still stands in its term, whoever leads later ones.
        let hosts = &self.hosts;
        self.ledger.votes.retain(|(of, candidate), _| {
            hosts.get(candidate).and_then(Host::node).is_some_and(|n| n.votes().term() <= *of)
        });
        let has_voted = |voter: &NodeId| {
            let store = if voter == id { Some(host.disk.id) } else { given.get(voter).copied() };
            store.is_some_and(|store| members.accepts(voter, store))
        };
        let is_won = members.is_quorum(has_voted);
        (!is_won).then(|| {
            (
                "S10",
                format!(
                    "{id} leads in term {term} by the votes of {given:?}, and the voters are {members:?}"
                ),
            )
        })
    }
}

fn before_names(members: Option<&(Term, NodeId, Membership)>) -> impl Iterator<Item = &NodeId> {
    members.into_iter().flat_map(|(_, _, members)| members.voters.keys())
}

fn is_called_off(state: &ClusterState, node: &NodeId) -> bool {
    state.node(node).is_some_and(|r| r.status == NodeStatus::Off)
}

/// A change of voters goes to a joint membership with the voters as they were, and from it to its own; a store that was
/// not known yet may be named beside it.
fn is_joint_step(before: &Membership, after: &Membership) -> bool {
    let is_same = || {
        before.voters.len() == after.voters.len()
            && before.voters.iter().all(|(n, s)| after.voters.get(n).is_some_and(|a| s.is_none() || a == s))
    };
    match (&before.outgoing, &after.outgoing) {
        (None, None) => is_same(),
        (None, Some(outgoing)) => *outgoing == before.voters,
        (Some(_), None) => is_same(),
        (Some(_), Some(_)) => before == after,
    }
}

#[cfg(test)]
mod tests {
    use super::is_joint_step;
    use ha_consensus::Membership;
    use ha_model::{NodeId, StoreId};
    use std::collections::BTreeMap;

    fn voters(names: &[&str]) -> BTreeMap<NodeId, Option<StoreId>> {
        names.iter().map(|n| (NodeId::from(*n), None)).collect()
    }

    fn of(names: &[&str], outgoing: Option<&[&str]>) -> Membership {
        Membership { voters: voters(names), outgoing: outgoing.map(voters), ..Membership::default() }
    }

    #[test]
    fn voters_change_by_a_joint_membership_only() {
        let (old, new) = (of(&["a", "b", "c"], None), of(&["a", "b", "d"], None));
        let joint = of(&["a", "b", "d"], Some(&["a", "b", "c"]));
        assert!(is_joint_step(&old, &joint) && is_joint_step(&joint, &new));
        assert!(!is_joint_step(&old, &new), "at once");
        assert!(!is_joint_step(&joint, &old), "back again");
        assert!(!is_joint_step(&of(&["a", "b", "e"], None), &joint), "not from there");
        let mut named = old.clone();
        named.voters.insert("a".into(), Some(StoreId(1)));
        assert!(is_joint_step(&old, &named), "a store is named");
        assert!(!is_joint_step(&named, &old), "a name is not taken back");
        let mut other = old.clone();
        other.voters.insert("a".into(), Some(StoreId(2)));
        assert!(!is_joint_step(&named, &other), "another store is another voter");
    }
}
