//! What must hold after every event, judged from outside: by the ledger of what truly runs and has power, never by a
//! node's opinion.
//!
//! Each check says its rule (docs/INVARIANTS.md). Must not know: why a core did what it did.

use crate::world::{Host, MS, S, World};
use ha_consensus::Body;
use ha_core::{AgentOp, AgentRun, BeatBody, Effect, Order, OrderOp, PeerMessage};
use ha_fencing::FENCES_PER_WINDOW;
use ha_model::{
    BootNs, EffectId, Incarnation, Index, InstanceId, NodeId, Notice, SessionId, Term, TimelineEvent,
};
use std::collections::{BTreeMap, BTreeSet};

/// How long something may still run after the grant is over: the longest agents before the stop, and it.
const STOP_BOUND: u64 = 7 * S;
/// Fences are counted within it.
const WINDOW: u64 = 3600 * S;
/// An executor that stood still may do late what it was told before.
const AFTER_THAW: u64 = 5 * S;
/// A follower is at most this many entries behind when it tells what it applies.
const TOLD_KEPT: u64 = 200;

/// What truly happened.
#[derive(Default)]
pub(crate) struct Ledger {
    /// When the switch last cut a node, until that is proven.
    pub cut_at: BTreeMap<NodeId, u64>,
    /// Outlets that say off and are not.
    pub lied_off: BTreeSet<NodeId>,
    /// Calls of fence agents that were given up.
    pub given_up: BTreeSet<(NodeId, EffectId)>,
    /// Calls that were called off before they did anything.
    pub cancelled: BTreeSet<(NodeId, EffectId)>,
    /// Runs of agents that hang.
    pub hanging: BTreeSet<(InstanceId, EffectId)>,
    /// The newest heartbeat of each daemon that another has taken, by its sending time.
    pub heard_of: BTreeMap<NodeId, (SessionId, BootNs)>,
    /// Boots that the log says are over, or condemned.
    ended: BTreeSet<(NodeId, Incarnation)>,
    /// Where each instance ran last.
    last_owner: BTreeMap<InstanceId, NodeId>,
    leaders: BTreeMap<Term, NodeId>,
    entries: BTreeMap<u64, Term>,
    /// What the log said, of its newest entries.
    told: BTreeSet<(Index, String)>,
    voters: Vec<NodeId>,
    /// When the cluster switched a node on, and how often an operator helped.
    switched_on: BTreeMap<NodeId, Vec<u64>>,
    helped: BTreeMap<NodeId, usize>,
}

fn op_of(op: OrderOp) -> AgentOp {
    match op {
        OrderOp::Probe => AgentOp::Probe,
        OrderOp::Start => AgentOp::Start,
        OrderOp::Stop => AgentOp::Stop,
    }
}

