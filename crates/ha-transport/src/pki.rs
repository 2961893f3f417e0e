//! The cluster's own certificate authority, and what each node holds of it.
//!
//! A certificate says "this key is node X of this cluster", for ever: its dates are wide and not judged (a node
//! with a dead clock battery must be able to rejoin); membership decides who may speak.

use crate::allowed::server_name;
use ha_model::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// File names within a directory of identities.
const CA_CERT: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const NODE_CERT: &str = "node.pem";
const NODE_KEY: &str = "node.key";

/// Making, reading or writing certificates failed.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The name cannot stand in a certificate.
    #[error("node name \"{node}\" is not a DNS label: use letters, digits and '-'")]
    Name {
        /// The name.
        node: String,
    },
    /// Key or certificate did not come about.
    #[error("{doing}: {source}")]
    Make {
        /// What was being made.
        doing: &'static str,
        /// rcgen's reason.
        source: rcgen::Error,
    },
    /// A file could not be read.
    #[error(
        "cannot read {at}: {source}; copy it from where `hactl cluster keys CLUSTER.toml --out DIR` made it"
    )]
    Read {
        /// The file.
        at: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {at}: {source}; mend this, or name another directory")]
    Write {
        /// The file.
        at: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Certificate and key do not make a TLS identity.
    #[error(
        "{what} is not usable for TLS: {why}; make it again: remove DIR/NODE, then `hactl cluster keys CLUSTER.toml --out DIR`"
    )]
    Unusable {
        /// Which part.
        what: &'static str,
        /// Why.
        why: String,
    },
}

fn make(doing: &'static str) -> impl FnOnce(rcgen::Error) -> PkiError {
    move |source| PkiError::Make { doing, source }
}

/// The authority that issues the certificates of one cluster.
pub struct ClusterCa {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
}

impl ClusterCa {
    /// A new authority for the cluster of this name.
    pub fn create(cluster: &str) -> Result<Self, PkiError> {
        let key = new_key()?;
        let params = ca_params(cluster);
        let cert_pem = params.self_signed(&key).map_err(make("signing the cluster's certificate"))?.pem();
        Ok(Self { issuer: Issuer::new(params, key), cert_pem })
    }

    /// The authority written by [`ClusterCa::write_to`] for the cluster of this name.
    pub fn read_from(dir: &Path, cluster: &str) -> Result<Self, PkiError> {
        let key_pem = read(&dir.join(CA_KEY))?;
        let key = KeyPair::from_pem(&key_pem).map_err(make("reading the cluster's key"))?;
        Ok(Self { issuer: Issuer::new(ca_params(cluster), key), cert_pem: read(&dir.join(CA_CERT))? })
    }

    /// Writes `ca.pem` and `ca.key` (mode 0600) into the directory.
    pub fn write_to(&self, dir: &Path) -> Result<(), PkiError> {
        write(dir, CA_CERT, &self.cert_pem)?;
        write(dir, CA_KEY, &self.issuer.key().serialize_pem())
    }

    /// The certificate that nodes trust, in PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// A new key and certificate for a node.
    pub fn issue(&self, node: &NodeId) -> Result<NodeIdentity, PkiError> {
        let name_error = || PkiError::Name { node: node.to_string() };
        server_name(node).ok_or_else(name_error)?;
        let key = new_key()?;
        let mut params = CertificateParams::new(vec![node.as_str().to_owned()]).map_err(|_| name_error())?;
        params.distinguished_name = common_name(node.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(&key, &self.issuer).map_err(make("signing a node's certificate"))?;
        Ok(NodeIdentity { ca_pem: self.cert_pem.clone(), cert_pem: cert.pem(), key_pem: key.serialize_pem() })
    }
}

/// The same for the same cluster name: the issuer in each certificate must match the authority's subject.
fn ca_params(cluster: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("cluster {cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn new_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make("drawing a key"))
}

/// What a node needs to speak: the authority it trusts, its certificate and its key, in PEM.
#[derive(Clone)]
pub struct NodeIdentity {
    /// Certificate of the cluster's authority.
    pub ca_pem: String,
    /// Certificate of the node.
    pub cert_pem: String,
    /// Private key of the node.
    pub key_pem: String,
}

impl std::fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeIdentity(..)")
    }
}

impl NodeIdentity {
    /// Reads `ca.pem`, `node.pem` and `node.key` from the directory.
    pub fn read_from(dir: &Path) -> Result<Self, PkiError> {
        Ok(Self {
            ca_pem: read(&dir.join(CA_CERT))?,
            cert_pem: read(&dir.join(NODE_CERT))?,
            key_pem: read(&dir.join(NODE_KEY))?,
        })
    }

    /// Writes the three files (mode 0600) into the directory.
    pub fn write_to(&self, dir: &Path) -> Result<(), PkiError> {
        write(dir, CA_CERT, &self.ca_pem)?;
        write(dir, NODE_CERT, &self.cert_pem)?;
        write(dir, NODE_KEY, &self.key_pem)
    }
}

fn read(at: &Path) -> Result<String, PkiError> {
    fs::read_to_string(at).map_err(|source| PkiError::Read { at: at.to_owned(), source })
}

/// Writes beside the name, syncs, then renames: a crash leaves the old file or the new one.
fn write(dir: &Path, name: &str, content: &str) -> Result<(), PkiError> {
    let at = dir.join(name);
    let new = dir.join(format!("{name}.new"));
    let written = || {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let _ = fs::remove_file(&new); // An interrupted write may have left one, with any mode.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &at)
    };
    written().map_err(|source| PkiError::Write { at: at.clone(), source })
}
