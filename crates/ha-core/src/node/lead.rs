//! What only a leader has, and the order of its duties. All of it is volatile: a new leader starts from the log and
//! from what the nodes report to it.

use super::Node;
use super::fence_drive::FenceClock;
use super::jobs::Job;
use super::orders::QueuedOrder;
use super::paths::PathClock;
use super::power::PowerClock;
use crate::message::ExecOrder;
use ha_model::{
    BootNs, ClusterConfig, DeviceId, Entry, FenceId, Index, InstanceId, Level, LogEntry, NodeId, Now,
    OrderStamp, PlanId, SessionId, Term,
};
use ha_scheduler::Report;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What was proposed and is not applied yet: nothing is proposed twice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub(super) enum Key {
    Leads,
    Config,
    Joined(NodeId),
    Lost(NodeId),
    Returned(NodeId),
    Observed(NodeId),
    MayRun(NodeId, InstanceId),
    Fence(NodeId),
    Attempt(FenceId),
    Path(DeviceId, NodeId, NodeId),
    Power(NodeId),
    Watchdog(NodeId),
    Expired,
    Admin(u64),
}

/// The volatile state of a leader.
#[derive(Clone, Debug, Hash)]
pub(super) struct Lead {
    pub term: Term,
    pub since: BootNs,
    /// An entry of our own term is applied: the state is the newest there is.
    pub is_serving: bool,
    /// Nodes that reported in this term, with the session in which they did.
    pub ready: BTreeMap<NodeId, SessionId>,
    /// Nodes whose newest report the log did not take.
    pub unheard: BTreeSet<NodeId>,
    pub warnings: BTreeMap<NodeId, Vec<(Level, String)>>,
    pub plan_no: PlanId,
    pub queue: BTreeMap<NodeId, VecDeque<QueuedOrder>>,
    pub in_flight: BTreeMap<(NodeId, InstanceId), (OrderStamp, QueuedOrder)>,
    pub proposed: BTreeMap<Key, Index>,
    pub is_dirty: bool,
    pub report: Report,
    pub hold: Option<String>,
    pub awaited: BTreeSet<NodeId>,
    /// For each node on whose account leadership was handed over, in vain: no next try before.
    pub handover_at: BTreeMap<NodeId, BootNs>,
    /// Who did not take over, or could not: not asked again before.
    pub unfit: BTreeMap<NodeId, BootNs>,
    /// Entries wait while nothing is applied: the newest that is, and since when.
    pub stands_at: Option<(Index, BootNs)>,
    /// Since when no quorum has a stream to us.
    pub cut_off: Option<BootNs>,
    pub fences: BTreeMap<FenceId, FenceClock>,
    /// How many attempts of each open request told us that they are over.
    pub told: BTreeMap<FenceId, u32>,
    /// Nodes proven off all of whose attempts told us so: no agent is left that could cut them once more.
    pub all_told: BTreeSet<NodeId>,
    pub power: BTreeMap<NodeId, PowerClock>,
    pub paths: BTreeMap<(DeviceId, NodeId, NodeId), PathClock>,
    /// For whom by whom the clocks of `paths` were looked after last, under which configuration.
    pub paths_of: Option<(Vec<NodeId>, Vec<NodeId>, Arc<ClusterConfig>)>,
    pub jobs: BTreeMap<u64, (NodeId, Job)>,
    pub next_job: u64,
    /// The orders to cut among `jobs`, to be repeated where a stream broke.
    pub cuts: BTreeMap<u64, ExecOrder>,
    /// Jobs that leave with our next duties as a leader.
    pub to_order: BTreeMap<u64, (NodeId, ExecOrder)>,
    pub replan_at: Option<BootNs>,
    /// When each node was last asked for a report.
    pub asked: BTreeMap<NodeId, BootNs>,
}

