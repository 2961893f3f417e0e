//! Phase 1, validate: the snapshot is complete and its names resolve. Later phases rely on it and cannot fail on
//! a name.

use crate::{NodeView, PlanError, Snapshot};
use ha_model::{NodeConfig, NodeId, Role};
use std::collections::{BTreeMap, BTreeSet};

/// Most resources of one plan: twenty times the largest cluster that is measured.
const RESOURCES_MAX: usize = 20_000;
/// Most nodes of one plan: well above what one vote is made for.
const NODES_MAX: usize = 256;

/// A node's place in [`Valid::nodes`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NodeIx(pub usize);

/// A node with all that concerns it.
pub(crate) struct Node<'a> {
    pub id: &'a NodeId,
    pub view: &'a NodeView,
    /// None: no longer in the configuration, but not forgotten.
    pub config: Option<&'a NodeConfig>,
    pub has_fence_path: bool,
}

impl Node<'_> {
    /// Whether resources can run on it at all.
    pub fn is_member_role(&self) -> bool {
        self.config.is_none_or(|c| c.role == Role::Member)
    }
}

/// The snapshot with its nodes in the order that breaks ties.
pub(crate) struct Valid<'a> {
    pub snapshot: &'a Snapshot,
    pub nodes: Vec<Node<'a>>,
    by_name: BTreeMap<&'a NodeId, NodeIx>,
}

impl<'a> Valid<'a> {
    pub fn node(&self, ix: NodeIx) -> &Node<'a> {
        &self.nodes[ix.0]
    }

    pub fn find(&self, id: &NodeId) -> Option<NodeIx> {
        self.by_name.get(id).copied()
    }

    pub fn node_ixs(&self) -> impl Iterator<Item = NodeIx> + use<> {
        (0..self.nodes.len()).map(NodeIx)
    }
}

/// Checks the snapshot.
pub(crate) fn validate(snapshot: &Snapshot) -> Result<Valid<'_>, PlanError> {
    let config = &*snapshot.config;
    limit("resources", config.resources.len(), RESOURCES_MAX)?;
    limit("nodes", snapshot.nodes.len(), NODES_MAX)?;
    if let Some(node) = config.nodes.keys().find(|id| !snapshot.nodes.contains_key(*id)) {
        return Err(PlanError::NodeMissing { node: node.to_string() });
    }
    let mut seen = BTreeSet::new();
    for (group, g) in &config.groups {
        for member in &g.members {
            if !config.resources.contains_key(member) {
                return Err(PlanError::UnknownMember {
                    group: group.to_string(),
                    member: member.to_string(),
                });
            }
            if !seen.insert(member) {
                return Err(PlanError::MemberTwice { group: group.to_string(), member: member.to_string() });
            }
        }
    }
    let mut nodes: Vec<Node<'_>> = snapshot
        .nodes
        .iter()
        .map(|(id, view)| Node {
            id,
            view,
            config: config.nodes.get(id),
            has_fence_path: config.has_fence_path(id),
        })
        .collect();
    nodes.sort_by_key(|n| (n.config.map_or(u32::MAX, |c| c.position), n.id));
    let by_name = nodes.iter().enumerate().map(|(ix, n)| (n.id, NodeIx(ix))).collect();
    Ok(Valid { snapshot, nodes, by_name })
}

fn limit(what: &'static str, count: usize, limit: usize) -> Result<(), PlanError> {
    if count > limit { Err(PlanError::TooMany { what, count, limit }) } else { Ok(()) }
}
