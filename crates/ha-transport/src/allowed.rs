//! Which nodes may speak: the membership of the moment. Taking a node out is what revokes its certificate.

use ha_model::NodeId;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

/// The set of nodes whose certificates count. Clones share the set.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Arc<RwLock<BTreeSet<NodeId>>>);

impl Allowed {
    /// With these nodes.
    #[must_use]
    pub fn new(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let allowed = Self::default();
        allowed.set(nodes);
        allowed
    }

    /// Replaces the set. Streams already up are not cut here; see [`crate::streams::Streams::set_peers`].
    pub fn set(&self, nodes: impl IntoIterator<Item = NodeId>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = nodes.into_iter().collect();
    }

    /// Whether this node may speak.
    #[must_use]
    pub fn contains(&self, node: &NodeId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(node)
    }

    /// The allowed node that this certificate names.
    #[must_use]
    pub fn named_by(&self, certificate: &CertificateDer<'_>) -> Option<NodeId> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let nodes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        nodes.iter().find(|node| names(&parsed, node)).cloned()
    }
}

fn names(certificate: &ParsedCertificate<'_>, node: &NodeId) -> bool {
    server_name(node).is_some_and(|name| verify_server_name(certificate, &name).is_ok())
}

/// A node's name as TLS knows names; `None` when it is not a DNS name.
pub(crate) fn server_name(node: &NodeId) -> Option<ServerName<'static>> {
    match ServerName::try_from(node.as_str().to_owned()) {
        Ok(name @ ServerName::DnsName(_)) => Some(name),
        _ => None,
    }
}
