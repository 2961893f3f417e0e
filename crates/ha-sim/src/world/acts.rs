//! Carrying out the lines of a schedule. A fault is counted when it has changed the world: one that waits for its
//! occasion, a dead switch for a call, counts when it meets one.

use super::net::Worse;
use super::{Due, MS, S, World};
use crate::act::{Act, Agents, Disk, Moment, Way, Who};
use ha_core::Input;
use ha_model::NodeId;

/// How long a disk hangs.
const HANGS: u64 = 12 * S;

/// What came of an act. (`None`: nobody was there to do it to, or nothing changed by it.)
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It changed the world.
    Now,
    /// It is there, and counts when it meets somebody.
    Later,
}

fn done(has_changed: bool) -> Option<Done> {
    has_changed.then_some(Done::Now)
}

impl World {
    /// Does it, where there is whom to do it to and something changes by it.
    pub(crate) fn act(&mut self, act: &Act) {
        if let Act::When(moment, act) = act {
            self.moments.push((*moment, (**act).clone()));
            return;
        }
        self.record_act(act);
        match self.carry_out(act) {
            None => self.record_idle(act),
            Some(Done::Now) => act.kind().into_iter().for_each(|kind| self.felt(kind)),
            Some(Done::Later) => self.waiting.extend(act.kinds()),
        }
    }

    /// A fault that was there has met somebody.
    pub(super) fn meets(&mut self, kind: &'static str) {
        if self.waiting.remove(kind) {
            self.felt(kind);
        }
    }

    /// A fault has changed the world.
    pub(super) fn felt(&mut self, kind: &'static str) {
        if self.tally.faults.is_empty() && self.hosts.values().all(|h| h.running.is_empty()) {
            self.tally.formation = 1;
        }
        self.tally.fault(kind);
        if !self.ledger.begun.is_empty() {
            *self.ledger.felt.entry(kind).or_default() += 1;
        }
    }

    /// Such a moment has come: one act that waited for it is carried out, after what happens now.
    pub(crate) fn moment(&mut self, moment: Moment) {
        if let Some(at) = self.moments.iter().position(|(m, _)| *m == moment) {
            let (_, act) = self.moments.remove(at);
            self.sudden.push_back(act);
            self.at(0, Due::Sudden);
        }
    }

    pub(super) fn sudden(&mut self) {
        if let Some(act) = self.sudden.pop_front() {
            self.act(&act);
        }
    }

    fn carry_out(&mut self, act: &Act) -> Option<Done> {
        match act {
            Act::PowerOff(who) => {
                let id = self.resolve(who)?;
                let was_on = self.hosts[&id].is_on;
                self.power_off(&id);
                done(was_on)
            }
            Act::PowerOn(who) => self.each(who.as_ref(), World::restore_power),
            Act::Freeze(who) => {
                let id = self.resolve(who)?;
                done(self.freeze(&id, false))
            }
            Act::Pause(who) => {
                let id = self.resolve(who)?;
                done(self.freeze(&id, true))
            }
            Act::Stall(who) => {
                let id = self.resolve(who)?;
                done(self.stall(&id))
            }
            Act::Thaw(who) => self.each(who.as_ref(), World::thaw),
            Act::KillDaemon(who) => {
                let id = self.resolve(who)?;
                done(self.kill_daemon(&id))
            }
            Act::EndDaemon(who) => {
                let id = self.resolve(who)?;
                let was_there = self.kill_daemon(&id);
                self.parts.has_no_supervisor.insert(id);
                done(was_there)
            }
            Act::StartDaemon(who) => {
                let id = self.resolve(who)?;
                self.start_daemon(&id);
                Some(Done::Now)
            }
            Act::Kill(instance, who) => {
                let id = self.resolve(who)?;
                done(self.kill_process(&id, &instance.as_str().into()))
            }
            Act::Cut(one, others, way, link) => self.cut(one, others.as_deref(), *way, *link),
            Act::Flap(a, b, ms, link) => {
                let (a, b) = (self.resolve(a)?, self.resolve(b)?);
                (a != b).then_some(())?;
                self.tell(format!("FLAP {a} {b} {ms} ms {link:?}"));
                self.net.flap(&a, &b, *link, u64::from(*ms).max(1) * MS);
                Some(Done::Now)
            }
            Act::Lossy(one, others, loss, link) => {
                let by = Worse { loss: *loss, ..Worse::default() };
                self.worsen(act, one, others.as_deref(), *link, by)
            }
            Act::Doubled(one, others, double, link) => {
                let by = Worse { double: *double, ..Worse::default() };
                self.worsen(act, one, others.as_deref(), *link, by)
            }
            Act::Late(one, others, late_ms, link) => {
                let by = Worse { late_ms: *late_ms, ..Worse::default() };
                self.worsen(act, one, others.as_deref(), *link, by)
            }
            Act::Heal => {
                self.tell("HEAL the network".into());
                self.net.heal();
                Some(Done::Now)
            }
            Act::Net { loss, double, late_ms } => {
                let to = (u64::from(*loss), u64::from(*double), u64::from(*late_ms).max(1));
                let was = (self.net.loss, self.net.double, self.net.late_ms);
                self.tell(act.to_string());
                (self.net.loss, self.net.double, self.net.late_ms) = to;
                done(was != to)
            }
            Act::Disk(who, how) => {
                let id = self.resolve(who)?;
                self.disk(&id, *how)
            }
            Act::Drift(who, ppm) => {
                let id = self.resolve(who)?;
                let t = self.t;
                self.tell(act.to_string());
                let host = self.host(&id);
                let before = std::mem::replace(&mut host.ppm, *ppm);
                host.clock.drift(t, *ppm);
                // What was to happen at a time of its own clock happens at another time of ours.
                self.at(0, Due::Stream { to: id, input: Input::Tick });
                done(before != *ppm)
            }
            Act::Wall(who, seconds) => {
                let id = self.resolve(who)?;
                self.tell(act.to_string());
                self.host(&id).wall_s += i64::from(*seconds);
                done(self.hosts[&id].is_on)
            }
            Act::Switch(how) => {
                self.tell(act.to_string());
                self.switch = *how;
                Some(Done::Later)
            }
            Act::Device(device, how) => self.device(act, device, *how),
            Act::Agent(instance, how) => self.agent(act, instance, *how),
            Act::Agents(how) => {
                self.tell(act.to_string());
                self.agents = *how;
                if *how == Agents::Sound {
                    self.parts.agent_faults.clear();
                }
                Some(Done::Later)
            }
            Act::Ask(who, order) => self.order(who, order),
            Act::Transfer(who) => self.transfer(who),
            Act::When(..) => None,
        }
    }

