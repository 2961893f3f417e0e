//! Phase 7, actions: the difference between what should run where and what is known to run. What must come first
//! is the next phase's question.
//!
//! Invariant: an instance with an operation under way on a node gets no second action there that could be ordered
//! now (the next phase makes it wait).

use crate::expand::{Expanded, InstIx};
use crate::fence_need::{Fences, Fencing, words};
use crate::observe::{Observed, Seen};
use crate::place::Placement;
use crate::score::Scores;
use crate::validate::{NodeIx, Valid};
use crate::{ActionKind, NodeStatus};
use ha_model::InstanceState;
use std::collections::BTreeMap;

/// A candidate's place in [`Wanted::all`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct CandIx(pub usize);

/// An action that would bring the cluster nearer to the wish.
pub(crate) struct Candidate {
    pub kind: ActionKind,
    pub instance: Option<InstIx>,
    pub node: NodeIx,
    pub why: String,
    /// A stop of something healthy: made only when the start that follows can follow.
    pub is_voluntary: bool,
}

/// All candidates, in a stable order, with look-ups.
#[derive(Default)]
pub(crate) struct Wanted {
    pub all: Vec<Candidate>,
    pub fence: BTreeMap<NodeIx, CandIx>,
    pub probe: BTreeMap<(InstIx, NodeIx), CandIx>,
    pub stop: BTreeMap<(InstIx, NodeIx), CandIx>,
    pub start: BTreeMap<InstIx, CandIx>,
}

impl Wanted {
    fn push(&mut self, candidate: Candidate) -> CandIx {
        self.all.push(candidate);
        CandIx(self.all.len() - 1)
    }

    pub fn stops_of(&self, instance: InstIx) -> impl Iterator<Item = (NodeIx, CandIx)> + '_ {
        self.stop.range((instance, NodeIx(0))..=(instance, NodeIx(usize::MAX))).map(|((_, n), c)| (*n, *c))
    }
}

/// Whether what depends on an instance must be stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interrupted {
    No,
    /// It stays up until the stop is made, and that stop is voluntary.
    Voluntarily,
    Surely,
}

/// All that this phase reads.
struct Known<'k, 'a> {
    valid: &'k Valid<'a>,
    expanded: &'k Expanded<'a>,
    observed: &'k Observed<'a>,
    fences: &'k Fences,
    scores: &'k Scores,
    placement: &'k Placement,
}

/// Finds the differences.
pub(crate) fn actions(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    observed: &Observed<'_>,
    fences: &Fences,
    scores: &Scores,
    placement: &Placement,
) -> Wanted {
    let known = Known { valid, expanded, observed, fences, scores, placement };
    let mut wanted = Wanted::default();
    for node in valid.node_ixs() {
        if let Fencing::Needed(reason) = fences.of(node) {
            let why = format!("{} {}", valid.node(node).id, words(reason));
            let kind = ActionKind::Fence { reason: reason.clone() };
            let c = wanted.push(Candidate { kind, instance: None, node, why, is_voluntary: false });
            wanted.fence.insert(node, c);
        }
    }
    let mut interrupted = vec![Interrupted::No; expanded.instances.len()];
    for ix in expanded.in_order() {
        known.probes(ix, &mut wanted);
        known.stops(ix, &interrupted, &mut wanted);
        known.start(ix, &mut wanted);
        interrupted[ix.0] = known.interruption(ix, &wanted);
    }
    wanted
}

impl Known<'_, '_> {
    fn probes(&self, ix: InstIx, wanted: &mut Wanted) {
        if self.expanded.get(ix).resource.is_none() {
            return;
        }
        for node in self.valid.node_ixs() {
            if self.observed.seen(ix, node) == Seen::Unprobed && self.fences.can_order(self.valid, node) {
                let why = format!(
                    "{} has not said whether {} runs",
                    self.node_name(node),
                    self.expanded.get(ix).id
                );
                let kind = ActionKind::Probe;
                let c = wanted.push(Candidate { kind, instance: Some(ix), node, why, is_voluntary: false });
                wanted.probe.insert((ix, node), c);
            }
        }
    }

