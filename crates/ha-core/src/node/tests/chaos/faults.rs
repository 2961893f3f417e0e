//! What goes wrong, and how it is mended.

use super::WELL_WITHIN;
use super::clusters;
use super::world::{MS, Pdu, S, World};
use crate::input::Input;
use ha_model::{AdminRequest, NodeId};

impl World {
    fn any(&mut self) -> NodeId {
        let names = self.names();
        self.rng.pick(&names).clone()
    }

    /// One thing goes wrong, gets better, or is asked.
    pub fn fault(&mut self) {
        let id = self.any();
        match self.rng.range(0, 99) {
            0..=9 => self.power_off(&id),
            10..=19 => {
                let off: Vec<_> = self.names().into_iter().filter(|n| !self.hosts[n].is_on).collect();
                for id in off {
                    self.power_on(&id);
                }
            }
            20..=27 => {
                let is_pause = self.rng.percent(40);
                self.freeze(&id, is_pause);
            }
            28..=37 => {
                for id in self.names() {
                    self.thaw(&id);
                }
            }
            38..=49 => self.cut(&id),
            50..=57 => {
                self.tell("HEAL the network".into());
                self.net.cuts.clear();
            }
            58..=65 => {
                if self.hosts[&id].node.is_some() && !self.hosts[&id].is_frozen {
                    self.kill_daemon(&id);
                }
            }
            66..=71 => {
                self.pdu = *self.rng.pick(&[Pdu::Good, Pdu::Good, Pdu::Dead, Pdu::Slow, Pdu::DoesButFails]);
                self.tell(format!("SWITCH is {:?}", self.pdu));
            }
            72..=75 => {
                self.net.loss = *self.rng.pick(&[0, 0, 5, 20, 30]);
                self.net.double = *self.rng.pick(&[0, 10, 50]);
                self.net.late_ms = *self.rng.pick(&[1, 5, 50, 400]);
                self.net.is_disk_slow = self.rng.percent(30);
                self.agents_fail = *self.rng.pick(&[0, 0, 2, 10, 30]);
                let (loss, late) = (self.net.loss, self.net.late_ms);
                self.tell(format!(
                    "NETWORK loses {loss} %, late {late} ms; agents fail {} %",
                    self.agents_fail
                ));
            }
            76..=81 => {
                let instance = *self.rng.pick(&["vip", "web", "db"]);
                self.kill_process(&id, instance);
            }
            82 => {
                self.tell(format!("DISK of {id} fails"));
                self.host(&id).is_disk_broken = true;
            }
            83 => {
                let seconds = self.rng.range(1, 20);
                self.tell(format!("DISK of {id} hangs for {seconds} s"));
                self.host(&id).disk_free_at = self.t + seconds * S;
            }
            84..=86 => {
                if let Some(leader) = self.leaders_now().first().cloned() {
                    let boot = self.now(&leader).boot;
                    if let Some(node) = &mut self.host(&leader).node {
                        let _ = node.raft.transfer(boot, &id);
                    }
                    self.step(&leader, Input::Tick);
                }
            }
            _ => self.ask_something(&id),
        }
    }

    fn cut(&mut self, id: &NodeId) {
        let other = self.any();
        let way = self.rng.range(0, 3);
        self.tell(format!("CUT {id} {other} way {way}"));
        for peer in self.names().into_iter().filter(|p| p != id) {
            match way {
                0 => {
                    self.net.cut(id, &peer);
                    self.net.cut(&peer, id);
                }
                1 if peer == other => {
                    self.net.cut(id, &peer);
                    self.net.cut(&peer, id);
                }
                2 if peer == other => self.net.cut(id, &peer),
                3 => self.net.cut(&peer, id),
                _ => {}
            }
        }
    }

    fn ask_something(&mut self, at: &NodeId) {
        let node = self.any();
        let resource = *self.rng.pick(&["vip", "web", "db"]);
        let resource: ha_model::ResourceId = resource.into();
        // A human confirms only what is true.
        let is_off = !self.hosts[&node].is_on;
        let request = match self.rng.range(0, 11) {
            0 => AdminRequest::NodeStandby { node },
            1 => AdminRequest::NodeOnline { node },
            2 => AdminRequest::ResourceStop { resource },
            3 => AdminRequest::ResourceStart { resource },
            4 => AdminRequest::ResourceRestart { resource },
            5 => AdminRequest::ResourceMove { resource, to: Some(node), for_s: 10 },
            6 => AdminRequest::ResourceCleanup { resource: Some(resource), node: None },
            7 => AdminRequest::FenceOff { node },
            8 => AdminRequest::FenceOn { node },
            9 => AdminRequest::FenceTest { node: None },
            10 => {
                let text = clusters::text(self.kind, self.rng.range(100, 102));
                AdminRequest::ConfigApply { name: "cluster.toml".into(), text }
            }
            _ if is_off => AdminRequest::FenceConfirm { node },
            _ => AdminRequest::Status,
        };
        self.ask(at, request);
    }

