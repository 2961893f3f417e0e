//! Faults of single parts.

use super::acts::Done;
use super::net::Worse;
use super::{Due, MS, World};
use crate::act::{Act, Fault, Switch, Who};
use ha_fencing::CallAction;
use ha_model::{InstanceId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// A supervisor's pause.
const START_AFTER: u64 = 100 * MS;

/// Parts that behave in their own way.
#[derive(Default)]
pub(crate) struct Parts {
    /// Switches, by device.
    pub switches: BTreeMap<String, Switch>,
    /// Outlets that are off, of hosts with more than one.
    pub outlets_off: BTreeSet<String>,
    /// Agents, by what they run.
    pub agent_faults: BTreeMap<InstanceId, Fault>,
    /// Whose daemon nobody starts again.
    pub has_no_supervisor: BTreeSet<NodeId>,
    /// Hosts whose outlet says off and is not.
    pub lied_off: BTreeSet<NodeId>,
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
        self.parts.lied_off.clear();
        self.end_strays();
        for id in self.parts.has_no_supervisor.clone() {
            self.start_daemon(&id);
        }
    }

    /// Paths between the one and the others get worse, on a link or all.
    pub(super) fn worsen(
        &mut self,
        act: &Act,
        one: &Who,
        others: Option<&[Who]>,
        link: Option<u8>,
        by: Worse,
    ) -> Option<Done> {
        let one = self.resolve(one)?;
        let others: Vec<_> = self.those(others).into_iter().filter(|o| *o != one).collect();
        let before = self.net.worse.clone();
        for other in &others {
            self.net.worsen(&one, other, link, by);
        }
        if before == self.net.worse {
            return None;
        }
        self.tell(act.to_string());
        Some(Done::Now)
    }

    pub(super) fn device(&mut self, act: &Act, device: &str, how: Switch) -> Option<Done> {
        let is_known = self.config.devices.keys().any(|d| d.as_str() == device);
        is_known.then_some(())?;
        self.tell(act.to_string());
        self.parts.switches.insert(device.to_owned(), how);
        Some(Done::Later)
    }

    pub(super) fn agent(&mut self, act: &Act, instance: &str, how: Fault) -> Option<Done> {
        self.shape.instances().iter().any(|i| i == instance).then_some(())?;
        self.tell(act.to_string());
        let before = self.parts.agent_faults.insert(instance.into(), how);
        (before.unwrap_or(Fault::Sound) != how).then_some(Done::Later)
    }

    /// Notes one outlet of several; true where the host's power does not change by it alone.
    pub(super) fn is_outlet_one_of_more(&mut self, node: &str, plug: &str, action: CallAction) -> bool {
        if self.shape.file.is_none() && !self.shape.has_two_outlets {
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
}
