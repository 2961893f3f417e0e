//! What a story does to a world.

use super::{Due, MS, NODES, World, decode, encode, size};
use crate::input::Input;
use crate::message::PeerMessage;
use crate::node::{Codec, Node, Restored, Setup};
use ha_consensus::Limits;
use ha_model::{AdminReply, AdminRequest, BootNs, Incarnation, NodeId, SessionId, StoreId};
use std::sync::Arc;
use std::time::Duration;

impl World {
    pub fn power_on(&mut self, name: &str) {
        let host = self.hosts.get_mut(&name.into()).unwrap();
        if !host.is_on {
            host.is_on = true;
            host.boots += 1;
            self.journal.push(format!("on {name}"));
            self.boot_daemon(&name.into());
        }
    }

    pub(super) fn boot_daemon(&mut self, id: &NodeId) {
        let now = self.now_at(id);
        let host = self.hosts.get_mut(id).unwrap();
        host.sessions += 1;
        host.session = SessionId(host.sessions << 96);
        let index = 1 + NODES.iter().position(|n| *n == id.as_str()).unwrap() as u128;
        let config = Arc::new(ha_config::parse("cluster.toml", &self.text).expect("valid").config);
        let votes = match &host.store.snapshot {
            None => ha_consensus::Restored::Fresh { voters: config.voters(), learners: config.learners() },
            Some(snapshot) => ha_consensus::Restored::Intact {
                hard: host.store.hard.clone(),
                snapshot: snapshot.clone(),
                log: host.store.log.values().cloned().collect(),
                peers: host.store.peers.clone(),
            },
        };
        let setup = Setup {
            me: id.clone(),
            incarnation: Incarnation((host.boots << 100) | index),
            session: host.session,
            store: StoreId(index),
            file_name: "cluster.toml".into(),
            file_text: self.text.clone(),
            config,
            codec: Codec { encode_state: encode, decode_state: decode, entry_size: size },
            limits: Limits { log_tail: 16, snapshot_after: 48, ..Limits::default() },
            seed: index as u64,
        };
        let node = Node::new(setup, Restored { votes, acted: host.store.acted }, now).expect("starts");
        host.node = Some(node);
        host.bodies.clear();
        host.heard.clear();
        host.parked.clear();
        host.wake = None;
        self.step(id, Input::Tick);
        self.at(MS, Due::SendBeats { node: id.clone() });
        for other in self.names() {
            if other != *id && self.hosts[&other].node.is_some() {
                self.at(MS * 2, Due::Connect { a: id.clone(), b: other });
            }
        }
    }

    pub fn power_off(&mut self, name: &str) {
        let host = self.hosts.get_mut(&name.into()).unwrap();
        if host.is_on {
            host.is_on = false;
            host.is_frozen = false;
            host.node = None;
            host.running.clear();
            host.parked.clear();
            self.journal.push(format!("off {name}"));
        }
    }

    pub fn freeze(&mut self, name: &str) {
        self.hosts.get_mut(&name.into()).unwrap().is_frozen = true;
    }

    pub fn thaw(&mut self, name: &str) {
        let host = self.hosts.get_mut(&name.into()).unwrap();
        host.is_frozen = false;
        for due in std::mem::take(&mut host.parked) {
            self.at(Duration::ZERO, due);
        }
    }

    /// What `from` sends does not reach `to`.
    pub fn cut_way(&mut self, from: &str, to: &str) {
        self.cuts.insert((from.into(), to.into()));
    }

    pub fn cut(&mut self, a: &NodeId, b: &NodeId) {
        self.cuts.insert((a.clone(), b.clone()));
        self.cuts.insert((b.clone(), a.clone()));
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Streams between them break and come back no more; their heartbeats go on.
    pub fn break_streams(&mut self, a: &NodeId, b: &NodeId) {
        for (x, y) in [(a, b), (b, a)] {
            self.broken.insert((x.clone(), y.clone()));
            self.step(&y.clone(), Input::PeerDown { node: x.clone() });
        }
    }

    pub fn mend_streams(&mut self) {
        for (a, b) in std::mem::take(&mut self.broken) {
            if a < b {
                self.reconnect(&a, &b);
            }
        }
    }

    pub fn node_mut(&mut self, id: &NodeId) -> &mut Node {
        self.hosts.get_mut(id).unwrap().node.as_mut().unwrap()
    }

    /// A new stream in the place of the one before.
    pub fn reconnect(&mut self, a: &NodeId, b: &NodeId) {
        self.at(MS, Due::Connect { a: a.clone(), b: b.clone() });
    }

    /// Its writes do not return.
    pub fn hang_disk(&mut self, name: &NodeId) {
        self.hung.insert(name.clone(), (None, Vec::new()));
    }

    pub fn mend_disks(&mut self) {
        for due in std::mem::take(&mut self.hung).into_values().flat_map(|(_, writes)| writes) {
            self.at(MS, due);
        }
    }

    /// What daemons read as their file from their next start.
    pub fn edit_files(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "{from}");
        self.text = self.text.replace(from, to);
    }

