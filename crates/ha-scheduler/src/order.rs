//! Phase 8, order: what each action needs first. A need is another action of this plan (an edge) or something
//! outside it (a wait, in words).
//!
//! Invariants (S1, S2, S17): a start of an exclusive instance needs every place where it, or another holder of
//! its objects, could be active to be stopped, probed or fenced; and every open permission for its objects to be
//! closed by a stop or a fence.

use crate::actions::{CandIx, Wanted};
use crate::expand::{Expanded, InstIx};
use crate::fence_need::Fences;
use crate::observe::{Observed, Seen};
use crate::place::Placement;
use crate::validate::{NodeIx, Valid};
use crate::{ActionKind, NodeStatus};
use ha_model::InstanceState;
use ha_model::sabotage::{self, Sabotage};
use std::collections::BTreeSet;

/// What one action needs.
#[derive(Clone, Default)]
pub(crate) struct Needs {
    /// Actions of this plan that must succeed first.
    pub before: BTreeSet<CandIx>,
    /// What else must happen first, the most telling first.
    pub waits: Vec<String>,
}

impl Needs {
    fn wait(&mut self, why: String) {
        if !self.waits.contains(&why) {
            self.waits.push(why);
        }
    }

    fn after(&mut self, action: Option<&CandIx>, otherwise: impl FnOnce() -> String) {
        match action {
            Some(c) => {
                self.before.insert(*c);
            }
            None => self.wait(otherwise()),
        }
    }
}

struct Known<'k, 'a> {
    valid: &'k Valid<'a>,
    expanded: &'k Expanded<'a>,
    observed: &'k Observed<'a>,
    fences: &'k Fences,
    placement: &'k Placement,
    wanted: &'k Wanted,
}

/// The needs of every candidate, in the order of candidates.
pub(crate) fn order(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    observed: &Observed<'_>,
    fences: &Fences,
    placement: &Placement,
    wanted: &Wanted,
) -> Vec<Needs> {
    let known = Known { valid, expanded, observed, fences, placement, wanted };
    let safety: Vec<Option<Needs>> =
        (0..expanded.instances.len()).map(|ix| known.safe_to_start(InstIx(ix))).collect();
    wanted
        .all
        .iter()
        .map(|c| match (&c.kind, c.instance) {
            (ActionKind::Start, Some(ix)) => known.start(ix, safety[ix.0].clone().unwrap_or_default()),
            (ActionKind::Stop, Some(ix)) => known.stop(ix, c.node, c.is_voluntary, &safety),
            _ => Needs::default(),
        })
        .collect()
}

impl Known<'_, '_> {
    /// What makes the start of an instance safe, whatever the constraints say. None: it is not started.
    fn safe_to_start(&self, ix: InstIx) -> Option<Needs> {
        self.wanted.start.get(&ix)?;
        let node = self.placement.wanted[ix.0]?;
        let mut needs = Needs::default();
        if sabotage::is(Sabotage::StartOverPermission) {
            return Some(needs);
        }
        if !self.fences.can_order(self.valid, node) {
            needs.wait(format!("{} has not reported to the leader yet", self.node_name(node)));
        }
        self.elsewhere(ix, node, ix, node, &mut needs);
        let is_exclusive = self.expanded.get(ix).is_exclusive();
        for other in self.valid.node_ixs().filter(|n| *n != node) {
            let seen = self.observed.seen(ix, other);
            let is_concern = is_exclusive
                || match seen {
                    Seen::Running | Seen::Failed => !self.fences.is_doomed(other),
                    Seen::Pending(s) => !matches!(s, InstanceState::Unknown | InstanceState::Probing),
                    Seen::Clean | Seen::Unprobed | Seen::StopFailed | Seen::MayHold => false,
                };
            if is_concern {
                self.elsewhere(ix, node, ix, other, &mut needs);
            }
        }
        for sharer in self.expanded.sharers[ix.0].iter().filter(|s| **s != ix) {
            for other in self.valid.node_ixs() {
                self.elsewhere(ix, node, *sharer, other, &mut needs);
            }
        }
        self.ledger(ix, node, &mut needs);
        Some(needs)
    }

    /// The start of `ix` on `node` needs `holder` not to be active on `at`.
    fn elsewhere(&self, ix: InstIx, node: NodeIx, holder: InstIx, at: NodeIx, needs: &mut Needs) {
        let seen = self.observed.seen(holder, at);
        if seen == Seen::Clean {
            return;
        }
        if self.fences.is_doomed(at) && sabotage::is(Sabotage::SkipFenceWait) {
            return;
        }
        if self.fences.is_doomed(at) {
            let why = || self.fences.why_wait(self.valid, at);
            return needs.after(self.wanted.fence.get(&at), why);
        }
        let name = || &self.expanded.get(holder).id;
        match seen {
            Seen::Clean => {}
            Seen::Unprobed => needs.after(self.wanted.probe.get(&(holder, at)), || {
                format!("{} has not said whether {} runs there", self.node_name(at), name())
            }),
            Seen::Pending(state) => needs.wait(self.pending(holder, at, state)),
            Seen::Running | Seen::Failed => {
                let is_itself = holder == ix && at == node;
                needs.after(self.wanted.stop.get(&(holder, at)), || {
                    let itself = if is_itself { " itself" } else { "" };
                    format!("{}{itself} is still active on {}", name(), self.node_name(at))
                });
            }
            Seen::StopFailed | Seen::MayHold => needs.wait(self.fences.why_wait(self.valid, at)),
        }
    }

