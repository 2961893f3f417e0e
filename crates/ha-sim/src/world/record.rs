//! What a golden scenario keeps of what happens.
//!
//! Invariant: without a recorder nothing is kept, and nothing happens in another way with one.

use super::World;
use crate::act::{Act, Order};
use ha_core::AgentOutcome;
use ha_fencing::CallOutcome;
use ha_model::{AdminRequest, NodeId, Notice};

impl World {
    /// After each event: who runs what, has power, leads.
    pub(crate) fn record(&mut self) {
        if let Some(mut recorder) = self.recorder.take() {
            recorder.look(self);
            self.recorder = Some(recorder);
        }
    }

    pub(super) fn record_act(&mut self, act: &Act) {
        let t = self.t;
        self.recorder.iter_mut().for_each(|r| r.acted(t, act));
    }

    pub(super) fn record_idle(&mut self, act: &Act) {
        self.recorder.iter_mut().for_each(|r| r.was_idle(act));
    }

    pub(super) fn record_asked(&mut self, id: u64, at: &NodeId, order: &Order, request: AdminRequest) {
        self.recorder.iter_mut().for_each(|r| r.asked(id, at, order, &request));
    }

    pub(crate) fn record_said(&mut self, id: &NodeId, notice: &Notice) {
        let t = self.t;
        self.recorder.iter_mut().for_each(|r| r.said(t, id, notice));
    }

    pub(super) fn record_call(&mut self, outcome: &CallOutcome) {
        self.recorder.iter_mut().for_each(|r| r.called(outcome));
    }

    pub(super) fn record_outcome(&mut self, outcome: &AgentOutcome) {
        self.recorder.iter_mut().for_each(|r| r.ended(outcome));
    }

    pub(super) fn record_reset(&mut self, id: &NodeId) {
        let t = self.t;
        self.recorder.iter_mut().for_each(|r| r.reset(t, id));
    }

    pub(super) fn record_cut(&mut self, id: &NodeId) {
        let (t, is_on) = (self.t, self.hosts[id].is_on);
        self.recorder.iter_mut().for_each(|r| r.cut(t, id, is_on));
    }
}
