//! Healing: everything is mended, and the cluster gets well by itself within a bound that follows from its times (L1 to
//! L4). People only take back what they themselves had asked or switched off. Where more than that was needed, an operator
//! does it after the bound, and the life is counted. Then the cluster stays well, and is silent (L6, L7).
//!
//! Must not know: why a core did what it did. What the leader shows to its administrator says to whom help is due, never
//! whether the cluster is well.

mod bound;
mod hands;

use crate::act::{Agents, Disk, Switch};
use crate::world::{S, World};
use bound::{by_itself, calm_messages};
use ha_core::state::InstanceRecord;
use ha_core::{AgentOp, Node};
use ha_model::{AdminReply, AdminRequest, InstanceState};

/// The cluster stays well for this long: shorter than the pause between two tests of a fence path.
const CALM: u64 = 20 * S;
/// What hung before the mending ends at its time-out: that of a stop is the longest.
const HANGING: u64 = 25 * S;
/// An operator's question is answered, or refused, within it: `WAIT` of `ha-core`.
const ANSWERED: u64 = 10 * S;

impl World {
    /// Everything is mended; then the cluster is well in time (L1 to L4), and stays so (L6, L7).
    pub(crate) fn mend(&mut self) {
        if self.broken.is_some() {
            return;
        }
        self.tell("MEND everything".into());
        self.is_healed = true;
        self.moments.clear();
        (self.switch, self.agents) = (Switch::Sound, Agents::Sound);
        self.mend_parts();
        self.net.mend();
        for id in self.names() {
            self.thaw(&id);
            let disk = &mut self.host(&id).disk;
            disk.how = Disk::Sound;
            if disk.has_failed {
                self.kill_daemon(&id);
            }
        }
        // What hangs goes on by itself in the end.
        let free = self.hosts.values().map(|h| h.disk.free_at).max().unwrap_or(0);
        self.run_until(free, |_| false);
        self.run_until(self.t + HANGING, World::hangs_nowhere);
        self.becomes_well();
        self.stays_well();
    }

    fn hangs_nowhere(&self) -> bool {
        self.hosts.values().flat_map(|h| &h.daemon).flat_map(|d| d.runs.values()).all(|run| !run.hangs)
    }

    /// L1 to L4.
    pub(crate) fn becomes_well(&mut self) {
        let bound = by_itself(&self.shape);
        let begin = self.t;
        let mut end = begin + bound;
        // After a switch that lied, hosts live on that were taken for off: nobody but a human can tell.
        let mut is_helped = self.has_lied;
        let mut round = 0;
        while !self.is_settled(end) {
            if self.broken.is_some() {
                return;
            }
            if self.t >= end {
                let needs = self.needs();
                if is_helped || needs.is_empty() {
                    return self.is_not_well((self.t - begin) / S);
                }
                self.tell(format!("HELP is needed: {}", needs.join(", ")));
                needs.iter().for_each(|need| self.tally.help(need));
                (is_helped, end) = (true, self.t + bound);
            }
            if round % 4 == 0 && self.take_back(begin) {
                end = end.max(self.t + bound); // there was no majority before (liveness is owed to one)
            }
            round += 1;
            if is_helped && round % 6 == 1 {
                self.help();
            }
        }
        if self.has_lied {
            self.tally.help("a switch lied");
        }
        if !is_helped {
            self.tally.slowest_s = self.tally.slowest_s.max((self.t - begin) / S);
        }
    }

    /// Each rule under its own name: a leader, then fences, then what is under way, then the rest.
    fn is_not_well(&mut self, after_s: u64) {
        self.tell_status();
        let why = self.why_not_well().unwrap_or_else(|| "it does not stay".to_owned());
        let leaders = self.leaders_now();
        let node = leaders.first().filter(|_| leaders.len() == 1).and_then(|l| self.hosts[l].node());
        let rule = match node {
            None => "L1",
            Some(node) if !node.state().fences.is_empty() => "L3",
            Some(node) if pending(node).is_some() => "L4",
            Some(_) => "L2",
        };
        self.fail(rule, format!("not well {after_s} s after mending: {why}"));
    }

