//! Jobs that a leader gives to executors: cutting, testing, switching on. They leave with its duties, under its lease (S3),
//! and are repeated where a stream broke.
//!
//! Must not know: what comes of them.

use super::Node;
use super::lead::Lead;
use crate::message::{ExecJob, ExecOrder, PeerMessage};
use ha_model::{DeviceId, FenceId, NodeId, Now, SessionId};
use std::time::Duration;

/// For how long an order to an executor holds, counted on the executor's clock from its newest heartbeat that the
/// leader's core has seen. The leader waits as much longer for the report: no attempt of which it knows nothing
/// can begin later, whatever the stream between them does.
pub(super) const ORDER_VALID: Duration = Duration::from_secs(3);

/// A job given to an executor.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub(super) enum Job {
    Cut { id: FenceId, attempt: u32, target: NodeId },
    Test { device: DeviceId, target: NodeId, path_hash: [u8; 32] },
    PowerOn { target: NodeId },
}

impl Job {
    /// Takes back an order to cut whose request is closed.
    pub fn cancel(id: FenceId, target: NodeId) -> Self {
        Self::Cut { id, attempt: 0, target }
    }

    fn is_cancel(&self) -> bool {
        matches!(self, Self::Cut { attempt: 0, .. })
    }

    /// Nobody waits for its report any more: its request is closed.
    pub fn is_idle(&self, open: impl Fn(&FenceId) -> bool) -> bool {
        matches!(self, Self::Cut { id, attempt: 1.., .. } if !open(id))
    }

    /// The other would do the same again.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cut { id, .. }, Self::Cut { id: other, .. }) => id == other,
            (Self::Test { device, target, .. }, Self::Test { device: d, target: t, .. }) => {
                (device, target) == (d, t)
            }
            (Self::PowerOn { target }, Self::PowerOn { target: other }) => target == other,
            (Self::Cut { .. } | Self::Test { .. } | Self::PowerOn { .. }, _) => false,
        }
    }
}

impl Lead {
    /// An order to cut is kept for as long as its job is open.
    fn keep_order(&mut self, order: &ExecOrder) {
        self.cuts.retain(|job, _| self.jobs.contains_key(job));
        if let ExecJob::Cut(_) = order.what {
            self.cuts.insert(order.job, order.clone());
        }
    }

    /// The orders to cut whose attempts run there: of others nobody waits for a report any more.
    fn cuts_to(&self, executor: &NodeId) -> Vec<ExecOrder> {
        let is_running = |job: &Job| match job {
            Job::Cut { id, attempt, .. } => self
                .fences
                .get(id)
                .and_then(|clock| clock.running.as_ref())
                .is_some_and(|(running, by)| running == attempt && by == executor),
            Job::Test { .. } | Job::PowerOn { .. } => false,
        };
        let open = self.cuts.iter().filter(|(number, _)| {
            self.jobs.get(number).is_some_and(|(by, job)| by == executor && is_running(job))
        });
        open.map(|(_, order)| order.clone()).collect()
    }
}

impl Node {
    /// Orders a job. One that is not answered is forgotten when its like is ordered anew.
    pub(super) fn give_job(&mut self, now: Now, executor: &NodeId, target: &NodeId, job: Job, what: ExecJob) {
        let valid_until = if *executor == self.setup.me {
            Some(now.boot + ORDER_VALID)
        } else {
            self.core_acks.get(executor).map(|(_, at)| *at + ORDER_VALID)
        };
        let (Some(lead), Some(valid_until)) = (&mut self.lead, valid_until) else { return };
        let number = lead.next_job;
        lead.next_job += 1;
        lead.jobs.retain(|_, (e, old)| e != executor || !old.is_like(&job));
        lead.jobs.insert(number, (executor.clone(), job));
        let (term, position, target) = (lead.term, self.applied, target.clone());
        let order = ExecOrder { term, job: number, target, valid_until, position, what };
        lead.keep_order(&order);
        lead.to_order.insert(number, (executor.clone(), order));
    }

    /// The leader's stream to the node is new: an order to cut, or its report, may be lost with the one before. Who runs
    /// it already does nothing anew, who has reported says so again. To another session nothing was ordered.
    pub(super) fn repeat_cuts(&mut self, node: &NodeId, session: SessionId) {
        let is_it = self.state.node(node).is_some_and(|r| r.session == Some(session));
        let Some(lead) = self.lead.as_mut().filter(|_| is_it) else { return };
        for order in lead.cuts_to(node) {
            lead.to_order.insert(order.job, (node.clone(), order));
        }
    }

    /// What was to be ordered leaves, in the order in which it was given; what nobody waits for any more does not.
    pub(super) fn send_jobs(&mut self) {
        let Some(lead) = &mut self.lead else { return };
        let orders = std::mem::take(&mut lead.to_order);
        let is_open = |order: &ExecOrder| lead.jobs.contains_key(&order.job);
        let orders: Vec<_> = orders.into_values().filter(|(_, order)| is_open(order)).collect();
        for (executor, order) in orders {
            self.send(&executor, PeerMessage::ExecOrder(order));
        }
        if let Some(lead) = &mut self.lead {
            lead.jobs.retain(|_, (_, job)| !job.is_cancel()); // of a cancel nothing is reported
        }
    }
}
