//! The perfect shells: heartbeats, agents, the power switch, and every effect of a core.

use super::{Due, MS, NODES, World};
use crate::effect::{AgentOp, Effect};
use crate::input::{AgentOutcome, BeatIn, Input};
use crate::message::{BeatBody, Order, OrderOp, PeerMessage};
use crate::state::InstanceRecord;
use ha_fencing::{CallAction, CallOutcome};
use ha_membership::Ages;
use ha_model::{
    ArmedWatchdog, EffectId, FenceVerdict, InstanceState, NodeId, SessionId, WatchdogPlan, WatchdogState,
};
use std::time::Duration;

/// Follows the name of what is asked with other parameters than it runs with.
const AS_ANOTHER: &str = " as another";

impl Due {
    /// Whether it is the end of an agent of this instance.
    fn is_agent_of(&self, on: &NodeId, of: SessionId, name: &str) -> bool {
        let is_it = |instance: &String| instance.strip_suffix(AS_ANOTHER).unwrap_or(instance) == name;
        matches!(self, Due::Agent { node, session, instance, .. } if node == on && *session == of && is_it(instance))
    }
}

impl World {
    /// The service is ordered to start where the log says that its address runs.
    fn judge_order(&self, leader: &NodeId, to: &NodeId, order: &Order) {
        if order.op == OrderOp::Start && order.instance.as_str() == "web" {
            let state = self.hosts[leader].node.as_ref().unwrap().state();
            let vip = state.instances.get(&"vip".into()).and_then(|on| on.get(to)).map(InstanceRecord::state);
            assert_eq!(vip, Some(InstanceState::Running), "S11: web is ordered to start on {to} before vip");
        }
    }

    pub(super) fn send_beats(&mut self, id: &NodeId) {
        let sent_at = self.now;
        let host = &self.hosts[id];
        if host.node.is_none() {
            return;
        }
        let write =
            self.hung.get(id).and_then(|(since, _)| *since).map_or(Duration::ZERO, |s| sent_at.since(s));
        let beats: Vec<_> = host
            .bodies
            .iter()
            .filter(|(to, _)| !self.is_cut(id, to))
            .map(|(to, body)| {
                let beat = BeatIn {
                    from: id.clone(),
                    link: 0,
                    received_at: sent_at,
                    sent_at,
                    echo: host.heard.get(to).copied(),
                    ages: Ages { write, ..Ages::default() },
                    body: BeatBody {
                        granted: body.granted.filter(|_| !self.ungranted.contains(to)),
                        ..body.clone()
                    },
                };
                (to.clone(), beat)
            })
            .collect();
        for (to, beat) in beats {
            self.at(MS, Due::Beat { to, beat: Box::new(beat) });
        }
        self.at(MS * 100, Due::SendBeats { node: id.clone() });
    }

    pub(super) fn agent(
        &mut self,
        id: &NodeId,
        session: SessionId,
        effect: EffectId,
        op: AgentOp,
        instance: String,
    ) {
        let fails = self.stop_fails.contains(&(id.clone(), instance.clone()));
        let host = self.hosts.get_mut(id).unwrap();
        let is_running = host.running.contains(&instance);
        let outcome = match op {
            AgentOp::Probe if self.probe_hangs.contains(&instance) => {
                AgentOutcome::Failed { why: "it did not end in time".into() }
            }
            AgentOp::Start if self.start_fails.contains(&instance) => {
                self.journal.push(format!("try {id} {instance}"));
                AgentOutcome::Failed { why: "it does not start".into() }
            }
            AgentOp::Start => {
                host.running.insert(instance.clone());
                self.journal.push(format!("start {id} {instance}"));
                AgentOutcome::Running
            }
            AgentOp::Stop if fails => AgentOutcome::Failed { why: "it does not stop".into() },
            AgentOp::Stop => {
                if host.running.remove(&instance) {
                    self.journal.push(format!("stop {id} {instance}"));
                }
                AgentOutcome::NotRunning
            }
            AgentOp::Monitor | AgentOp::Probe if is_running => AgentOutcome::Running,
            AgentOp::Monitor | AgentOp::Probe => AgentOutcome::NotRunning,
        };
        if self.is_session(id, session) {
            self.step(id, Input::AgentDone { id: effect, outcome });
        }
    }

