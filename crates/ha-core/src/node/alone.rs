//! A node that cannot ask the leader: what it answers, and what it says of that.
//!
//! Invariant: what such a node answers is marked as its own view; it decides nothing.

use super::Node;
use super::admin::{Asker, Outcome};
use super::view::state_word;
use ha_membership::Presence;
use ha_model::{AdminReply, AdminRequest, InstanceId, NodeId, Notice, Now, OwnView, Phase};
use ha_scheduler::NodeStatus;

impl Node {
    /// Whether a request can be sent to a node, as far as is known: a stream that was cut stands for a while yet, its
    /// heartbeats tell sooner.
    pub(super) fn is_reachable(&self, now: Now, node: &NodeId) -> bool {
        let is_heard = match self.membership.presence(node, now.boot) {
            Presence::Present | Presence::NeverHeard => true,
            Presence::Silent { .. } | Presence::OneWay { .. } | Presence::Stalled { .. } => false,
        };
        is_heard && self.streams.contains(node)
    }

    /// Answers a question from what is known here, marked as such.
    pub(super) fn answer_alone(&mut self, now: Now, asker: Asker, question: AdminRequest, own: OwnView) {
        let Outcome::Reply(mut reply) = self.execute(now, "", question) else {
            unreachable!("a question proposes nothing")
        };
        match &mut reply {
            AdminReply::Status(view) => {
                view.own_view = Some(own);
            }
            AdminReply::Timeline { own_view, .. }
            | AdminReply::FenceHistory { own_view, .. }
            | AdminReply::Config { own_view, .. } => *own_view = Some(own),
            AdminReply::Done { .. }
            | AdminReply::Refused { .. }
            | AdminReply::Unavailable { .. }
            | AdminReply::FenceTest { .. } => {}
        }
        self.answer(asker, reply);
    }

    /// The mark of an answer that the leader could not be asked for.
    pub(super) fn own_view(&self, now: Now) -> OwnView {
        let leader = self.raft.leader().or_else(|| self.led_elsewhere(now)).filter(|l| **l != self.setup.me);
        let why = match leader {
            Some(leader) => format!("cannot reach the leader {leader}"),
            None if self.raft.is_leader() => "leadership has just moved here".to_owned(),
            None => "no leader is known here".to_owned(),
        };
        OwnView { node: self.setup.me.clone(), leader: leader.cloned(), why, position: self.applied }
    }

    /// What is known here of an instance that the log has on `node`, where that is less than the log says. Without a
    /// leader: of our own we know it, of those whom we do not hear nobody does. With one: the same of whom it never heard.
    pub(super) fn known_here(
        &self,
        now: Now,
        instance: &InstanceId,
        node: &NodeId,
    ) -> Option<(&'static str, Option<String>)> {
        let is_led = self.leader_now(now).is_some();
        if *node == self.setup.me {
            let state = self.local.state_of(instance).filter(|_| !is_led);
            return state.map(|state| (state_word(state), None));
        }
        let is_silent = match self.membership.presence(node, now.boot) {
            Presence::NeverHeard => self.state.node(node).is_some_and(|r| r.status == NodeStatus::Member),
            _ => !is_led && !self.membership.is_present(node, now.boot),
        };
        let why = format!("{node} has had it, and is not heard: whether it runs there is not known here");
        is_silent.then_some(("unknown", Some(why)))
    }

    /// The leader as far as is known here: one that neither we nor anybody we hear has heard lately is none.
    pub(super) fn leader_now(&self, now: Now) -> Option<&NodeId> {
        let is_heard = |leader: &&NodeId| {
            **leader == self.setup.me
                || matches!(
                    self.membership.presence(leader, now.boot),
                    Presence::Present | Presence::NeverHeard | Presence::Stalled { .. }
                )
                || self.heard_beside_us(now, leader).is_some()
        };
        self.raft.leader().filter(is_heard).or_else(|| self.led_elsewhere(now))
    }

    /// The newest leader of the log, where we do not hear it and others do: nobody was elected in its place, as far
    /// as we know.
    fn led_elsewhere(&self, now: Now) -> Option<&NodeId> {
        let newest = self.state.events.iter().rev().find_map(|event| match &event.notice {
            Notice::LeaderElected { leader, .. } => Some(leader),
            _ => None,
        });
        newest.filter(|l| **l != self.setup.me && self.heard_beside_us(now, l).is_some())
    }

    /// Another node that hears a node which we do not hear.
    fn heard_beside_us(&self, now: Now, node: &NodeId) -> Option<NodeId> {
        self.heard_by(now, node).filter(|by| *by != self.setup.me)
    }

    /// Whether too few voters are heard here for anybody to lead.
    pub(super) fn is_without_quorum(&self, now: Now) -> bool {
        matches!(self.phase(now), Phase::NoQuorum { heard, needed } if heard.len() < needed as usize)
    }

    /// What is missing where nobody leads, in one sentence.
    pub(super) fn why_no_leader(&self, now: Now) -> String {
        match self.phase(now) {
            Phase::NoQuorum { heard, needed } => {
                let names = heard.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let n = heard.len();
                if heard.len() >= needed as usize {
                    format!("no leader is elected yet ({names} hear each other); ask again in a moment")
                } else {
                    format!("no quorum: {n} of the {needed} voters needed are heard here ({names})")
                }
            }
            Phase::Forming { .. } | Phase::Active | Phase::Hold { .. } => {
                let own = self.own_view(now);
                let hearer = own.leader.as_ref().and_then(|leader| self.heard_beside_us(now, leader));
                match (own.leader, hearer) {
                    (Some(leader), Some(hearer)) => format!(
                        "the leader {leader} cannot be reached from {}, but {hearer} hears it: type the command there",
                        self.setup.me
                    ),
                    (Some(leader), None) => format!(
                        "the leader {leader} cannot be reached from {}: ask again in a moment, or type the command on another node",
                        self.setup.me
                    ),
                    (None, _) => format!("{}; ask again in a moment", own.why),
                }
            }
        }
    }
}

/// Whether a request only asks what is known, so that any node can answer it.
pub(super) fn is_question(request: &AdminRequest) -> bool {
    match request {
        AdminRequest::Status
        | AdminRequest::Timeline { .. }
        | AdminRequest::ConfigShow
        | AdminRequest::FenceHistory { .. } => true,
        AdminRequest::ConfigApply { .. }
        | AdminRequest::NodeStandby { .. }
        | AdminRequest::NodeOnline { .. }
        | AdminRequest::ResourceStart { .. }
        | AdminRequest::ResourceStop { .. }
        | AdminRequest::ResourceRestart { .. }
        | AdminRequest::ResourceMove { .. }
        | AdminRequest::ResourceCleanup { .. }
        | AdminRequest::FenceOff { .. }
        | AdminRequest::FenceOn { .. }
        | AdminRequest::FenceConfirm { .. }
        | AdminRequest::FenceTest { .. } => false,
    }
}
