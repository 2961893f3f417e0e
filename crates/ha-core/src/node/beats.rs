//! Heartbeats in and out, and the grant at both ends.

use super::Node;
use crate::effect::Effect;
use crate::input::BeatIn;
use crate::message::BeatBody;
use ha_membership::{Beat, Hears, Judgement};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{ClusterConfig, Incarnation, NodeId, Now, Role};
use ha_scheduler::NodeStatus;
use std::time::Duration;

/// A node is said to be heard when its last heartbeat is at most so many intervals old: three, so that hearsay is
/// never older than the silence after which a leader acts on it.
const HEARD_BEATS: u32 = 3;

impl Node {
    pub(super) fn beat(&mut self, now: Now, beat: BeatIn) {
        let body = &beat.body;
        if self.is_over(&beat.from, body.incarnation) {
            self.heard_ended.insert(beat.from.clone(), beat.received_at);
            self.heard_after_its_end(now, &beat.from);
            if !self.is_condemned(&beat.from, body.incarnation) {
                return; // S18: nothing of a boot that is over counts, but that it speaks is known
            }
        }
        self.local.is_report_due |= sabotage::is(Sabotage::Chatter);
        let is_numbered_alike = body.positions == self.positions;
        let judged = self.membership.beat(&Beat {
            from: beat.from.clone(),
            link: beat.link,
            received_at: beat.received_at,
            sent_at: beat.sent_at,
            echo: beat.echo,
            ages: beat.ages,
            incarnation: body.incarnation,
            session: body.session,
            hears: is_numbered_alike.then_some(body.hears),
        });
        if judged != Judgement::Counts {
            return;
        }
        self.daemon_gone.remove(&beat.from);
        self.peer_streams.insert(beat.from.clone(), if is_numbered_alike { body.streams } else { 0 });
        let newest = self.core_acks.entry(beat.from.clone()).or_insert((body.incarnation, beat.sent_at));
        if newest.0 != body.incarnation || newest.1 < beat.sent_at {
            *newest = (body.incarnation, beat.sent_at);
        }
        self.raft.beat(now.boot, &beat.from, &body.votes, beat.sent_at);
        if body.granted == Some(self.setup.incarnation)
            && let Some(sent_at) = body.core_ack.filter(|at| *at <= now.boot)
            && let Some(t_grant) = self.t_grant()
        {
            let sent_at = if sabotage::is(Sabotage::GrantFromReceipt) { now.boot } else { sent_at };
            self.grant.extend(sent_at, t_grant);
        }
    }

    /// Whether a boot of a node is over or condemned.
    fn is_over(&self, node: &NodeId, incarnation: Incarnation) -> bool {
        self.state.node(node).is_some_and(|r| r.has_ended(incarnation))
    }

    /// Whether a boot is condemned and not proven off yet. It has no grant and no orders (S18), but its vote: were the
    /// votes of two of three refused, no leader could order their end.
    fn is_condemned(&self, node: &NodeId, incarnation: Incarnation) -> bool {
        self.state
            .node(node)
            .is_some_and(|r| r.status == NodeStatus::Condemned && r.incarnation == Some(incarnation))
    }

    /// The leader's side of the grant: to members in the boot that the log knows, nobody else (S18). Only a leader that
    /// leads surely grants.
    fn granted_to(&self, node: &NodeId) -> Option<Incarnation> {
        let lead = self.lead.as_ref()?;
        let record = self.state.node(node)?;
        if sabotage::is(Sabotage::GrantToEnded) {
            return record.incarnation;
        }
        let is_doubted = lead.is_lost_proposed(node);
        (record.status == NodeStatus::Member && !is_doubted).then_some(record.incarnation).flatten()
    }