    pub(super) fn fence(
        &mut self,
        id: &NodeId,
        session: SessionId,
        effect: EffectId,
        plug: &str,
        action: CallAction,
    ) {
        let by_plug = (1..).zip(NODES).find(|(n, _)| plug == n.to_string()).map_or("", |(_, name)| name);
        let target = if self.switch.is_alphas { "alpha" } else { by_plug };
        let outcome = match action {
            _ if self.switch_is_dead || self.unanswered.contains(id) => {
                CallOutcome::Failed { why: "no answer".into() }
            }
            CallAction::Off if self.switch.broken_agents.contains(id) => {
                CallOutcome::Failed { why: "unrecognized arguments".into() }
            }
            CallAction::Status if self.switch.broken_agents.contains(id) => {
                CallOutcome::Read(FenceVerdict::Off)
            }
            CallAction::Off if plug == "99" || self.switch.dead_outlets.contains(plug) => CallOutcome::Done,
            CallAction::Status if plug == "99" || self.switch.dead_outlets.contains(plug) => {
                CallOutcome::Read(FenceVerdict::Off)
            }
            _ if target.is_empty() => CallOutcome::Failed { why: "no such outlet".into() },
            CallAction::Off => {
                self.journal.push(format!("cut {target}"));
                if !self.lie {
                    self.power_off(target);
                }
                CallOutcome::Done
            }
            CallAction::On if self.on_fails > 0 => {
                self.on_fails -= 1;
                CallOutcome::Failed { why: "busy".into() }
            }
            CallAction::On => {
                self.power_on(target);
                CallOutcome::Done
            }
            CallAction::Status if self.lie && self.journal.iter().any(|l| *l == format!("cut {target}")) => {
                CallOutcome::Read(FenceVerdict::Off)
            }
            CallAction::Status if self.power_of(target) => CallOutcome::Read(FenceVerdict::On),
            CallAction::Status => CallOutcome::Read(FenceVerdict::Off),
        };
        if self.is_session(id, session) && self.hosts[id].is_on {
            self.step(id, Input::FenceCallDone { id: effect, outcome });
        }
    }

    pub(super) fn step(&mut self, id: &NodeId, input: Input) {
        let now = self.now_at(id);
        let host = self.hosts.get_mut(id).unwrap();
        if host.is_frozen {
            return;
        }
        let Some(node) = &mut host.node else { return };
        let effects = node.step(now, input);
        let session = host.session;
        for effect in effects {
            self.effect(id, session, effect);
        }
    }

