//! Which crate may use which. The arrow points one way: pure crates never see shells, shells do not see each other,
//! only `hanode` wires them.
//!
//! The table is exact: a crate that is not in it is an error, so a new one is thought about.

use super::{File, Finding};
use std::collections::{BTreeMap, BTreeSet};
use toml::Table;

/// Crates without clock, socket, file, thread or randomness.
pub const PURE: [&str; 8] = [
    "ha-model",
    "ha-config",
    "ha-consensus",
    "ha-membership",
    "ha-fencing",
    "ha-scheduler",
    "ha-resource",
    "ha-core",
];

/// What a pure crate may take from elsewhere: data formats and error texts.
const PURE_MAY_TAKE: [&str; 5] = ["annotate-snippets", "serde", "sha2", "thiserror", "toml"];

/// What a pure crate must not reach, however many crates lie between: each is a door to the world.
const WORLD: [&str; 13] = [
    "getrandom",
    "libc",
    "mio",
    "nix",
    "rand",
    "redb",
    "reqwest",
    "ring",
    "rustix",
    "rustls",
    "socket2",
    "tokio",
    "rtnetlink",
];

/// Behind these nothing is looked at: `cpufeatures` asks the processor what it can, on some systems by libc.
const HARMLESS: [&str; 1] = ["cpufeatures"];

