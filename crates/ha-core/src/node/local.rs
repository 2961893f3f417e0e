//! What a node does with orders: remembers durably the newest it acted on, refuses older ones (S6), runs the
//! instances, and reports to the leader.

use super::{Node, Write};
use crate::effect::{AgentOp, AgentRun, Effect};
use crate::input::AgentOutcome;
use crate::message::{Order, OrderOp, PeerMessage, Report};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{
    BootNs, EffectId, InstanceId, InstanceState, Level, NodeId, Notice, Now, PlanId, ResourceConfig,
    ResourceId, Term,
};
use ha_resource::{Event, Instance, InstanceSpec, Op, OrderKind, Outcome, Output};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// One instance here.
#[derive(Clone, Debug, Hash)]
pub(super) struct LocalInstance {
    machine: Instance,
    spec: ResourceConfig,
    is_address_free: bool,
    run: Option<(EffectId, Op)>,
    /// A start that waits for our first grant, and until when.
    waits_for_grant: Option<(AgentRun, BootNs)>,
    /// Looked for by ourselves, without an order: no leader is told of it before it orders something.
    is_leftover: bool,
    /// Asked of the same resource with other parameters: for when the run under way is over.
    asked_anew: Option<Box<Order>>,
}

/// What a node has of its own.
#[derive(Clone, Debug, Hash)]
pub(super) struct Local {
    pub now: Now,
    /// Newest order taken; durable up to `durable`.
    acted: (Term, PlanId),
    durable: (Term, PlanId),
    waiting: VecDeque<Order>,
    instances: BTreeMap<InstanceId, LocalInstance>,
    seq: u64,
    pub is_report_due: bool,
    /// The leader we follow: its term, its name.
    follows: Option<(Term, NodeId)>,
    had_grant: bool,
    /// When leftovers of an earlier session are looked for, unless a grant holds; `None`: the time has come.
    leftovers_at: Option<BootNs>,
    /// They were looked for.
    has_looked: bool,
    /// When the first grant of this session should have come.
    pub first_grant_by: BootNs,
}

impl Local {
    /// At a daemon's start: the newest order acted on, and when the first grant should have come.
    pub fn new(acted: (Term, PlanId), grant_due: BootNs) -> Self {
        Self {
            now: Now::default(),
            acted,
            durable: acted,
            waiting: VecDeque::new(),
            instances: BTreeMap::new(),
            seq: 0,
            is_report_due: false,
            follows: None,
            had_grant: false,
            leftovers_at: Some(grant_due),
            has_looked: false,
            first_grant_by: grant_due,
        }
    }

    /// What this node itself knows of an instance.
    pub fn state_of(&self, instance: &InstanceId) -> Option<InstanceState> {
        self.instances.get(instance).map(|i| i.machine.state())
    }

    /// The longest stop of what is exclusive and may be active here; `None`: nothing is.
    pub fn longest_stop(&self) -> Option<Duration> {
        let may_be_active =
            |i: &&LocalInstance| !i.spec.objects.is_empty() && i.machine.state() != InstanceState::Stopped;
        self.instances.values().filter(may_be_active).map(|i| i.spec.stop_timeout).max()
    }

    pub fn next_deadline(&self) -> Option<BootNs> {
        let waits = |i: &LocalInstance| i.waits_for_grant.as_ref().map(|(_, until)| *until);
        let instances = self.instances.values().flat_map(|i| [i.machine.next_deadline(), waits(i)]);
        instances.flatten().chain(self.leftovers_at).min()
    }
}

impl Node {
    /// A leader is known: orders of older terms are refused from here on, durably, before we report to it.
    pub(super) fn follow(&mut self, term: Term, leader: &NodeId) {
        self.local.follows = Some((term, leader.clone()));
        self.local.is_report_due = true;
        self.take_stamp((term, PlanId(0)));
    }

    pub(super) fn report_wanted(&mut self, from: &NodeId, term: Term) {
        if term != self.raft.term() || self.raft.leader() != Some(from) {
            return; // an older term's: heartbeats told of the present one before
        }
        if self.local.follows.as_ref() != Some(&(term, from.clone())) {
            self.follow(term, from);
        }
        self.local.is_report_due = true;
    }

    /// Remembers an order as the newest acted on; true where it is newer than all before.
    fn take_stamp(&mut self, key: (Term, PlanId)) -> bool {
        if key <= self.local.acted || self.write_failed.is_some() {
            return false;
        }
        self.local.acted = key;
        let id = self.effect_id();
        self.writes.push_back((id, Write::Acted(key.0, key.1), self.local.now.boot));
        self.out.push(Effect::Persist { id, votes: None, acted: Some(key) });
        true
    }

