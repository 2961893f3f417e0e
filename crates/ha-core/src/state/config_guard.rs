//! What a new configuration must not do to what runs or is unproven (S19). Asked by the leader before it proposes,
//! for the sake of the operator; and again when the entry is applied, because what was proposed before it counts.

use super::{ClusterState, InstanceRecord};
use ha_config::FORM_ANEW;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{ClusterConfig, InstanceId, InstanceState, NodeId, ResourceConfig, ResourceId};
use ha_scheduler::NodeStatus;

/// Where something may be up, what is surest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Trace {
    /// It was permitted, or said to be, there.
    MayRun(NodeId),
    /// It was, or may have been, when the node was lost.
    Lost(NodeId),
    /// The node takes part and has not said.
    Unknown(NodeId),
}

/// Why not, and what to do.
type Refusal = (String, String);

impl ClusterState {
    /// Why a configuration must not follow the one in force; `None`: it may, or there is none yet.
    #[must_use]
    pub fn why_not_config(&self, new: &ClusterConfig) -> Option<Refusal> {
        if sabotage::is(Sabotage::ForgetObligation) {
            return None;
        }
        let old = self.parsed()?;
        why_not_nodes(old, new)
            .or_else(|| self.why_not_resources(old, new).filter(|_| !sabotage::is(Sabotage::ChangeUnderIt)))
            .or_else(|| self.why_not_paths(old, new))
    }

    /// What runs keeps what it was started with until it is stopped by that: other options would look for it, and
    /// stop it, elsewhere.
    fn why_not_resources(&self, old: &ClusterConfig, new: &ClusterConfig) -> Option<Refusal> {
        old.resources.iter().find_map(|(id, resource)| {
            let (then, what) = match new.resources.get(id) {
                Some(n) if n.runs_as(resource) => return None,
                Some(_) => (format!(", then hactl resource start {id}"), "what it is cannot change"),
                None => (String::new(), "it cannot be removed"),
            };
            let stop = format!("hactl resource stop {id}, then apply{then}");
            Some(match self.trace_of(old, id, resource)? {
                Trace::MayRun(node) => (format!("{id} may be running on {node}: {what} under it"), stop),
                Trace::Lost(node) => (
                    format!("{id} may be running on {node}, which is lost: {what} under it"),
                    format!("wait for {node}, or prove it off: hactl fence off {node}"),
                ),
                Trace::Unknown(node) => (
                    format!("{node} has not said yet whether {id} runs there: {what} under it"),
                    "apply it again in a moment; hactl status says what holds the node up".to_owned(),
                ),
            })
        })
    }

    /// Where a resource may be up; `None`: surely nowhere.
    fn trace_of(&self, config: &ClusterConfig, id: &ResourceId, resource: &ResourceConfig) -> Option<Trace> {
        let instance = InstanceId::from(id.as_str());
        if let Some(open) = self.may_run.values().find(|m| m.instance == instance) {
            return Some(Trace::MayRun(open.node.clone()));
        }
        let by_node = self.instances.get(&instance);
        // Nothing exclusive is up without a permission, unless somebody started it by hand.
        let needs_word = resource.objects.is_empty();
        let traces = config.members().filter_map(|node| {
            let state =
                by_node.and_then(|n| n.get(node)).map_or(InstanceState::Unknown, InstanceRecord::state);
            let is_known = !matches!(state, InstanceState::Unknown | InstanceState::Probing);
            let is_lost = match self.node(node).map(|r| r.status)? {
                NodeStatus::Member => false,
                NodeStatus::Lost => true,
                NodeStatus::Unseen | NodeStatus::Condemned | NodeStatus::Off | NodeStatus::Left => {
                    return None;
                }
            };
            match (is_known, is_lost) {
                _ if state == InstanceState::Stopped || !(is_known || needs_word) => None,
                (true, false) => Some(Trace::MayRun(node.clone())),
                (false, false) => Some(Trace::Unknown(node.clone())),
                (_, true) => Some(Trace::Lost(node.clone())),
            }
        });
        traces.min()
    }

    fn why_not_paths(&self, old: &ClusterConfig, new: &ClusterConfig) -> Option<Refusal> {
        let is_unproven = |id: &&NodeId| {
            let is_missing = |s| matches!(s, NodeStatus::Lost | NodeStatus::Condemned);
            self.fence_of(id).is_some() || self.node(id).is_some_and(|r| is_missing(r.status))
        };
        let id = old.nodes.keys().filter(is_unproven).find(|id| path(old, id) != path(new, id))?;
        Some((
            format!("{id} is not proven off: its fence path cannot change now"),
            format!("prove it off first, or make sure by hand: hactl fence confirm {id}"),
        ))
    }
}

fn why_not_nodes(old: &ClusterConfig, new: &ClusterConfig) -> Option<Refusal> {
    if old.name != new.name {
        let why = format!("this is cluster {}, the file is for {}", old.name, new.name);
        return Some((why, String::new()));
    }
    for (id, node) in &old.nodes {
        match new.nodes.get(id) {
            Some(n) if (n.role, &n.links, n.votes) == (node.role, &node.links, node.votes) => {}
            Some(_) => {
                return Some((format!("{id}: role, vote and links cannot change"), FORM_ANEW.to_owned()));
            }
            None => {
                return Some((
                    format!("{id} cannot be removed"),
                    format!("take work off it with: hactl node standby {id}; or {FORM_ANEW}"),
                ));
            }
        }
    }
    let id = new.nodes.keys().find(|id| !old.nodes.contains_key(*id))?;
    Some((format!("{id} cannot be added"), FORM_ANEW.to_owned()))
}

/// Level by level, the hashes of the devices that must all succeed.
fn path(config: &ClusterConfig, id: &NodeId) -> Vec<Vec<Option<[u8; 32]>>> {
    let levels = config.levels.get(id).map(Vec::as_slice).unwrap_or_default();
    let hash = |device| config.devices.get(device).map(|d| d.path_hash);
    levels.iter().map(|level| level.devices.iter().map(hash).collect()).collect()
}
