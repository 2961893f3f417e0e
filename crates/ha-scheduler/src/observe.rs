//! Phase 3, observe: what is known of each instance on each node, in the few words that planning needs.
//!
//! Invariant: `Clean` only where it surely does not run and nothing under way could start it.

use crate::expand::{Expanded, InstIx, Instance};
use crate::validate::{NodeIx, Valid};
use crate::{History, NodeStatus, ObservedView};
use ha_model::InstanceState;

/// What is known of an instance on a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// Surely not running.
    Clean,
    /// The node takes part, nobody has asked it yet.
    Unprobed,
    /// An operation is under way; the state is the last one reported.
    Pending(InstanceState),
    /// Running.
    Running,
    /// Failed: must be stopped.
    Failed,
    /// Its stop failed: only fencing helps.
    StopFailed,
    /// Exclusive, and perhaps running on a node that does not take part.
    MayHold,
}

/// Instance × node.
pub(crate) struct Observed<'a> {
    seen: Vec<Vec<Seen>>,
    views: Vec<Vec<Option<&'a ObservedView>>>,
    permitted: Vec<Vec<NodeIx>>,
    homes: Vec<Vec<NodeIx>>,
}

impl Observed<'_> {
    pub fn seen(&self, instance: InstIx, node: NodeIx) -> Seen {
        self.seen[instance.0][node.0]
    }

    /// The node's own words about the instance.
    pub fn why(&self, instance: InstIx, node: NodeIx) -> Option<&str> {
        self.views[instance.0][node.0].and_then(|v| v.why.as_deref())
    }

    /// Whether a permission for the instance is open on the node.
    pub fn is_permitted(&self, instance: InstIx, node: NodeIx) -> bool {
        self.permitted[instance.0].contains(&node)
    }

    /// Where the instance is at home: nodes taking part where it is active or may be; when there is none, where
    /// it ran last. Stickiness counts there.
    pub fn homes(&self, instance: InstIx) -> &[NodeIx] {
        &self.homes[instance.0]
    }
}

/// Reads the observations.
pub(crate) fn observe<'a>(valid: &Valid<'a>, expanded: &Expanded<'a>, history: &History) -> Observed<'a> {
    let count = expanded.instances.len();
    let mut permitted = vec![Vec::new(); count];
    for entry in valid.snapshot.may_run.values() {
        if let (Some(i), Some(n)) = (expanded.find(&entry.instance), valid.find(&entry.node))
            && !permitted[i.0].contains(&n)
        {
            permitted[i.0].push(n);
        }
    }
    let mut seen = Vec::with_capacity(count);
    let mut views = Vec::with_capacity(count);
    let mut homes = Vec::with_capacity(count);
    for (ix, instance) in expanded.instances.iter().enumerate() {
        let reports = valid.snapshot.observed.get(&instance.id);
        let row: Vec<Option<&ObservedView>> =
            valid.nodes.iter().map(|n| reports.and_then(|r| r.get(n.id))).collect();
        let cells: Vec<Seen> = valid
            .node_ixs()
            .map(|n| {
                let is_permitted = permitted[ix].contains(&n);
                see(valid, n, row[n.0], instance.is_exclusive(), is_permitted)
            })
            .collect();
        let mut home: Vec<NodeIx> =
            valid.node_ixs().filter(|n| is_home(cells[n.0], permitted[ix].contains(n))).collect();
        if home.is_empty() {
            home.extend(ran_last(valid, instance, history));
        }
        seen.push(cells);
        views.push(row);
        homes.push(home);
    }
    Observed { seen, views, permitted, homes }
}

fn ran_last(valid: &Valid<'_>, instance: &Instance<'_>, history: &History) -> Option<NodeIx> {
    if let Some(node) = history.last_ran.get(&instance.id) {
        return valid.find(node);
    }
    let (id, _) = instance.resource?;
    let failures = valid.snapshot.failures.get(id)?;
    let (node, _) = failures.iter().max_by_key(|(_, f)| f.last_at)?;
    valid.find(node)
}

fn see(
    valid: &Valid<'_>,
    node: NodeIx,
    view: Option<&ObservedView>,
    is_exclusive: bool,
    is_permitted: bool,
) -> Seen {
    let n = valid.node(node);
    if !n.is_member_role() {
        return Seen::Clean;
    }
    let state = view.map_or(InstanceState::Unknown, |v| v.state);
    let may_hold = |it_may: bool| if is_exclusive && it_may { Seen::MayHold } else { Seen::Clean };
    match n.view.status {
        NodeStatus::Unseen => may_hold(true),
        NodeStatus::Lost | NodeStatus::Condemned => may_hold(is_permitted || state != InstanceState::Stopped),
        NodeStatus::Off | NodeStatus::Left => Seen::Clean,
        NodeStatus::Member => match state {
            InstanceState::StopFailed => Seen::StopFailed,
            state if view.is_some_and(|v| v.in_flight) => Seen::Pending(state),
            InstanceState::Unknown => Seen::Unprobed,
            InstanceState::Probing | InstanceState::Starting | InstanceState::Stopping => {
                Seen::Pending(state)
            }
            InstanceState::Stopped => Seen::Clean,
            InstanceState::Running => Seen::Running,
            InstanceState::Failed => Seen::Failed,
        },
    }
}

fn is_home(seen: Seen, is_permitted: bool) -> bool {
    use InstanceState as S;
    match seen {
        Seen::Running | Seen::Failed | Seen::StopFailed => true,
        Seen::Pending(S::Starting | S::Running | S::Stopping | S::Failed | S::StopFailed) => true,
        Seen::Pending(S::Unknown | S::Probing | S::Stopped) | Seen::Unprobed | Seen::Clean => is_permitted,
        Seen::MayHold => false,
    }
}
