//! The leader plans, permits and orders. Only actions without an unfinished predecessor are issued; every result
//! comes back as an observation and a new plan is made from that (S11).

use super::Node;
use super::lead::Key;
use super::warnings::About;
use crate::message::{Order, OrderOp, PeerMessage, Report};
use crate::state::{ClusterState, Overlay};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{
    ClusterConfig, Entry, FenceReason, Incarnation, InstanceId, InstanceState, Level, NodeId, Now, ObjectId,
    OrderStamp, ResourceConfig, ResourceId, SessionId,
};
use ha_scheduler::{Action, ActionKind, History, NodeStatus};
use std::collections::BTreeSet;

/// An order that waits for its turn: orders to one node leave in the order of their numbers, so that none is
/// overtaken and refused.
#[derive(Clone, PartialEq, Debug, Hash)]
pub(super) struct QueuedOrder {
    pub order: Order,
    /// A start waits until its permission is applied.
    pub needs_permission: bool,
    pub is_sent: bool,
}

impl Node {
    pub(super) fn plan_if_due(&mut self, now: Now) {
        let Some(lead) = &mut self.lead else { return };
        if lead.replan_at.is_some_and(|t| now.boot >= t) {
            lead.replan_at = None;
            lead.is_dirty = true;
        }
        if !std::mem::take(&mut lead.is_dirty) {
            return;
        }
        let overlay = Overlay {
            ready: lead.ready.keys().cloned().collect(),
            awaited: lead.awaited.clone(),
            in_flight: lead.in_flight.keys().cloned().collect::<BTreeSet<_>>(),
        };
        let Some(snapshot) = self.state.snapshot(now.wall, &overlay) else { return };
        if let Some(wall) = self.state.next_expiry(&self.config, now.wall) {
            let ms = u64::try_from(wall.0 - now.wall.0).unwrap_or(0) + 1;
            let at = now.boot + std::time::Duration::from_millis(ms);
            let lead = self.lead.as_mut().expect("checked above");
            lead.replan_by(now.boot, at);
        }
        let history = History { last_ran: self.state.last_ran.clone() };
        let Some(plan) = self.plan_guarded(now, &snapshot, &history) else { return };
        let lead = self.lead.as_mut().expect("checked above");
        lead.report = plan.report.clone();
        let blocked: BTreeSet<u32> = plan.edges.iter().map(|(_, after)| after.0).collect();
        let roots = (0u32..).zip(&plan.actions).filter(|(i, _)| !blocked.contains(i));
        // A forming cluster places everything at once, when it knows all its members, or not at all.
        let is_forming = self.is_forming();
        let roots = roots.filter(|(_, a)| !(is_forming && a.kind == ActionKind::Start));
        for action in roots.map(|(_, a)| a.clone()).collect::<Vec<_>>() {
            let pause = action.instance.as_ref().and_then(|i| self.start_pause(now, i, &action.node));
            if let (ActionKind::Start, Some((until, _)), Some(lead)) = (&action.kind, pause, &mut self.lead) {
                lead.replan_by(now.boot, until);
                continue;
            }
            self.issue(now, &action);
        }
    }

    /// What has ended by our clock has ended for good: the next leader's may be behind it.
    pub(super) fn end_what_expired(&mut self, now: Now) {
        if self.state.has_expired(&self.config, now.wall) {
            self.propose(now, Key::Expired, Entry::Expired);
        }
    }

    pub(super) fn issue(&mut self, now: Now, action: &Action) {
        match (&action.kind, &action.instance) {
            (ActionKind::Fence { reason }, _) => self.request_fence(now, &action.node, reason.clone()),
            (ActionKind::Probe, Some(instance)) => self.queue_order(now, action, instance, OrderOp::Probe),
            (ActionKind::Start, Some(instance)) => self.queue_order(now, action, instance, OrderOp::Start),
            (ActionKind::Stop, Some(instance)) => self.queue_order(now, action, instance, OrderOp::Stop),
            // A plan with any other was refused before.
            _ => {}
        }
    }