impl Lead {
    pub fn new(term: Term, now: BootNs) -> Self {
        Self {
            term,
            since: now,
            is_serving: false,
            ready: BTreeMap::new(),
            unheard: BTreeSet::new(),
            warnings: BTreeMap::new(),
            plan_no: PlanId(0),
            queue: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            proposed: BTreeMap::new(),
            is_dirty: true,
            report: Report::default(),
            hold: None,
            awaited: BTreeSet::new(),
            handover_at: BTreeMap::new(),
            unfit: BTreeMap::new(),
            stands_at: None,
            cut_off: None,
            fences: BTreeMap::new(),
            told: BTreeMap::new(),
            all_told: BTreeSet::new(),
            power: BTreeMap::new(),
            paths: BTreeMap::new(),
            paths_of: None,
            jobs: BTreeMap::new(),
            next_job: 1,
            cuts: BTreeMap::new(),
            to_order: BTreeMap::new(),
            replan_at: None,
            asked: BTreeMap::new(),
        }
    }

    /// To a boot that is over, or condemned, nothing is ordered any more, nor repeated when it is heard.
    fn forget_orders(&mut self, node: &NodeId) {
        self.queue.remove(node);
        self.in_flight.retain(|(n, _), _| n != node);
    }

    /// Plans anew at that time, or sooner.
    pub fn replan_by(&mut self, now: BootNs, at: BootNs) {
        if at > now {
            self.replan_at = Some(self.replan_at.map_or(at, |r| r.min(at)));
        }
    }

    /// What is still to be done, in words.
    pub fn unfinished(&self) -> Option<String> {
        if let Some(why) = &self.hold {
            return Some(format!("hold: {why}"));
        }
        let order = self.in_flight.values().next();
        let order = order.map(|(_, q)| format!("{:?} of {} is under way", q.order.op, q.order.instance));
        let proposal = self.proposed.keys().next();
        order.or_else(|| proposal.map(|key| format!("{key:?} is proposed")))
    }

    pub fn is_lost_proposed(&self, node: &NodeId) -> bool {
        self.proposed.contains_key(&Key::Lost(node.clone()))
    }

    pub fn next_deadline(&self, now: BootNs) -> Option<BootNs> {
        let fences = self.fences.values().map(|c| c.wakes_at);
        let power = self.power.values().map(|c| c.wakes_at);
        let paths = self.paths.values().map(|c| c.wakes_at);
        fences.chain(power).chain(paths).chain(self.replan_at).filter(|t| *t > now).min()
    }
}

impl Node {
    /// Proposes an entry once; the key is free again when the entry is applied.
    pub(super) fn propose(&mut self, now: Now, key: Key, entry: Entry) -> Option<Index> {
        let lead = self.lead.as_mut()?;
        if lead.proposed.contains_key(&key) {
            return None;
        }
        let taken = self.raft.propose(now.boot, vec![LogEntry { at: now.wall, entry }]);
        match taken {
            Ok(index) => {
                lead.proposed.insert(key, index);
                Some(index)
            }
            Err(_) => {
                lead.is_dirty = true; // whatever was planned is planned again
                None
            }
        }
    }

    pub(super) fn is_proposed(&self, key: &Key) -> bool {
        self.lead.as_ref().is_some_and(|l| l.proposed.contains_key(key))
    }

    /// An entry of some term was applied.
    pub(super) fn note_applied(&mut self, term: Term) {
        let applied = self.applied;
        if let Some(lead) = &mut self.lead {
            lead.is_serving |= term == lead.term;
            lead.proposed.retain(|_, index| *index > applied);
        }
    }

