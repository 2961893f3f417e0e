//! Who a node is and what its store gave back: what a start needs.
//!
//! Invariant: until the log is applied, a node goes by its newest configuration, committed or not, beside its file: the
//! file may say what was never in force.

use super::Node;
use crate::state::ClusterState;
use ha_consensus::{Limits, Payload};
use ha_model::{
    ClusterConfig, Entry, Incarnation, Index, LogEntry, NodeId, PlanId, SessionId, StoreId, Term,
};
use std::sync::Arc;
use std::time::Duration;

/// How the state becomes bytes; given by the shell so that the core knows no encoding. Each must be deterministic.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Codec {
    /// Encodes the state for a snapshot.
    pub encode_state: fn(&ClusterState) -> Vec<u8>,
    /// Decodes it.
    pub decode_state: fn(&[u8]) -> Result<ClusterState, String>,
    /// Size of an encoded entry in bytes.
    pub entry_size: fn(&LogEntry) -> usize,
}

impl Codec {
    /// The state of a snapshot, with its configuration parsed; why this version cannot read it.
    pub(super) fn read(&self, snapshot: &[u8]) -> Result<ClusterState, String> {
        let mut state = (self.decode_state)(snapshot)?;
        state.reparse()?;
        Ok(state)
    }
}

/// Who a node is.
#[derive(Clone, Debug, Hash)]
pub struct Setup {
    /// Name.
    pub me: NodeId,
    /// Boot.
    pub incarnation: Incarnation,
    /// Daemon start.
    pub session: SessionId,
    /// Store.
    pub store: StoreId,
    /// Name of the cluster file.
    pub file_name: String,
    /// Its text: what a forming cluster puts into its log.
    pub file_text: String,
    /// Its content.
    pub config: Arc<ClusterConfig>,
    /// Encoding.
    pub codec: Codec,
    /// What the log keeps and sends at most.
    pub limits: Limits,
    /// Seed of the election's randomness.
    pub seed: u64,
}

/// What the store gave back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Votes and log.
    pub votes: ha_consensus::Restored<LogEntry>,
    /// Newest order acted on.
    pub acted: (Term, PlanId),
}

/// The newest configuration in the log of a store, and where. One that is not committed counts too: a committed one never
/// changes the times that votes rest on.
pub(super) fn stored_config(votes: &ha_consensus::Restored<LogEntry>) -> Option<(Index, Arc<ClusterConfig>)> {
    let ha_consensus::Restored::Intact { log, .. } = votes else { return None };
    log.iter().rev().find_map(|entry| match &entry.payload {
        Payload::App(LogEntry { entry: Entry::Config { name, text, .. }, .. }) => {
            let parsed = ha_config::parse(name, text).ok()?;
            Some((entry.index, Arc::new(parsed.config)))
        }
        Payload::App(_) | Payload::Membership(_) | Payload::Noop => None,
    })
}

impl Node {
    /// The newest configuration of the store, while the one we go by may be older than that, or a mere file.
    pub(super) fn unapplied_config(&self) -> Option<&Arc<ClusterConfig>> {
        self.stored.as_ref().filter(|(index, _)| *index > self.applied).map(|(_, config)| config)
    }

    /// How long a grant lasts: the shortest time that our log may have put in force. None while it names no configuration:
    /// our file may say any time.
    pub(super) fn t_grant(&self) -> Option<Duration> {
        let known = self.unapplied_config().into_iter().chain(self.state.parsed());
        known.map(|config| config.timing.t_grant).min()
    }
}