    pub(super) fn request_fence(&mut self, now: Now, node: &NodeId, reason: FenceReason) {
        let incarnation = self.state.node(node).and_then(|r| r.incarnation);
        let entry = Entry::FenceRequested { target: node.clone(), incarnation, reason };
        let is_asked = self.propose(now, Key::Fence(node.clone()), entry).is_some();
        if is_asked && sabotage::is(Sabotage::CutWithoutRequest) {
            self.cut_at_once(now, node);
        }
    }

    fn queue_order(&mut self, now: Now, action: &Action, instance: &InstanceId, op: OrderOp) {
        let node = &action.node;
        let Some(spec) = self.config.resources.get(&ResourceId::from(instance.as_str())).cloned() else {
            // The guard of configurations keeps what runs configured; an order needs its agent and options.
            let text = format!(
                "{instance} is active on {node}, and no configuration names it: stop it there by hand"
            );
            self.warn(About::Unnamed(instance.clone(), node.clone()), Level::Warning, text);
            return;
        };
        if op == OrderOp::Start && spec.objects.is_empty() && self.may_change_soon() {
            return; // planned again as soon as that is applied
        }
        let Some((incarnation, session)) = self.life_of(node) else { return };
        let key = (node.clone(), instance.clone());
        let Some(lead) = &mut self.lead else { return };
        if lead.in_flight.contains_key(&key) {
            return;
        }
        lead.plan_no = lead.plan_no.next();
        let stamp = OrderStamp { term: lead.term, plan: lead.plan_no, incarnation, session };
        let objects = spec.objects.clone();
        let needs_permission = op == OrderOp::Start && !objects.is_empty();
        let was_permitted = self.state.may_run.values().any(|m| m.instance == *instance && m.node == *node);
        let is_address_free = self.state.is_shown_free(instance);
        let order = Order { stamp, instance: instance.clone(), op, spec, was_permitted, is_address_free };
        let queued = QueuedOrder { order, needs_permission, is_sent: false };
        lead.queue.entry(node.clone()).or_default().push_back(queued.clone());
        lead.in_flight.insert(key, (stamp, queued));
        if needs_permission {
            let entry =
                Entry::MayRun { objects, instance: instance.clone(), node: node.clone(), incarnation, stamp };
            self.propose(now, Key::MayRun(node.clone(), instance.clone()), entry);
        }
    }

    /// A request is proposed and not applied yet: it may be a configuration. The log checks the permission of what is
    /// exclusive; what needs none is not started from what may be no more in force when it starts.
    fn may_change_soon(&self) -> bool {
        self.lead.as_ref().is_some_and(|l| l.proposed.keys().any(|k| matches!(k, Key::Admin(_))))
    }

    /// Why a configuration must wait for what the log does not know: a start of what needs no permission, under way,
    /// by us or by a leader before us.
    pub(super) fn why_not_yet(&self, new: &ClusterConfig) -> Option<(String, String)> {
        let lead = self.lead.as_ref()?;
        let again = "apply it again in a moment".to_owned();
        let changed =
            self.config.resources.iter().filter(|(id, r)| {
                r.objects.is_empty() && !new.resources.get(*id).is_some_and(|n| n.runs_as(r))
            });
        for (id, _) in changed {
            let is_start = |q: &QueuedOrder| q.order.op == OrderOp::Start;
            let mut under_way = lead.in_flight.iter().filter(|(_, (_, q))| is_start(q));
            if let Some(((node, _), _)) = under_way.find(|((_, i), _)| i.as_str() == id.as_str()) {
                return Some((format!("{id} is just being started on {node}"), again));
            }
            let mut members = self.config.members().filter(|n| self.life_of(n).is_some());
            if let Some(node) = members.find(|n| !lead.ready.contains_key(*n)) {
                return Some((format!("{node} has not said yet whether {id} runs there"), again));
            }
        }
        None
    }

    fn life_of(&self, node: &NodeId) -> Option<(Incarnation, SessionId)> {
        let record = self.state.node(node).filter(|r| r.status == NodeStatus::Member)?;
        Some((record.incarnation?, record.session?))
    }

