//! Who a node is and what its store gave back: what a start needs.

use crate::state::ClusterState;
use ha_model::{ClusterConfig, Incarnation, LogEntry, NodeId, PlanId, SessionId, StoreId, Term};
use std::sync::Arc;

/// How the state becomes bytes; given by the shell so that the core knows no encoding. Each must be deterministic.
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Debug)]
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
