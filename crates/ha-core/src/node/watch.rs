//! The leader watches the nodes: joined, lost, returned; and hands leadership over where it alone loses a node.

use super::Node;
use super::lead::Key;
use crate::message::PeerMessage;
use crate::state::NodeRecord;
use ha_membership::Presence;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, Entry, Incarnation, LostReason, NodeId, Now, SessionId};
use ha_scheduler::NodeStatus;
use std::sync::Arc;
use std::time::Duration;

/// A hand-over lasts for one `t_lost` at most, and for as long nobody is granted anything: for one more this leader leads
/// before the next, or grants would end with nobody lost.
const HANDOVER_PAUSE: u32 = 2;

/// For so many `t_lost` nobody is asked again who did not take over, or could not.
const UNFIT: u32 = 10;

/// For so many `t_lost` leadership is not handed over on account of the same node again, neither by who did nor by who
/// took over.
const HANDED_OVER: u32 = 60;

/// A node that others still hear is lost for the leader all the same after so many `t_lost`, when leadership could
/// not be moved to one of them.
const HEARSAY_LIMIT: u32 = 3;

impl Node {
    pub(super) fn watch_nodes(&mut self, now: Now) {
        let awaited = self.awaited(now);
        if let Some(lead) = &mut self.lead
            && lead.awaited != awaited
        {
            lead.awaited = awaited;
            lead.is_dirty = true;
        }
        if let Some(lead) = &mut self.lead
            && !lead.awaited.is_empty()
        {
            lead.replan_by(now.boot, lead.since + self.config.timing.startup_wait);
        }
        let config = Arc::clone(&self.config);
        for (position, id) in (0u32..).zip(config.nodes.keys()) {
            if *id == self.setup.me {
                self.watch_self(now);
            } else {
                self.watch_node(now, id, position);
            }
        }
    }

    fn watch_self(&mut self, now: Now) {
        let me = self.setup.me.clone();
        let life = (self.setup.incarnation, self.setup.session);
        let unseen = NodeRecord::default();
        let record = self.state.node(&me).unwrap_or(&unseen);
        let is_joined = record.status == NodeStatus::Member
            && (record.incarnation, record.session) == (Some(life.0), Some(life.1));
        if is_joined || record.has_ended(life.0) {
            return;
        }
        if record.status == NodeStatus::Lost && record.incarnation == Some(life.0) {
            self.propose(
                now,
                Key::Returned(me.clone()),
                Entry::NodeReturned { node: me, incarnation: life.0 },
            );
        } else {
            self.propose_joined(now, &me, life);
        }
    }

    fn propose_joined(&mut self, now: Now, node: &NodeId, (incarnation, session): (Incarnation, SessionId)) {
        let entry = Entry::NodeJoined { node: node.clone(), incarnation, session };
        self.propose(now, Key::Joined(node.clone()), entry);
    }

    fn watch_node(&mut self, now: Now, id: &NodeId, position: u32) {
        let unseen = NodeRecord::default();
        let record = self.state.node(id).unwrap_or(&unseen);
        let (status, incarnation, session) = (record.status, record.incarnation, record.session);
        let presence = self.membership.presence(id, now.boot);
        let life = self
            .membership
            .life(id)
            .filter(|(i, _)| !record.has_ended(*i) || sabotage::is(Sabotage::RejoinOldBoot));
        // A boot or session other than the log's is a newer one only if it lived after that was applied: of an older
        // one we may have heard the last word just before.
        let applied = self.life_applied.get(id);
        let is_newest = applied.is_none_or(|at| self.membership.lived_after(id).is_some_and(|l| l > *at));
        let is_known =
            |life: &(Incarnation, SessionId)| (Some(life.0), Some(life.1)) == (incarnation, session);
        let life = life.filter(|l| is_newest || is_known(l));
        match (status, presence) {
            (NodeStatus::Member, Presence::Present) => {
                if let Some(life) = life.filter(|l| !is_known(l)) {
                    self.propose_joined(now, id, life);
                }
                self.hand_over_if_alone(now, id, position);
            }
            (NodeStatus::Member, Presence::NeverHeard) => {
                let end = self.formation_ends().unwrap_or(now.boot);
                let is_elsewhere = self.is_heard_elsewhere(now, id, position);
                let hearsay_ends = end + self.config.timing.t_lost * HEARSAY_LIMIT;
                if is_elsewhere && now.boot < hearsay_ends {
                    self.hand_over_if_alone(now, id, position);
                } else if now.boot >= end && !self.membership.is_arriving(id, now.boot) {
                    self.propose_lost(now, id, incarnation, LostReason::NeverSeen);
                }
            }
            (NodeStatus::Member, absent) => {
                let silence = self.membership.silence(id, now.boot).unwrap_or(Duration::MAX);
                let is_elsewhere = self.is_heard_elsewhere(now, id, position);
                if is_elsewhere && silence < self.config.timing.t_lost * HEARSAY_LIMIT {
                    self.hand_over_if_alone(now, id, position);
                    return;
                }
                if let Some(why) =
                    self.why_lost(now, id, absent).filter(|_| !sabotage::is(Sabotage::NeverLost))
                {
                    self.propose_lost(now, id, incarnation, why);
                }
            }
            (NodeStatus::Lost, Presence::Present) => match life {
                Some((lives, _)) if incarnation == Some(lives) => {
                    let entry = Entry::NodeReturned { node: id.clone(), incarnation: lives };
                    self.propose(now, Key::Returned(id.clone()), entry);
                }
                Some(life) => self.propose_joined(now, id, life),
                None => {}
            },
            (
                NodeStatus::Unseen | NodeStatus::Left | NodeStatus::Off | NodeStatus::Condemned,
                Presence::Present,
            ) => {
                if let Some(life) = life {
                    self.propose_joined(now, id, life);
                }
            }
            (
                NodeStatus::Unseen
                | NodeStatus::Lost
                | NodeStatus::Left
                | NodeStatus::Off
                | NodeStatus::Condemned,
                Presence::NeverHeard
                | Presence::Silent { .. }
                | Presence::OneWay { .. }
                | Presence::Stalled { .. },
            ) => {}
        }
        if status == NodeStatus::Off && self.heard_over_by(now, id).is_some() {
            self.heard_after_its_end(now, id);
        }
    }