    /// Sends what may leave, node by node in order of numbers.
    pub(super) fn send_orders(&mut self, _now: Now) {
        let Some(lead) = &mut self.lead else { return };
        let mut to_send = Vec::new();
        for (node, queue) in &mut lead.queue {
            while let Some(head) = queue.front() {
                let order = &head.order;
                let key = Key::MayRun(node.clone(), order.instance.clone());
                let is_sabotaged = sabotage::is(Sabotage::StartBeforePermission);
                if head.needs_permission && lead.proposed.contains_key(&key) && !is_sabotaged {
                    break;
                }
                let has = |object: &ObjectId| {
                    self.state.may_run.get(object).is_some_and(|m| {
                        m.stamp == order.stamp && m.node == *node && m.instance == order.instance
                    })
                };
                if head.needs_permission && !order.spec.objects.iter().all(has) && !is_sabotaged {
                    // The log refused the permission (S17): the order is void, the next plan decides anew.
                    lead.in_flight.remove(&(node.clone(), order.instance.clone()));
                    lead.is_dirty = true;
                    queue.pop_front();
                    continue;
                }
                let mut order = order.clone();
                let spec = self.config.resources.get(&ResourceId::from(order.instance.as_str()));
                let is_other = |s: &ResourceConfig| !s.runs_as(&order.spec);
                let is_first_gone = || !is_first_there(&self.config, &self.state, node, &order.instance);
                if let (true, Some(spec)) = (head.needs_permission, spec)
                    && (is_other(spec) || is_first_gone())
                {
                    // A configuration came in before the permission, or the one before it in its group has ended: what was
                    // planned is not so any more. Nothing was started; a stop says so, and closes the permission.
                    (order.op, order.spec) = (OrderOp::Stop, spec.clone());
                }
                if let Some((_, queued)) = lead.in_flight.get_mut(&(node.clone(), order.instance.clone())) {
                    (queued.is_sent, queued.order) = (true, order.clone());
                }
                to_send.push((node.clone(), order));
                queue.pop_front();
            }
        }
        lead.queue.retain(|_, q| !q.is_empty());
        for (node, order) in to_send {
            self.send(&node, PeerMessage::Order(order));
        }
    }

    /// A stream to the node is new: what was sent may be lost; sent again, it is acted on once.
    pub(super) fn stream_is_new(&mut self, now: Now, node: &NodeId) {
        self.local.is_report_due = true;
        self.repeat_tests(now, node);
        let Some(lead) = &self.lead else { return };
        let mut again: Vec<Order> = lead
            .in_flight
            .iter()
            .filter(|((n, _), (_, q))| n == node && q.is_sent)
            .map(|(_, (_, q))| q.order.clone())
            .collect();
        again.sort_by_key(|o| o.stamp.age_key());
        for order in again {
            self.send(node, PeerMessage::Order(order));
        }
    }

    /// Asks the members that have not reported in this term.
    pub(super) fn ask_for_reports(&mut self, now: Now) {
        let pause = self.config.timing.t_lost / 4;
        let Some(lead) = &mut self.lead else { return };
        let term = lead.term;
        let mut to_ask = Vec::new();
        for (node, record) in &self.state.nodes {
            let is_silent = record.status == NodeStatus::Member
                && (!lead.ready.contains_key(node) || lead.unheard.contains(node));
            let is_due = lead.asked.get(node).is_none_or(|t| now.boot.since(*t) >= pause);
            if is_silent && is_due {
                lead.asked.insert(node.clone(), now.boot);
                to_ask.push(node.clone());
            }
        }
        for node in to_ask {
            self.send(&node, PeerMessage::ReportWanted { term });
        }
    }

