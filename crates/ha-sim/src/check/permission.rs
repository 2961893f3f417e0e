//! What is permitted to run, and as what: S4, S11, S17, S19.

use super::Broken;
use crate::world::World;
use ha_core::{AgentOp, AgentRun};
use ha_model::{NodeId, ObjectId, ResourceId};

impl World {
    /// S17: what truly runs has its permission open, in the newest of what is committed: nothing clears it but a stop that was
    /// done, a start that never was, or a proof.
    pub(super) fn judge_open(&mut self, id: &NodeId) -> Broken {
        let node = self.hosts[id].node()?;
        let applied = node.applied().0;
        if applied < self.ledger.newest || self.has_lied {
            return None;
        }
        self.ledger.newest = applied;
        let node = self.hosts[id].node()?;
        let state = node.state();
        let resources = &node.config().resources;
        self.hosts.iter().find_map(|(owner, host)| {
            let boot = host.incarnation;
            host.running.iter().find_map(|instance| {
                let resource = resources.get(&ResourceId::from(instance.as_str()))?;
                let is_open = |o: &ObjectId| {
                    state.may_run.get(o).is_some_and(|m| m.node == *owner && m.incarnation == boot)
                };
                let object = resource.objects.iter().find(|o| !is_open(o))?;
                Some((
                    "S17",
                    format!(
                        "{instance} runs on {owner}, and nothing permits it {object} after entry {applied}"
                    ),
                ))
            })
        })
    }

    /// Whether something was started here with other parameters than those of this run, which does not see it then.
    pub(crate) fn is_another(&self, id: &NodeId, run: &AgentRun) -> bool {
        let started_as = self.ledger.started_as.get(&(id.clone(), run.instance.clone()));
        started_as.is_some_and(|options| *options != run.options)
    }

    /// S19: what runs is looked at and stopped as what it was started as. S4: what needs a grant is told to look at it. S11: an
    /// agent waits for the end of the one before it.
    pub(crate) fn judge_run(&mut self, id: &NodeId, run: &AgentRun) -> Broken {
        let host = &self.hosts[id];
        let daemon = host.daemon.as_ref()?;
        if let Some(before) = daemon.runs.values().find(|r| r.run.instance == run.instance) {
            let (op, before) = (run.op, before.run.op);
            return Some(("S11", format!("{op:?} of {} on {id} beside its {before:?}", run.instance)));
        }
        let resources = &daemon.node.config().resources;
        let resource = resources.get(&ResourceId::from(run.instance.as_str()));
        let is_exclusive = resource.is_some_and(|r| !r.objects.is_empty());
        if run.op == AgentOp::Start && is_exclusive && !run.needs_grant {
            return Some(("S4", format!("{} starts on {id} without a look at the grant", run.instance)));
        }
        let runs = host.is_alive(&run.instance);
        let key = (id.clone(), run.instance.clone());
        if run.op == AgentOp::Start && !runs {
            self.ledger.started_as.insert(key, run.options.clone());
            return None;
        }
        // A daemon without its log looks for what its file names.
        let is_look = run.op == AgentOp::Probe;
        let started_as = self.ledger.started_as.get(&key).filter(|_| runs && !is_look)?;
        (*started_as != run.options).then(|| {
            let op = run.op;
            (
                "S19",
                format!("{op:?} of {} on {id} as {:?}, it runs as {started_as:?}", run.instance, run.options),
            )
        })
    }
}
