//! What leaves a node, for another or for itself, and what comes of it: S3, S6, S11, S16, S17.

use super::{AFTER_THAW, Broken, CutOrder, MARGIN, ORDER_HOLDS};
use crate::world::{Host, World};
use ha_core::{AgentOp, Effect, ExecJob, ExecOrder, Order, OrderOp, PeerMessage, Report};
use ha_fencing::Attempt;
use ha_model::NodeId;

fn op_of(op: OrderOp) -> AgentOp {
    match op {
        OrderOp::Probe => AgentOp::Probe,
        OrderOp::Start => AgentOp::Start,
        OrderOp::Stop => AgentOp::Stop,
    }
}

impl World {
    /// A message leaves, for another node or for its sender itself.
    pub(crate) fn check_message(&mut self, id: &NodeId, to: &NodeId, message: &PeerMessage) {
        let broken = match message {
            PeerMessage::Order(order) => {
                let broken = self.judge_permission(id, order).or_else(|| self.judge_group(id, to, order));
                let is_start = order.op == OrderOp::Start;
                let broken = broken.or_else(|| self.judge_untested(id, to, order).filter(|_| is_start));
                self.note_order(id, to, order);
                broken
            }
            PeerMessage::ExecOrder(order) => {
                let broken = self.judge_job(id, order);
                self.note_cut(to, order);
                broken
            }
            PeerMessage::Report(report) => self.judge_report(id, report),
            PeerMessage::Raft(message) => self.judge_promise(id, to, message),
            PeerMessage::ExecReport(_)
            | PeerMessage::Admin { .. }
            | PeerMessage::AdminReply { .. }
            | PeerMessage::ReportWanted { .. }
            | PeerMessage::AdminNotTaken { .. } => None,
            PeerMessage::HandsOver { missed } => {
                let t = self.t;
                self.ledger.handed_over.insert(missed.clone(), t);
                self.ledger.asked_to_lead.insert(to.clone(), t);
                None
            }
        };
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    /// S17: no start order leaves without its open permission.
    fn judge_permission(&self, id: &NodeId, order: &Order) -> Broken {
        let node = self.hosts[id].node().filter(|_| order.op == OrderOp::Start)?;
        let missing = order.spec.objects.iter().find(|object| {
            let may_run = node.state().may_run.get(*object);
            !may_run.is_some_and(|m| m.stamp == order.stamp && m.instance == order.instance)
        });
        missing.map(|o| {
            ("S17", format!("{id} orders a start of {} without a permission for {o}", order.instance))
        })
    }

    /// S3: who orders a job of fencing leads surely, and cuts nobody whom no committed request is for.
    fn judge_job(&self, id: &NodeId, order: &ExecOrder) -> Broken {
        let host = &self.hosts[id];
        // Who stood still with its clock believes in a lease that is over; who hears it knows better.
        let node = host.node().filter(|_| !self.is_out_of_time(host))?;
        let (what, target, term) = (&order.what, &order.target, order.term);
        let is_newer = |h: &Host| h.node().is_some_and(|n| n.votes().is_leader() && n.votes().term() > term);
        if let Some((other, _)) = self.hosts.iter().find(|(_, h)| is_newer(h)) {
            return Some(("S3", format!("{id}, of {term}, orders {what:?} of {target}, and {other} leads")));
        }
        // It may have ordered it, and then have handed over in the same step.
        let led = self.ledger.led_into_step && node.votes().transferring().is_some();
        if !self.has_lease(host) && !led {
            return Some(("S3", format!("{id} orders {what:?} of {target} without a lease")));
        }
        let is_open = !matches!(what, ExecJob::Cut(_)) || node.state().fence_of(target).is_some();
        (!is_open).then(|| ("S3", format!("{id} orders a cut of {target}, and no fence is open for it")))
    }

    fn note_cut(&mut self, to: &NodeId, order: &ExecOrder) {
        let ExecJob::Cut(levels) = &order.what else { return };
        let takes = Attempt::longest(levels).as_nanos() as u64;
        let until = self.t + ORDER_HOLDS + takes + MARGIN;
        let cut = CutOrder { term: order.term, position: order.position, until };
        self.ledger.cuts.insert((to.clone(), order.target.clone()), cut);
    }

    /// S16: no order counts as acted on before that is durable.
    fn judge_report(&self, id: &NodeId, report: &Report) -> Broken {
        let acted = self.hosts[id].disk.stored.acted;
        (report.acted > acted)
            .then(|| ("S16", format!("{id} reports {:?} as acted on, durable is {acted:?}", report.acted)))
    }

    /// One whose clock stood with it cannot know that time has passed.
    pub(super) fn is_out_of_time(&self, host: &Host) -> bool {
        host.clock_stood_until.is_some_and(|at| host.clock.at(self.t).0 < at.0 + AFTER_THAW)
    }

    /// S6 for what a leader orders of itself: it is taken in the same step.
    pub(crate) fn check_own_orders(&mut self, id: &NodeId, effects: &[Effect]) {
        for effect in effects {
            if let Effect::SaidToSelf { message } = effect
                && let PeerMessage::Order(order) = &**message
                && !self.is_looked_for(id, order)
                && let Some((rule, what)) = self.check_order(id, order, effects)
            {
                self.fail(rule, what);
            }
        }
    }

    /// A daemon that was started anew and had no grant for long looks by itself for what may have been left.
    fn is_looked_for(&self, id: &NodeId, order: &Order) -> bool {
        let host = &self.hosts[id];
        let Some(daemon) = host.daemon.as_ref().filter(|_| order.op == OrderOp::Probe) else { return false };
        let looks_at = daemon.started_at + daemon.node.config().timing.t_grant;
        !daemon.known.contains(&order.instance) && host.clock.at(self.t) >= looks_at
    }

    /// S6: what is older than what the host acted on, or is for another life of it, moves nothing. (Judged in the step in
    /// which the order arrives.)
    pub(crate) fn check_order(&self, id: &NodeId, order: &Order, effects: &[Effect]) -> Broken {
        let host = &self.hosts[id];
        let session = host.daemon.as_ref().map(|d| d.session);
        let stamp = order.stamp;
        let is_begun = |op: AgentOp| {
            effects
                .iter()
                .any(|e| matches!(e, Effect::RunAgent(r) if r.instance == order.instance && r.op == op))
        };
        let is_for_it = stamp.incarnation == host.incarnation && Some(stamp.session) == session;
        if is_for_it && host.disk.stored.acted < stamp.age_key() && is_begun(op_of(order.op)) {
            return Some((
                "S16",
                format!("{id} carries out {:?} of {} before that is durable", order.op, order.instance),
            ));
        }
        let is_stale = !is_for_it || stamp.age_key() < host.disk.stored.acted;
        let op = op_of(order.op);
        (is_stale && is_begun(op)).then(|| {
            let (instance, acted) = (&order.instance, host.disk.stored.acted);
            ("S6", format!("{id} carries out {op:?} of {instance} by {stamp:?}, acted on {acted:?}"))
        })
    }
}
