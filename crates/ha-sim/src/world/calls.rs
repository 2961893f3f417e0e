//! Calls of fence agents: what is asked reaches the switch at a time of its own, its answer reaches the daemon later, and
//! neither waits for the other. A call whose daemon or host is gone was sent, or was not.
//!
//! Must not know: what the core makes of an answer. Invariant: a call that was sent is done once, whoever still lives.

use super::{Due, MS, World};
use crate::act::{Moment, Switch};
use ha_core::{FenceRun, Input};
use ha_fencing::{CallAction, CallOutcome};
use ha_model::{EffectId, NodeId, SessionId};

/// A call under way.
pub(crate) struct Call {
    caller: (NodeId, SessionId, EffectId),
    device: String,
    plug: String,
    action: CallAction,
    began_at: u64,
    /// What the switch answered; `None`: it was not asked yet.
    answer: Option<CallOutcome>,
    /// Why nobody waits for its answer any more.
    is_over: Option<Over>,
    /// Its agent stands still with its host, and has sent nothing.
    is_held: bool,
}

/// Why nobody waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The call's time was over.
    TimedOut,
    /// Its daemon or host is gone.
    CallerGone,
}

impl World {
    /// The agent asks the switch; its word comes back, or the call is given up.
    pub(super) fn fence_begins(&mut self, id: &NodeId, session: SessionId, mut run: FenceRun) {
        run.plug = self.shape.outlet(run.device.as_str(), &run.plug);
        let target = self.shape.at_outlet(&run.plug).map(|n| NodeId::from(n.name.as_str()));
        if let Some(target) = target.filter(|_| run.action == CallAction::Off) {
            self.check_off(id, &target, run.id);
            self.moment(Moment::OffAsked);
        }
        if run.action == CallAction::On {
            self.check_on(id, &run.target);
        }
        let takes = match self.how_does(run.device.as_str()) {
            Switch::Sound
            | Switch::Blind
            | Switch::Mute
            | Switch::Failing
            | Switch::Cycling
            | Switch::Vouching
            | Switch::Miswired
            | Switch::Lying => self.rng.range(2, 60),
            Switch::Dead => 1000,
            Switch::Slow => {
                self.meets("switch slow");
                if self.rng.surprises(30) { self.rng.range(2000, 4000) } else { self.rng.range(300, 2600) }
            }
        } * MS;
        let acts = if self.rng.surprises(75) { self.rng.range(takes / 2, takes) } else { takes };
        let limit = run.timeout.as_nanos() as u64;
        self.called += 1;
        let number = self.called;
        let call = Call {
            caller: (id.clone(), session, run.id),
            device: run.device.to_string(),
            plug: run.plug,
            action: run.action,
            began_at: self.t,
            answer: None,
            is_over: None,
            is_held: false,
        };
        self.calls.insert(number, call);
        self.at(acts, Due::Switch { call: number });
        self.at(takes.min(limit), Due::Fence { node: id.clone(), session, call: number });
    }

    /// The agent is killed; what it has sent is on its way.
    pub(super) fn fence_is_called_off(&mut self, id: &NodeId, session: SessionId, effect: EffectId) {
        self.host(id).daemon.iter_mut().for_each(|d| drop(d.cutting.remove(&effect)));
        let is_it = |c: &Call| c.caller.0 == *id && (c.caller.1, c.caller.2) == (session, effect);
        let found = self.calls.iter().find(|(_, c)| is_it(c) && c.answer.is_none());
        let number = found.map(|(number, _)| *number);
        if let Some(number) = number.filter(|_| self.rng.percent(50)) {
            self.calls.remove(&number);
        }
    }

    /// The daemon is gone: what its fence agents have sent is on its way, what they have not is not.
    pub(super) fn callers_are_gone(&mut self, id: &NodeId) {
        let theirs = self.calls.iter().filter(|(_, c)| c.caller.0 == *id && c.is_over.is_none());
        let theirs: Vec<_> = theirs.map(|(n, c)| (*n, c.answer.is_none() && !c.is_held)).collect();
        for (number, may_be_sent) in theirs {
            if may_be_sent && self.rng.surprises(50) {
                self.calls.get_mut(&number).into_iter().for_each(|c| c.is_over = Some(Over::CallerGone));
            } else {
                self.calls.remove(&number);
            }
        }
    }

    /// What was sent arrives at the switch.
    pub(super) fn switch_is_asked(&mut self, number: u64) {
        let Some(mut call) = self.calls.remove(&number) else { return };
        let id = call.caller.0.clone();
        // An agent that stands still has sent it already, or will when it goes on.
        let may_wait = self.hosts[&id].is_frozen && call.is_over.is_none();
        if may_wait && (call.is_held || !self.rng.surprises(50)) {
            call.is_held = true;
            self.calls.insert(number, call);
            return self.host(&id).parked.push(Due::Switch { call: number });
        }
        let power =
            |w: &World| w.hosts.values().map(|h| h.is_on && h.goes_off_at.is_none()).collect::<Vec<_>>();
        let before = power(self);
        let answer = self.answer(&id, &call.device, &call.plug, call.action);
        let has_acted = power(self) != before;
        match call.is_over {
            Some(Over::TimedOut) if has_acted => self.tally.sequence("switch acts after it was given up"),
            Some(Over::CallerGone) if has_acted => {
                self.tally.sequence("switch acts for an executor that is gone");
            }
            Some(_) => {}
            None if self.hosts[&id].is_session(call.caller.1) => {
                (call.answer, call.is_held) = (Some(answer), false);
                self.calls.insert(number, call);
            }
            None => {}
        }
    }

    /// The agent's word reaches its daemon, or its time is over.
    pub(super) fn fence_ends(&mut self, id: &NodeId, number: u64) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let (effect, answer) = (call.caller.2, call.answer.clone());
        let outlet = (call.device.as_str().into(), call.plug.clone());
        let asked = (call.action, call.began_at);
        self.hosts.get_mut(id).and_then(|h| h.daemon.as_mut()).map(|d| d.cutting.remove(&effect));
        if answer.is_some() {
            self.calls.remove(&number);
        } else {
            call.is_over = Some(Over::TimedOut);
        }
        let outcome = answer.unwrap_or(CallOutcome::TimedOut);
        self.note_reading(id, outlet, asked, &outcome);
        self.record_call(&outcome);
        self.step(id, Input::FenceCallDone { id: effect, outcome });
    }
}
