//! Faults of single parts, and what a golden scenario keeps of what happens.
//!
//! Invariant: without a recorder nothing is kept, and nothing happens in another way with one.

use super::net::pair;
use super::{Due, MS, World};
use crate::act::{Act, Fault, Order, Switch, Who};
use ha_fencing::{CallAction, CallOutcome};
use ha_model::{AdminRequest, InstanceId, NodeId, Notice};
use std::collections::{BTreeMap, BTreeSet};

/// A supervisor's pause.
const START_AFTER: u64 = 100 * MS;

/// Parts that behave in their own way.
#[derive(Default)]
pub(crate) struct Parts {
    /// Switches, by device.
    pub switches: BTreeMap<String, Switch>,
    /// Outlets of a cluster file that are off.
    pub outlets_off: BTreeSet<String>,
    /// Agents, by what they run.
    pub agent_faults: BTreeMap<InstanceId, Fault>,
    /// Whose daemon nobody starts again.
    pub has_no_supervisor: BTreeSet<NodeId>,
}

impl World {
    /// The button, and whatever outlet is off is seen to.
    pub(super) fn restore_power(&mut self, id: &NodeId) {
        let shape = &self.shape;
        self.parts.outlets_off.retain(|o| shape.at_outlet(o).is_none_or(|n| n.name != id.as_str()));
        self.power_on(id);
    }

    pub(super) fn start_daemon(&mut self, id: &NodeId) {
        self.parts.has_no_supervisor.remove(id);
        let boot = self.hosts[id].boots;
        self.tell(format!("START daemon of {id}"));
        self.at(START_AFTER, Due::Boot { node: id.clone(), boot });
    }

    /// What behaves in its own way behaves as it should.
    pub(crate) fn mend_parts(&mut self) {
        self.parts.switches.clear();
        self.parts.agent_faults.clear();
        self.parts.outlets_off.clear();
        for id in self.parts.has_no_supervisor.clone() {
            self.start_daemon(&id);
        }
    }

    pub(super) fn worsen(
        &mut self,
        act: &Act,
        one: &Who,
        others: Option<&[Who]>,
        (loss, late): (u8, u16),
    ) -> Option<()> {
        let one = self.resolve(one)?;
        let others: Vec<_> = self.those(others).into_iter().filter(|o| *o != one).collect();
        others.first()?;
        self.tell(act.to_string());
        for other in &others {
            let path = self.net.worse.entry(pair(&one, other)).or_default();
            *path = (path.0.max(loss), path.1.max(late));
        }
        Some(())
    }

    pub(super) fn device(&mut self, act: &Act, device: &str, how: Switch) -> Option<()> {
        let is_known = self.config.devices.keys().any(|d| d.as_str() == device);
        is_known.then_some(())?;
        self.tell(act.to_string());
        self.parts.switches.insert(device.to_owned(), how);
        Some(())
    }

    pub(super) fn agent(&mut self, act: &Act, instance: &str, how: Fault) -> Option<()> {
        self.shape.instances().iter().any(|i| i == instance).then_some(())?;
        self.tell(act.to_string());
        self.parts.agent_faults.insert(instance.into(), how);
        Some(())
    }

    /// Notes an outlet of a cluster file; true where the host's power does not change by it alone.
    pub(super) fn is_outlet_one_of_more(&mut self, node: &str, plug: &str, action: CallAction) -> bool {
        if self.shape.file.is_none() {
            return false;
        }
        match action {
            CallAction::Off => {
                self.parts.outlets_off.insert(plug.to_owned());
                !self.shape.is_dark(node, &self.parts.outlets_off)
            }
            CallAction::On => {
                self.parts.outlets_off.remove(plug);
                self.shape.is_dark(node, &self.parts.outlets_off)
            }
            CallAction::Status => true,
        }
    }

    /// After each event: who runs what, has power, leads.
    pub(crate) fn record(&mut self) {
        if let Some(mut recorder) = self.recorder.take() {
            recorder.look(self);
            self.recorder = Some(recorder);
        }
    }

    pub(super) fn record_act(&mut self, act: &Act) {
        let t = self.t;
        self.recorder.iter_mut().for_each(|r| r.acted(t, act));
    }

    pub(super) fn record_idle(&mut self, act: &Act) {
        self.recorder.iter_mut().for_each(|r| r.was_idle(act));
    }

    pub(super) fn record_asked(&mut self, id: u64, at: &NodeId, order: &Order, request: AdminRequest) {
        let t = self.t;
        self.recorder.iter_mut().for_each(|r| r.asked(t, id, at, order, &request));
    }

    pub(crate) fn record_said(&mut self, id: &NodeId, notice: &Notice) {
        let t = self.t;
        self.recorder.iter_mut().for_each(|r| r.said(t, id, notice));
    }

    pub(super) fn record_call(&mut self, outcome: &CallOutcome) {
        self.recorder.iter_mut().for_each(|r| r.called(outcome));
    }

    pub(super) fn record_cut(&mut self, id: &NodeId) {
        let (t, is_on) = (self.t, self.hosts[id].is_on);
        self.recorder.iter_mut().for_each(|r| r.cut(t, id, is_on));
    }
}
