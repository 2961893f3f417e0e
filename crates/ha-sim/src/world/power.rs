//! What the power switch truly does, and what its agent says.

use super::{Due, MS, World};
use crate::act::{Moment, Switch};
use ha_fencing::{CallAction, CallOutcome};
use ha_model::{FenceVerdict, NodeId};

/// How long a supply holds its charge; clusters with such supplies wait longer between two readings.
const CHARGE: u64 = 800 * MS;

/// A switch that cycles the power switches on after it.
const CYCLE: u64 = 2000 * MS;

impl World {
    /// The second switch is sound whatever the first does, unless that lies.
    pub(super) fn how_does(&self, device: &str) -> Switch {
        if let Some(how) = self.parts.switches.get(device) {
            return *how;
        }
        let is_spared = self.shape.file.is_none()
            && device == "pdu-b"
            && !matches!(self.switch, Switch::Lying | Switch::Miswired);
        if is_spared { Switch::Sound } else { self.switch }
    }

    /// What the switch does when it is asked, and says.
    pub(super) fn answer(
        &mut self,
        id: &NodeId,
        device: &str,
        plug: &str,
        action: CallAction,
    ) -> CallOutcome {
        let failed = |why: &str| CallOutcome::Failed { why: why.into() };
        let target: Option<NodeId> = self.shape.at_outlet(plug).map(|n| n.name.as_str().into());
        let how = self.how_does(device);
        match (target, action, how) {
            (_, _, Switch::Dead) => {
                self.meets("switch unreachable");
                failed("no answer")
            }
            (None, CallAction::Status, Switch::Vouching) => {
                self.meets("switch vouches for anything");
                CallOutcome::Read(FenceVerdict::Off)
            }
            (None, _, _) => failed("no such outlet"),
            (Some(_), CallAction::Off | CallAction::On, Switch::Failing | Switch::Blind) => {
                self.meets("switch fails");
                failed("refused")
            }
            (Some(_), CallAction::Status, Switch::Blind) => {
                self.meets("switch knows nothing");
                CallOutcome::Read(FenceVerdict::Unknown)
            }
            (Some(target), CallAction::Off, how) => {
                self.tell(format!("switch: {id} asks OFF of {target}"));
                self.is_asked_off(&target, plug, how);
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
                    host.is_on && host.goes_off_at.is_none() && !self.parts.lied_off.contains(&target);
                let is_on = is_on && !self.parts.outlets_off.contains(plug);
                CallOutcome::Read(if is_on { FenceVerdict::On } else { FenceVerdict::Off })
            }
        }
    }

    fn is_asked_off(&mut self, target: &NodeId, plug: &str, how: Switch) {
        match how {
            Switch::Lying => {
                self.meets("switch lies");
                self.has_lied = true;
                self.parts.lied_off.insert(target.clone());
            }
            Switch::Miswired => {
                self.meets("wrong outlet");
                self.has_lied = true;
                let next = self.shape.after_outlet(plug);
                self.parts.lied_off.insert(target.clone());
                self.switched(&next, CallAction::Off);
            }
            Switch::Cycling => {
                self.meets("switch cycles the power");
                self.switched(plug, CallAction::Off);
                self.at(CYCLE, Due::CycledOn { plug: plug.to_owned() });
            }
            Switch::Mute => {
                self.meets("switch acts and times out");
                self.switched(plug, CallAction::Off);
            }
            Switch::Sound
            | Switch::Slow
            | Switch::Dead
            | Switch::Failing
            | Switch::Blind
            | Switch::Vouching => {
                self.switched(plug, CallAction::Off);
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
                CallAction::Off if self.shape.holds_charge && self.hosts[&id].is_on => {
                    if self.hosts[&id].goes_off_at.is_none() {
                        self.felt("supply holds its charge");
                        let (boot, t) = (self.hosts[&id].boots, self.t);
                        self.host(&id).goes_off_at = Some(t + CHARGE);
                        self.at(CHARGE, Due::Discharged { node: id, boot });
                    }
                }
                CallAction::Off => self.is_cut(&id),
                CallAction::On => {
                    self.parts.lied_off.remove(&id);
                    self.host(&id).goes_off_at = None;
                    self.power_on(&id);
                }
                CallAction::Status => {}
            }
        }
    }

    /// A switch has taken its power.
    fn is_cut(&mut self, id: &NodeId) {
        self.tally.fences += 1;
        if self.hosts[id].is_on {
            let boot = self.incarnation(id);
            self.ledger.cut_at.insert(id.clone(), boot);
        }
        self.record_cut(id);
        self.power_off(id);
        self.moment(Moment::OffDone);
    }

    pub(super) fn discharged(&mut self, id: &NodeId, boot: u128) {
        let t = self.t;
        let host = self.host(id);
        if host.boots == boot && host.goes_off_at.take_if(|at| *at <= t).is_some() {
            self.is_cut(id);
        }
    }
}
