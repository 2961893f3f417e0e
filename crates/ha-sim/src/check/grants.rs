//! Grants: S4 and S18.

use super::Broken;
use crate::world::{Host, MS, World};
use ha_core::{AgentOp, BeatBody};
use ha_model::{BootNs, Incarnation, InstanceId, NodeId};
use ha_scheduler::NodeStatus;

/// A stop has begun so long after the grant is over: what is under way is cancelled before it, and cancelling takes a
/// moment.
const STOP_BEGINS: u64 = 500 * MS;

impl World {
    /// S4: nothing runs on once the grant is over, but what is just being stopped. (Judged all the time, not only when a
    /// node does something: a core that forgets its deadline does nothing.)
    pub(crate) fn check_all_grants(&mut self) {
        let judge = |(id, host)| self.judge_grant(id, host).or_else(|| self.judge_watchdog(id, host));
        let broken = self.hosts.iter().find_map(judge);
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    fn judge_grant(&self, id: &NodeId, host: &Host) -> Broken {
        // A core that stands still stops nothing: that is what its watchdog is for, and whoever leads takes the node for lost
        // (S2).
        let stands = host.is_frozen || host.is_stalled();
        let daemon = host.daemon.as_ref().filter(|_| !host.running.is_empty() && !stands)?;
        let now = host.clock.at(self.t);
        let t_grant = daemon.node.config().timing.t_grant.as_nanos() as u64;
        let since = daemon.started_at.0 + t_grant;
        let until = daemon.grant.map_or(0, |g| g.0).max(since).max(host.thawed_at.0);
        if now.0 <= until + STOP_BEGINS {
            return None;
        }
        // It is being stopped, or a daemon that was started anew looks whether it runs at all. What a stop has failed for
        // is no fault of the core's: the others cut the node.
        let is_dealt_with = |instance: &InstanceId| {
            if self.is_unknown(id, instance) {
                return true;
            }
            let ends = |op| matches!(op, AgentOp::Stop | AgentOp::Probe);
            host.stops_failed.contains(instance)
                || daemon.runs.values().any(|r| r.run.instance == *instance && ends(r.run.op))
        };
        let owed = host.running.iter().find(|i| !is_dealt_with(i))?;
        let runs: Vec<_> =
            daemon.runs.values().map(|r| (&r.run.instance, r.run.op, r.is_cancelled)).collect();
        let ms = (now.0 - until) / MS;
        Some(("S4", format!("{owed} runs on {id} without a grant since {ms} ms; agents under way: {runs:?}")))
    }

    /// Whether a daemon without its log knows what runs there only by a file that says something else of it.
    fn is_unknown(&self, id: &NodeId, instance: &InstanceId) -> bool {
        let Some(node) = self.hosts[id].node().filter(|n| n.applied().0 == 0) else { return false };
        let known = node.config().resources.get(&instance.as_str().into());
        let started_as = self.ledger.started_as.get(&(id.clone(), instance.clone()));
        known.map(|r| &r.options) != started_as
    }

    /// S18: nothing is granted but by a leader with a lease, to members, in the boot that the log knows. (The state that a node goes by is the
    /// log's: S15.) S4: a grant counts from a heartbeat that this node has heard.
    pub(crate) fn check_grants(&mut self, id: &NodeId, bodies: &[(NodeId, BeatBody)]) {
        let host = &self.hosts[id];
        let Some(node) = host.node() else { return };
        let may_grant = self.has_lease(host) || self.is_out_of_time(host);
        let broken = bodies.iter().find_map(|(to, body)| {
            let boot = body.granted?;
            if !may_grant {
                return Some(("S18", format!("{id} grants to {to} without a lease")));
            }
            let record = node.state().node(to);
            let is_member = record.is_some_and(|r| {
                r.status == NodeStatus::Member && r.incarnation == Some(boot) && !r.has_ended(boot)
            });
            if !is_member {
                let status = record.map(|r| r.status);
                return Some(("S18", format!("{id} grants to a boot of {to} that is {status:?}")));
            }
            let at = body.core_ack?;
            (!self.has_heard(to, id, boot, at))
                .then(|| ("S4", format!("{id} grants {to} from {at:?}, and never heard that of it")))
        });
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    /// A heartbeat of `from` was taken by `to`.
    pub(crate) fn note_heard(
        &mut self,
        (from, link): (&NodeId, u8),
        to: &NodeId,
        boot: Incarnation,
        sent_at: BootNs,
    ) {
        let by = self.ledger.heard_of.entry(to.clone()).or_default();
        let newest = by.entry(from.clone()).or_insert((boot, sent_at));
        // Boots of a host are numbered upwards: a late word of one that is over says nothing of this one.
        *newest = (*newest).max((boot, sent_at));
        self.note_hearing(from, to, link, sent_at);
    }

    /// Whether `to` has heard a heartbeat of a boot of `from` that was sent then or later; of an older boot than the newest
    /// that it has heard that is not known any more.
    fn has_heard(&self, from: &NodeId, to: &NodeId, boot: Incarnation, sent_at: BootNs) -> bool {
        let newest = self.ledger.heard_of.get(to).and_then(|of| of.get(from));
        newest.is_some_and(|newest| newest.0 > boot || *newest >= (boot, sent_at))
    }

    /// S4: a grant ends T_grant after what it answers was sent, and who granted it has heard that: a quorum where a leader
    /// grants itself, else one that has led.
    pub(crate) fn check_grant(&mut self, id: &NodeId, until: BootNs) {
        let host = &self.hosts[id];
        let Some(node) = host.node() else { return };
        let t_grant = node.config().timing.t_grant;
        let longest = host.clock.at(self.t) + t_grant;
        if until > longest {
            return self.fail("S4", format!("{id} was granted until {until:?}, {longest:?} is the longest"));
        }
        let sent_at = BootNs(until.0.saturating_sub(t_grant.as_nanos() as u64));
        let is_heard = |by: &NodeId| self.has_heard(id, by, host.incarnation, sent_at);
        let is_granted = if node.votes().is_leader() {
            node.votes().membership().is_quorum(|v| v == id || is_heard(v))
        } else {
            self.ledger.have_led.iter().any(|by| by != id && is_heard(by))
        };
        if !is_granted {
            let what =
                format!("{id} was granted until {until:?}, and nobody who grants has heard of it so late");
            self.fail("S4", what);
        }
    }
}