    /// A node's report: what is new is committed, permissions close with it.
    pub(super) fn report(&mut self, now: Now, from: &NodeId, report: Report) {
        let Some(lead) = &mut self.lead else { return };
        if report.term != lead.term || !lead.is_serving {
            return;
        }
        let Some(record) = self.state.nodes.get(from) else { return };
        let is_heard = record.status == NodeStatus::Condemned && sabotage::is(Sabotage::HearTheCondemned);
        let is_life = (record.status == NodeStatus::Member || is_heard)
            && (record.incarnation, record.session) == (Some(report.incarnation), Some(report.session));
        if !is_life {
            return;
        }
        lead.warnings.insert(from.clone(), report.warnings.clone());
        self.hear_of_watchdog(now, from, report.watchdog.as_ref());
        let (Some(lead), Some(record)) = (&mut self.lead, self.state.nodes.get(from)) else { return };
        let changed: Vec<_> = report
            .instances
            .iter()
            .filter(|(instance, observed)| {
                let known = self.state.instances.get(instance).and_then(|n| n.get(from));
                let is_known = known.is_some_and(|k| {
                    k.session == report.session
                        && k.observation == observed.observation
                        && k.failures == observed.failures
                });
                let may_close = observed.observation.state == InstanceState::Stopped
                    && self.state.may_run.values().any(|m| m.instance == *instance && m.node == *from);
                !is_known || may_close
            })
            .cloned()
            .collect();
        let is_older = report.seq <= record.report_seq;
        // S11: no plan is made of what the node was before its first report in this term.
        if (is_older || changed.is_empty())
            && lead.ready.insert(from.clone(), report.session) != Some(report.session)
        {
            lead.is_dirty = true;
        }
        let is_news = !changed.is_empty() || report.acted > record.acted;
        if is_older || !is_news {
            lead.unheard.remove(from);
            return;
        }
        let entry = Entry::Observed {
            node: from.clone(),
            incarnation: report.incarnation,
            session: report.session,
            seq: report.seq,
            acted: report.acted,
            instances: changed,
        };
        // Observations are not held back by one under way: a newer report says more, and the log orders them.
        if let Some(lead) = &mut self.lead {
            lead.proposed.remove(&Key::Observed(from.clone()));
        }
        let is_taken = self.propose(now, Key::Observed(from.clone()), entry).is_some();
        if let Some(lead) = &mut self.lead {
            if is_taken {
                lead.unheard.remove(from);
            } else {
                // The log takes nothing now (leadership may be moving, in vain): it is asked again.
                lead.unheard.insert(from.clone());
            }
        }
    }

    /// What a node said first in this term is in the log: from here on plans count on it. (Whatever is observed while we
    /// serve was proposed by us.)
    pub(super) fn first_report_applied(&mut self, node: &NodeId, session: SessionId) {
        let is_taken = self
            .state
            .node(node)
            .is_some_and(|r| r.status == NodeStatus::Member && r.session == Some(session));
        let Some(lead) = self.lead.as_mut().filter(|l| l.is_serving && is_taken) else { return };
        lead.ready.insert(node.clone(), session);
    }

    /// After an observation: orders that the node has acted on are not in flight any more.
    pub(super) fn settle_in_flight(&mut self) {
        let Some(lead) = &mut self.lead else { return };
        let nodes = &self.state.nodes;
        let before = lead.in_flight.len();
        lead.in_flight.retain(|(node, _), (stamp, queued)| {
            let is_acted = nodes.get(node).is_some_and(|r| r.acted >= stamp.age_key());
            !(queued.is_sent && is_acted)
        });
        lead.is_dirty |= lead.in_flight.len() != before;
    }

    /// What an instance is for the ledger.
    pub(super) fn spec_of(&self, instance: &InstanceId) -> Option<&ResourceConfig> {
        self.config.resources.get(&ResourceId::from(instance.as_str()))
    }
}

/// S11: whether what starts before an instance, in its group, runs there.
fn is_first_there(
    config: &ClusterConfig,
    state: &ClusterState,
    node: &NodeId,
    instance: &InstanceId,
) -> bool {
    let id = ResourceId::from(instance.as_str());
    let Some((_, group)) = config.group_of(&id).filter(|_| !sabotage::is(Sabotage::IgnoreOrder)) else {
        return true;
    };
    let Some(first) = group.members.iter().take_while(|m| **m != id).last() else { return true };
    let record = state.instances.get(&InstanceId::from(first.as_str())).and_then(|on| on.get(node));
    record.is_some_and(|r| r.state() == InstanceState::Running)
}