    pub(super) fn order(&mut self, _now: Now, from: &NodeId, order: Order) {
        let stamp = order.stamp;
        let is_for_us = (stamp.incarnation, stamp.session) == (self.setup.incarnation, self.setup.session);
        let is_leader = self.local.follows.as_ref().is_some_and(|(t, l)| *t == stamp.term && l == from);
        if sabotage::is(Sabotage::AcceptOldOrder) && (!is_for_us || stamp.age_key() <= self.local.acted) {
            return self.act(self.local.now, order);
        }
        if !is_for_us || !is_leader || stamp.term < self.raft.term() {
            return; // S6: another life, or a leader that was deposed
        }
        if self.take_stamp(stamp.age_key()) {
            if sabotage::is(Sabotage::ActBeforeWrite) {
                return self.act(self.local.now, order);
            }
            self.local.waiting.push_back(order);
        } else {
            self.local.is_report_due = true;
        }
    }

    pub(super) fn acted_durable(&mut self, now: Now, key: (Term, PlanId)) {
        self.local.durable = self.local.durable.max(key);
        self.local.is_report_due = true;
        while self.local.waiting.front().is_some_and(|o| o.stamp.age_key() <= self.local.durable) {
            if let Some(order) = self.local.waiting.pop_front() {
                self.act(now, order);
            }
        }
    }

    fn act(&mut self, now: Now, order: Order) {
        let id = order.instance.clone();
        let spec = InstanceSpec::from(&order.spec);
        let is_void = |i: &LocalInstance| i.is_leftover && !order.was_permitted && i.run.is_none();
        if self.local.instances.get(&id).is_some_and(is_void) {
            self.local.instances.remove(&id); // the ledger knows better: it was not started in this boot
        }
        let Some(order) = self.unless_looked_for_otherwise(order) else { return };
        let entry = self.local.instances.entry(id.clone()).or_insert_with(|| LocalInstance {
            machine: if order.was_permitted {
                Instance::new(id.clone(), spec, now.boot)
            } else {
                Instance::never_permitted(id.clone(), spec, now.boot)
            },
            spec: order.spec.clone(),
            is_address_free: order.is_address_free,
            run: None,
            waits_for_grant: None,
            is_leftover: false,
            asked_anew: None,
        });
        entry.is_leftover = false;
        if order.op == OrderOp::Start {
            // Parameters change only between a stop and a start.
            entry.spec = order.spec.clone();
            entry.is_address_free = order.is_address_free;
            entry.machine.set_spec(spec);
        }
        self.adopt_times(now, &id); // the order may be older than the configuration in force here
        let key = order.stamp.age_key();
        let kind = match order.op {
            OrderOp::Probe => OrderKind::Probe,
            OrderOp::Start => OrderKind::Start,
            OrderOp::Stop => OrderKind::Stop,
        };
        self.instance_event(now, &id, Event::Order { order: kind, key });
    }

    /// What was looked for by an older file says nothing of what runs with other parameters: it is forgotten, and where a run
    /// of it is under way (it may be a stop of what was found), the order waits for the end of that.
    fn unless_looked_for_otherwise(&mut self, order: Order) -> Option<Order> {
        let Some(i) = self.local.instances.get_mut(&order.instance) else { return Some(order) };
        if !i.is_leftover || i.spec.runs_as(&order.spec) {
            return Some(order);
        }
        if i.run.is_some() {
            i.asked_anew = Some(Box::new(order));
            return None;
        }
        self.local.instances.remove(&order.instance);
        Some(order)
    }

    /// The configuration in force is another: its times count for what runs too.
    pub(super) fn adopt_all_times(&mut self, now: Now) {
        let ids: Vec<_> = self.local.instances.keys().cloned().collect();
        for id in ids {
            self.adopt_times(now, &id);
        }
    }

    /// Time-outs and the pause between checks are as configured now. What is run, and with which parameters, changes
    /// only by a start.
    fn adopt_times(&mut self, now: Now, id: &InstanceId) {
        let Some(new) = self.config.resources.get(&ResourceId::from(id.as_str())) else { return };
        let Some(instance) = self.local.instances.get_mut(id) else { return };
        if instance.spec.runs_as(new) {
            instance.spec = new.clone();
            let outputs = instance.machine.set_times(now.boot, InstanceSpec::from(new));
            self.instance_outputs(now, id, outputs);
        }
    }

    fn instance_event(&mut self, now: Now, id: &InstanceId, event: Event) {
        let Some(instance) = self.local.instances.get_mut(id) else { return };
        let outputs = instance.machine.step(now.boot, event);
        self.instance_outputs(now, id, outputs);
    }

