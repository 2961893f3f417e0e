//! What a node warns of, for as long as it is so.
//!
//! A warning stands in `status`, and is told to the journal when it begins. Invariant: bounded; one for each thing that
//! can be wrong, not one for each time that it is noticed.

use super::Node;
use crate::effect::Effect;
use ha_consensus::{BarReason, NoVote};
use ha_model::{InstanceId, InstanceState, Level, NodeId, Notice, Now};
use std::collections::BTreeMap;

/// Warnings kept: one per kind of trouble that a node can have, with room.
const WARNINGS_MAX: usize = 16;

/// What a warning is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub(super) enum About {
    /// A shell told of it; it is over when the daemon is started anew.
    Shell(String),
    /// The cluster file of a node, until a configuration is in force.
    FileOf(NodeId),
    /// A boot that is over speaks.
    OverHeard(NodeId),
    /// A voter's vote does not count.
    VoteOf(NodeId),
    /// What no configuration names is active on a node.
    Unnamed(InstanceId, NodeId),
    /// Our own vote does not count; until we vote again, or no vote of ours is counted on.
    OwnVote,
    /// Our own watchdog.
    Watchdog,
    /// Our own disk; until the daemon is started anew.
    Disk,
}

/// The warnings that stand.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Warnings {
    standing: BTreeMap<About, (Level, String)>,
    /// Why our own vote does not count, while it does not.
    no_vote: Option<NoVote>,
}

impl Warnings {
    pub fn list(&self) -> Vec<(Level, String)> {
        self.standing.values().cloned().collect()
    }
}

impl Node {
    pub(super) fn warn(&mut self, about: About, level: Level, text: String) {
        let is_known = self.warnings.standing.get(&about).is_some_and(|(_, t)| *t == text);
        let is_full =
            self.warnings.standing.len() >= WARNINGS_MAX && !self.warnings.standing.contains_key(&about);
        if is_known {
            return;
        }
        self.out.push(Effect::TellLocal(Notice::Local { level, text: text.clone() }));
        if !is_full {
            self.warnings.standing.insert(about, (level, text));
            self.local.is_report_due = true;
        }
    }

    /// Takes back what is not so any more.
    pub(super) fn end_warnings(&mut self, now: Now) {
        if self.raft.hard_state().no_vote {
            self.warn_of_own_vote();
        } else {
            self.warnings.no_vote = None;
        }
        let standing: Vec<About> = self.warnings.standing.keys().cloned().collect();
        for about in standing {
            let is_over = match &about {
                About::Shell(_) | About::Disk => false,
                About::OwnVote => !self.raft.hard_state().no_vote || !self.is_counted_on(),
                About::Watchdog => !self.watchdog.is_missing() || self.watchdog_named().is_none(),
                About::FileOf(_) => self.state.config.is_some(),
                About::OverHeard(node) => !self.is_over_heard_by_any(now, node),
                About::Unnamed(instance, node) => {
                    let record = self.state.instances.get(instance).and_then(|n| n.get(node));
                    self.spec_of(instance).is_some()
                        || record.is_none_or(|r| r.state() == InstanceState::Stopped)
                }
                About::VoteOf(node) => self.raft.barred(node).is_none(),
            };
            if is_over {
                self.warnings.standing.remove(&about);
                self.local.is_report_due = true;
            }
        }
    }

    pub(super) fn warn_of_vote(&mut self, node: NodeId, why: BarReason) {
        let what = match why {
            BarReason::OtherStore => "its data directory is not the one that was let in",
            BarReason::Regressed => {
                "its data directory is older than what it had promised (a copy was restored?)"
            }
        };
        let text = format!("the vote of {node} does not count: {what}; the others must go on without it");
        self.warn(About::VoteOf(node), Level::Alarm, text);
    }

    /// Whether the members count on a vote of ours; who was voted out needs none, and misses none.
    fn is_counted_on(&self) -> bool {
        self.raft.membership().is_voter(&self.setup.me)
    }

    /// Told when it comes; whether anybody counts on our vote can change later.
    pub(super) fn note_no_vote(&mut self, why: NoVote) {
        self.warnings.no_vote = Some(why);
        self.warn_of_own_vote();
    }

    fn warn_of_own_vote(&mut self) {
        let membership = self.raft.membership();
        let is_counted_on = self.is_counted_on();
        let what = match self.warnings.no_vote {
            Some(NoVote::StoreLost) if is_counted_on => "its data directory was damaged, empty or new",
            Some(NoVote::PutBack) if is_counted_on => {
                "its data directory is older than what it had promised (a copy was restored?)"
            }
            // The failed write was told with it.
            Some(NoVote::StoreLost | NoVote::PutBack | NoVote::WriteFailed) | None => return,
        };
        let me = &self.setup.me;
        let way_out = if membership.learners.is_empty() {
            "no member without a vote is there to vote in its place".to_owned()
        } else {
            format!("to let a member without a vote vote in its place: hactl fence off {me}")
        };
        let text = format!("this node has no vote: {what}; it follows the others' log; {way_out}");
        self.warn(About::OwnVote, Level::Alarm, text);
    }
}
