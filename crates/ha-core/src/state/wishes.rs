//! Applying operators' wishes, and their end: none outlives what it was for.
//!
//! Invariants: a start or stop that the cluster file says too is no wish; a restart is wished only of what may be up.

use super::ClusterState;
use super::apply::Void;
use ha_model::{ClusterConfig, InstanceId, InstanceState, Notice, Origin, ResourceConfig, ResourceId, Wish};
use ha_scheduler::NodeStatus;

impl ClusterState {
    pub(super) fn apply_wish(&mut self, origin: &Origin, wish: &Wish) -> Result<Vec<Notice>, Void> {
        let what = match wish {
            Wish::Standby { node, on } => {
                self.known_node(node)?.standby = on.then(|| origin.clone());
                format!("node {} {node}", if *on { "standby" } else { "online" })
            }
            Wish::Enabled { resource, enabled } => {
                let on = *enabled;
                if on == self.configured(resource)?.enabled {
                    self.wishes.enabled.remove(resource); // as the file says: nothing is pinned over it
                } else {
                    self.wishes.enabled.insert(resource.clone(), (on, origin.clone()));
                }
                format!("resource {} {resource}", if on { "start" } else { "stop" })
            }
            Wish::Restart { resource } => {
                self.configured(resource)?;
                if let Some(why) = self.why_not_restart(resource) {
                    return Err(why);
                }
                self.wishes.restart.insert(resource.clone(), origin.clone());
                format!("resource restart {resource}")
            }
            Wish::Move { resource, to: Some(to), until } => {
                self.wishes.moves.insert(resource.clone(), (to.clone(), *until, origin.clone()));
                format!("resource move {resource} {to}")
            }
            Wish::Move { resource, to: None, .. } => {
                self.wishes.moves.remove(resource);
                format!("resource move {resource}: wish taken back")
            }
            Wish::Cleanup { resource, node } => {
                for (name, by_node) in &mut self.failures {
                    if resource.as_ref().is_none_or(|r| r == name) {
                        by_node.retain(|n, _| node.as_ref().is_some_and(|wanted| wanted != n));
                    }
                }
                self.failures.retain(|_, by_node| !by_node.is_empty());
                let of = resource.as_ref().map_or("everything", |r| r.as_str());
                format!("resource cleanup {of}")
            }
            Wish::ReleaseHold { node } => {
                let record = self.known_node(node)?;
                record.is_held = false;
                record.fenced_at.clear();
                format!("node {node}: hold released")
            }
        };
        let by = match origin {
            Origin::Admin { who, .. } => who.clone(),
            Origin::File { .. } | Origin::Cib { .. } | Origin::Default => origin.to_string(),
        };
        Ok(vec![Notice::Asked { by, what }])
    }

    fn configured(&self, resource: &ResourceId) -> Result<&ResourceConfig, Void> {
        let found = self.parsed().and_then(|c| c.resources.get(resource));
        found.ok_or_else(|| format!("no resource {resource} is configured"))
    }

    /// Why it cannot be restarted: it is not up, nor comes up, on a node that takes part.
    #[must_use]
    pub fn why_not_restart(&self, resource: &ResourceId) -> Option<String> {
        let by_node = self.instances.get(&InstanceId::from(resource.as_str()));
        let is_up =
            |state| matches!(state, InstanceState::Starting | InstanceState::Running | InstanceState::Failed);
        let is_any = by_node.is_some_and(|n| n.iter().any(|(id, r)| self.takes_part(id) && is_up(r.state())));
        (!is_any).then(|| format!("{resource} does not run: there is nothing to restart"))
    }

    fn takes_part(&self, node: &ha_model::NodeId) -> bool {
        self.node(node).is_some_and(|r| r.status == NodeStatus::Member)
    }

    /// A restart is done, or void, as soon as every member that takes part says that the resource is stopped there:
    /// carried out later it would be an outage that nobody asked for.
    pub(super) fn drop_idle_restarts(&mut self) {
        let Some(config) = self.parsed().filter(|_| !self.wishes.restart.is_empty()) else { return };
        let idle: Vec<_> = self.wishes.restart.keys().filter(|r| self.is_idle(config, r)).cloned().collect();
        for resource in idle {
            self.wishes.restart.remove(&resource);
        }
    }

    fn is_idle(&self, config: &ClusterConfig, resource: &ResourceId) -> bool {
        let by_node = self.instances.get(&InstanceId::from(resource.as_str()));
        config.members().filter(|node| self.takes_part(node)).all(|node| {
            let record = by_node.and_then(|n| n.get(node));
            record.is_some_and(|r| r.state() == InstanceState::Stopped)
        })
    }

    /// A configuration follows the one in force: where it says something new of a resource, the older wish has ended;
    /// of one that is gone nothing is kept.
    pub(super) fn wishes_after(&mut self, new: &ClusterConfig) {
        let old = self.parsed().cloned();
        let is_same = |resource: &ResourceId| {
            let was = old.as_ref().and_then(|c| c.resources.get(resource)).map(|r| r.enabled);
            new.resources.get(resource).map(|r| r.enabled) == was
        };
        self.wishes.enabled.retain(|resource, _| is_same(resource));
        self.wishes.restart.retain(|resource, _| new.resources.contains_key(resource));
        self.wishes.moves.retain(|resource, _| new.resources.contains_key(resource));
        self.failures.retain(|resource, _| new.resources.contains_key(resource));
    }
}
