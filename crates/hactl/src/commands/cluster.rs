//! `hactl cluster keys`: the cluster's own certificates, made once, before any daemon runs.
//!
//! Invariant: nothing that exists is overwritten; a node's key that is already in use stays good.

use crate::commands::config;
use crate::outcome::{Exit, Failure, Success};
use ha_model::NodeId;
use ha_transport::{ClusterCa, NodeIdentity, PkiError};
use serde_json::json;
use std::path::Path;

/// Directory of the authority within the output directory. A node of this name would collide; refused.
const CA: &str = "ca";
/// The authority's key, as [`ClusterCa::write_to`] names it.
const CA_KEY: &str = "ca.key";

/// Makes what is missing: the authority, and a directory with certificate and key for each node.
pub(crate) fn keys(file: &Path, out: &Path) -> Result<Success, Failure> {
    let config = config::read(file)?.parsed.config;
    let failed = |error: PkiError| Failure::new(Exit::Failed, "keys-failed", error.to_string(), None);
    if config.nodes.contains_key(&NodeId::from(CA)) {
        return Err(Failure::usage(format!("a node named {CA} cannot be given keys: rename it")));
    }
    let ca_dir = out.join(CA);
    let has_keys = |node: &NodeId| NodeIdentity::read_from(&out.join(node.as_str())).is_ok();
    let (kept, missing): (Vec<NodeId>, Vec<NodeId>) = config.nodes.keys().cloned().partition(has_keys);
    let is_new_ca = !ca_dir.join(CA_KEY).exists();
    if is_new_ca && !kept.is_empty() {
        let message =
            format!("{} is not there, but {} was issued by it", ca_dir.join(CA_KEY).display(), kept[0]);
        let help = format!("put it back, or start over in another directory than {}", out.display());
        return Err(Failure::new(Exit::Failed, "keys-failed", message, Some(help)));
    }
    let ca = if is_new_ca {
        let ca = ClusterCa::create(&config.name).map_err(failed)?;
        ca.write_to(&ca_dir).map_err(failed)?;
        ca
    } else {
        ClusterCa::read_from(&ca_dir, &config.name).map_err(failed)?
    };
    for node in &missing {
        ca.issue(node).and_then(|identity| identity.write_to(&out.join(node.as_str()))).map_err(failed)?;
    }
    let mut text = format!(
        "{} {}: keep its ca.key away from the nodes\n",
        ca_dir.display(),
        if is_new_ca { "made" } else { "used" }
    );
    for node in &missing {
        let directory = out.join(node.as_str());
        text.push_str(&format!("{} made: copy it to {node}, then remove it here\n", directory.display()));
    }
    for node in &kept {
        text.push_str(&format!("{} kept: it exists\n", out.join(node.as_str()).display()));
    }
    let data = json!({ "ca": ca_dir, "is_new_ca": is_new_ca, "made": missing, "kept": kept });
    Ok(Success { text, data, node: None, at: None, exit: Exit::Done })
}
