//! What an agent says about itself is accepted by the fence-agent schema and by an XML parser.
//!
//! Needs the Debian packages fence-agents (the schema) and libxml2-utils (xmllint).

use std::path::Path;
use std::process::Command;

use crate::common::{OWN_OPTIONS, agent, needed};

#[tokio::test]
async fn metadata_is_valid_by_the_schema_of_fence_agents() {
    let xmllint = needed("/usr/bin/xmllint", "libxml2-utils");
    let schema = needed("/usr/share/cluster/relaxng/metadata.rng", "fence-agents");
    let verdict = agent("action=metadata\n".into()).await;
    assert_eq!(verdict.code, 0);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("metadata.xml");
    std::fs::write(&file, &verdict.stdout).unwrap();
    let output = Command::new(xmllint).args(["--noout", "--relaxng", &schema]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["plug", "port", "disable_timeout"].iter().chain(&OWN_OPTIONS) {
        assert!(verdict.stdout.contains(&format!("<parameter name=\"{name}\"")), "{name}");
    }
}

/// The cluster file refuses what the agent would ignore: its list of options is made from this metadata.
/// After a wanted change: `UPDATE_REFERENCE=1`, and read the difference.
#[tokio::test]
async fn the_cluster_file_knows_exactly_the_options_of_the_metadata() {
    let name = env!("CARGO_PKG_NAME");
    let xml = agent("action=metadata\n".into()).await.stdout;
    assert!(xml.contains(&format!("<resource-agent name=\"{name}\"")), "{xml}");
    let mut list = format!(
        "# The options of {name}, as its metadata names them.\n\
         # Made by: UPDATE_REFERENCE=1 cargo test -p {name} --test metadata\n"
    );
    for tag in xml.split("<parameter name=\"").skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let required = if tag.contains(" required=\"1\"") { " required" } else { "" };
        list += &format!("{}{required}\n", tag.split('"').next().unwrap());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/ha-config/src/read/shipped");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    assert_eq!(known, list, "{} differs from the metadata; UPDATE_REFERENCE=1 rewrites it", path.display());
}