    pub(super) fn grant_and_beats(&mut self, now: Now) {
        let timing = self.config.timing;
        let is_bold = self.lead.is_some() && sabotage::is(Sabotage::GrantWithoutLease);
        let may_grant = self.leads_surely(now) || is_bold;
        if may_grant
            && self.granted_to(&self.setup.me) == Some(self.setup.incarnation)
            && let Some(sent_at) = self.raft.lease_sent()
        {
            // Our own grant counts, as everybody's, from when the heartbeat was sent that a quorum acknowledged.
            self.grant.extend(sent_at, timing.t_grant);
        }
        if let Some(until) = self.grant.until().filter(|u| self.told_grant != Some(*u)) {
            self.told_grant = Some(until);
            self.out.push(Effect::Grant { until });
        }
        let hears = self.hears(now);
        let positions = self.positions;
        let streams = self.own_streams();
        let votes = self.raft.beat_parts(now.boot);
        let bodies = self
            .config
            .nodes
            .keys()
            .filter(|id| **id != self.setup.me)
            .map(|id| {
                let granted = self.granted_to(id).filter(|_| may_grant);
                // A grant counts from a time of the boot that it is for, or not at all.
                let core_ack = self.core_acks.get(id).filter(|(i, _)| granted.is_none_or(|g| g == *i));
                let body = BeatBody {
                    incarnation: self.setup.incarnation,
                    session: self.setup.session,
                    votes: votes(id),
                    positions,
                    hears,
                    streams,
                    core_ack: core_ack.map(|(_, at)| *at),
                    granted,
                };
                (id.clone(), body)
            })
            .collect();
        let is_urgent = std::mem::take(&mut self.is_beat_urgent);
        self.out.push(Effect::Beat { valid_until: now.boot + timing.core_age_max, bodies, is_urgent });
    }

    /// What the positions in [`Hears`] stand for: the nodes' names in order. No other change of the configuration makes
    /// a node deaf for those that have not applied it yet.
    pub(super) fn positions_in(config: &ClusterConfig) -> [u8; 4] {
        let names: Vec<&str> = config.nodes.keys().map(NodeId::as_str).collect();
        let [a, b, c, d, ..] = ha_config::sha256(names.join("\n").as_bytes());
        [a, b, c, d]
    }

    /// Of whom this node hears what.
    fn hears(&self, now: Now) -> Hears {
        let timing = self.config.timing;
        let mut hears = Hears::default();
        for (position, id) in self.config.nodes.keys().enumerate() {
            let bit = 1u32 << position;
            let sight = self.membership.sight(id, now.boot);
            let is_lately = |s: Duration| s <= timing.beat * HEARD_BEATS;
            let is_over = self.is_over_heard(now, id);
            if sight.silence.is_some_and(is_lately) && sight.is_present {
                hears.present |= bit;
            }
            if is_over {
                hears.over |= bit;
            }
            if is_over || sight.wordless.is_some_and(|s| s < timing.t_lost) {
                hears.any |= bit;
            }
            if sight.wordless.is_some_and(is_lately) {
                hears.lately |= bit;
            }
        }
        hears
    }

    /// Whether a boot of the node that is over was heard just now.
    fn is_over_heard(&self, now: Now, node: &NodeId) -> bool {
        self.heard_ended.get(node).is_some_and(|at| now.boot.since(*at) < self.config.timing.t_lost)
    }

    /// Whether we or others hear a boot of the node that is over.
    pub(super) fn is_over_heard_by_any(&self, now: Now, node: &NodeId) -> bool {
        let is_over = self.state.node(node).is_some_and(|r| r.status == NodeStatus::Off);
        is_over && (self.is_over_heard(now, node) || self.heard_over_by(now, node).is_some())
    }

    /// Who hears anything at all of a node: it is not off, whatever a human says (S7).
    pub(super) fn heard_by(&self, now: Now, node: &NodeId) -> Option<NodeId> {
        if self.membership.is_speaking(node, now.boot) || self.is_over_heard(now, node) {
            return Some(self.setup.me.clone());
        }
        self.others_that(node, |other, position| self.membership.is_noticed_by(other, position, now.boot))
    }

    /// Who else heard anything at all of a node, within the last few heartbeats: it was not off then (S7).
    pub(super) fn speaks_to(&self, now: Now, node: &NodeId) -> Option<NodeId> {
        self.others_that(node, |other, position| {
            self.membership.is_lately_noticed_by(other, position, now.boot)
        })
    }

    /// Who else hears a boot of a node that is over by the log.
    pub(super) fn heard_over_by(&self, now: Now, node: &NodeId) -> Option<NodeId> {
        self.others_that(node, |other, position| self.membership.is_heard_over_by(other, position, now.boot))
    }

    fn others_that(&self, node: &NodeId, hears: impl Fn(&NodeId, u32) -> bool) -> Option<NodeId> {
        let (position, _) = (0u32..).zip(self.config.nodes.keys()).find(|(_, id)| *id == node)?;
        let mut others = self.config.nodes.keys().filter(|id| *id != node && **id != self.setup.me);
        others.find(|o| hears(o, position)).cloned()
    }

    pub(super) fn is_member_role(&self, node: &NodeId) -> bool {
        self.config.nodes.get(node).is_some_and(|n| n.role == Role::Member)
    }
}
