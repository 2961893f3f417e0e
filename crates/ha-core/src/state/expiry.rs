//! What ends by time alone: a move that was wished until then, a failure that is old enough.
//!
//! Invariant: an end is an entry of the log. Whatever a later leader's clock says, what has ended does not come back.

use super::ClusterState;
use ha_model::{ClusterConfig, Notice, ResourceId, WallMs};

impl ClusterState {
    /// The next wall time at which a plan can change by time alone.
    #[must_use]
    pub fn next_expiry(&self, config: &ClusterConfig, now: WallMs) -> Option<WallMs> {
        self.ends(config).filter(|t| *t > now).min()
    }

    /// Whether something has ended by now that the log still holds.
    #[must_use]
    pub fn has_expired(&self, config: &ClusterConfig, now: WallMs) -> bool {
        self.ends(config).any(|t| t <= now)
    }

    fn ends<'a>(&'a self, config: &'a ClusterConfig) -> impl Iterator<Item = WallMs> + 'a {
        let failures = self.failures.iter().flat_map(|(resource, by_node)| {
            let age = counts_for(config, resource);
            by_node.values().flatten().map(move |f| WallMs(f.at.0.saturating_add(age)))
        });
        failures.chain(self.wishes.moves.values().map(|(_, until, _)| *until))
    }

    /// Forgets what has ended at that time.
    pub(super) fn apply_expired(&mut self, at: WallMs) -> Vec<Notice> {
        let Some(config) = self.parsed().cloned() else { return vec![] };
        let mut notices = Vec::new();
        self.wishes.moves.retain(|resource, (to, until, _)| {
            let is_over = *until <= at;
            if is_over {
                notices.push(Notice::MoveEnded { resource: resource.clone(), to: to.clone() });
            }
            !is_over
        });
        for (resource, by_node) in &mut self.failures {
            let age = counts_for(&config, resource);
            by_node.retain(|node, list| {
                list.retain(|f| f.at.0.saturating_add(age) > at.0);
                if list.is_empty() {
                    notices.push(Notice::FailuresExpired { resource: resource.clone(), node: node.clone() });
                }
                !list.is_empty()
            });
        }
        self.failures.retain(|_, by_node| !by_node.is_empty());
        notices
    }
}

/// How long a failure of it counts, ms.
fn counts_for(config: &ClusterConfig, resource: &ResourceId) -> i64 {
    let spec = config.resources.get(resource);
    spec.map_or(0, |s| i64::try_from(s.failure_timeout.as_millis()).unwrap_or(i64::MAX))
}
