//! One life: faults by the schedule, then everything is mended, and the cluster must be well within a bound and stay so.

use crate::act::{Agents, Disk, Switch};
use crate::rng::Rng;
use crate::schedule::{LIFE_MS, Schedule};
use crate::shape::Shape;
use crate::tally::Tally;
use crate::world::{MS, Pace, S, Violation, World, forget_snapshots};
use ha_consensus::Limits;
use ha_model::{AdminReply, AdminRequest};

/// After mending, all is well within: the waits for unseen nodes, for a fence's retry and for power on, and again.
const WELL_WITHIN: u64 = 150 * S;
/// Then it stays so for this long.
const CALM: u64 = 20 * S;

/// Small bounds, so that logs are compacted and snapshots sent in short lives.
#[must_use]
pub fn limits() -> Limits {
    Limits { log_tail: 16, snapshot_after: 48, ..Limits::default() }
}

/// What came of a life.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first rule that was broken.
    pub broken: Option<Violation>,
    /// What occurred.
    pub tally: Tally,
    /// Over every line of the journal and its time.
    pub hash: u64,
    /// The end of the journal.
    pub journal: Vec<String>,
}

/// Shape and schedule of a seed.
#[must_use]
pub fn of_seed(seed: u64) -> (Shape, Schedule) {
    let shape = Shape::of_seed(&mut Rng::new(seed, 0));
    let schedule = Schedule::of_seed(&mut Rng::new(seed, 1), &shape);
    (shape, schedule)
}

/// Lives it. The seed says what neither shape nor schedule say: every delay.
#[must_use]
pub fn live(seed: u64, shape: &Shape, schedule: &Schedule, pace: Pace) -> Outcome {
    forget_snapshots();
    let mut world = World::new(seed, shape);
    world.pace = pace;
    // A core's own assertion ends the daemon in the field; here it ends the life.
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let begin = world.t;
        for entry in &schedule.0 {
            world.run_until(begin + entry.at_ms * MS, |_| false);
            if world.broken.is_some() {
                return;
            }
            world.act(&entry.act);
            world.show();
        }
        world.run_until(begin + LIFE_MS * MS, |_| false);
        world.tally.thin = u64::from(!world.ledger.is_full());
        world.mend();
        world.check_replicas();
        if seed.is_multiple_of(3) {
            world.disturb();
            world.becomes_well();
        }
    }));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        world.fail("abort", text);
    }
    world.tally.simulated_ns = world.t - S;
    Outcome {
        broken: world.broken.take(),
        tally: world.tally.clone(),
        hash: world.hash,
        journal: world.journal.iter().cloned().collect(),
    }
}

impl World {
    /// Everything is mended, by an operator where it needs one; then the cluster is well in time (L1 to L4), and stays so (L6, L7).
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
        self.ledger.lied_off.clear();
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
        self.becomes_well();
        self.stays_well();
    }

    /// L1 to L4.
    fn becomes_well(&mut self) {
        let end = self.t + WELL_WITHIN;
        let mut round = 0;
        while !self.is_settled(end) {
            if self.broken.is_some() {
                return;
            }
            if self.t >= end {
                self.tell_status();
                let why = self.why_not_well().unwrap_or_else(|| "it does not stay".to_owned());
                let rule = if self.leaders_now().len() == 1 { "L2" } else { "L1" };
                return self.fail(rule, format!("not well {} s after mending: {why}", WELL_WITHIN / S));
            }
            round += 1;
            for id in self.names() {
                let host = &self.hosts[&id];
                if !host.is_on && self.t - host.off_since > 15 * S {
                    // Who hangs on one supply is switched on together, lest the one be cut for the other's sake again.
                    self.with_supply(&id).iter().for_each(|id| self.power_on(id));
                }
            }
            // Where nobody led, nobody heard it.
            if round % 6 == 1 {
                self.operator();
                self.cycle_the_ended();
                self.restart_the_alone();
            }
        }
    }

    /// L6 and L7.
    fn stays_well(&mut self) {
        if self.broken.is_some() {
            return;
        }
        let (owners, messages) = (self.all_owners(), self.tally.messages);
        let begin = self.t;
        self.run_until(begin + CALM, |_| false);
        if owners != self.all_owners() {
            self.fail("L6", "something moved although nothing happened".to_owned());
        }
        // Tests of fence paths go on: a few messages for each node and minute.
        let devices = if self.shape.has_second_level { 2 } else { 1 };
        let bound = 40 * devices * self.hosts.len() as u64 * CALM / (10 * S);
        let sent = self.tally.messages - messages;
        if sent > bound {
            self.fail("L7", format!("{sent} messages in {} s of calm, {bound} are plenty", CALM / S));
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

    fn is_settled(&mut self, end: u64) -> bool {
        let next = (self.t + 3 * S).min(end);
        self.run_until(next, World::is_well) && {
            let owners = self.all_owners();
            let then = self.t + 5 * S;
            self.run_until(then, |_| false);
            self.is_well() && owners == self.all_owners()
        }
    }

    /// Hosts that live on although they were taken for off, after a switch that lied: a human cuts them, as the warnings ask.
    fn cycle_the_ended(&mut self) {
        if !self.has_lied {
            return;
        }
        let newest = self.hosts.values().filter_map(|h| h.node()).max_by_key(|n| n.applied());
        let ended: Vec<_> = self
            .names()
            .into_iter()
            .filter(|id| {
                let record = newest.and_then(|n| n.state().node(id));
                self.hosts[id].is_on && record.is_some_and(|r| r.has_ended(self.incarnation(id)))
            })
            .collect();
        for id in ended {
            self.power_off(&id);
            self.power_on(&id);
        }
    }

    /// A member alone has nobody who would cut it after a stop that failed: its operator restarts it.
    fn restart_the_alone(&mut self) {
        for id in self.names() {
            if self.hosts.len() == 1 && self.hosts[&id].has_stop_failed {
                self.power_off(&id);
                self.power_on(&id);
            }
        }
    }

    /// Takes back what operators asked, releases what is held, makes anew what failed.
    fn operator(&mut self) {
        let Some(leader) = self.leaders_now().first().cloned() else { return };
        for node in self.names() {
            self.note_help(&node);
            self.ask(&leader, AdminRequest::NodeOnline { node: node.clone() });
            self.ask(&leader, AdminRequest::FenceOn { node });
        }
        for name in self.shape.instances() {
            self.ask(&leader, AdminRequest::ResourceStart { resource: name.as_str().into() });
        }
        self.ask(&leader, AdminRequest::ResourceCleanup { resource: None, node: None });
        self.ask(&leader, AdminRequest::FenceTest { node: None });
    }
}