    /// The start needs every permission for the instance's objects that is open elsewhere to be closed (S17).
    fn ledger(&self, ix: InstIx, node: NodeIx, needs: &mut Needs) {
        for object in &self.expanded.get(ix).objects {
            let Some(entry) = self.valid.snapshot.may_run.get(*object) else { continue };
            let holder = self.expanded.find(&entry.instance);
            let at = self.valid.find(&entry.node);
            if holder == Some(ix) && at == Some(node) {
                if self.valid.node(node).view.incarnation != Some(entry.incarnation) {
                    needs.wait(format!("an earlier boot of {} is not proven gone yet", entry.node));
                }
                continue;
            }
            let open = || format!("{object} may be in use by {} on {}", entry.instance, entry.node);
            let Some(at) = at else {
                needs.wait(open());
                continue;
            };
            if self.fences.is_doomed(at) {
                needs.after(self.wanted.fence.get(&at), || self.fences.why_wait(self.valid, at));
                continue;
            }
            let stop = holder.and_then(|h| self.wanted.stop.get(&(h, at)));
            needs.after(stop, || {
                if self.valid.node(at).view.status == NodeStatus::Member {
                    open()
                } else {
                    self.fences.why_wait(self.valid, at)
                }
            });
        }
    }

    /// A start also comes after what the constraints put before it.
    fn start(&self, ix: InstIx, mut needs: Needs) -> Needs {
        if sabotage::is(Sabotage::IgnoreOrder) {
            return needs;
        }
        for first in &self.expanded.firsts[ix.0] {
            if let Some(start) = self.wanted.start.get(first) {
                needs.before.insert(*start);
                continue;
            }
            match self.placement.wanted[first.0].map(|at| (at, self.observed.seen(*first, at))) {
                Some((_, Seen::Running)) => {}
                Some((at, Seen::Pending(state))) => needs.wait(self.pending(*first, at, state)),
                _ => needs.wait(format!("{} does not run yet", self.expanded.get(*first).id)),
            }
        }
        for then in &self.expanded.thens[ix.0] {
            needs.before.extend(self.wanted.stops_of(*then).map(|(_, c)| c));
        }
        needs
    }

    fn stop(&self, ix: InstIx, node: NodeIx, is_voluntary: bool, safety: &[Option<Needs>]) -> Needs {
        let mut needs = Needs::default();
        if !self.fences.can_order(self.valid, node) {
            needs.wait(format!("{} has not reported to the leader yet", self.node_name(node)));
        }
        for then in &self.expanded.thens[ix.0] {
            match self.observed.seen(*then, node) {
                Seen::Running | Seen::Failed => {
                    needs.before.extend(self.wanted.stop.get(&(*then, node)));
                }
                Seen::Unprobed => needs.after(self.wanted.probe.get(&(*then, node)), || {
                    let name = &self.expanded.get(*then).id;
                    format!("{} has not said whether {name} runs there", self.node_name(node))
                }),
                Seen::Pending(state) => needs.wait(self.pending(*then, node, state)),
                Seen::Clean | Seen::StopFailed | Seen::MayHold => {}
            }
        }
        if is_voluntary {
            self.only_if_it_can_follow(ix, safety, &mut needs);
        }
        needs
    }

    /// What runs well is stopped only when nothing outside holds up the start that follows.
    fn only_if_it_can_follow(&self, ix: InstIx, safety: &[Option<Needs>], needs: &mut Needs) {
        for member in &self.expanded.units[self.expanded.get(ix).unit.0].members {
            let Some(other) = &safety[member.0] else { continue };
            for why in &other.waits {
                needs.wait(why.clone());
            }
            needs.before.extend(other.before.iter().filter(|c| {
                matches!(self.wanted.all[c.0].kind, ActionKind::Probe | ActionKind::Fence { .. })
            }));
        }
    }

    fn pending(&self, ix: InstIx, node: NodeIx, state: InstanceState) -> String {
        let (name, node) = (&self.expanded.get(ix).id, self.node_name(node));
        match state {
            InstanceState::Probing | InstanceState::Unknown => format!("{node} is asked whether {name} runs"),
            InstanceState::Starting => format!("{name} is starting on {node}"),
            InstanceState::Stopping => format!("{name} is stopping on {node}"),
            InstanceState::Stopped
            | InstanceState::Running
            | InstanceState::Failed
            | InstanceState::StopFailed => format!("an order for {name} is under way to {node}"),
        }
    }

    fn node_name(&self, node: NodeIx) -> &str {
        self.valid.node(node).id.as_str()
    }
}
