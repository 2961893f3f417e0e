//! A step of a core, and what becomes of its effects.

use super::cluster::{At, BEAT, Cluster, MS, when};
use super::host::{Call, Run, Stage};
use super::world::World;
use crate::world::disk::Write;
use ha_core::{AgentOp, Effect, Input, Order, PeerMessage};
use ha_fencing::CallAction;
use ha_model::SessionId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A deadline is kept this exactly: late ticks do no harm, and fewer moments are fewer states.
const GRID: u64 = 20 * MS;

impl World {
    /// One step of the core at a host; nothing where there is none, or it stands still.
    pub fn step(&mut self, cluster: &Cluster, at: At, input: Input) {
        let now = self.host(at).now(self.t);
        if self.broken.is_some() || self.host(at).awake().is_none() {
            return;
        }
        let order = match &input {
            Input::Message { message, .. } => order_of(message).cloned(),
            _ => None,
        };
        let Some(daemon) = &mut self.edit(at).daemon else { return };
        daemon.last_step = now.boot;
        let session = daemon.session;
        // A core's own assertion ends the daemon in the field; here it ends the path.
        let stepped = catch_unwind(AssertUnwindSafe(|| daemon.node.step(now, input)));
        let effects = match stepped {
            Ok(effects) => effects,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                return self.fail("abort", text.unwrap_or_default());
            }
        };
        let own = effects.iter().filter_map(|effect| match effect {
            Effect::SaidToSelf { message } => order_of(message),
            _ => None,
        });
        for order in order.iter().chain(own) {
            self.judge_order(at, order, &effects);
        }
        for effect in effects {
            self.effect(cluster, at, session, effect);
        }
        self.judge(cluster, at);
    }

    fn effect(&mut self, cluster: &Cluster, at: At, session: SessionId, effect: Effect) {
        let t = self.t;
        match effect {
            Effect::Persist { id, votes, acted } => {
                Arc::make_mut(&mut self.edit(at).disk).writes.push_back(Write { id, votes, acted, since: t });
            }
            Effect::Send { to, message } => {
                self.judge_message(cluster, at, &to, &message);
                self.send(cluster, at, &to, *message);
            }
            Effect::SaidToSelf { message } => self.judge_message(cluster, at, cluster.name(at), &message),
            Effect::Beat { valid_until, bodies, is_urgent } => {
                self.judge_bodies(cluster, at, &bodies);
                if let Some(daemon) = &mut self.edit(at).daemon {
                    (daemon.bodies, daemon.valid_until) = (bodies, valid_until);
                    daemon.is_beat_urgent |= is_urgent;
                }
            }
            Effect::Grant { until } => {
                self.judge_new_grant(at, until);
                if let Some(daemon) = &mut self.edit(at).daemon {
                    daemon.grant = Some(until);
                }
            }
            // Their files name no watchdogs.
            Effect::Pet { .. } | Effect::Watchdog(_) => {}
            Effect::RunAgent(run) => {
                if run.op == AgentOp::Start {
                    self.judge_start(at);
                }
                if let Some(daemon) = &mut self.edit(at).daemon {
                    daemon.is_known = true;
                    daemon.runs.insert(run.id, Run { run, is_cancelled: false });
                }
            }
            Effect::CancelAgent { id } => {
                if let Some(run) = self.edit(at).daemon.as_mut().and_then(|d| d.runs.get_mut(&id)) {
                    run.is_cancelled = true;
                }
            }
            Effect::RunFence(run) => {
                if run.action == CallAction::Off
                    && let Some(target) = Cluster::at_outlet(&run.plug)
                {
                    self.judge_off(cluster, at, target);
                }
                if let Some(daemon) = &mut self.edit(at).daemon {
                    let until = t + u64::try_from(run.timeout.as_nanos()).unwrap_or(u64::MAX / 2);
                    let call = Call { run, stage: Stage::Asked, is_cancelled: false, until };
                    daemon.calls.insert(call.run.id, call);
                }
            }
            Effect::CancelFence { id } => {
                if let Some(call) = self.edit(at).daemon.as_mut().and_then(|d| d.calls.get_mut(&id)) {
                    call.is_cancelled = true;
                }
            }
            Effect::Tell(event) => self.told(cluster, at, &event),
            Effect::TellLocal(notice) => {
                self.tell(|| format!("    {} (local): {}", cluster.name(at), notice.text()));
            }
            Effect::Deadline(deadline) => {
                let host = self.host(at);
                if host.session() != Some(session) {
                    return;
                }
                let wake = when(at, host.booted_at, deadline).max(t + 1).div_ceil(GRID) * GRID;
                // A heartbeat's moment steps every core anyway.
                let wake =
                    if wake.div_ceil(BEAT) * BEAT < wake + GRID { wake.div_ceil(BEAT) * BEAT } else { wake };
                if let Some(daemon) = &mut self.edit(at).daemon {
                    daemon.wake = Some(daemon.wake.map_or(wake, |w| w.min(wake)));
                }
            }
            Effect::AdminReply { .. } | Effect::ConfigInForce(_) => {}
            Effect::KeepPlannerInput(input) => self.fail("S20", format!("planner failed: {}", input.why)),
            Effect::Halt { why } => self.fail("S16", format!("{} halted: {why}", cluster.name(at))),
        }
    }
}

fn order_of(message: &PeerMessage) -> Option<&Order> {
    match message {
        PeerMessage::Order(order) => Some(order),
        _ => None,
    }
}
