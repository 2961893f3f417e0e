//! What the switches said of their outlets, as executors were told, and what may rest on it: S7.
//!
//! Must not know: what a core made of an answer. Bound: outlets times the ways to them that a life is configured with.

use super::{Broken, MARGIN};
use crate::world::{MS, S, World};
use ha_core::Order;
use ha_fencing::{CallAction, CallOutcome, IMPOSSIBLE_PLUG, LevelPlan, level_plans};
use ha_model::{ClusterConfig, DeviceId, Evidence, FenceVerdict, Index, NodeId, Waiver};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A test of a path is in the log within it, or was of no use.
const TEST_TAKES: u64 = 10 * S;

/// Power that a human asked for so lately is given back without the dwell, also after a proof that came in between.
const ASKED_FOR: u64 = 60 * S;

/// An outlet of a device.
type Outlet = (DeviceId, String);

/// What was read of outlets.
#[derive(Default)]
pub(crate) struct Readings {
    /// Read on, through a way that was configured so.
    on: BTreeSet<(Outlet, [u8; 32])>,
    /// When an executor was last told of its command to switch off.
    off_at: BTreeMap<(NodeId, Outlet), u64>,
    /// Since when an executor was told off, of nothing else in between, and not before the last command to switch off.
    off_since: BTreeMap<(NodeId, Outlet), u64>,
    /// When an executor had last been told off twice, a settling apart.
    settled_at: BTreeMap<Outlet, u64>,
    /// When the agent of a device was last asked of an outlet that cannot exist, and called it on or off, or did not.
    vouched: BTreeMap<(DeviceId, bool), u64>,
    /// When each node that is to be fenced was first said to be.
    pub requested_at: BTreeMap<NodeId, u64>,
}

/// Times that a core measures by a clock that drifts.
fn nearly(time: Duration) -> u64 {
    (time.as_nanos() as u64) / 100 * 98
}

impl World {
    /// An executor is told, or told nothing in time.
    pub(crate) fn note_reading(
        &mut self,
        id: &NodeId,
        outlet: Outlet,
        (action, began_at): (CallAction, u64),
        outcome: &CallOutcome,
    ) {
        let Some(device) = self.hosts[id].node().and_then(|n| n.config().devices.get(&outlet.0)) else {
            return;
        };
        let (path, settle, t) = (device.path_hash, nearly(device.off_settle), self.t);
        let fed = self.shape.at_outlet(&outlet.1).map(|node| NodeId::from(node.name.as_str()));
        let readings = &mut self.ledger.readings;
        if outlet.1 == IMPOSSIBLE_PLUG {
            let has_vouched = matches!(outcome, CallOutcome::Read(FenceVerdict::On | FenceVerdict::Off));
            readings.vouched.insert((outlet.0, has_vouched), t);
            return;
        }
        let of_it = (id.clone(), outlet.clone());
        if action == CallAction::Off {
            readings.off_at.insert(of_it.clone(), t);
        } else if readings.off_at.get(&of_it).is_some_and(|off| began_at < *off) {
            return; // asked before the command: a test
        }
        // A late command of an attempt that was given up switches off once more what is off since this fence was decided.
        let requested = fed.and_then(|node| readings.requested_at.get(&node)).copied();
        let is_off_by_now =
            readings.off_since.get(&of_it).is_some_and(|off| requested.is_some_and(|at| *off >= at));
        let is_once_more = action == CallAction::Off && is_off_by_now;
        if !is_once_more && (*outcome != CallOutcome::Read(FenceVerdict::Off) || action != CallAction::Status)
        {
            readings.off_since.remove(&of_it);
        }
        match outcome {
            CallOutcome::Read(FenceVerdict::On) => drop(readings.on.insert((outlet, path))),
            CallOutcome::Read(FenceVerdict::Off) => match readings.off_since.get(&of_it) {
                Some(since) if t >= since + settle => drop(readings.settled_at.insert(outlet, t)),
                Some(_) => {}
                None => drop(readings.off_since.insert(of_it, t)),
            },
            _ => {}
        }
    }

