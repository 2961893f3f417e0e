//! Carrying out the lines of a schedule.

use super::{Due, MS, S, World};
use crate::act::{Act, Disk, Moment, Order, Way, Who};
use ha_core::{Input, PeerMessage};
use ha_model::{AdminRequest, NodeId};
use ha_scheduler::NodeStatus;

/// How long a disk hangs.
const HANGS: u64 = 12 * S;

impl World {
    /// Does it, where there is whom to do it to.
    pub(crate) fn act(&mut self, act: &Act) {
        if let Act::When(moment, act) = act {
            self.moments.push((*moment, (**act).clone()));
            return;
        }
        self.record_act(act);
        let is_idle = self.hosts.values().all(|h| h.running.is_empty());
        if self.carry_out(act).is_none() {
            self.record_idle(act);
        } else if let Some(kind) = act.kind() {
            if self.tally.faults.is_empty() && is_idle {
                self.tally.formation = 1;
            }
            self.tally.fault(kind);
            if !self.ledger.begun.is_empty() {
                *self.ledger.felt.entry(kind).or_default() += 1;
            }
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

    /// `None`: there was nobody to do it to.
    fn carry_out(&mut self, act: &Act) -> Option<()> {
        match act {
            Act::PowerOff(who) => {
                let id = self.resolve(who)?;
                self.power_off(&id);
            }
            Act::PowerOn(who) => self.each(who.as_ref(), World::restore_power),
            Act::Freeze(who) => {
                let id = self.resolve(who)?;
                self.freeze(&id, false);
            }
            Act::Pause(who) => {
                let id = self.resolve(who)?;
                self.freeze(&id, true);
            }
            Act::Thaw(who) => self.each(who.as_ref(), World::thaw),
            Act::KillDaemon(who) => {
                let id = self.resolve(who)?;
                self.kill_daemon(&id);
            }
            Act::EndDaemon(who) => {
                let id = self.resolve(who)?;
                self.kill_daemon(&id);
                self.parts.has_no_supervisor.insert(id);
            }
            Act::StartDaemon(who) => {
                let id = self.resolve(who)?;
                self.start_daemon(&id);
            }
            Act::Kill(instance, who) => {
                let id = self.resolve(who)?;
                self.kill_process(&id, &instance.as_str().into());
            }
            Act::Cut(one, others, way, link) => self.cut(one, others.as_deref(), *way, *link)?,
            Act::Flap(a, b, ms) => {
                let (a, b) = (self.resolve(a)?, self.resolve(b)?);
                self.tell(format!("FLAP {a} {b} {ms} ms"));
                self.net.flap(&a, &b, u64::from(*ms).max(1) * MS);
            }
            Act::Lossy(one, others, percent) => self.worsen(act, one, others.as_deref(), (*percent, 0))?,
            Act::Late(one, others, ms) => self.worsen(act, one, others.as_deref(), (0, *ms))?,
            Act::Heal => {
                self.tell("HEAL the network".into());
                self.net.heal();
            }
            Act::Net { loss, double, late_ms } => {
                self.tell(act.to_string());
                (self.net.loss, self.net.double) = (u64::from(*loss), u64::from(*double));
                self.net.late_ms = u64::from(*late_ms).max(1);
            }
            Act::Disk(who, how) => {
                let id = self.resolve(who)?;
                self.disk(&id, *how)?;
            }
            Act::Drift(who, ppm) => {
                let id = self.resolve(who)?;
                let t = self.t;
                self.tell(act.to_string());
                let host = self.host(&id);
                host.ppm = *ppm;
                host.clock.drift(t, *ppm);
                // What was to happen at a time of its own clock happens at another time of ours.
                self.at(0, Due::Stream { to: id, input: Input::Tick });
            }
            Act::Wall(who, seconds) => {
                let id = self.resolve(who)?;
                self.tell(act.to_string());
                self.host(&id).wall_s += i64::from(*seconds);
            }
            Act::Switch(how) => {
                self.tell(act.to_string());
                self.switch = *how;
            }
            Act::Device(device, how) => self.device(act, device, *how)?,
            Act::Agent(instance, how) => self.agent(act, instance, *how)?,
            Act::Agents(how) => {
                self.tell(act.to_string());
                self.agents = *how;
            }
            Act::Ask(who, order) => self.order(who, order)?,
            Act::Transfer(who) => self.transfer(who)?,
            Act::When(..) => {}
        }
        Some(())
    }

    fn each(&mut self, who: Option<&Who>, act: impl Fn(&mut World, &NodeId)) {
        let ids = match who {
            Some(who) => self.resolve(who).into_iter().collect(),
            None => self.names(),
        };
        ids.iter().for_each(|id| act(self, id));
    }

    pub(super) fn those(&self, others: Option<&[Who]>) -> Vec<NodeId> {
        match others {
            None => self.names(),
            Some(others) => others.iter().filter_map(|w| self.resolve(w)).collect(),
        }
    }

    fn cut(&mut self, one: &Who, others: Option<&[Who]>, way: Way, link: Option<u8>) -> Option<()> {
        let one = self.resolve(one)?;
        let others: Vec<_> = self.those(others).into_iter().filter(|o| *o != one).collect();
        let first = others.first()?.clone();
        let leader = self.resolve(&Who::Leader);
        for other in &others {
            if way != Way::In {
                self.net.cut(&one, other, link);
            }
            if way != Way::Out {
                self.net.cut(other, &one, link);
            }
        }
        self.tell(format!("CUT {one} {way:?} {others:?} {link:?}"));
        let is_alone = others.len() == 1 && self.hosts.len() > 2;
        if is_alone && (leader.as_ref() == Some(&one) || leader.as_ref() == Some(&first)) {
            self.tally.sequence("cut where only the leader loses a node");
        }
        Some(())
    }

    /// At most a minority of the voters forgets what it wrote: more is outside of what votes can survive.
    fn disk(&mut self, id: &NodeId, how: Disk) -> Option<()> {
        let forgets = matches!(how, Disk::Wiped | Disk::Older);
        if how == Disk::Older && !self.hosts[id].disk.has_copy() {
            return None;
        }
        if forgets && !self.forgetful.contains(id) {
            let voters = self.shape.nodes.len();
            if (self.forgetful.len() + 1) * 2 >= voters {
                return None;
            }
            self.forgetful.push(id.clone());
        }
        self.tell(format!("disk {id} {how}"));
        if how == Disk::Copied {
            self.host(id).disk.copy();
            return Some(());
        }
        let t = self.t;
        let disk = &mut self.host(id).disk;
        if how == Disk::Hanging {
            disk.free_at = disk.free_at.max(t) + HANGS;
            return Some(());
        }
        disk.how = how;
        if forgets {
            self.kill_daemon(id);
        }
        Some(())
    }

    fn transfer(&mut self, who: &Who) -> Option<()> {
        let (to, leader) = (self.resolve(who)?, self.resolve(&Who::Leader)?);
        let boot = self.now(&leader).boot;
        let daemon = self.host(&leader).daemon.as_mut()?;
        daemon.node.hand_over(boot, &to).ok()?;
        self.step(&leader, Input::Tick);
        Some(())
    }

    fn order(&mut self, at: &Who, order: &Order) -> Option<()> {
        let at = self.resolve(at)?;
        let resource = |name: &str| name.into();
        let request = match order {
            Order::Standby(w) => AdminRequest::NodeStandby { node: self.resolve(w)? },
            Order::Online(w) => {
                let node = self.resolve(w)?;
                self.note_help(&node);
                AdminRequest::NodeOnline { node }
            }
            Order::Start(r) => AdminRequest::ResourceStart { resource: resource(r) },
            Order::Stop(r) => AdminRequest::ResourceStop { resource: resource(r) },
            Order::Restart(r) => AdminRequest::ResourceRestart { resource: resource(r) },
            Order::Move(r, w) => {
                AdminRequest::ResourceMove { resource: resource(r), to: Some(self.resolve(w)?), for_s: 10 }
            }
            Order::MoveAway(r) => AdminRequest::ResourceMove { resource: resource(r), to: None, for_s: 10 },
            Order::Cleanup(r) => AdminRequest::ResourceCleanup { resource: Some(resource(r)), node: None },
            Order::FenceOff(w) => {
                let node = self.resolve(w)?;
                self.note_help(&node);
                AdminRequest::FenceOff { node }
            }
            Order::FenceOn(w) => {
                let node = self.resolve(w)?;
                self.note_help(&node);
                AdminRequest::FenceOn { node }
            }
            Order::FenceTest => AdminRequest::FenceTest { node: None },
            Order::Confirm(w) => {
                let node = self.resolve(w)?;
                if self.hosts[&node].is_on {
                    return None;
                }
                self.note_unclean();
                self.note_help(&node);
                AdminRequest::FenceConfirm { node }
            }
            Order::ConfirmUnseen(w) => {
                let node = self.resolve(w)?;
                self.note_unclean();
                self.note_help(&node);
                self.ledger.unseen.insert(node.clone());
                AdminRequest::FenceConfirm { node }
            }
            Order::Apply(name) => self.file(&self.files.get(name)?.clone()),
            Order::Status => AdminRequest::Status,
            Order::Timeline => AdminRequest::Timeline { limit: 3 },
            Order::FenceHistory => AdminRequest::FenceHistory { node: None },
            Order::ConfigShow => AdminRequest::ConfigShow,
            // Only a drawn cluster can be written anew.
            Order::Address(_) | Order::Remove(_) | Order::Rename(_) if self.shape.file.is_some() => {
                return None;
            }
            Order::Address(n) => self.file(&self.shape.text(*n)),
            Order::Remove(w) => {
                let gone = self.resolve(w)?;
                self.note_unclean();
                let names: Vec<_> = self.shape.nodes.iter().map(|n| n.name.as_str()).collect();
                let names: Vec<_> =
                    names.into_iter().map(|n| if n == gone.as_str() { "" } else { n }).collect();
                self.file(&self.shape.text_of(crate::shape::ADDRESS, &names))
            }
            Order::Rename(w) => {
                let old = self.resolve(w)?;
                self.note_unclean();
                let names: Vec<_> = self.shape.nodes.iter().map(|n| n.name.as_str()).collect();
                let names: Vec<_> =
                    names.into_iter().map(|n| if n == old.as_str() { "other" } else { n }).collect();
                self.file(&self.shape.text_of(crate::shape::ADDRESS, &names))
            }
        };
        let id = self.ask(&at, request.clone());
        self.record_asked(id, &at, order, request);
        Some(())
    }

    fn file(&self, text: &str) -> AdminRequest {
        AdminRequest::ConfigApply { name: "cluster.toml".into(), text: text.into() }
    }

    pub(crate) fn ask(&mut self, at: &NodeId, request: AdminRequest) -> u64 {
        self.asked += 1;
        if !matches!(request, AdminRequest::ConfigApply { .. } | AdminRequest::Status) {
            self.tell(format!("ASK at {at}: {request:?}"));
        }
        let id = self.asked;
        self.step(at, Input::Admin { id, who: "test".into(), request });
        id
    }

    /// Some node is lost or condemned, by a leader's word.
    fn is_unclean(&self) -> bool {
        let leads = self.hosts.values().filter(|h| h.leads()).filter_map(|h| h.node());
        leads
            .flat_map(|n| n.state().nodes.values())
            .any(|r| matches!(r.status, NodeStatus::Lost | NodeStatus::Condemned))
    }

    fn note_unclean(&mut self) {
        if self.is_unclean() {
            self.tally.sequence("remove, rename or confirm while unclean");
        }
    }

    /// A host or daemon goes: does it lead between an off and its proof?
    pub(super) fn note_gone(&mut self, id: &NodeId) {
        let host = &self.hosts[id];
        let Some(node) = host.node().filter(|n| n.votes().is_leader()) else { return };
        let is_between = node.state().fences.values().any(|f| self.ledger.cut_at.contains_key(&f.target));
        if is_between {
            self.tally.sequence("leader gone between off and proof");
        }
    }

    pub(super) fn note_restart(&mut self, id: &NodeId) {
        let leads = self.hosts.values().filter(|h| h.leads()).filter_map(|h| h.node());
        let mut says = leads.filter_map(|n| n.state().node(id));
        if says.any(|r| r.status == NodeStatus::Condemned) {
            self.tally.sequence("daemon restarted while condemned");
        }
    }

    pub(super) fn note_freeze(&mut self, id: &NodeId) {
        let runs = self.hosts[id].daemon.as_ref().map(|d| &d.runs);
        if runs.is_some_and(|r| r.values().any(|r| r.run.op == ha_core::AgentOp::Start && r.run.needs_grant))
        {
            self.tally.sequence("freeze between grant check and exec");
        }
    }

    pub(super) fn note_message(&mut self, to: &NodeId, message: &PeerMessage) {
        let term = match message {
            PeerMessage::Order(order) => order.stamp.term,
            PeerMessage::ExecOrder(order) => order.term,
            PeerMessage::ExecReport(report) => report.term,
            _ => return,
        };
        if self.hosts[to].node().is_some_and(|n| n.votes().term() > term) {
            self.tally.sequence("late agent of an old term");
        }
    }
}