/// A crate: what of ours it may use, and what besides in its tests.
struct Row(&'static str, &'static [&'static str], &'static [&'static str]);

const TABLE: &[Row] = &[
    Row("ha-model", &[], &[]),
    Row("ha-config", &["ha-model"], &[]),
    Row("ha-consensus", &["ha-model"], &[]),
    Row("ha-membership", &["ha-model"], &[]),
    Row("ha-fencing", &["ha-model"], &[]),
    Row("ha-scheduler", &["ha-model"], &[]),
    Row("ha-resource", &["ha-model"], &[]),
    Row("ha-core", &PURE, &[]),
    // Shells: the model, and the codec, a leaf.
    Row("ha-codec", &[], &[]),
    Row("ha-transport", &["ha-model", "ha-codec"], &[]),
    Row("ha-storage", &["ha-model", "ha-codec"], &[]),
    Row("ha-agent", &["ha-model", "ha-codec"], &[]),
    Row("ha-api", &["ha-model", "ha-codec"], &[]),
    Row(
        "hanode",
        &[
            "ha-model",
            "ha-config",
            "ha-consensus",
            "ha-membership",
            "ha-fencing",
            "ha-scheduler",
            "ha-resource",
            "ha-core",
            "ha-codec",
            "ha-transport",
            "ha-storage",
            "ha-agent",
            "ha-api",
        ],
        &["ha-lab", "ha-pdu"],
    ),
    // The core in a simulated world, and what the world must know to feed and judge it.
    Row(
        "ha-sim",
        &["ha-model", "ha-config", "ha-consensus", "ha-membership", "ha-fencing", "ha-scheduler", "ha-core"],
        &[],
    ),
    // The transport's PKI makes the certificates.
    Row("hactl", &["ha-model", "ha-config", "ha-api", "ha-transport"], &[]),
    // Fence agents know nothing of the cluster: they run under other managers too.
    Row("ha-fence-agent", &[], &[]),
    Row("fence_pdu_http", &["ha-fence-agent"], &["ha-pdu"]),
    Row("fence_pdu_snmp", &["ha-fence-agent"], &["ha-pdu"]),
    // The laboratory knows the programs, not the code.
    Row("ha-pdu", &[], &[]),
    Row("ha-lab", &["ha-pdu"], &[]),
    Row("ha-cluster-tests", &["ha-lab", "ha-pdu", "ha-model", "ha-codec", "ha-transport"], &[]),
    // A workspace of its own: the vote core beside another implementation.
    Row("ha-twin", &["ha-model", "ha-consensus"], &[]),
    Row("xtask", &[], &[]),
];

struct Manifest<'a> {
    path: &'a str,
    text: &'a str,
    name: String,
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

impl<'a> Manifest<'a> {
    fn read(file: &'a File) -> Result<Option<Self>, Finding> {
        let table: Table =
            file.text.parse().map_err(|e| Finding::error(&file.path, 0, format!("not TOML: {e}")))?;
        let Some(name) = table.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str()) else {
            return Ok(None);
        };
        let names = |section: &str, table: &Table| -> BTreeSet<String> {
            let deps = table.get(section).and_then(|d| d.as_table());
            deps.map(|d| d.keys().cloned().collect()).unwrap_or_default()
        };
        let mut normal = names("dependencies", &table);
        normal.extend(names("build-dependencies", &table));
        for target in table.get("target").and_then(|t| t.as_table()).into_iter().flat_map(|t| t.values()) {
            normal.extend(target.as_table().map(|t| names("dependencies", t)).unwrap_or_default());
        }
        let dev = names("dev-dependencies", &table);
        Ok(Some(Self { path: &file.path, text: &file.text, name: name.to_owned(), normal, dev }))
    }

    fn line(&self, dependency: &str) -> usize {
        let is_it =
            |l: &str| l.trim_start().strip_prefix(dependency).is_some_and(|r| r.starts_with([' ', '.', '=']));
        self.text.lines().position(is_it).map_or(0, |i| i + 1)
    }
}

/// The rule.
pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    let graph = lock_graph(files);
    for file in files.iter().filter(|f| f.path.ends_with("Cargo.toml")) {
        match Manifest::read(file) {
            Ok(Some(manifest)) => found.extend(judge(&manifest, &graph)),
            Ok(None) => {}
            Err(finding) => found.push(finding),
        }
    }
    found
}

fn judge(m: &Manifest<'_>, graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<Finding> {
    let Some(Row(_, may, in_tests)) = TABLE.iter().find(|row| row.0 == m.name) else {
        let text = format!("{} is not in the table of crates: say there what it may use", m.name);
        return vec![Finding::error(m.path, 0, text)];
    };
    let mut found = Vec::new();
    let is_own = |d: &&String| TABLE.iter().any(|row| row.0 == d.as_str());
    for d in m.normal.iter().filter(is_own).filter(|d| !may.contains(&d.as_str())) {
        found.push(Finding::error(
            m.path,
            m.line(d),
            format!("{} must not use {d}: dependencies point one way", m.name),
        ));
    }
    let tests_may = |d: &str| may.contains(&d) || in_tests.contains(&d) || d == m.name;
    for d in m.dev.iter().filter(is_own).filter(|d| !tests_may(d)) {
        found.push(Finding::error(m.path, m.line(d), format!("the tests of {} must not use {d}", m.name)));
    }
    if PURE.contains(&m.name.as_str()) {
        found.extend(judge_pure(m, graph));
    }
    found
}

fn judge_pure(m: &Manifest<'_>, graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_foreign = |d: &&String| TABLE.iter().all(|row| row.0 != d.as_str());
    for d in m.normal.iter().filter(is_foreign) {
        if !PURE_MAY_TAKE.contains(&d.as_str()) {
            let text = format!("{} is pure: {d} is none of {}", m.name, PURE_MAY_TAKE.join(", "));
            found.push(Finding::error(m.path, m.line(d), text));
        } else if let Some(door) = reaches(d, graph) {
            let text = format!("{} is pure, and {d} brings {door}", m.name);
            found.push(Finding::error(m.path, m.line(d), text));
        }
    }
    found
}

/// A door to the world behind a crate.
fn reaches(from: &str, graph: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(name) = next.pop() {
        if WORLD.contains(&name.as_str()) {
            return Some(name);
        }
        if !HARMLESS.contains(&name.as_str()) && seen.insert(name.clone()) {
            next.extend(graph.get(&name).into_iter().flatten().cloned());
        }
    }
    None
}

/// Cargo.lock: crate → what it uses. Versions are merged, which can only find more.
fn lock_graph(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let lock = files.iter().find(|f| f.path == "Cargo.lock");
    let table: Table = lock.and_then(|f| f.text.parse().ok()).unwrap_or_default();
    for package in table.get("package").and_then(|p| p.as_array()).into_iter().flatten() {
        let Some(name) = package.get("name").and_then(|n| n.as_str()) else { continue };
        let uses = package.get("dependencies").and_then(|d| d.as_array()).into_iter().flatten();
        let uses = uses.filter_map(|d| d.as_str()?.split(' ').next().map(str::to_owned));
        graph.entry(name.to_owned()).or_default().extend(uses);
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    fn found(name: &str, dependencies: &str) -> Vec<String> {
        let manifest = format!("[package]\nname = \"{name}\"\n{dependencies}");
        let lock = "[[package]]\nname = \"toml\"\ndependencies = [\"winnow 1.0\"]\n\
                    [[package]]\nname = \"winnow\"\n\
                    [[package]]\nname = \"serde\"\ndependencies = [\"helper\"]\n\
                    [[package]]\nname = \"sha2\"\ndependencies = [\"cpufeatures\"]\n\
                    [[package]]\nname = \"cpufeatures\"\ndependencies = [\"libc\"]\n\
                    [[package]]\nname = \"helper\"\ndependencies = [\"libc\"]\n";
        let files = [file("crates/x/Cargo.toml", &manifest), file("Cargo.lock", lock)];
        check(&files).into_iter().map(|f| format!("{}: {}", f.line, f.text)).collect()
    }

    #[test]
    fn arrows_point_one_way() {
        let none: [&str; 0] = [];
        assert_eq!(found("ha-storage", "[dependencies]\nha-model.workspace = true\nredb = \"4\"\n"), none);
        assert_eq!(
            found("ha-storage", "[dependencies]\nha-model.workspace = true\nha-api.workspace = true\n"),
            ["5: ha-storage must not use ha-api: dependencies point one way"]
        );
        let pure = found("ha-core", "[dependencies]\nha-transport = { path = \"x\" }\n");
        assert_eq!(pure, ["4: ha-core must not use ha-transport: dependencies point one way"]);
        let by_target = found("ha-api", "[target.'cfg(unix)'.dependencies]\nha-agent = \"1\"\n");
        assert_eq!(by_target.len(), 1, "{by_target:?}");
    }

    #[test]
    fn tests_have_arrows_too() {
        let dev = "[dev-dependencies]\nha-pdu.workspace = true\n";
        assert!(found("fence_pdu_snmp", dev).is_empty());
        assert_eq!(found("ha-fencing", dev), ["4: the tests of ha-fencing must not use ha-pdu"]);
    }

    #[test]
    fn a_pure_crate_has_no_door_to_the_world() {
        assert!(found("ha-model", "[dependencies]\ntoml = \"1\"\n").is_empty());
        assert!(
            found("ha-model", "[dependencies]\nsha2 = \"0.11\"\n").is_empty(),
            "it asks the processor alone"
        );
        let direct = found("ha-model", "[dependencies]\ntokio = \"1\"\n");
        assert!(direct[0].contains("ha-model is pure: tokio is none of"), "{direct:?}");
        let behind = found("ha-model", "[dependencies]\nserde = \"1\"\n");
        assert_eq!(behind, ["4: ha-model is pure, and serde brings libc"]);
        assert!(found("ha-model", "[dev-dependencies]\nproptest = \"1\"\n").is_empty(), "tests may");
    }

    #[test]
    fn a_new_crate_is_noticed_and_nothing_is_excepted() {
        assert!(found("ha-new", "")[0].contains("not in the table"));
        assert!(found("ha-config", "[dependencies]\nring = \"0.17\"\n")[0].contains("pure"));
        assert!(found("ha-config", "").is_empty());
    }
}