    fn each(&mut self, who: Option<&Who>, act: impl Fn(&mut World, &NodeId)) -> Option<Done> {
        let ids = match who {
            Some(who) => vec![self.resolve(who)?],
            None => self.names(),
        };
        ids.iter().for_each(|id| act(self, id));
        Some(Done::Now)
    }

    pub(super) fn those(&self, others: Option<&[Who]>) -> Vec<NodeId> {
        match others {
            None => self.names(),
            Some(others) => others.iter().filter_map(|w| self.resolve(w)).collect(),
        }
    }

    fn cut(&mut self, one: &Who, others: Option<&[Who]>, way: Way, link: Option<u8>) -> Option<Done> {
        let one = self.resolve(one)?;
        let others: Vec<_> = self.those(others).into_iter().filter(|o| *o != one).collect();
        let before = self.net.cuts.len();
        for other in &others {
            if way != Way::In {
                self.net.cut(&one, other, link);
            }
            if way != Way::Out {
                self.net.cut(other, &one, link);
            }
        }
        self.tell(format!("CUT {one} {way:?} {others:?} {link:?}"));
        done(self.net.cuts.len() > before)
    }

    /// At most a minority of the voters forgets what it wrote: more is outside of what votes can survive.
    fn disk(&mut self, id: &NodeId, how: Disk) -> Option<Done> {
        let forgets = matches!(how, Disk::Wiped | Disk::Older);
        let disk = &self.hosts[id].disk;
        // What waits for the next start of the daemon is not undone before it.
        let is_taken = matches!(disk.how, Disk::Wiped | Disk::Older);
        if is_taken || how == Disk::Older && !disk.has_copy() {
            return None;
        }
        if forgets && !self.forgetful.contains(id) {
            if (self.forgetful.len() + 1) * 2 >= self.shape.voters().len() {
                return None;
            }
            self.forgetful.push(id.clone());
        }
        self.tell(format!("disk {id} {how}"));
        if how == Disk::Copied {
            self.host(id).disk.copy();
            return Some(Done::Now);
        }
        let t = self.t;
        let disk = &mut self.host(id).disk;
        if how == Disk::Hanging {
            disk.free_at = disk.free_at.max(t) + HANGS;
            return Some(Done::Later);
        }
        disk.how = how;
        if forgets {
            self.kill_daemon(id);
        }
        Some(Done::Later)
    }

    fn transfer(&mut self, who: &Who) -> Option<Done> {
        let (to, leader) = (self.resolve(who)?, self.resolve(&Who::Leader)?);
        let boot = self.now(&leader).boot;
        let daemon = self.host(&leader).daemon.as_mut()?;
        daemon.node.hand_over(boot, &to).ok()?;
        self.step(&leader, Input::Tick);
        Some(Done::Now)
    }
}
