//! What the power switch truly does, and what its agent says.

use super::{Due, MS, World};
use crate::act::{Moment, Switch};
use ha_core::Input;
use ha_fencing::{CallAction, CallOutcome};
use ha_model::{EffectId, FenceVerdict, NodeId};

/// How long a supply holds its charge; clusters with such supplies wait longer between two readings.
const CHARGE: u64 = 800 * MS;

/// A switch that cycles the power switches on after it.
const CYCLE: u64 = 2000 * MS;

impl World {
    /// Remembers that nobody waits for that call's own answer.
    pub(super) fn fences_given_up(&mut self, id: &NodeId, effect: EffectId, is_given_up: bool) {
        if is_given_up {
            self.ledger.given_up.insert((id.clone(), effect));
        }
    }

    /// A daemon that starts numbers its calls and runs anew.
    pub(super) fn forget_calls(&mut self, id: &NodeId) {
        self.ledger.given_up.retain(|(node, _)| node != id);
        self.ledger.cancelled.retain(|(node, _)| node != id);
        self.ledger.hanging.retain(|(node, _)| node != id);
    }

    pub(super) fn fence_ends(
        &mut self,
        id: &NodeId,
        effect: EffectId,
        device: &str,
        plug: &str,
        action: CallAction,
    ) {
        self.host(id).daemon.iter_mut().for_each(|d| drop(d.cutting.remove(&effect)));
        if self.ledger.cancelled.remove(&(id.clone(), effect)) {
            return;
        }
        let outcome = if self.ledger.given_up.remove(&(id.clone(), effect)) {
            CallOutcome::TimedOut
        } else {
            self.answer(id, device, plug, action)
        };
        self.record_call(&outcome);
        self.step(id, Input::FenceCallDone { id: effect, outcome });
    }

    /// The second switch is sound whatever the first does, unless that lies.
    fn how_does(&self, device: &str) -> Switch {
        if let Some(how) = self.parts.switches.get(device) {
            return *how;
        }
        let is_spared = self.shape.file.is_none()
            && device == "pdu-b"
            && !matches!(self.switch, Switch::Lying | Switch::Miswired);
        if is_spared { Switch::Sound } else { self.switch }
    }

    fn answer(&mut self, id: &NodeId, device: &str, plug: &str, action: CallAction) -> CallOutcome {
        let failed = |why: &str| CallOutcome::Failed { why: why.into() };
        let target: Option<NodeId> = self.shape.at_outlet(plug).map(|n| n.name.as_str().into());
        let how = self.how_does(device);
        match (target, action, how) {
            (_, _, Switch::Dead) => failed("no answer"),
            (None, _, _) => failed("no such outlet"),
            (Some(_), CallAction::Off | CallAction::On, Switch::Failing | Switch::Blind) => failed("refused"),
            (Some(_), CallAction::Status, Switch::Blind) => CallOutcome::Read(FenceVerdict::Unknown),
            (Some(target), CallAction::Off, how) => {
                self.tell(format!("switch: {id} asks OFF of {target}"));
                match how {
                    Switch::Lying => {
                        self.has_lied = true;
                        self.ledger.lied_off.insert(target);
                    }
                    Switch::Miswired => {
                        self.has_lied = true;
                        let next = self.shape.after_outlet(plug);
                        self.ledger.lied_off.insert(target);
                        self.switched(&next, action);
                    }
                    Switch::Cycling => {
                        self.switched(plug, action);
                        self.at(CYCLE, Due::CycledOn { plug: plug.to_owned() });
                    }
                    _ if self.shape.holds_charge => {
                        self.tally.fault("supply holds its charge");
                        let (boot, t) = (self.hosts[&target].boots, self.t);
                        self.host(&target).goes_off_at = Some(t + CHARGE);
                        self.at(CHARGE, Due::Discharged { node: target, boot });
                    }
                    _ => self.switched(plug, action),
                }
                if how == Switch::Mute { CallOutcome::TimedOut } else { CallOutcome::Done }
            }
            (Some(target), CallAction::On, how) => {
                self.tell(format!("switch: {id} asks ON of {target}"));
                if !self.hosts[&target].is_on {
                    self.judge_power_on(&target);
                }
                self.switched(plug, action);
                if how == Switch::Mute { failed("cut off") } else { CallOutcome::Done }
            }
            (Some(_), CallAction::Status, Switch::Mute) if self.rng.percent(30) => {
                CallOutcome::Read(FenceVerdict::Unknown)
            }
            (Some(target), CallAction::Status, _) => {
                let host = &self.hosts[&target];
                let is_on =
                    host.is_on && host.goes_off_at.is_none() && !self.ledger.lied_off.contains(&target);
                let is_on = is_on && !self.parts.outlets_off.contains(plug);
                CallOutcome::Read(if is_on { FenceVerdict::On } else { FenceVerdict::Off })
            }
        }
    }

    /// The outlet does it, and every other on the same supply.
    pub(super) fn switched(&mut self, plug: &str, action: CallAction) {
        let Some(node) = self.shape.at_outlet(plug) else { return };
        if self.is_outlet_one_of_more(&node.name.clone(), plug, action) {
            return;
        }
        let Some(node) = self.shape.at_outlet(plug) else { return };
        let mut fed: Vec<NodeId> = vec![node.name.as_str().into()];
        if self.shape.is_supply_shared && action == CallAction::Off {
            let first_two: Vec<_> =
                self.shape.nodes.iter().take(2).map(|n| NodeId::from(n.name.as_str())).collect();
            if first_two.contains(&fed[0]) {
                fed = first_two;
            }
        }
        for id in fed {
            match action {
                CallAction::Off => {
                    self.tally.fences += 1;
                    self.ledger.cut_at.insert(id.clone(), self.t);
                    self.record_cut(&id);
                    self.power_off(&id);
                    self.moment(Moment::OffDone);
                }
                CallAction::On => {
                    self.ledger.lied_off.remove(&id);
                    self.power_on(&id);
                }
                CallAction::Status => {}
            }
        }
    }

    pub(super) fn discharged(&mut self, id: &NodeId, boot: u128) {
        let host = self.host(id);
        if host.boots == boot && host.goes_off_at.take().is_some() {
            self.tally.fences += 1;
            self.record_cut(id);
            self.power_off(id);
        }
    }
}