    pub(super) fn effect(&mut self, id: &NodeId, session: SessionId, effect: Effect) {
        let node = id.clone();
        match effect {
            Effect::Persist { id: effect, votes, acted } => {
                let store = &mut self.hosts.get_mut(id).unwrap().store;
                if let Some(p) = votes {
                    store.hard = p.hard;
                    store.peers = p.peers;
                    store.snapshot = p.snapshot.or(store.snapshot.take());
                    if let Some(from) = p.truncate_from {
                        store.log.retain(|i, _| *i < from.0);
                    }
                    store.log.extend(p.append.into_iter().map(|e| (e.index.0, e)));
                }
                store.acted = acted.unwrap_or(store.acted);
                let done = Due::Persisted { node, session, id: effect };
                match self.hung.get_mut(id) {
                    None => self.at(MS, done),
                    Some((since, writes)) => {
                        since.get_or_insert(self.now);
                        writes.push(done);
                    }
                }
            }
            Effect::Send { to, message } => {
                if let PeerMessage::Order(order) = &*message {
                    self.judge_order(id, &to, order);
                    self.orders.insert(to.clone(), order.clone());
                }
                let has_stream = ![id, &to].into_iter().any(|n| self.without_stream.contains(n));
                let is_linked = has_stream && self.hosts[&to].node.is_some() && !self.is_cut(id, &to);
                let is_lost = self.broken.contains(&(id.clone(), to.clone())) || (self.loses)(id, &message);
                if is_linked && !is_lost {
                    self.at(MS, Due::Message { to, from: node, message });
                }
            }
            Effect::SaidToSelf { message } => {
                if let PeerMessage::Order(order) = &*message {
                    self.judge_order(id, id, order);
                }
            }
            Effect::Beat { bodies, .. } => self.hosts.get_mut(id).unwrap().bodies = bodies,
            Effect::RunAgent(run) => {
                let is_beside =
                    self.queue.values().any(|due| due.is_agent_of(id, session, run.instance.as_str()));
                assert!(
                    !is_beside,
                    "S11: {:?} of {} on {id} beside another agent of it",
                    run.op, run.instance
                );
                let mut instance = run.instance.to_string();
                let is_other = |started: &String| run.options.get("start").is_some_and(|c| c != started);
                if run.op != AgentOp::Start && self.commands.get(&instance).is_some_and(is_other) {
                    instance.push_str(AS_ANOTHER); // with other parameters it is not seen, nor stopped
                }
                if let (AgentOp::Start, Some(command)) = (run.op, run.options.get("start")) {
                    self.commands.insert(instance.clone(), command.clone());
                }
                if run.op == AgentOp::Start {
                    self.quick_checks.insert(instance.clone(), run.is_address_free);
                }
                let hangs = run.op == AgentOp::Probe && self.probe_hangs.contains(&instance);
                let takes = if hangs { run.timeout } else { MS * 5 };
                self.at(takes, Due::Agent { node, session, id: run.id, op: run.op, instance });
            }
            Effect::RunFence(run) if run.agent.as_str().starts_with('(') => {
                let why = format!("there is no agent {}", run.agent);
                let delay = self.answer_delay;
                self.at(delay, Due::NoAgent { node, session, id: run.id, why });
            }
            Effect::RunFence(run) => {
                let delay = self.answer_delay;
                self.at(delay, Due::Fence { node, session, id: run.id, plug: run.plug, action: run.action });
            }
            Effect::AdminReply { id: request, reply } => {
                self.hosts.get_mut(id).unwrap().replies.insert(request, *reply);
            }
            Effect::Tell(event) => {
                if self.leaders().first() == Some(id) {
                    self.notices.push(event.notice);
                }
            }
            Effect::KeepPlannerInput(input) => panic!("S20: planner failed: {}", input.why),
            Effect::TellLocal(notice) => self.notices.push(notice),
            Effect::Deadline(at) => {
                let at = at.max(self.now);
                let host = self.hosts.get_mut(id).unwrap();
                if host.wake.is_none_or(|w| at < w) {
                    host.wake = Some(at);
                    self.seq += 1;
                    self.queue.insert((at, self.seq), Due::Wake { node, session });
                }
            }
            Effect::CancelFence { id: effect } => {
                let is_it =
                    |due: &Due| matches!(due, Due::Fence { node: n, id, .. } if (n, *id) == (&node, effect));
                self.queue.retain(|_, due| !is_it(due));
            }
            Effect::Pet { until } => {
                self.pets.insert(node, until);
            }
            Effect::Watchdog(plan) => {
                let verb = if plan == WatchdogPlan::Disarm { "disarm" } else { "arm" };
                self.journal.push(format!("{verb} {id}"));
                let state = match plan {
                    WatchdogPlan::Arm { device, .. } if device == "/dev/none" => {
                        WatchdogState::Missing("no such device".to_owned())
                    }
                    WatchdogPlan::Arm { device, timeout } => WatchdogState::Armed(ArmedWatchdog {
                        device,
                        identity: "softdog".to_owned(),
                        timeout_ms: timeout.as_millis() as u64,
                    }),
                    WatchdogPlan::Disarm => WatchdogState::Off,
                };
                self.at(MS, Due::Watchdog { node, session, state });
            }
            Effect::Grant { .. } | Effect::CancelAgent { .. } | Effect::ConfigInForce(_) => {}
            Effect::Halt { why } => panic!("{id} halted: {why}"),
        }
    }
}