    pub fn ask(&mut self, at: &NodeId, request: AdminRequest) {
        self.asked += 1;
        if !matches!(request, AdminRequest::ConfigApply { .. } | AdminRequest::Status) {
            self.tell(format!("ASK at {at}: {request:?}"));
        }
        let id = self.asked;
        self.step(at, Input::Admin { id, who: "test".into(), request });
    }

    /// Everything is mended, by an operator where it needs one; then the cluster is well in time.
    pub fn mend(&mut self) {
        self.tell("MEND everything".into());
        self.is_healed = true;
        self.pdu = Pdu::Good;
        self.agents_fail = 0;
        self.net.cuts.clear();
        (self.net.loss, self.net.double, self.net.late_ms, self.net.is_disk_slow) = (0, 0, 1, false);
        for id in self.names() {
            self.thaw(&id);
            if std::mem::take(&mut self.host(&id).is_disk_broken) && self.hosts[&id].node.is_some() {
                self.kill_daemon(&id);
            }
        }
        let end = self.t + WELL_WITHIN;
        let mut round = 0;
        let is_settled = |w: &mut World| {
            let next = (w.t + 3 * S).min(end);
            w.run_until(next, World::is_well) && {
                let owners = w.all_owners();
                w.run_until(w.t + 5 * S, |_| false);
                w.is_well() && owners == w.all_owners()
            }
        };
        while !is_settled(self) {
            assert!(self.t < end, "L2: not well {} s after mending:\n{}", WELL_WITHIN / S, self.explain());
            round += 1;
            for id in self.names() {
                if !self.hosts[&id].is_on && self.t - self.hosts[&id].off_since > 15 * S {
                    self.power_on(&id);
                }
            }
            if round == 1 || round == 8 {
                self.operator();
            }
        }
        // It stays so: nothing is started, stopped or fenced any more (L6, L7).
        let owners = self.all_owners();
        let calm = self.t + 20 * S;
        self.run_until(calm, |_| false);
        assert_eq!(owners, self.all_owners(), "L6: something moved");
    }

    fn all_owners(&self) -> [Vec<NodeId>; 3] {
        ["vip", "web", "db"].map(|i| self.owners(i))
    }

    fn operator(&mut self) {
        for leader in self.leaders_now() {
            for node in self.names() {
                self.ask(&leader, AdminRequest::NodeOnline { node: node.clone() });
                self.run_until(self.t + 50 * MS, |_| false);
                self.ask(&leader, AdminRequest::NodeOnline { node });
            }
            for resource in ["vip", "web", "db"] {
                self.ask(&leader, AdminRequest::ResourceStart { resource: resource.into() });
            }
            self.ask(&leader, AdminRequest::ResourceCleanup { resource: None, node: None });
        }
    }

    fn explain(&self) -> String {
        let mut text = String::new();
        for (id, host) in &self.hosts {
            text +=
                &format!("{id}: on {} daemon {} runs {:?}\n", host.is_on, host.node.is_some(), host.running);
            if let Some(n) = &host.node {
                text +=
                    &format!("   {:?} term {} leader {:?}", n.raft.role(), n.raft.term(), n.raft.leader());
                text += &format!(" applied {} failed {:?}\n", n.applied, n.write_failed);
            }
        }
        let leaders = self.leaders_now();
        text += &format!("leaders {leaders:?}\n");
        for node in leaders.iter().filter_map(|l| self.hosts[l].node.as_ref()) {
            text += &format!("nodes {:#?}\n", node.state().nodes);
            text += &format!("may_run {:#?}\nfences {:#?}\n", node.state().may_run, node.state().fences);
            text += &format!("instances {:#?}\nwishes {:?}\n", node.state().instances, node.state().wishes);
            if let Some(lead) = &node.lead {
                let flying: Vec<_> = lead
                    .in_flight
                    .iter()
                    .map(|(k, (s, q))| (k, s.age_key(), q.order.op, q.is_sent))
                    .collect();
                text += &format!("in flight {flying:?}\nhold {:?} ready {:?}\n", lead.hold, lead.ready);
                text += &format!("awaited {:?} proposed {:?}\n", lead.awaited, lead.proposed);
                text += &format!("report {:#?}\n", lead.report);
            }
        }
        text
    }
}
