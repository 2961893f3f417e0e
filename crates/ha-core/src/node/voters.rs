//! Who votes after a fence: a voter that is proven off makes room for a learner that has the log, so that the next loss
//! finds a whole set of voters. It comes back as a learner. The number of voters stays as it is, odd (S10).

use super::Node;
use ha_consensus::{Membership, Voter, VoterSet};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{Level, NodeId, Notice, Now};
use ha_scheduler::NodeStatus;

impl Node {
    pub(super) fn swap_voters(&mut self, now: Now) {
        let membership = self.raft.membership();
        if membership.is_joint() || membership.learners.is_empty() {
            return;
        }
        let is_out = |status| {
            status == NodeStatus::Off || (status == NodeStatus::Lost && sabotage::is(Sabotage::SwapUnproven))
        };
        let is_off = |n: &&NodeId| self.state.node(n).is_some_and(|r| is_out(r.status));
        let takes_part = |n: &&NodeId| {
            self.state.node(n).is_some_and(|r| r.status == NodeStatus::Member)
                && self.membership.is_present(n, now.boot)
        };
        let Some(off) = membership.voters.keys().find(is_off) else { return };
        let ready = membership.learners.iter().filter(takes_part);
        let sets: Vec<_> = ready.map(|learner| swapped(membership, off, learner)).collect();
        // Refused while another change is under way, or for a learner that lacks some of the log: the next is tried, and all
        // of them again with the next step.
        let _ = sets.into_iter().find_map(|set| self.raft.change_voters(now.boot, set).ok());
    }

    pub(super) fn voters_changed(&mut self, membership: &Membership) {
        if membership.is_joint() {
            return;
        }
        let names = |all: Vec<&NodeId>| all.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ");
        let voters = names(membership.voters.keys().collect());
        let text = match membership.learners.len() {
            0 => format!("voters are {voters}"),
            _ => format!(
                "voters are {voters}; without a vote: {}",
                names(membership.learners.iter().collect())
            ),
        };
        self.out.push(crate::Effect::TellLocal(Notice::Local { level: Level::Info, text }));
    }
}

fn swapped(membership: &Membership, out: &NodeId, into: &NodeId) -> VoterSet {
    let stay = membership.voters.keys().filter(|n| *n != out).chain([into]);
    VoterSet {
        voters: stay.map(|n| Voter { node: n.clone(), store: None }).collect(),
        learners: membership.learners.iter().filter(|n| *n != into).chain([out]).cloned().collect(),
    }
}
