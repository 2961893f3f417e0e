//! A step of a core, and what becomes of its effects.

use super::disk::Write;
use super::host::Run;
use super::{Due, MS, World};
use crate::act::{self, Moment};
use ha_core::{BeatIn, Effect, Input, PeerMessage};
use ha_model::{NodeId, SessionId};

/// A disk that a write waits for so long hangs.
const HANGS_LONG: u64 = 5000 * MS;

/// Heartbeats that wait for a core that stands still.
const INBOX_MAX: usize = 1000;

impl World {
    /// Heartbeats that wait are taken before anything else, as the daemon does.
    pub(crate) fn step(&mut self, id: &NodeId, input: Input) {
        self.take_gathered(id);
        self.step_once(id, input);
    }

    /// A heartbeat has arrived: it is taken with what else arrives while the core is busy.
    pub(super) fn gather(&mut self, id: &NodeId, beat: BeatIn) {
        let gather = self.shape.gather_ms * MS;
        let Some(daemon) = &mut self.host(id).daemon else { return };
        let (session, is_first) = (daemon.session, daemon.inbox.is_empty());
        daemon.inbox.push(beat);
        if gather == 0 {
            self.take_gathered(id);
        } else if is_first {
            self.at(gather, Due::Gathered { node: id.clone(), session });
        }
    }

    pub(super) fn take_gathered(&mut self, id: &NodeId) {
        let host = self.host(id);
        let may_take = !host.is_frozen && !host.is_stalled();
        let Some(daemon) = host.daemon.as_mut().filter(|d| may_take && !d.inbox.is_empty()) else { return };
        let beats = std::mem::take(&mut daemon.inbox);
        self.step_once(id, Input::Beats(beats));
    }

    /// The core stands still, and heartbeats are sent and taken all the same; what else happens waits.
    pub(super) fn happen_stalled(&mut self, id: &NodeId, due: Due) {
        match due {
            Due::SendBeats { .. } => self.happen_at(id, due),
            Due::Beat { keys, beat, .. } => {
                if let Some(beat) = self.take_beat(id, keys, *beat)
                    && let Some(daemon) = &mut self.host(id).daemon
                    && daemon.inbox.len() < INBOX_MAX
                {
                    daemon.inbox.push(beat);
                }
            }
            Due::Wake { .. } | Due::Gathered { .. } => {}
            due => self.host(id).parked.push(due),
        }
    }

    fn step_once(&mut self, id: &NodeId, input: Input) {
        let now = self.now(id);
        let host = self.host(id);
        if host.is_frozen || host.is_stalled() {
            return;
        }
        if host.daemon.is_none() {
            return;
        }
        let has_lease = self.has_lease(&self.hosts[id]);
        self.ledger.led_into_step = has_lease;
        let Some(daemon) = &mut self.host(id).daemon else { return };
        daemon.last_step = now.boot;
        let session = daemon.session;
        let order = match &input {
            Input::Message { message, .. } => match &**message {
                PeerMessage::Order(order) => Some(order.clone()),
                _ => None,
            },
            _ => None,
        };
        let effects = daemon.node.step(now, input);
        if let Some((rule, what)) = order.and_then(|order| self.check_order(id, &order, &effects)) {
            self.fail(rule, what);
        }
        // Orders leave before anybody is told of it.
        if effects.iter().any(|e| matches!(e, Effect::ConfigInForce(_))) {
            self.ledger.config_at = self.t;
        }
        self.check_own_orders(id, &effects);
        for effect in effects {
            if self.hosts[id].is_session(session) {
                self.effect(id, session, effect);
            }
        }
        self.check(id);
    }

    pub(super) fn persisted(&mut self, id: &NodeId) {
        let disk = &mut self.host(id).disk;
        let Some(write) = disk.writes.pop_front() else { return };
        let effect = write.id;
        if disk.how == act::Disk::Failing || disk.has_failed {
            let is_first = !std::mem::replace(&mut disk.has_failed, true);
            disk.failed_since.get_or_insert(write.since);
            // What is said to have failed may be there all the same; nothing comes after it.
            if is_first {
                self.meets("failing disk");
                if self.rng.surprises(50) {
                    self.host(id).disk.write(write);
                }
            }
            return self.step(id, Input::PersistFailed { id: effect, why: "no space left on device".into() });
        }
        disk.write(write);
        self.step(id, Input::Persisted(effect));
    }

