//! What goes over the socket besides the request itself.

use ha_model::{AdminReply, NodeId, WallMs};
use serde::{Deserialize, Serialize};

/// What `POST /v1/request` answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Version of the interface.
    pub api: String,
    /// The node whose daemon answered.
    pub node: NodeId,
    /// When it answered.
    pub at: WallMs,
    /// The answer.
    pub reply: AdminReply,
}

/// What `GET /v1/health` answers: that the daemon takes requests. Whether the cluster works is in its status.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// Version of the interface.
    pub api: String,
    /// The node.
    pub node: NodeId,
    /// Version of the daemon.
    pub version: String,
}

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Stable word, for scripts.
    pub code: String,
    /// What happened and where.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// What the socket answers instead of an [`Answer`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Version of the interface.
    pub api: String,
    /// Why.
    pub error: ErrorBody,
}
