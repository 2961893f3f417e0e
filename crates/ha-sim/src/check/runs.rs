//! What runs: S1, S2, S8, S11.

use crate::world::World;
use ha_core::{AgentOp, AgentRun};
use ha_model::{InstanceId, NodeId};

impl World {
    /// S2: when a start begins, nothing of it runs or is being started on another host that has power. S8: what is started was
    /// probed in this session.
    pub(crate) fn check_start(&mut self, id: &NodeId, run: &AgentRun) {
        if run.op != AgentOp::Start {
            return;
        }
        let is_known = self.hosts[id].daemon.as_ref().is_some_and(|d| d.known.contains(&run.instance));
        if !is_known {
            self.fail("S8", format!("{} starts on {id} without a probe in this session", run.instance));
        }
        if self.looks_away() {
            return;
        }
        let other = self.hosts.iter().filter(|(o, _)| *o != id).find(|(_, host)| {
            let starts = |d: &crate::world::Daemon| {
                d.runs.values().any(|r| r.run.op == AgentOp::Start && r.run.instance == run.instance)
            };
            host.daemon.as_ref().is_some_and(starts) || host.running.contains(&run.instance)
        });
        if let Some((other, _)) = other {
            let what = format!("{} starts on {id} while {other} is not proven off", run.instance);
            self.fail("S2", what);
        }
    }

    /// S1: one owner. S11: a group's members start in their order.
    pub(crate) fn check_begins(&mut self, id: &NodeId, instance: &InstanceId) {
        let others: Vec<_> = self.owners(instance).into_iter().filter(|o| o != id).collect();
        if !others.is_empty() && !self.looks_away() {
            self.fail("S1", format!("{instance} runs on {id} and on {others:?}"));
        }
        if let Some((rule, what)) = self.judge_begin(id, instance) {
            self.fail(rule, what);
        }
        if self.ledger.last_owner.insert(instance.clone(), id.clone()).is_some_and(|last| last != *id) {
            self.tally.failovers += 1;
        }
    }
}
