//! What is kept is bounded, and what may run somewhere stays configured: S13, S19.

use super::Broken;
use crate::world::World;
use ha_core::state::{ENDED_MAX, EVENTS_MAX, FAILURES_MAX};
use ha_model::NodeId;

/// Writes under way at most. The core names no bound for them; it follows from those of what it proposes (one entry for each
/// key: of every path, node and instance) and of messages in flight. 102 were the most in 60 lives: this is four times as many, and not derived.
const WRITES_MAX: usize = 400;

impl World {
    /// S13: what waits for a disk, an agent or a switch.
    pub(super) fn judge_queues(&self, id: &NodeId) -> Broken {
        let host = &self.hosts[id];
        let daemon = host.daemon.as_ref()?;
        let entries = daemon.node.votes().log_len();
        if entries > crate::story::limits().log_entries {
            return Some(("S13", format!("{id} keeps {entries} entries")));
        }
        let writes = host.disk.writes.len();
        if writes > WRITES_MAX {
            return Some(("S13", format!("{id} has {writes} writes under way")));
        }
        // One run of each instance, and the one before it that is being killed; resources may be renamed meanwhile.
        let (runs, instances) = (daemon.runs.len(), daemon.known.len());
        (runs > 2 * instances).then(|| ("S13", format!("{id} has {runs} agents of {instances} instances")))
    }

    /// S13: the replicated state. S19: what may run somewhere stays configured, with its node.
    pub(super) fn judge_state(&self, id: &NodeId) -> Broken {
        let state = self.hosts[id].node()?.state();
        let failures = state.failures.values().flat_map(|by_node| by_node.values().map(Vec::len));
        let counts = [
            ("events", state.events.len(), EVENTS_MAX),
            ("failures of one resource", failures.max().unwrap_or(0), FAILURES_MAX),
            ("fences", state.fences.len(), state.nodes.len()),
            (
                "ended boots of one node",
                state.nodes.values().map(|r| r.ended.len()).max().unwrap_or(0),
                ENDED_MAX,
            ),
        ];
        if let Some((what, n, most)) = counts.into_iter().find(|(_, n, most)| n > most) {
            return Some(("S13", format!("{id} keeps {n} {what}, {most} is the most")));
        }
        let config = state.parsed()?;
        let orphan = state.may_run.values().find(|m| !config.nodes.contains_key(&m.node))?;
        Some(("S19", format!("{} may run {}, and is not configured any more", orphan.node, orphan.instance)))
    }
}
