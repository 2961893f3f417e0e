//! Grants: S4 and S18.

use super::{Broken, STOP_BOUND};
use crate::act::Agents;
use crate::world::{MS, World};
use ha_core::{AgentOp, BeatBody};
use ha_model::{BootNs, NodeId, SessionId};

impl World {
    /// S4: nothing runs longer than it takes to stop it once the grant is over.
    pub(crate) fn judge_grant(&self, id: &NodeId) -> Broken {
        let host = &self.hosts[id];
        let daemon = host.daemon.as_ref().filter(|_| !host.running.is_empty())?;
        let now = host.clock.at(self.t);
        let t_grant = daemon.node.config().timing.t_grant.as_nanos() as u64;
        let since = daemon.started_at.0 + t_grant;
        let until = daemon.grant.map_or(0, |g| g.0).max(since).max(host.thawed_at.0);
        if now.0 <= until + STOP_BOUND {
            return None;
        }
        // A stop that fails is no fault of the core's.
        let is_stopping = daemon.runs.values().any(|r| r.run.op == AgentOp::Stop);
        let is_owed = !is_stopping && !host.has_stop_failed && self.agents == Agents::Sound;
        let owed = || format!("{:?} on {id} without a grant since {} ms", host.running, (now.0 - until) / MS);
        is_owed.then(|| ("S4", owed()))
    }

    /// S18: nothing is granted to a boot that this node knows to be over.
    pub(crate) fn check_grants(&mut self, id: &NodeId, bodies: &[(NodeId, BeatBody)]) {
        let Some(node) = self.hosts[id].node() else { return };
        let ended = bodies.iter().find(|(to, body)| {
            body.granted.is_some_and(|i| node.state().node(to).is_some_and(|r| r.has_ended(i)))
        });
        if let Some((to, _)) = ended {
            let what = format!("{id} grants to a boot of {to} that is over");
            self.fail("S18", what);
        }
    }

    /// A heartbeat of `from` was taken.
    pub(crate) fn note_heard(&mut self, from: &NodeId, session: SessionId, sent_at: BootNs) {
        let newest = self.ledger.heard_of.entry(from.clone()).or_insert((session, sent_at));
        // Sessions of a host are numbered upwards: a late word of one that is over says nothing of this one.
        *newest = (*newest).max((session, sent_at));
    }

    /// S4: a grant ends T_grant after what it answers was sent.
    pub(crate) fn check_grant(&mut self, id: &NodeId, until: BootNs) {
        let host = &self.hosts[id];
        let Some(node) = host.node() else { return };
        let longest = host.clock.at(self.t) + node.config().timing.t_grant;
        // Counted from when the heartbeat was sent that somebody else has heard.
        let heard = self.ledger.heard_of.get(id).filter(|_| self.hosts.len() > 1);
        let t_grant = node.config().timing.t_grant;
        if let Some((session, sent_at)) = heard
            && host.is_session(*session)
            && until > *sent_at + t_grant
        {
            let what =
                format!("{id} was granted until {until:?}, of what it sent {sent_at:?} is the newest heard");
            return self.fail("S4", what);
        }
        if until > longest {
            self.fail("S4", format!("{id} was granted until {until:?}, {longest:?} is the longest"));
        }
    }
}