    /// Its disk is empty when its daemon starts next.
    pub fn wipe(&mut self, name: &str) {
        self.hosts.get_mut(&name.into()).unwrap().store = super::Stored::default();
    }

    pub fn restart_daemon(&mut self, name: &str) {
        let id: NodeId = name.into();
        self.hosts.get_mut(&id).unwrap().node = None;
        for other in self.names().into_iter().filter(|o| *o != id) {
            self.step(&other, Input::PeerReset { node: id.clone() });
        }
        self.at(MS * 200, Due::Boot { node: id });
    }

    /// A heartbeat out of turn.
    pub fn speak(&mut self, name: &str) {
        self.send_beats(&name.into());
    }

    pub fn kill_process(&mut self, name: &str, instance: &str) {
        let id: NodeId = name.into();
        assert!(self.hosts.get_mut(&id).unwrap().running.remove(instance));
        let how = "was killed by signal 9".to_owned();
        self.step(&id, Input::ProcessExited { instance: instance.into(), how });
    }

    /// A process ends and the kernel tells nobody: only a check finds out.
    pub fn die_unseen(&mut self, name: &str, instance: &str) {
        assert!(self.hosts.get_mut(&name.into()).unwrap().running.remove(instance));
    }

    /// A leader that hands over to nobody, for the sake of no node.
    pub fn refuse_hand_over(&mut self, leader: &NodeId) {
        let names = self.names();
        let node = self.hosts.get_mut(leader).unwrap().node.as_mut().unwrap();
        node.lead.as_mut().unwrap().handover_at = names.into_iter().map(|n| (n, BootNs(u64::MAX))).collect();
    }

    pub fn transfer_away(&mut self, from: &NodeId) {
        let to = self.names().into_iter().find(|n| n != from).unwrap();
        self.transfer(from, &to);
    }

    pub fn transfer(&mut self, from: &NodeId, to: &NodeId) {
        let boot = self.now;
        let node = self.hosts.get_mut(from).unwrap().node.as_mut().unwrap();
        node.raft.transfer(boot, to).expect("the leader can hand over");
        self.step(&from.clone(), Input::Tick);
        self.run_until(Duration::from_secs(5), "another leads", |w| w.leaders() == vec![to.clone()]);
    }

    /// That node leads from here on.
    pub fn lead_by(&mut self, name: &str) {
        let (leader, to): (NodeId, NodeId) = (self.leader(), name.into());
        if leader != to {
            self.transfer(&leader, &to);
        }
        self.run(Duration::from_secs(1));
    }

    /// Another than `from` leads from here on.
    pub fn leave_leading(&mut self, from: &str) {
        if self.leader() == from.into() {
            self.transfer_away(&from.into());
        }
    }

    pub fn deliver(&mut self, from: &str, to: &str, message: PeerMessage) {
        self.step(&to.into(), Input::Message { from: from.into(), message: Box::new(message) });
    }

    /// Asks without waiting for the answer; its number.
    pub fn ask_only(&mut self, name: &str, request: AdminRequest) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.step(&name.into(), Input::Admin { id, who: "test".into(), request });
        id
    }

    pub fn ask(&mut self, name: &str, request: AdminRequest) -> AdminReply {
        let id = self.ask_only(name, request);
        let node: NodeId = name.into();
        self.run_until(Duration::from_secs(30), "an answer", |w| w.hosts[&node].replies.contains_key(&id));
        self.hosts.get_mut(&node).unwrap().replies.remove(&id).unwrap()
    }
}
