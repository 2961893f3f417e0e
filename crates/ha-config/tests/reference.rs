//! The documents say what the program does; the examples are accepted without a word.
//! `UPDATE_REFERENCE=1 cargo test -p ha-config --test reference` writes the generated tables anew.

// Helpers of tests stand outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

use ha_config::schema::{self, SECTIONS, Section};
use ha_config::{
    Code, Severity, format_duration, parse, section_markdown, timing_markdown, waivers_markdown,
};
use ha_model::{ClusterConfig, NodeId, Profile, Waiver};
use std::path::PathBuf;
use std::time::Duration;

fn root(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", path].iter().collect()
}

fn codes_markdown() -> String {
    let words: Vec<String> = Code::ALL.iter().map(|code| format!("`{}`", code.word())).collect();
    format!("{}\n", words.join(", "))
}

/// Puts generated text between its marks; compares it with what stands there.
fn check(document: &str, parts: &[(&str, String)]) {
    let path = root(document);
    let before = std::fs::read_to_string(&path).unwrap();
    let mut after = before.clone();
    for (name, text) in parts {
        let begin = format!("<!-- begin generated: {name} -->\n");
        let start = after.find(&begin).unwrap_or_else(|| panic!("{document} has no {begin}")) + begin.len();
        let end = start + after[start..].find("<!-- end generated -->").unwrap();
        after.replace_range(start..end, &format!("\n{text}\n"));
    }
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &after).unwrap();
    } else {
        assert_eq!(before, after, "{document} differs from the program");
    }
}

#[test]
fn timing_md_shows_the_table_of_the_program() {
    check("docs/reference/timing.md", &[("timing", timing_markdown())]);
}

#[test]
fn cluster_file_md_shows_every_key() {
    let tables: [(&str, &'static Section); 10] = [
        ("top", &schema::TOP),
        ("node", &schema::NODE),
        ("fence", &schema::FENCE),
        ("level", &schema::LEVEL),
        ("resource", &schema::RESOURCE),
        ("monitor", &schema::MONITOR),
        ("vip", &schema::VIP),
        ("exec", &schema::EXEC),
        ("group", &schema::GROUP),
        ("timing", &schema::TIMING),
    ];
    assert_eq!(tables.map(|(_, section)| section.title), SECTIONS.map(|section| section.title));
    let mut parts: Vec<(&str, String)> =
        tables.iter().map(|(name, section)| (*name, section_markdown(section))).collect();
    parts.push(("waivers", waivers_markdown()));
    parts.push(("codes", codes_markdown()));
    check("docs/reference/cluster-file.md", &parts);

    let text = std::fs::read_to_string(root("docs/reference/cluster-file.md")).unwrap();
    for key in SECTIONS.iter().flat_map(|section| section.names()) {
        assert!(text.contains(&format!("| `{key}` |")), "{key} is missing");
    }
    for waiver in Waiver::ALL {
        assert!(text.contains(waiver.word()), "{} is missing", waiver.word());
    }
}

/// Every TOML block of the reference that is a whole file is a good one.
#[test]
fn the_smallest_file_of_the_reference_is_accepted() {
    let text = std::fs::read_to_string(root("docs/reference/cluster-file.md")).unwrap();
    let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let whole: Vec<&str> = blocks.filter(|block| block.starts_with("name = \"shop\"")).collect();
    assert_eq!(whole.len(), 1);
    let parsed = parse("cluster-file.md", whole[0]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(parsed.warnings, vec![]);
}

/// What `[timing]` says about single times is what the model derives.
#[test]
fn fixed_defaults_in_the_schema_are_those_of_the_model() {
    let markdown = timing_markdown();
    for key in schema::TIMING.keys.iter().filter(|key| !["derived", "the profile's"].contains(&key.default)) {
        let row = format!("| `{}` | {} | {} | fixed |", key.name, key.default, key.default);
        assert!(markdown.contains(&row), "{row} is not in the table of times");
    }
}

fn example(name: &str) -> ClusterConfig {
    let path = format!("examples/clusters/{name}.toml");
    let text = std::fs::read_to_string(root(&path)).unwrap();
    let parsed = parse(&path, &text).unwrap_or_else(|errors| panic!("{errors}"));
    let worse: Vec<_> = parsed.warnings.iter().filter(|w| w.severity > Severity::Note).collect();
    assert!(worse.is_empty(), "{worse:?}");
    parsed.config
}

#[test]
fn every_example_is_tested() {
    let files = std::fs::read_dir(root("examples/clusters")).unwrap();
    let mut names: Vec<_> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".toml"));
    names.sort();
    for name in &names {
        example(name.trim_end_matches(".toml"));
    }
    assert!(names.len() >= 3, "{names:?}");
}

#[test]
fn three_node_web() {
    let config = example("three-node-web");
    assert_eq!(config.voters().len(), 3);
    assert!(config.members().all(|node| config.has_fence_path(node)));
    assert_eq!(config.groups.len(), 1);
}

#[test]
fn two_members_witness_database() {
    let config = example("two-members-witness-database");
    assert_eq!(config.voters().len(), 3);
    assert_eq!(config.members().count(), 2);
    let levels = &config.levels[&NodeId::from("north")];
    assert_eq!(levels.iter().map(|level| level.devices.len()).collect::<Vec<_>>(), [2, 1]);
    assert!(!config.has_fence_path(&NodeId::from("witness")));
    let settles: Vec<_> = config.devices.values().map(|d| format_duration(d.off_settle)).collect();
    assert_eq!(settles, ["3s", "1s", "1s"], "feed, pdu-left, pdu-right");
}

#[test]
fn four_members_nfs() {
    let config = example("four-members-nfs");
    assert_eq!(config.profile, Profile::Fast);
    assert_eq!(config.timing.t_lost, Duration::from_millis(150));
    assert_eq!(config.timing.startup_wait, Duration::from_secs(60));
    assert_eq!(config.learners(), [NodeId::from("winter")]);
    assert!(
        config.nodes.values().all(|node| node.links.len() == 2 && node.links.iter().all(|l| l.is_ipv6()))
    );
}
