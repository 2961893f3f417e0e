//! The first thing each end of a stream says about itself.

use ha_model::{Incarnation, NodeId, SessionId, StoreId};
use serde::{Deserialize, Serialize};

/// Version of what is said on streams; both ends must have the same. It rises with every change of an encoding that travels.
pub const PROTOCOL_VERSION: u32 = 3;

/// Who speaks. The name is checked against the certificate, the cluster against one's own; the rest is for the core.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the speaker.
    pub version: u32,
    /// The cluster, as the daemon writes its id.
    pub cluster: String,
    /// The node.
    pub node: NodeId,
    /// Its boot.
    pub incarnation: Incarnation,
    /// Its daemon's start.
    pub session: SessionId,
    /// Its store.
    pub store: StoreId,
    /// SHA-256 of the configuration it runs.
    pub config_sha256: [u8; 32],
}

/// Why a hello is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Versions that do not understand each other.
    #[error("peer speaks protocol {theirs}, this build {PROTOCOL_VERSION}; upgrade the older node")]
    Version {
        /// Theirs.
        theirs: u32,
    },
    /// Another cluster.
    #[error(
        "peer belongs to cluster \"{theirs}\", this node to \"{ours}\"; copy the right cluster file to the wrong one"
    )]
    Cluster {
        /// Theirs.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// The name is not the one its certificate was issued for.
    #[error(
        "peer calls itself {claimed}, its certificate says {certified}; give each node its own DIR/NODE of `hactl cluster keys`"
    )]
    Name {
        /// Name in the hello.
        claimed: NodeId,
        /// Name in the certificate.
        certified: NodeId,
    },
}

impl Hello {
    /// Checks a peer's hello against our own and the name its certificate proved.
    pub fn check(&self, theirs: &Hello, certified: &NodeId) -> Result<(), HelloError> {
        if theirs.version != PROTOCOL_VERSION {
            return Err(HelloError::Version { theirs: theirs.version });
        }
        if theirs.cluster != self.cluster {
            return Err(HelloError::Cluster { theirs: theirs.cluster.clone(), ours: self.cluster.clone() });
        }
        if theirs.node != *certified {
            return Err(HelloError::Name { claimed: theirs.node.clone(), certified: certified.clone() });
        }
        Ok(())
    }
}