    fn effect(&mut self, id: &NodeId, session: SessionId, effect: Effect) {
        let node = id.clone();
        let t = self.t;
        match effect {
            Effect::Persist { id: effect, votes, acted } => {
                let is_slow = self.hosts[id].disk.how == act::Disk::Slow && self.rng.percent(20);
                if is_slow {
                    self.meets("slow disk");
                }
                if self.hosts[id].disk.free_at > t + HANGS_LONG {
                    self.meets("hanging disk");
                }
                let takes =
                    if is_slow { self.rng.range(50, 800) * MS } else { self.rng.range(200, 3000) * 1000 };
                let disk = &mut self.host(id).disk;
                disk.writes.push_back(Write { id: effect, votes, acted, since: t });
                disk.free_at = disk.free_at.max(t) + takes;
                let after = disk.free_at - t;
                self.at(after, Due::Persisted { node, session });
            }
            Effect::Send { to, message } => {
                self.check_message(id, &to, &message);
                self.check_hold(id, &to, &message);
                self.send(id, &to, message);
            }
            Effect::SaidToSelf { message } => self.check_message(id, &node, &message),
            Effect::Beat { valid_until, bodies, is_urgent } => {
                self.check_grants(id, &bodies);
                if let Some(daemon) = &mut self.host(id).daemon {
                    (daemon.bodies, daemon.valid_until) = (bodies, valid_until);
                }
                if is_urgent {
                    self.send_beats(id);
                }
            }
            Effect::Grant { until } => {
                self.check_grant(id, until);
                if let Some(daemon) = &mut self.host(id).daemon {
                    daemon.grant = Some(until);
                }
            }
            Effect::Pet { until } => {
                if let Some(daemon) = &mut self.host(id).daemon {
                    daemon.pet_until = Some(until);
                }
            }
            Effect::Watchdog(plan) => self.watchdog_plan(id, session, plan),
            Effect::RunAgent(run) => {
                self.check_start(id, &run);
                if let Some((rule, what)) = self.judge_run(id, &run) {
                    self.fail(rule, what);
                }
                let (effect, (takes, hangs)) = (run.id, self.agent_takes(&run));
                let is_start = run.op == ha_core::AgentOp::Start;
                if let Some(daemon) = &mut self.host(id).daemon {
                    let term = daemon.node.votes().term();
                    daemon.known.insert(run.instance.clone());
                    daemon
                        .runs
                        .insert(effect, Run { run, is_cancelled: false, hangs, is_past_check: false, term });
                }
                self.at(takes, Due::Agent { node, session, id: effect });
                if is_start {
                    self.moment(Moment::StartBegun);
                }
            }
            Effect::CancelAgent { id: effect } => {
                let after = self.rng.range(1, 20) * MS;
                let run = self.host(id).daemon.as_mut().and_then(|d| d.runs.get_mut(&effect));
                if let Some(run) = run {
                    run.is_cancelled = true;
                    self.at(after, Due::Agent { node, session, id: effect });
                }
            }
            Effect::RunFence(run) => self.fence_begins(id, session, run),
            Effect::AdminReply { id: request, reply } => {
                self.note_reply(request, &reply);
                if let Some(daemon) = &mut self.host(id).daemon {
                    daemon.replies.insert(request, *reply);
                }
            }
            Effect::Tell(event) => {
                self.note_told(id, &event.notice);
                self.told(id, &event);
            }
            Effect::TellLocal(notice) => {
                self.record_said(id, &notice);
                self.tell(format!("    {id} (local): {}", notice.text()));
            }
            Effect::Deadline(at) => {
                let host = self.host(id);
                let at = host.clock.when(at).max(t + 1);
                if let Some(daemon) = &mut host.daemon
                    && daemon.wake.is_none_or(|w| at < w)
                {
                    daemon.wake = Some(at);
                    self.at(at - t, Due::Wake { node, at });
                }
            }
            Effect::CancelFence { id: effect } => self.fence_is_called_off(id, session, effect),
            Effect::ConfigInForce(_) => {}
            Effect::KeepPlannerInput(input) => self.judge_planner(id, &input),
            Effect::Halt { why } => self.fail("S16", format!("{id} halted: {why}")),
        }
    }
}