    /// S7: a proof by reading rests on outlets that were read on through the way that is configured, each read off twice, a
    /// settling apart, since the fence was decided.
    pub(super) fn judge_evidence(&self, id: &NodeId, target: &NodeId, evidence: &Evidence) -> Broken {
        let Evidence::ReadOff { level, .. } = evidence else { return None };
        let node = self.hosts[id].node().filter(|_| !self.looks_away())?;
        let plans = level_plans(node.config(), target);
        let plan = plans.iter().find(|p| p.level == *level)?;
        let readings = &self.ledger.readings;
        let since = readings.requested_at.get(target).copied().unwrap_or(0);
        if let Some((outlet, _)) = self.unread(plan) {
            return Some(("S7", format!("{target} is proven off by {outlet:?}, which was never read on")));
        }
        let is_settled = |o: &Outlet| readings.settled_at.get(o).is_some_and(|at| *at >= since);
        let (outlet, _) = self.outlets(plan).into_iter().find(|(o, _)| !is_settled(o))?;
        Some((
            "S7",
            format!("{target} is proven off, and {outlet:?} was not read off twice since it was to be"),
        ))
    }

    /// S7: a path works where its agent knows an outlet from none. (What an earlier leader tested may be told late.)
    pub(super) fn judge_path(
        &self,
        (id, index): (&NodeId, Index),
        device: &DeviceId,
        target: &NodeId,
    ) -> Broken {
        let term = self.hosts[id].node()?.votes().term_at(index)?;
        if self.ledger.leaders.keys().next_back().is_some_and(|newest| term < *newest) {
            return None;
        }
        let last = |has_vouched: bool| {
            let at = self.ledger.readings.vouched.get(&(device.clone(), has_vouched));
            at.is_some_and(|at| self.t < at + TEST_TAKES)
        };
        (last(true) && !last(false)).then(|| {
            ("S7", format!("the path {device} to {target} works, and its agent vouches for any outlet"))
        })
    }

    /// S7: what is exclusive starts where power was read on through every outlet of a whole level.
    pub(super) fn judge_untested(&self, id: &NodeId, to: &NodeId, order: &Order) -> Broken {
        let config: &ClusterConfig = self.hosts[id].node()?.config();
        // Permitted just before another way to the switch was.
        if self.t < self.ledger.config_at + MARGIN {
            return None;
        }
        let is_waived = config.waivers.contains_key(&Waiver::UnfencedMembersBlockRecovery);
        if order.spec.objects.is_empty() || config.members().count() == 1 || is_waived {
            return None;
        }
        let is_tested = level_plans(config, to).iter().any(|plan| self.unread(plan).is_none());
        (!is_tested)
            .then(|| ("S7", format!("{id} starts {} on {to}, whose power was never read on", order.instance)))
    }

    /// S7: power that was proven off stays off for `off_dwell`, unless a human asks for it.
    pub(crate) fn check_on(&mut self, id: &NodeId, target: &NodeId) {
        let Some(dwell) = self.hosts[id].node().map(|n| nearly(n.config().timing.off_dwell)) else { return };
        let is_asked = self.ledger.on_asked.get(target).is_some_and(|at| self.t < at + ASKED_FOR);
        if !is_asked && self.ledger.proven_at.get(target).is_some_and(|at| self.t < at + dwell) {
            let ms = (self.t - self.ledger.proven_at[target]) / MS;
            self.fail("S7", format!("{id} switches {target} on {ms} ms after it was proven off"));
        }
    }

    fn unread(&self, plan: &LevelPlan) -> Option<(Outlet, [u8; 32])> {
        self.outlets(plan).into_iter().find(|outlet| !self.ledger.readings.on.contains(outlet))
    }

    /// As the world calls them, with the way to each.
    fn outlets(&self, plan: &LevelPlan) -> Vec<(Outlet, [u8; 32])> {
        let of = |d: &ha_fencing::DevicePlan| {
            let name = |plug: &String| self.shape.outlet(d.device.as_str(), plug);
            let outlet = |plug| ((d.device.clone(), name(plug)), d.path_hash);
            d.plugs.iter().map(outlet).collect::<Vec<_>>()
        };
        plan.devices.iter().flat_map(of).collect()
    }
}