    fn propose_lost(&mut self, now: Now, id: &NodeId, incarnation: Option<Incarnation>, why: LostReason) {
        let entry = Entry::NodeLost { node: id.clone(), incarnation, why };
        if self.propose(now, Key::Lost(id.clone()), entry).is_some() {
            self.is_beat_urgent = true; // stop granting at once
        }
    }

    /// Why an absent node is lost; `None` while its daemon's grace runs.
    fn why_lost(&mut self, now: Now, id: &NodeId, presence: Presence) -> Option<LostReason> {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        match presence {
            Presence::Present | Presence::NeverHeard => None,
            Presence::OneWay { .. } => Some(LostReason::OneWay),
            Presence::Stalled { what, age } => Some(LostReason::Stalled { what, age_ms: ms(age) }),
            Presence::Silent { for_ } => match self.daemon_gone.get(id) {
                Some(gone) => {
                    let is_hasty = sabotage::is(Sabotage::NoDaemonGrace);
                    let grace = if is_hasty { Duration::ZERO } else { self.config.timing.daemon_grace };
                    let grace_ends = *gone + grace;
                    if now.boot >= grace_ends {
                        return Some(LostReason::DaemonGone);
                    }
                    if let Some(lead) = &mut self.lead {
                        lead.replan_by(now.boot, grace_ends);
                    }
                    None
                }
                None => Some(LostReason::Silent { for_ms: ms(for_) }),
            },
        }
    }

    fn hearers<'a>(&'a self, now: Now, id: &'a NodeId, position: u32) -> impl Iterator<Item = NodeId> + 'a {
        let voters = self.raft.membership().voter_nodes();
        voters.into_iter().filter(move |v| {
            // Who is condemned may be cut at any moment: it is not to lead.
            let may_lead = self.state.node(v).is_none_or(|r| r.status != NodeStatus::Condemned);
            let hears = self.membership.is_heard_by(v, position, now.boot)
                || sabotage::is(Sabotage::HandOverToTheDeaf);
            *v != self.setup.me && v != id && may_lead && hears
        })
    }

    fn is_heard_elsewhere(&self, now: Now, id: &NodeId, position: u32) -> bool {
        self.hearers(now, id, position).next().is_some()
    }

    /// Before `t_lost`: somebody who still hears the node shall lead, and nobody is fenced for our deafness.
    fn hand_over_if_alone(&mut self, now: Now, id: &NodeId, position: u32) {
        if sabotage::is(Sabotage::NoHandOver) {
            return;
        }
        let timing = self.config.timing;
        // One heartbeat more: another may have heard its last one later than we did, and tells of it for so long.
        let after = timing.handover_after + timing.beat;
        let since = self.lead.as_ref().map_or(now.boot, |l| l.since);
        let silence = self.membership.silence(id, now.boot).unwrap_or_else(|| now.boot.since(since));
        if silence < after || self.membership.is_arriving(id, now.boot) {
            return;
        }
        let Some(lead) = &self.lead else { return };
        let is_too_soon = |not_before: &BootNs| now.boot < *not_before;
        if lead.handover_at.values().any(is_too_soon) || self.handed_over.get(id).is_some_and(is_too_soon) {
            return;
        }
        let is_fit = |v: &NodeId| lead.unfit.get(v).is_none_or(|until| now.boot >= *until);
        let mut hearers: Vec<_> = self.hearers(now, id, position).filter(is_fit).collect();
        // Who misses fewest others comes first: it need not hand over again.
        hearers.sort_by_key(|v| self.raft.deafness(v));
        for to in hearers {
            // One that takes over ends this leadership, and all that is remembered here. A refusal (it is barred, or
            // silent now) changes nothing: the next one is asked.
            let is_begun = self.raft.transfer(now.boot, &to).is_ok();
            let Some(lead) = &mut self.lead else { return };
            lead.unfit.insert(to.clone(), now.boot + timing.t_lost * UNFIT);
            if is_begun {
                lead.handover_at.insert(id.clone(), now.boot + timing.t_lost * HANDOVER_PAUSE);
                self.send(&to, PeerMessage::HandsOver { missed: id.clone() });
                return;
            }
        }
    }

    /// Whoever is missed here by one and there by another is not healthy, but comes and goes: once it is a reason to hand
    /// over, not again and again (L5).
    pub(super) fn note_hand_over(&mut self, now: Now, missed: NodeId) {
        if self.config.nodes.contains_key(&missed) {
            self.handed_over.insert(missed, now.boot + self.config.timing.t_lost * HANDED_OVER);
        }
    }
}