    fn is_settled(&mut self, end: u64) -> bool {
        let next = (self.t + 3 * S).min(end);
        self.run_until(next, World::is_well) && {
            let owners = self.all_owners();
            let then = self.t + 5 * S;
            self.run_until(then, |_| false);
            self.is_well() && owners == self.all_owners()
        }
    }

    /// L6, L7, and what is left of L4: judged by what runs, was begun, cut and sent, and who is answered.
    fn stays_well(&mut self) {
        if self.broken.is_some() {
            return;
        }
        let (owners, begun) = (self.all_owners(), self.ledger.begun.clone());
        let (messages, fences) = (self.tally.messages, self.tally.fences);
        let begin = self.t;
        self.run_until(begin + CALM, |_| false);
        if owners != self.all_owners() || begun != self.ledger.begun || fences != self.tally.fences {
            let what = "something was started, stopped or cut although nothing happened";
            return self.fail("L6", what.to_owned());
        }
        let leader = self.leaders_now().first().and_then(|l| self.hosts[l].node());
        if let Some(what) = leader.and_then(pending) {
            return self.fail("L4", format!("{what} after {} s of calm", CALM / S));
        }
        let busy = self.hosts.iter().find_map(|(id, host)| {
            let runs = host.daemon.as_ref()?.runs.values();
            let busy = runs.map(|r| &r.run).find(|r| r.op != AgentOp::Monitor)?;
            Some(format!(
                "{:?} of {} is under way on {id} after {} s of calm",
                busy.op,
                busy.instance,
                CALM / S
            ))
        });
        if let Some(what) = busy {
            return self.fail("L4", what);
        }
        let (sent, most) = (self.tally.messages - messages, calm_messages(&self.shape));
        if sent > most {
            return self.fail("L7", format!("{sent} messages in {} s of calm, {most} are plenty", CALM / S));
        }
        self.answers();
    }

    /// L4: whoever is asked answers.
    fn answers(&mut self) {
        let asked: Vec<_> =
            self.names().into_iter().map(|id| (self.ask(&id, AdminRequest::Status), id)).collect();
        let then = self.t + ANSWERED;
        self.run_until(then, |_| false);
        let daemon = |id| self.hosts[id].daemon.as_ref();
        let silent =
            asked.iter().find(|(request, id)| daemon(id).is_none_or(|d| !d.replies.contains_key(request)));
        if let Some((_, id)) = silent {
            self.fail("L4", format!("{id} did not answer its operator within {} s", ANSWERED / S));
        }
    }

    /// What the leader says of what is not as wished.
    fn tell_status(&mut self) {
        let Some(leader) = self.leaders_now().first().cloned() else { return };
        let id = self.ask(&leader, AdminRequest::Status);
        let reply = self.host(&leader).daemon.as_mut().and_then(|d| d.replies.remove(&id));
        let Some(AdminReply::Status(view)) = reply else { return };
        let nodes = view.nodes.iter().map(|n| format!("{} {}: {:?}", n.name, n.state, n.why));
        let rows =
            view.resources.iter().map(|r| format!("{} {} on {:?}: {:?}", r.name, r.state, r.node, r.why));
        for line in nodes.chain(rows).collect::<Vec<_>>() {
            self.tell(format!("STATUS {line}"));
        }
        let unfinished = self.hosts[&leader].node().and_then(ha_core::Node::unfinished);
        self.tell(format!("STATUS unfinished: {unfinished:?}"));
    }
}

/// What is under way, as the leader shows it.
fn pending(node: &Node) -> Option<String> {
    use InstanceState::{Probing, Starting, Stopping};
    let is_pending = |r: &InstanceRecord| matches!(r.state(), Probing | Starting | Stopping);
    let mut records = node.state().instances.iter();
    let shown = records.find_map(|(instance, by_node)| {
        let (on, record) = by_node.iter().find(|(_, r)| is_pending(r))?;
        Some(format!("{instance} on {on} is {:?}", record.state()))
    });
    node.unfinished().or(shown)
}
