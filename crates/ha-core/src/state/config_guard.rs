//! What a new configuration must not do to what runs or is unproven (S19). Asked by the leader before it proposes,
//! for the sake of the operator; and again when the entry is applied, because what was proposed before it counts.

use super::ClusterState;
use ha_model::{ClusterConfig, NodeId};
use ha_scheduler::NodeStatus;

/// Why not, and what to do.
type Refusal = (String, String);

impl ClusterState {
    /// Why a configuration must not follow the one in force; `None`: it may, or there is none yet.
    #[must_use]
    pub fn why_not_config(&self, new: &ClusterConfig) -> Option<Refusal> {
        let old = self.parsed()?;
        why_not_nodes(old, new)
            .or_else(|| self.why_not_resources(old, new))
            .or_else(|| self.why_not_paths(old, new))
    }

    fn why_not_resources(&self, old: &ClusterConfig, new: &ClusterConfig) -> Option<Refusal> {
        for (id, resource) in &old.resources {
            let is_open = self.may_run.values().find(|m| m.instance.as_str() == id.as_str());
            let Some(open) = is_open else { continue };
            let is_same = new.resources.get(id).is_some_and(|n| {
                (&n.agent, &n.options, &n.objects) == (&resource.agent, &resource.options, &resource.objects)
            });
            if !is_same {
                return Some((
                    format!("{id} may be running on {}: what it is cannot change under it", open.node),
                    format!("hactl resource stop {id}, then apply, then hactl resource start {id}"),
                ));
            }
        }
        None
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
                return Some((
                    format!("{id}: role, vote and links cannot change while the cluster runs"),
                    "leave the [[node]] as it is".to_owned(),
                ));
            }
            None => {
                return Some((
                    format!("{id} cannot be removed while the cluster runs"),
                    format!("take work off it with: hactl node standby {id}"),
                ));
            }
        }
    }
    let id = new.nodes.keys().find(|id| !old.nodes.contains_key(*id))?;
    Some((format!("{id} cannot be added while the cluster runs"), String::new()))
}

/// Level by level, the hashes of the devices that must all succeed.
fn path(config: &ClusterConfig, id: &NodeId) -> Vec<Vec<Option<[u8; 32]>>> {
    let levels = config.levels.get(id).map(Vec::as_slice).unwrap_or_default();
    let hash = |device| config.devices.get(device).map(|d| d.path_hash);
    levels.iter().map(|level| level.devices.iter().map(hash).collect()).collect()
}
