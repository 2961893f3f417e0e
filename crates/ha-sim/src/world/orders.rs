//! What operators ask, and what counts when it is answered.

use super::World;
use super::acts::Done;
use crate::act::{Order, Who};
use ha_core::Input;
use ha_model::{AdminReply, AdminRequest, NodeId};

/// An order that waits for its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// A sequence that has happened when it is answered.
    sequence: Option<&'static str>,
    /// Whom it calls off without a look.
    unseen: Option<NodeId>,
}

impl World {
    /// `None`: nobody takes it there.
    pub(super) fn order(&mut self, at: &Who, order: &Order) -> Option<Done> {
        let at = self.resolve(at)?;
        self.hosts[&at].is_awake().then_some(())?;
        let about = match order {
            Order::Confirm(w) | Order::ConfirmUnseen(w) | Order::Remove(w) | Order::Rename(w) => {
                Some(self.resolve(w)?)
            }
            _ => None,
        };
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
                self.note_help(&node);
                AdminRequest::FenceConfirm { node }
            }
            Order::ConfirmUnseen(w) => {
                let node = self.resolve(w)?;
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
            Order::Address(_) | Order::FencePath(_) | Order::Remove(_) | Order::Rename(_)
                if self.shape.file.is_some() =>
            {
                return None;
            }
            Order::FencePath(n) => self.file(&self.shape.text_by(*n)),
            Order::Address(n) => self.file(&self.shape.text(*n)),
            Order::Remove(w) => {
                let gone = self.resolve(w)?;
                let names: Vec<_> = self.shape.nodes.iter().map(|n| n.name.as_str()).collect();
                let names: Vec<_> =
                    names.into_iter().map(|n| if n == gone.as_str() { "" } else { n }).collect();
                self.file(&self.shape.text_of(crate::shape::ADDRESS, &names))
            }
            Order::Rename(w) => {
                let old = self.resolve(w)?;
                let names: Vec<_> = self.shape.nodes.iter().map(|n| n.name.as_str()).collect();
                let names: Vec<_> =
                    names.into_iter().map(|n| if n == old.as_str() { "other" } else { n }).collect();
                self.file(&self.shape.text_of(crate::shape::ADDRESS, &names))
            }
        };
        let id = self.asked + 1;
        let asked = self.asked_of(order, about);
        self.orders.insert(id, asked);
        self.ask(&at, request.clone());
        self.record_asked(id, &at, order, request);
        Some(Done::Now)
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
        let t = self.t;
        match &request {
            AdminRequest::FenceOn { node } => {
                self.ledger.on_asked.insert(node.clone(), t);
            }
            AdminRequest::FenceConfirm { node } => {
                self.ledger.confirm_asked.insert(node.clone(), t);
            }
            _ => {}
        }
        self.step(at, Input::Admin { id, who: "test".into(), request });
        id
    }

    /// What its answer will mean, of what is so now.
    fn asked_of(&self, order: &Order, about: Option<NodeId>) -> Asked {
        let is_lost = about.as_ref().is_some_and(|node| self.is_unclean(Some(node)));
        let is_alive = about.as_ref().is_some_and(|node| self.hosts[node].is_on);
        let sequence = match order {
            Order::ConfirmUnseen(_) if is_alive => Some("confirm of a living node"),
            Order::FencePath(_) if self.is_unclean(None) => Some("fence path changed while unclean"),
            Order::Confirm(_) | Order::Remove(_) | Order::Rename(_) if is_lost => {
                Some("remove, rename or confirm while unclean")
            }
            _ => None,
        };
        let is_unseen = matches!(order, Order::ConfirmUnseen(_));
        Asked { sequence, unseen: about.filter(|_| is_unseen) }
    }

    /// An order is answered.
    pub(super) fn note_reply(&mut self, request: u64, reply: &AdminReply) {
        if matches!(reply, AdminReply::Unavailable { .. }) {
            return;
        }
        let Some(asked) = self.orders.remove(&request) else { return };
        if let Some(name) = asked.sequence {
            self.tally.sequence(name);
        }
        // A word that was not taken excuses nothing.
        if let (AdminReply::Refused { .. }, Some(node)) = (reply, asked.unseen) {
            self.ledger.unseen.remove(&node);
        }
    }
}