    pub(super) fn applied_as_leader(&mut self, now: Now, _index: Index, log_entry: &LogEntry) {
        let Some(lead) = &mut self.lead else { return };
        lead.is_dirty = true;
        match &log_entry.entry {
            Entry::FenceProven { id, proof, .. } => {
                lead.forget_orders(&proof.target);
                self.proof_applied(*id, &proof.target);
            }
            Entry::FenceConfirmed { proof } => lead.forget_orders(&proof.target),
            Entry::FenceAttempt { id, attempt, executor } => {
                if let Some(fence) = self.state.fences.get(id) {
                    lead.forget_orders(&fence.target);
                }
                self.attempt_applied(now, *id, *attempt, executor);
            }
            Entry::PowerOnRequested { target, executor } => self.power_applied(now, target, executor),
            Entry::NodeJoined { node, .. } | Entry::NodeLost { node, .. } => {
                lead.ready.remove(node);
                lead.forget_orders(node);
                lead.paths.retain(|(_, target, executor), _| target != node && executor != node);
                lead.paths_of = None;
                self.is_beat_urgent = true; // whoever may be granted, or may not any more, hears it at once
                if let Entry::NodeJoined { .. } = &log_entry.entry {
                    self.jobs_are_over(now, node);
                }
            }
            Entry::Config { .. }
            | Entry::NodeReturned { .. }
            | Entry::NodeLeft { .. }
            | Entry::FenceRequested { .. }
            | Entry::FenceWithdrawn { .. }
            | Entry::FenceFailed { .. }
            | Entry::PathTested { .. }
            | Entry::PowerOnEnded { .. }
            | Entry::MayRun { .. }
            | Entry::Leads { .. }
            | Entry::Wish { .. }
            | Entry::WatchdogArmed { .. }
            | Entry::Expired => {}
            Entry::Observed { node, session, .. } => {
                self.first_report_applied(node, *session);
                self.settle_in_flight();
            }
        }
    }

    /// A daemon that just joined runs nothing of what was ordered of the one before it.
    fn jobs_are_over(&mut self, now: Now, executor: &NodeId) {
        let Some(lead) = &mut self.lead else { return };
        let (over, open) =
            std::mem::take(&mut lead.jobs).into_iter().partition(|(_, (by, _))| by == executor);
        lead.jobs = open;
        let over: BTreeMap<u64, (NodeId, Job)> = over;
        for (_, (_, job)) in over {
            let Some(lead) = &mut self.lead else { return };
            match job {
                Job::Cut { id, attempt, target: _ } => {
                    let running = lead.fences.get(&id).and_then(|clock| clock.running.as_ref());
                    if running.is_some_and(|(number, by)| *number == attempt && by == executor) {
                        let why =
                            format!("the daemon of {executor}, which ran the fence agents, was restarted");
                        self.attempt_failed(now, id, attempt, why);
                    }
                }
                Job::PowerOn { target } => {
                    if let Some(clock) = lead.power.get_mut(&target) {
                        clock.wakes_at = now.boot;
                    }
                }
                Job::Test { .. } => {} // its clock is gone: it is tested anew
            }
        }
    }

    /// A leader's duties, in order. Each proposes or sends; nothing here is remembered beyond this leadership.
    pub(super) fn lead_duties(&mut self, now: Now) {
        self.step_aside_if_stuck(now);
        if !self.leads_surely(now) {
            return; // S3
        }
        if self.state.config.is_none() {
            self.propose_config(now);
            return;
        }
        self.watch_nodes(now);
        if !self.leads_surely(now) {
            return; // it has just handed over
        }
        self.ask_for_reports(now);
        self.drive_paths(now);
        self.end_what_expired(now);
        self.plan_if_due(now);
        self.drive_fences(now);
        if !self.leads_surely(now) {
            return; // the same, before a cut that would leave it alone
        }
        self.drive_power(now);
        self.swap_voters(now);
        self.send_orders(now);
        // It may have handed over once more, to whoever cuts it, or changed who votes.
        if self.leads_surely(now) {
            self.send_jobs();
        }
    }

    /// A leader that may have been deposed, or that does not know the newest state yet, does nothing.
    pub(super) fn leads_surely(&self, now: Now) -> bool {
        self.lead.as_ref().is_some_and(|l| l.is_serving)
            && self.raft.lease_until().is_some_and(|l| l > now.boot)
    }
}
