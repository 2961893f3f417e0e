//! What the power switch truly does and what its agent says; and how a host loses its power.

use super::cluster::{At, Cluster, MS};
use super::host::Stage;
use super::world::World;
use ha_core::Input;
use ha_fencing::{CallAction, CallOutcome};
use ha_model::{EffectId, FenceVerdict};

/// How long a supply holds its charge, where it does.
const CHARGE: u64 = 800 * MS;

/// From power to the daemon's start.
pub const BOOT: u64 = 1000 * MS;

/// What the agent says instead of what is so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Word {
    /// A reading: neither on nor off.
    Unknown,
    /// Nothing in time. What was asked may have been done.
    TimedOut,
    /// It is refused, and nothing is done.
    Refused,
    /// It is done; truly the switch does it later.
    Early,
    /// A reading: off, of what is on. No design survives it.
    Off,
}

impl World {
    /// The switch acts, or its answer comes.
    pub fn call(&mut self, cluster: &Cluster, at: At, id: EffectId) {
        let Some(call) = self.host(at).daemon.as_ref().and_then(|d| d.calls.get(&id)) else { return };
        let (action, stage, is_cancelled) = (call.run.action, call.stage, call.is_cancelled);
        let target = Cluster::at_outlet(&call.run.plug);
        let Some(target) = target else {
            let why = "no such outlet".to_owned();
            return self.answer(cluster, at, id, CallOutcome::Failed { why });
        };
        match (action, stage) {
            (CallAction::Status, _) => {
                let is_on = self.host(target).is_outlet_on;
                let verdict = if is_on { FenceVerdict::On } else { FenceVerdict::Off };
                self.answer(cluster, at, id, CallOutcome::Read(verdict));
            }
            (CallAction::Off | CallAction::On, Stage::Acted) => {
                self.answer(cluster, at, id, CallOutcome::Done)
            }
            (CallAction::Off | CallAction::On, Stage::Asked) => {
                if let Some(daemon) = &mut self.edit(at).daemon {
                    if is_cancelled {
                        daemon.calls.remove(&id);
                    } else if let Some(call) = daemon.calls.get_mut(&id) {
                        call.stage = Stage::Acted;
                    }
                }
                self.switched(cluster, target, action);
            }
        }
    }

    /// The agent says something else.
    pub fn say(&mut self, cluster: &Cluster, at: At, id: EffectId, word: Word) {
        match word {
            Word::Unknown => self.answer(cluster, at, id, CallOutcome::Read(FenceVerdict::Unknown)),
            Word::Off => self.answer(cluster, at, id, CallOutcome::Read(FenceVerdict::Off)),
            Word::TimedOut => self.answer(cluster, at, id, CallOutcome::TimedOut),
            Word::Refused => self.answer(cluster, at, id, CallOutcome::Failed { why: "refused".into() }),
            Word::Early => self.leave_undone(cluster, at, id, CallOutcome::Done),
        }
    }

    fn answer(&mut self, cluster: &Cluster, at: At, id: EffectId, outcome: CallOutcome) {
        let call = self.edit(at).daemon.as_mut().and_then(|d| d.calls.remove(&id));
        if call.is_some_and(|c| !c.is_cancelled) {
            self.step(cluster, at, Input::FenceCallDone { id, outcome });
        }
    }

    /// The core has an answer, and the switch has yet to do it: some time, or never.
    fn leave_undone(&mut self, cluster: &Cluster, at: At, id: EffectId, outcome: CallOutcome) {
        let Some(call) = self.edit(at).daemon.as_mut().and_then(|d| d.calls.get_mut(&id)) else { return };
        call.is_cancelled = true;
        self.held.insert(super::moves::Item::Call(at, id));
        self.step(cluster, at, Input::FenceCallDone { id, outcome });
    }

    /// Calls that took too long are given up; what was asked may still be done.
    pub fn give_up_calls(&mut self, cluster: &Cluster, at: At) {
        let Some(daemon) = self.host(at).awake() else { return };
        if daemon.given_up_at().is_none_or(|then| then > self.t) {
            return;
        }
        let late: Vec<_> =
            daemon.calls.iter().filter(|(_, c)| !c.is_cancelled && c.until <= self.t).collect();
        let late: Vec<_> = late.into_iter().map(|(id, c)| (*id, c.stage, c.run.action)).collect();
        for (id, stage, action) in late {
            self.tell(|| format!("call {id} of {} is given up", cluster.name(at)));
            if stage == Stage::Asked && action != CallAction::Status {
                self.leave_undone(cluster, at, id, CallOutcome::TimedOut);
            } else {
                self.answer(cluster, at, id, CallOutcome::TimedOut);
            }
        }
    }

    /// The outlet does it.
    fn switched(&mut self, cluster: &Cluster, target: At, action: CallAction) {
        let t = self.t;
        self.tell(|| format!("the switch: {action:?} of {}", cluster.name(target)));
        let holds_charge = !cluster.config.devices.values().all(|d| d.off_settle.is_zero());
        match action {
            CallAction::Off => {
                self.ledger.edit().milestones.cut(target);
                let host = self.edit(target);
                host.is_outlet_on = false;
                if !host.is_on {
                    return;
                }
                if holds_charge {
                    host.goes_off_at.get_or_insert(t + CHARGE);
                } else {
                    self.power_goes(cluster, target);
                }
            }
            CallAction::On => {
                let host = self.edit(target);
                let was_off = !std::mem::replace(&mut host.is_outlet_on, true);
                host.goes_off_at = None;
                if was_off {
                    host.power_on(t, t + BOOT);
                }
            }
            CallAction::Status => {}
        }
    }

    /// A host has no power any more.
    pub fn power_goes(&mut self, cluster: &Cluster, at: At) {
        self.tell(|| format!("{} has no power", cluster.name(at)));
        self.edit(at).power_off();
    }
}
