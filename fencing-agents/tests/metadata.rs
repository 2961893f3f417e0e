//! What an agent says about itself is accepted by the fence-agent schema and by an XML parser.
//!
//! Needs the Debian packages fence-agents (the schema) and libxml2-utils (xmllint).

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