    fn instance_outputs(&mut self, now: Now, id: &InstanceId, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::RunAgent { op, timeout } => self.run_agent(now, id, op, timeout),
                Output::CancelAgent { .. } => {
                    let Some(instance) = self.local.instances.get_mut(id) else { return };
                    match (instance.waits_for_grant.take(), instance.run) {
                        (Some((run, _)), _) => self.agent_done(now, run.id, AgentOutcome::Cancelled),
                        (None, Some((effect, _))) => self.out.push(Effect::CancelAgent { id: effect }),
                        (None, None) => {}
                    }
                }
                Output::SetMonitor(_) | Output::ClearMonitor => {}
                Output::Changed => self.local.is_report_due = true,
            }
        }
    }

    fn run_agent(&mut self, now: Now, id: &InstanceId, op: Op, timeout: Duration) {
        let effect = self.effect_id();
        let Some(instance) = self.local.instances.get_mut(id) else { return };
        instance.run = Some((effect, op));
        // S4: no grant holds, or none did for that long. A look that hangs does not keep what may run from its stop.
        let is_look = instance.is_leftover && op == Op::Probe;
        let timeout = if is_look { timeout.min(self.config.timing.t_grant) } else { timeout };
        let run = AgentRun {
            id: effect,
            instance: id.clone(),
            agent: instance.spec.agent.clone(),
            options: instance.spec.options.clone(),
            op: match op {
                Op::Start => AgentOp::Start,
                Op::Stop => AgentOp::Stop,
                Op::Monitor => AgentOp::Monitor,
                Op::Probe => AgentOp::Probe,
            },
            timeout,
            interval: instance.spec.monitor.interval,
            needs_grant: !sabotage::is(Sabotage::StartWithoutGrant)
                && op == Op::Start
                && !instance.spec.objects.is_empty(),
            is_address_free: instance.is_address_free,
        };
        if op == Op::Probe && sabotage::is(Sabotage::SkipProbe) {
            return self.agent_done(now, effect, AgentOutcome::NotRunning);
        }
        if run.needs_grant && !self.grant.holds(now.boot) {
            // The order may be faster than the heartbeat that carries the first grant.
            instance.waits_for_grant = Some((run, now.boot + self.config.timing.t_lost));
        } else {
            self.out.push(Effect::RunAgent(run));
        }
    }

    /// Starts that wait for a grant: it came, or the wait is over and nothing was begun.
    fn release_waiting(&mut self, now: Now) {
        let has_grant = self.grant.holds(now.boot);
        let mut lapsed = Vec::new();
        for instance in self.local.instances.values_mut() {
            let is_due = |w: &mut (AgentRun, BootNs)| has_grant || now.boot >= w.1;
            if let Some((run, _)) = instance.waits_for_grant.take_if(is_due) {
                if has_grant {
                    self.out.push(Effect::RunAgent(run));
                } else {
                    lapsed.push(run.id);
                }
            }
        }
        for id in lapsed {
            self.agent_done(now, id, AgentOutcome::GrantLapsed);
        }
    }

    pub(super) fn agent_done(&mut self, now: Now, id: EffectId, outcome: AgentOutcome) {
        let found = self.local.instances.iter().find_map(|(name, i)| {
            let (effect, op) = i.run?;
            (effect == id).then(|| (name.clone(), op))
        });
        let Some((name, op)) = found else { return };
        let mut asked_anew = None;
        if let Some(i) = self.local.instances.get_mut(&name) {
            i.run = None;
            asked_anew = i.asked_anew.take();
        }
        if let Some(order) = asked_anew {
            self.local.instances.remove(&name);
            return self.act(now, *order);
        }
        let outcome = match outcome {
            AgentOutcome::Running => Outcome::Running,
            AgentOutcome::NotRunning => Outcome::NotRunning,
            AgentOutcome::Failed { why } => Outcome::Failed { why },
            AgentOutcome::NeverStarted { why } => Outcome::NeverStarted { why },
            AgentOutcome::GrantLapsed => Outcome::GrantLapsed,
            AgentOutcome::Cancelled => Outcome::Cancelled,
        };
        self.instance_event(now, &name, Event::AgentDone { op, outcome });
    }

    pub(super) fn process_exited(&mut self, now: Now, instance: &InstanceId, how: &str) {
        self.instance_event(now, instance, Event::ProcessExited { how: how.to_owned() });
    }

    pub(super) fn local_duties(&mut self, now: Now) {
        let due: Vec<_> = self
            .local
            .instances
            .iter()
            .filter(|(_, i)| i.machine.next_deadline().is_some_and(|d| d <= now.boot))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.instance_event(now, &id, Event::MonitorDue);
        }
        self.release_waiting(now);
        self.stop_without_grant(now);
        self.look_for_leftovers(now);
        self.report_if_due();
    }

    /// S4: without a grant everything exclusive stops, at once and without being told: when the grant is over, or when the
    /// first has not come in time; and whatever is found to run from then on.
    fn stop_without_grant(&mut self, now: Now) {
        let has_grant = self.grant.holds(now.boot);
        let is_over = std::mem::replace(&mut self.local.had_grant, has_grant) && !has_grant;
        let never_came = self.local.leftovers_at.is_some_and(|at| at <= now.boot);
        let is_awaited = self.grant.until().is_none() && self.local.leftovers_at.is_some();
        if has_grant || (is_awaited && !never_came) || sabotage::is(Sabotage::OutliveGrant) {
            return;
        }
        if is_over {
            self.tell_of_lost_grant();
        }
        let is_late = |i: &LocalInstance| {
            let is_found = matches!(i.machine.state(), InstanceState::Running | InstanceState::Failed);
            is_over || never_came || (is_found && !sabotage::is(Sabotage::KeepLateStart))
        };
        let late = self.local.instances.iter().filter(|(_, i)| is_late(i));
        for id in late.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.instance_event(now, &id, Event::GrantLost);
        }
    }

    /// No leader hears of what stops here now: this node's own journal does.
    fn tell_of_lost_grant(&mut self) {
        let is_active = |i: &LocalInstance| {
            use InstanceState::{Failed, Running, Starting};
            !i.spec.objects.is_empty() && matches!(i.machine.state(), Starting | Running | Failed)
        };
        let active = self.local.instances.iter().filter(|(_, i)| is_active(i));
        let names: Vec<_> = active.map(|(id, _)| id.as_str()).collect();
        if names.is_empty() {
            return;
        }
        let ms = self.config.timing.t_grant.as_millis();
        let text = format!(
            "no leader with a quorum has granted anything to this node for {ms} ms: stopping {}; whoever leads may have this \
             node fenced",
            names.join(", ")
        );
        self.out.push(Effect::TellLocal(Notice::Local { level: Level::Alarm, text }));
    }

    /// S4 for a daemon that restarted where no leader reaches it, or none for long enough to order probes: its log
    /// may be ahead of what it knows to be committed, so what an earlier session of this boot may have left running
    /// is looked for, and stopped where it runs.
    fn look_for_leftovers(&mut self, now: Now) {
        self.local.leftovers_at.take_if(|at| *at <= now.boot);
        let is_due = self.local.leftovers_at.is_none() && !self.local.has_looked;
        if !is_due || self.grant.holds(now.boot) || !self.is_member_role(&self.setup.me) {
            return;
        }
        self.local.has_looked = true;
        // What was configured last comes first; what only the file knows may have been started before.
        let known = [self.unapplied_config().cloned(), Some(Arc::clone(&self.config))];
        let resources = known.iter().flatten().flat_map(|config| &config.resources);
        for (resource, spec) in resources.filter(|(_, r)| !r.objects.is_empty()) {
            let id = InstanceId::from(resource.as_str());
            if self.local.instances.contains_key(&id) {
                continue;
            }
            let leftover = LocalInstance {
                machine: Instance::new(id.clone(), InstanceSpec::from(spec), now.boot),
                spec: spec.clone(),
                run: None,
                waits_for_grant: None,
                is_address_free: false,
                is_leftover: true,
                asked_anew: None,
            };
            self.local.instances.insert(id.clone(), leftover);
            let key = self.local.durable;
            self.instance_event(now, &id, Event::Order { order: OrderKind::Probe, key });
        }
    }

    fn report_if_due(&mut self) {
        let Some((term, leader)) = self.local.follows.clone() else { return };
        let is_current = self.raft.leader() == Some(&leader) && self.raft.term() == term;
        if !self.local.is_report_due || !is_current || self.local.durable < (term, PlanId(0)) {
            return;
        }
        self.local.is_report_due = false;
        self.local.seq += 1;
        let told = self.local.instances.iter().filter(|(_, i)| !i.is_leftover);
        let instances = told.map(|(id, i)| (id.clone(), i.machine.observed()));
        let report = Report {
            term,
            incarnation: self.setup.incarnation,
            session: self.setup.session,
            seq: self.local.seq,
            acted: self.local.durable,
            watchdog: self.watchdog_told(),
            instances: instances.collect(),
            warnings: self.warnings.list(),
        };
        self.send(&leader, PeerMessage::Report(report));
    }
}