    fn stops(&self, ix: InstIx, interrupted: &[Interrupted], wanted: &mut Wanted) {
        let running = self.valid.node_ixs().filter(|n| self.observed.seen(ix, *n) == Seen::Running).count();
        let runs_twice = running > 1 && self.expanded.get(ix).is_exclusive();
        for node in self.valid.node_ixs() {
            if self.valid.node(node).view.status != NodeStatus::Member || self.fences.is_doomed(node) {
                continue;
            }
            let reason = match self.observed.seen(ix, node) {
                Seen::Failed => Some((self.failed(ix, node), false)),
                Seen::Running if runs_twice => Some((
                    format!("runs on {running} nodes at once: all are stopped, then one starts"),
                    false,
                )),
                Seen::Running => self.stop_of_running(ix, node, interrupted),
                Seen::Clean | Seen::Unprobed if self.must_close_permission(ix, node) => {
                    Some(("makes sure that it is stopped, and takes back its permission".to_owned(), false))
                }
                Seen::Clean | Seen::Unprobed | Seen::Pending(_) | Seen::StopFailed | Seen::MayHold => None,
            };
            if let Some((why, is_voluntary)) = reason {
                let kind = ActionKind::Stop;
                let c = wanted.push(Candidate { kind, instance: Some(ix), node, why, is_voluntary });
                wanted.stop.insert((ix, node), c);
            }
        }
    }

    /// An open permission where nothing is known to run, and nothing is wanted: only a stop result closes it. A
    /// configured instance is probed first.
    fn must_close_permission(&self, ix: InstIx, node: NodeIx) -> bool {
        let is_known =
            self.observed.seen(ix, node) == Seen::Clean || self.expanded.get(ix).resource.is_none();
        is_known && self.observed.is_permitted(ix, node) && self.placement.wanted[ix.0] != Some(node)
    }

    fn failed(&self, ix: InstIx, node: NodeIx) -> String {
        let how = self.observed.why(ix, node).unwrap_or("failed").to_owned();
        match self.placement.wanted[ix.0] {
            Some(to) if to == node => format!("{how}; restarts in place"),
            Some(to) => format!("{how}; moves to {}", self.node_name(to)),
            None => how,
        }
    }

    /// Why something that runs is to be stopped, and whether that is voluntary.
    fn stop_of_running(
        &self,
        ix: InstIx,
        node: NodeIx,
        interrupted: &[Interrupted],
    ) -> Option<(String, bool)> {
        let instance = self.expanded.get(ix);
        let Some(to) = self.placement.wanted[ix.0] else {
            let why = self.placement.why_not[ix.0].clone().unwrap_or_else(|| "should not run".to_owned());
            return Some((why, false));
        };
        if to != node {
            let target = self.node_name(to);
            return Some(match self.scores.ban(ix, node) {
                Some(ban) => (format!("moves to {target}: {} {ban}", self.node_name(node)), false),
                None => (format!("moves to {target}, which scores higher"), true),
            });
        }
        let wish = instance.resource.and_then(|(id, _)| self.valid.snapshot.wishes.restart.get(id));
        if let Some(by) = wish {
            return Some((format!("restarts as asked ({by})"), true));
        }
        for first in &self.expanded.firsts[ix.0] {
            let name = &self.expanded.get(*first).id;
            match interrupted[first.0] {
                Interrupted::No => {}
                Interrupted::Voluntarily => return Some((format!("needs {name}, which stops"), true)),
                Interrupted::Surely => return Some((format!("needs {name}, which is down"), false)),
            }
        }
        None
    }

    fn start(&self, ix: InstIx, wanted: &mut Wanted) {
        let Some(node) = self.placement.wanted[ix.0] else { return };
        let needs_start = match self.observed.seen(ix, node) {
            Seen::Running => wanted.stop.contains_key(&(ix, node)),
            Seen::Pending(InstanceState::Starting) => false,
            Seen::Clean
            | Seen::Unprobed
            | Seen::Pending(_)
            | Seen::Failed
            | Seen::StopFailed
            | Seen::MayHold => true,
        };
        if !needs_start {
            return;
        }
        let why = format!("should run on {}", self.node_name(node));
        let kind = ActionKind::Start;
        let c = wanted.push(Candidate { kind, instance: Some(ix), node, why, is_voluntary: false });
        wanted.start.insert(ix, c);
    }

    fn interruption(&self, ix: InstIx, wanted: &Wanted) -> Interrupted {
        let Some(node) = self.placement.wanted[ix.0] else { return Interrupted::Surely };
        let is_up = match self.observed.seen(ix, node) {
            Seen::Running => !wanted.stop.contains_key(&(ix, node)),
            // Not known to be down: nothing is stopped on a guess.
            Seen::Unprobed => true,
            Seen::Pending(state) => state != InstanceState::Stopping,
            Seen::Clean | Seen::Failed | Seen::StopFailed | Seen::MayHold => false,
        };
        if is_up {
            return Interrupted::No;
        }
        let mut stops = wanted.stops_of(ix).peekable();
        if stops.peek().is_some() && stops.all(|(_, c)| wanted.all[c.0].is_voluntary) {
            Interrupted::Voluntarily
        } else {
            Interrupted::Surely
        }
    }

    fn node_name(&self, node: NodeIx) -> &str {
        self.valid.node(node).id.as_str()
    }
}
