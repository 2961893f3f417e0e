//! Watchdogs, judged by what their hosts go on with: S4, S7, L2.

use super::Broken;
use crate::world::{Host, MS, S, World};
use ha_core::AgentOp;
use ha_model::NodeId;

/// The heartbeat thread writes at its next period.
const LATE: u64 = S;

/// Who was woken, or was started, so long ago has had the time to write.
const SETTLED: u64 = 3 * S;

impl World {
    /// S4: a host with a watchdog does not go on with what should have stopped, nor with a core that stands still.
    pub(super) fn judge_watchdog(&self, id: &NodeId, host: &Host) -> Broken {
        let timeout = host.watchdog.as_ref()?.timeout;
        let daemon = host.daemon.as_ref()?;
        let (now, timing) = (host.clock.at(self.t).0, &daemon.node.config().timing);
        let stood_since = daemon.last_step.0 + timing.core_age_max.as_nanos() as u64;
        if now > stood_since + timeout + LATE {
            let s = (now - daemon.last_step.0) / S;
            return Some(("S4", format!("{id} goes on, its watchdog armed, and its core stands for {s} s")));
        }
        let first_grant_by = daemon.started_at.0 + timing.t_grant.as_nanos() as u64;
        let granted_until = daemon.grant.map_or(first_grant_by, |until| until.0);
        let resources = &daemon.node.config().resources;
        let longest = resources.values().map(|r| r.stop_timeout.as_nanos() as u64).max().unwrap_or(0);
        if now <= granted_until + longest + timeout + LATE {
            return None;
        }
        // What its daemon knows to resist.
        let resists = |instance: &&ha_model::InstanceId| {
            let is_stop = |r: &crate::world::Run| r.run.instance == **instance && r.run.op == AgentOp::Stop;
            let is_known = daemon.known.contains(*instance) && host.stops_failed.contains(*instance);
            resources.contains_key(&instance.as_str().into())
                && (is_known || daemon.runs.values().any(is_stop))
        };
        let owed = host.running.iter().find(resists)?;
        let s = (now - granted_until) / S;
        Some(("S4", format!("{owed} resists on {id} without a grant since {s} s, and its watchdog is armed")))
    }

    /// L2: no host is reset that has a grant and a core that lives.
    pub(crate) fn judge_bite(&mut self, id: &NodeId) {
        let host = &self.hosts[id];
        let Some(daemon) = host.daemon.as_ref().filter(|_| host.is_awake()) else { return };
        let now = host.clock.at(self.t);
        let is_settled = now.0 > daemon.started_at.0.max(host.thawed_at.0) + SETTLED;
        if is_settled && daemon.grant.is_some_and(|until| now < until) {
            let ms = (now.0 - daemon.last_step.0) / MS;
            self.fail(
                "L2",
                format!("the watchdog of {id} ends it, which has a grant, and stepped {ms} ms ago"),
            );
        }
    }

    /// S7: nobody's watchdog is disarmed while the log, as its own daemon knows it, counts on it.
    pub(crate) fn judge_disarm(&mut self, id: &NodeId) {
        let host = &self.hosts[id];
        let record = host.node().and_then(|n| n.state().node(id));
        if record.is_some_and(|r| r.watchdog.is_some() && r.incarnation == Some(host.incarnation)) {
            self.fail("S7", format!("the watchdog of {id} is disarmed while the log says that it is armed"));
        }
    }
}
