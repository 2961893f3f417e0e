//! Phase 4, fence need: which nodes must be fenced, from observation only. No score and no wish has a say here.
//!
//! A node without a fence level is never planned to be fenced: the report says what to type instead.

use crate::expand::{Expanded, InstIx};
use crate::observe::{Observed, Seen};
use crate::validate::{NodeIx, Valid};
use crate::{FenceNeed, NodeStatus};
use ha_model::FenceReason;

/// How a node stands with fencing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fencing {
    /// Nothing to fence.
    None,
    /// Must be fenced, and can be.
    Needed(FenceReason),
    /// A request is open; its outcome will come.
    Open,
    /// Would have to be fenced and has no fence path.
    NoPath(FenceReason),
}

/// Per node.
pub(crate) struct Fences {
    by_node: Vec<Fencing>,
    awaited: Option<String>,
}

impl Fences {
    pub fn of(&self, node: NodeIx) -> &Fencing {
        &self.by_node[node.0]
    }

    /// The nodes that must be fenced and can be.
    pub fn needs(&self, valid: &Valid<'_>) -> Vec<FenceNeed> {
        let need = |ix: NodeIx| match self.of(ix) {
            Fencing::Needed(reason) => {
                Some(FenceNeed { node: valid.node(ix).id.clone(), reason: reason.clone() })
            }
            Fencing::None | Fencing::Open | Fencing::NoPath(_) => None,
        };
        valid.node_ixs().filter_map(need).collect()
    }

    /// Whether the node is about to be cut off: nothing is ordered there any more.
    pub fn is_doomed(&self, node: NodeIx) -> bool {
        matches!(self.by_node[node.0], Fencing::Needed(_) | Fencing::Open)
    }

    /// Whether an order can be given to the node now.
    pub fn can_order(&self, valid: &Valid<'_>, node: NodeIx) -> bool {
        let view = valid.node(node).view;
        view.status == NodeStatus::Member && view.is_ready && !self.is_doomed(node)
    }

    /// Why something that may be held by the node must wait, when no fence action of this plan answers it.
    pub fn why_wait(&self, valid: &Valid<'_>, node: NodeIx) -> String {
        let name = valid.node(node).id;
        match &self.by_node[node.0] {
            Fencing::Needed(reason) => format!("{name} must be fenced first ({})", words(reason)),
            Fencing::Open => format!(
                "{name} is being fenced and is not proven off yet; if that cannot succeed and it is surely off: \
                 hactl fence confirm {name}"
            ),
            Fencing::NoPath(reason) => format!(
                "{name} has no fence path and {}; once it is surely off: hactl fence confirm {name}",
                words(reason)
            ),
            Fencing::None => {
                self.awaited.clone().unwrap_or_else(|| format!("what {name} holds is not known yet"))
            }
        }
    }

    /// "forming: waiting for …", while the cluster waits for nodes to appear.
    pub fn forming(&self) -> Option<&str> {
        self.awaited.as_deref()
    }
}

/// A reason as the end of a sentence about the node.
pub(crate) fn words(reason: &FenceReason) -> String {
    match reason {
        FenceReason::Lost => "is lost while it may hold something".to_owned(),
        FenceReason::NeverSeen => "was not seen since the cluster formed".to_owned(),
        FenceReason::StopFailed { what } => format!("could not stop {what}"),
        FenceReason::DaemonGone => "lost its daemon".to_owned(),
        FenceReason::Asked { by } => format!("is to be fenced at the request of {by}"),
        FenceReason::HeardAfterConfirmation => "spoke although it was confirmed off".to_owned(),
    }
}

/// Finds the nodes to fence.
pub(crate) fn fence_need(valid: &Valid<'_>, expanded: &Expanded<'_>, observed: &Observed<'_>) -> Fences {
    let by_node = valid
        .node_ixs()
        .map(|node| {
            let n = valid.node(node);
            if n.view.fence_open {
                return Fencing::Open;
            }
            match reason(valid, expanded, observed, node) {
                None => Fencing::None,
                Some(reason) if n.has_fence_path => Fencing::Needed(reason),
                Some(reason) => Fencing::NoPath(reason),
            }
        })
        .collect();
    let awaited: Vec<&str> = valid
        .nodes
        .iter()
        .filter(|n| n.view.is_awaited && n.view.status == NodeStatus::Unseen)
        .map(|n| n.id.as_str())
        .collect();
    let awaited = (!awaited.is_empty()).then(|| format!("forming: waiting for {}", awaited.join(", ")));
    Fences { by_node, awaited }
}

fn reason(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    observed: &Observed<'_>,
    node: NodeIx,
) -> Option<FenceReason> {
    let n = valid.node(node);
    if !n.is_member_role() {
        return None;
    }
    let all = || (0..expanded.instances.len()).map(InstIx);
    let holds_something = || {
        valid.snapshot.may_run.values().any(|e| e.node == *n.id)
            || all().any(|i| observed.seen(i, node) == Seen::MayHold)
    };
    match n.view.status {
        NodeStatus::Unseen => (!n.view.is_awaited && holds_something()).then_some(FenceReason::NeverSeen),
        NodeStatus::Lost | NodeStatus::Condemned => holds_something().then_some(FenceReason::Lost),
        NodeStatus::Off | NodeStatus::Left => None,
        NodeStatus::Member => {
            let stuck = all().find(|i| observed.seen(*i, node) == Seen::StopFailed)?;
            let name = &expanded.get(stuck).id;
            let what = match observed.why(stuck, node) {
                Some(why) => format!("{name}: {why}"),
                None => name.to_string(),
            };
            Some(FenceReason::StopFailed { what })
        }
    }
}