impl World {
    /// S5: one leader a term; what is applied is the same everywhere. S4: nothing runs without a grant. S10: voter sets are odd.
    pub(crate) fn check(&mut self, id: &NodeId) {
        let host = &self.hosts[id];
        let Some(daemon) = &host.daemon else { return };
        let node = &daemon.node;
        let mut broken = None;
        if node.votes().is_leader() {
            // Who stands still, or stood still with its clock, believes what it likes: that is what fencing is for.
            let lease = |h: &Host| {
                if h.is_frozen || h.clock.at(self.t).0 < h.thawed_at.0 + AFTER_THAW {
                    return false;
                }
                let until = h.node().filter(|n| n.votes().is_leader()).and_then(|n| n.votes().lease_until());
                until.is_some_and(|until| until > h.clock.at(self.t))
            };
            let other = self.hosts.iter().find(|(o, h)| *o != id && lease(h)).filter(|_| lease(host));
            if let Some((other, _)) = other {
                broken = Some(("S3", format!("{id} and {other} both have a lease")));
            }
            let term = node.votes().term();
            match self.ledger.leaders.get(&term) {
                None => {
                    self.ledger.leaders.insert(term, id.clone());
                    self.tally.leader_changes += 1;
                }
                Some(leader) if leader != id => {
                    broken = Some(("S5", format!("{leader} and {id} lead in term {term}")))
                }
                Some(_) => {}
            }
        }
        let applied = node.applied().0;
        for index in daemon.checked + 1..=applied {
            if let Some(term) = node.votes().term_at(Index(index)) {
                let known = *self.ledger.entries.entry(index).or_insert(term);
                if known != term {
                    broken = Some(("S5", format!("entry {index} of {id} is of term {term}, was of {known}")));
                }
            }
        }
        let membership = node.votes().membership();
        let outgoing = membership.outgoing.as_ref().map_or(1, BTreeMap::len);
        if membership.voters.len().is_multiple_of(2) || outgoing.is_multiple_of(2) {
            broken = Some(("S10", format!("{id} counts an even set: {membership:?}")));
        }
        let is_swapped = node.votes().is_leader() && !membership.voters.keys().eq(self.ledger.voters.iter());
        if is_swapped {
            if !self.ledger.voters.is_empty() {
                self.tally.voter_changes += 1;
                if !node.state().fences.is_empty() {
                    self.tally.sequence("voter swap during a fence");
                }
            }
            self.ledger.voters = membership.voters.keys().cloned().collect();
        }
        broken = broken.or_else(|| self.judge_grant(id)).or_else(|| self.judge_state(id));
        if applied != self.hosts[id].daemon.as_ref().map_or(0, |d| d.checked) {
            self.note_ended(id);
        }
        if let Some(daemon) = &mut self.host(id).daemon {
            daemon.checked = applied;
        }
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    fn note_ended(&mut self, id: &NodeId) {
        let Some(node) = self.hosts[id].node() else { return };
        let ended =
            node.state().nodes.iter().flat_map(|(id, r)| r.ended.iter().map(move |i| (id.clone(), *i)));
        self.ledger.ended.extend(ended);
    }

    /// S4: nothing runs longer than it takes to stop it once the grant is over.
    fn judge_grant(&self, id: &NodeId) -> Option<(&'static str, String)> {
        let host = &self.hosts[id];
        let daemon = host.daemon.as_ref().filter(|_| !host.running.is_empty())?;
        let now = host.clock.at(self.t);
        let t_grant = daemon.node.config().timing.t_grant.as_nanos() as u64;
        let since = daemon.started_at.0 + t_grant;
        let until = daemon.grant.map_or(0, |g| g.0).max(since).max(host.thawed_at.0);
        if now.0 <= until + STOP_BOUND {
            return None;
        }
        // A stop that fails is no fault of the core's.
        let is_stopping = daemon.runs.values().any(|r| r.run.op == AgentOp::Stop);
        let is_owed = !is_stopping && !host.has_stop_failed && self.agents == crate::act::Agents::Sound;
        let owed = || format!("{:?} on {id} without a grant since {} ms", host.running, (now.0 - until) / MS);
        is_owed.then(|| ("S4", owed()))
    }

    /// S13: what is kept is bounded. S19: what may run somewhere stays configured, with its node.
    fn judge_state(&self, id: &NodeId) -> Option<(&'static str, String)> {
        let node = self.hosts[id].node()?;
        let state = node.state();
        let limits = crate::story::limits();
        if node.votes().log_len() > limits.log_entries || state.events.len() > ha_core::state::EVENTS_MAX {
            return Some(("S13", format!("{id} keeps {} entries", node.votes().log_len())));
        }
        let config = state.parsed()?;
        let orphan = state.may_run.values().find(|m| !config.nodes.contains_key(&m.node))?;
        Some(("S19", format!("{} may run {}, and is not configured any more", orphan.node, orphan.instance)))
    }

    /// S18: nothing is granted to a boot that this node knows to be over.
    pub(crate) fn check_grants(&mut self, id: &NodeId, bodies: &BTreeMap<NodeId, BeatBody>) {
        let Some(node) = self.hosts[id].node() else { return };
        let ended = bodies.iter().find(|(to, body)| {
            body.granted.is_some_and(|i| node.state().node(to).is_some_and(|r| r.has_ended(i)))
        });
        if let Some((to, _)) = ended {
            let what = format!("{id} grants to a boot of {to} that is over");
            self.fail("S18", what);
        }
    }

    /// A heartbeat of `from` was taken.
    pub(crate) fn note_heard(&mut self, from: &NodeId, session: SessionId, sent_at: BootNs) {
        let newest = self.ledger.heard_of.entry(from.clone()).or_insert((session, sent_at));
        if newest.0 != session || newest.1 < sent_at {
            *newest = (session, sent_at);
        }
    }

    /// S4: a grant ends T_grant after what it answers was sent.
    pub(crate) fn check_grant(&mut self, id: &NodeId, until: BootNs) {
        let host = &self.hosts[id];
        let Some(node) = host.node() else { return };
        let longest = host.clock.at(self.t) + node.config().timing.t_grant;
        // Counted from when the heartbeat was sent that somebody else has heard.
        let heard = self.ledger.heard_of.get(id).filter(|_| self.hosts.len() > 1);
        let t_grant = node.config().timing.t_grant;
        if let Some((session, sent_at)) = heard
            && host.is_session(*session)
            && until > *sent_at + t_grant
        {
            let what =
                format!("{id} was granted until {until:?}, of what it sent {sent_at:?} is the newest heard");
            return self.fail("S4", what);
        }
        if until > longest {
            self.fail("S4", format!("{id} was granted until {until:?}, {longest:?} is the longest"));
        }
    }

    /// S17: no start order leaves without its open permission. S3: who orders a cut has a lease. S16: nothing is acknowledged
    /// before it is durable.
    pub(crate) fn check_message(&mut self, id: &NodeId, message: &PeerMessage) {
        let host = &self.hosts[id];
        let Some(node) = host.node() else { return };
        let broken = match message {
            PeerMessage::Order(order) if order.op == OrderOp::Start => {
                let missing = order.spec.objects.iter().find(|object| {
                    let may_run = node.state().may_run.get(*object);
                    !may_run.is_some_and(|m| m.stamp == order.stamp && m.instance == order.instance)
                });
                missing.map(|o| {
                    ("S17", format!("{id} orders a start of {} without a permission for {o}", order.instance))
                })
            }
            PeerMessage::ExecOrder(order) => {
                let is_newer = |h: &Host| {
                    h.node().is_some_and(|n| n.votes().is_leader() && n.votes().term() > order.term)
                };
                let newer = self.hosts.iter().find(|(_, h)| is_newer(h));
                newer.map(|(other, _)| {
                    let (what, target, term) = (&order.what, &order.target, order.term);
                    ("S3", format!("{id}, of {term}, orders {what:?} of {target}, and {other} leads"))
                })
            }
            PeerMessage::Raft(message) => match &message.body {
                Body::AppendAck { matched, .. } if matched.0 > host.disk.durable_through() => Some((
                    "S16",
                    format!("{id} acknowledges {matched}, {} is durable", host.disk.durable_through()),
                )),
                // A vote is a promise: written before it is given.
                Body::VoteReply { granted: true } => {
                    let hard = &host.disk.stored.hard;
                    let is_written = hard.term == message.term && hard.voted_for.is_some();
                    let is_kept = is_written || hard.term > message.term;
                    (!is_kept)
                        .then(|| ("S16", format!("{id} votes in term {}, durable is {hard:?}", message.term)))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    /// S6: what is older than what the host acted on, or is for another life of it, moves nothing. (Judged in the step in
    /// which the order arrives.)
    pub(crate) fn check_order(
        &self,
        id: &NodeId,
        order: &Order,
        effects: &[Effect],
    ) -> Option<(&'static str, String)> {
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

    /// S2: when a start begins, nothing of it runs or is being started on another host that has power. S8: what is started was
    /// probed in this session.
    pub(crate) fn check_start(&mut self, id: &NodeId, run: &AgentRun) {
        if run.op != AgentOp::Start {
            return;
        }
        let is_known = self.hosts[id].daemon.as_ref().is_some_and(|d| d.known.contains(&run.instance));
        if !is_known {
            self.fail("S8", format!("{} starts on {id} without a probe in this session", run.instance));
        }
        if self.has_lied {
            return;
        }
        let other = self.hosts.iter().filter(|(o, _)| *o != id).find(|(_, host)| {
            let starts = |d: &crate::world::Daemon| {
                d.runs.values().any(|r| r.run.op == AgentOp::Start && r.run.instance == run.instance)
            };
            host.daemon.as_ref().is_some_and(starts) || host.running.contains(&run.instance)
        });
        if let Some((other, _)) = other {
            let what = format!("{} starts on {id} while {other} is not proven off", run.instance);
            self.fail("S2", what);
        }
    }

    /// S1: one owner. S11: a group's members start in their order.
    pub(crate) fn check_begins(&mut self, id: &NodeId, instance: &InstanceId) {
        let others: Vec<_> = self.owners(instance).into_iter().filter(|o| o != id).collect();
        if !others.is_empty() && !self.has_lied {
            self.fail("S1", format!("{instance} runs on {id} and on {others:?}"));
        }
        let [first, second] = crate::shape::GROUP;
        let is_early =
            instance.as_str() == second && !self.hosts[id].running.contains(&InstanceId::from(first));
        // What is killed meanwhile was there when the start was ordered.
        if is_early && self.tally.faults.is_empty() {
            self.fail("S11", format!("{second} runs on {id} before {first}"));
        }
        if self.ledger.last_owner.insert(instance.clone(), id.clone()).is_some_and(|last| last != *id) {
            self.tally.failovers += 1;
        }
    }

    /// S3: nothing begins to be cut that no committed request is for. (An off that was begun may come to be done after its
    /// request was closed: no design can call it back.)
    pub(crate) fn check_off(&mut self, id: &NodeId, target: &NodeId) {
        let now = self.hosts[id].clock.at(self.t);
        let was_thawed = now.0 < self.hosts[id].thawed_at.0 + AFTER_THAW;
        let is_asked = |h: &Host| h.node().is_some_and(|n| n.state().fence_of(target).is_some());
        if !was_thawed && !self.hosts.values().any(is_asked) {
            self.fail("S3", format!("{id} cuts {target}, and no fence is open for it"));
        }
    }

    /// What the log says, at the first node that applies it.
    pub(crate) fn told(&mut self, id: &NodeId, event: &TimelineEvent) {
        let told = (event.index, event.notice.text());
        let is_old = event.index.0 + TOLD_KEPT < self.ledger.told.last().map_or(0, |(index, _)| index.0);
        if is_old || !self.ledger.told.insert(told) {
            return;
        }
        while self.ledger.told.first().is_some_and(|(index, _)| index.0 + TOLD_KEPT < event.index.0) {
            self.ledger.told.pop_first();
        }
        self.tell(format!("    {id}: {}", event.notice.text()));
        match &event.notice {
            Notice::NodeLost { .. } => self.moment(crate::act::Moment::Lost),
            Notice::FenceRequested { .. } => self.moment(crate::act::Moment::FenceRequested),
            Notice::FenceProven { node, .. } => self.judge_proof(id, node),
            Notice::NodeJoined { node, incarnation, .. } => {
                self.judge_join(node, *incarnation);
                self.moment(crate::act::Moment::Joined);
            }
            _ => {}
        }
    }

    /// S7: what is proven off is off: that boot has no power any more.
    fn judge_proof(&mut self, id: &NodeId, target: &NodeId) {
        self.ledger.cut_at.remove(target);
        let (Some(host), Some(node)) = (self.hosts.get(target), self.hosts[id].node()) else { return };
        let boot = self.incarnation(target);
        let is_over = node.state().node(target).is_some_and(|r| r.has_ended(boot));
        if host.is_on && is_over && !self.has_lied {
            self.fail("S7", format!("{target} is proven off and has power"));
        }
    }

    /// S8, S18: a boot that was over before this step does not come back.
    fn judge_join(&mut self, joined: &NodeId, incarnation: Incarnation) {
        if self.ledger.ended.contains(&(joined.clone(), incarnation)) {
            self.fail("S8", format!("{joined} joins in a boot that is over"));
        }
    }

    /// S9: a node is not cut and switched on again and again.
    pub(crate) fn judge_power_on(&mut self, node: &NodeId) {
        let t = self.t;
        let times = self.ledger.switched_on.entry(node.clone()).or_default();
        times.retain(|at| t - at < WINDOW);
        times.push(t);
        let bound = FENCES_PER_WINDOW * (1 + self.ledger.helped.get(node).copied().unwrap_or(0));
        if times.len() > bound {
            let count = times.len();
            self.fail("S9", format!("{node} was switched on {count} times in an hour"));
        }
    }

    /// An operator released a node, or switched it: it may be cut as often again.
    pub(crate) fn note_help(&mut self, node: &NodeId) {
        *self.ledger.helped.entry(node.clone()).or_default() += 1;
    }

    /// Nodes that have applied the same entries know the same (S15).
    pub(crate) fn check_replicas(&mut self) {
        let mut seen: BTreeMap<u64, &NodeId> = BTreeMap::new();
        let mut broken = None;
        for (id, host) in &self.hosts {
            let Some(node) = host.node() else { continue };
            let other = *seen.entry(node.applied().0).or_insert(id);
            if self.hosts[other].node().is_some_and(|o| o.state() != node.state()) {
                broken = Some(format!("{other} and {id} differ after entry {}", node.applied()));
            }
        }
        if let Some(what) = broken {
            self.fail("S15", what);
        }
    }
}
