//! L5: in a cluster that is well, one node hears or is heard badly, or its paths come and go. Whatever becomes of that
//! node, what runs on the others runs on, and they are not led anew again and again.
//!
//! Must not know: why a core did what it did; only what ran where, and who led.

use crate::world::{MS, S, World};
use ha_consensus::Role;
use ha_model::{InstanceId, NodeId};
use std::collections::BTreeSet;
use std::fmt;

/// How long it lasts.
const LASTS: u64 = 25 * S;
/// So many leaders may come and go meanwhile: the disturbed one may lead at first, and be asked to lead by who misses
/// somebody less than it does.
const LEADERS: u64 = 2;

/// What is wrong with the node.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Nobody hears it.
    Mute,
    /// It hears nobody.
    Deaf,
    /// One other does not hear it.
    MuteToOne,
    /// It does not hear one other.
    DeafToOne,
    /// Its paths to all come and go, each so many milliseconds.
    Flapping(u64),
    /// The path to one other comes and goes.
    FlappingToOne(u64),
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl World {
    /// One node is disturbed for a while; the others are judged. (A cluster that is well, of three nodes at least.)
    /// Where the others alone could not lead themselves they are not judged.
    pub(crate) fn disturb(&mut self) {
        if self.broken.is_some() || self.looks_away() || self.hosts.len() < 3 {
            return;
        }
        let names = self.names();
        let node = self.rng.pick(&names).clone();
        let period = self.rng.range(50, 3000);
        let how = *self.rng.pick(&[
            How::Mute,
            How::Deaf,
            How::MuteToOne,
            How::DeafToOne,
            How::Flapping(period),
            How::FlappingToOne(period),
        ]);
        self.tell(format!("DISTURB {node}: {how}"));
        let others: Vec<_> = names.into_iter().filter(|n| *n != node).collect();
        let one = self.rng.pick(&others).clone();
        for other in &others {
            match how {
                How::Mute => self.net.cut(&node, other, None),
                How::Deaf => self.net.cut(other, &node, None),
                How::MuteToOne if *other == one => self.net.cut(&node, other, None),
                How::DeafToOne if *other == one => self.net.cut(other, &node, None),
                How::Flapping(ms) => self.net.flap(&node, other, None, ms * MS),
                How::FlappingToOne(ms) if *other == one => self.net.flap(&node, other, None, ms * MS),
                How::MuteToOne | How::DeafToOne | How::FlappingToOne(_) => {}
            }
        }
        // A path has two ends: either may be taken for the one that is disturbed.
        let mut ends = vec![self.with_supply(&node)];
        if matches!(how, How::MuteToOne | How::DeafToOne | How::FlappingToOne(_)) {
            ends.push(self.with_supply(&one));
        }
        let is_led = ends.iter().all(|end| self.is_quorum_without(end));
        let disturbed: BTreeSet<_> = ends.into_iter().flatten().collect();
        let (before, leaders) = (self.undisturbed(&disturbed), self.tally.leader_changes);
        let begun = self.ledger.begun.clone();
        let end = self.t + LASTS;
        self.run_until(end, |_| false);
        let after = self.undisturbed(&disturbed);
        let moved = before.iter().find(|(host, instance)| {
            let is_begun_anew = self.ledger.begun.get(instance) != begun.get(instance);
            is_begun_anew || !after.contains(&(host.clone(), instance.clone()))
        });
        if let Some((host, instance)) = moved.filter(|_| is_led) {
            self.fail(
                "L5",
                format!("{instance} did not run on undisturbed on {host}, while {disturbed:?} were: {how}"),
            );
        }
        let led = self.tally.leader_changes - leaders;
        self.tell(format!("{led} new leaders meanwhile"));
        if led > LEADERS && is_led {
            self.fail(
                "L5",
                format!("{led} new leaders in {} s, while {disturbed:?} were disturbed: {how}", LASTS / S),
            );
        }
        self.tally.disturbed += u64::from(is_led && !before.is_empty());
        self.net.heal();
    }

    /// The node, and whom one cuts with it.
    pub(crate) fn with_supply(&self, node: &NodeId) -> BTreeSet<NodeId> {
        let pair: BTreeSet<NodeId> = ["n1", "n2"].map(NodeId::from).into();
        if self.shape.is_supply_shared && pair.contains(node) { pair } else { BTreeSet::from([node.clone()]) }
    }

    /// Whether the others have votes enough: a voter whose disk was replaced may not have been let in again.
    fn is_quorum_without(&self, nodes: &BTreeSet<NodeId>) -> bool {
        let Some(leader) = self.leaders_now().first().and_then(|l| self.hosts[l].node()) else {
            return false;
        };
        let members = leader.votes().membership();
        let votes = |id: &NodeId| {
            let role = self.hosts[id].node().map(|n| n.votes().role());
            role.is_some_and(|r| !matches!(r, Role::Learner | Role::Failed))
        };
        members.is_quorum(|id| !nodes.contains(id) && votes(id))
    }

    /// What runs on the others.
    fn undisturbed(&self, disturbed: &BTreeSet<NodeId>) -> BTreeSet<(NodeId, InstanceId)> {
        let others = self.hosts.iter().filter(|(id, _)| !disturbed.contains(*id));
        others.flat_map(|(id, host)| host.running.iter().map(|i| (id.clone(), i.clone()))).collect()
    }
}
