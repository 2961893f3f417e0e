//! Runs tests and counts them: by nextest where it is installed, else by cargo itself.

use super::count::{Count, libtest, nextest};
use crate::cargo::{cargo, has_subcommand, json};
use crate::error::{Result, Trying};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

/// Package of the clusters of real processes.
const CLUSTER: &str = "ha-cluster-tests";
/// Clusters at a time, on two cores: they mostly wait. More would delay daemons beyond what their times allow for.
const CLUSTERS_AT_A_TIME: &str = "2";
/// In the names of cluster tests that run alone.
const ALONE: &str = "fast";
/// Bounds of single tests.
const NEXTEST_CONFIG: &str = "xtask/nextest.toml";

/// Which tests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those of every crate.
    Crates,
    /// Clusters of real processes.
    Clusters,
}

/// Runs them to the end, whatever fails.
pub fn run(which: Which) -> Result<Count> {
    if has_subcommand("nextest") { by_nextest(which) } else { by_cargo(which) }
}

/// Runs the examples in the documentation.
pub fn doctests() -> Result<Count> {
    let mut command = cargo();
    command.args(["test", "--locked", "--workspace", "--doc", "--no-fail-fast"]);
    let (counts, is_success) = watch(command, Pipe::Stdout, libtest)?;
    Ok(counts.with_exit(is_success))
}

fn by_nextest(which: Which) -> Result<Count> {
    // The whole workspace and a filter, not `--package`: other packages would mean other features, built anew.
    let filter = match which {
        Which::Crates => format!("not package({CLUSTER})"),
        Which::Clusters => format!("package({CLUSTER})"),
    };
    let common = ["--locked", "--workspace", "--config-file", NEXTEST_CONFIG, "--filterset", &filter];
    let list = [&["nextest", "list", "--message-format", "json"], common.as_slice()].concat();
    let ignored = ignored(&json(&list)?);
    ignored.iter().for_each(|name| println!("skipped: {name}"));
    let mut command = cargo();
    command.args(["nextest", "run", "--no-fail-fast", "--color", "never"]).args(common);
    if which == Which::Clusters {
        command.args(["--test-threads", CLUSTERS_AT_A_TIME]);
    }
    let (count, is_success) = watch(command, Pipe::Stderr, nextest)?;
    Ok((count + Count::skipped(ignored.len() as u64)).with_exit(is_success))
}

fn by_cargo(which: Which) -> Result<Count> {
    let runs: &[&[&str]] = match which {
        Which::Crates => &[&["--workspace", "--exclude", CLUSTER]],
        // As nextest's file says of them: what measures short times has the machine to itself.
        Which::Clusters => &[
            &["--package", CLUSTER, "--", "--skip", ALONE, "--test-threads", CLUSTERS_AT_A_TIME],
            &["--package", CLUSTER, "--", ALONE, "--test-threads", "1"],
        ],
    };
    println!("cargo-nextest is not installed: a test that hangs is ended only with the whole run");
    let mut total = Count::default();
    for arguments in runs {
        let mut command = cargo();
        command.args(["test", "--locked", "--no-fail-fast", "--all-targets"]).args(*arguments);
        let (count, is_success) = watch(command, Pipe::Stdout, libtest)?;
        total = total + count.with_exit(is_success);
    }
    Ok(total)
}

/// Names of tests that are marked as ignored, of those that the filter takes.
fn ignored(list: &serde_json::Value) -> Vec<String> {
    let mut out = Vec::new();
    for (suite, content) in list["rust-suites"].as_object().into_iter().flatten() {
        for (name, case) in content["testcases"].as_object().into_iter().flatten() {
            // Taken by the filter, and yet not to be run: it is ignored.
            let is_other = case["filter-match"]["reason"].as_str().is_some_and(|why| why != "ignored");
            if case["ignored"].as_bool() == Some(true) && !is_other {
                out.push(format!("{suite} {name}"));
            }
        }
    }
    out
}

enum Pipe {
    Stdout,
    Stderr,
}

/// Runs a command, shows what it says as it says it, adds up the lines that count.
fn watch(mut command: Command, pipe: Pipe, parse: fn(&str) -> Option<Count>) -> Result<(Count, bool)> {
    match pipe {
        Pipe::Stdout => command.stdout(Stdio::piped()),
        Pipe::Stderr => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().trying(|| "start cargo".into())?;
    let stream: Box<dyn Read> = match pipe {
        Pipe::Stdout => Box::new(child.stdout.take().expect("it is piped")),
        Pipe::Stderr => Box::new(child.stderr.take().expect("it is piped")),
    };
    let mut total = Count::default();
    for line in BufReader::new(stream).split(b'\n') {
        let line = line.trying(|| "read what cargo says".into())?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(count) = parse(&line) {
            total = total + count;
        }
    }
    let status = child.wait().trying(|| "wait for cargo".into())?;
    Ok((total, status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_tests_are_named_and_other_stages_are_not() {
        let list = serde_json::json!({ "rust-suites": { "a::b": { "testcases": {
            "runs": { "ignored": false, "filter-match": { "status": "matches" } },
            "is_ignored": { "ignored": true, "filter-match": { "status": "mismatch", "reason": "ignored" } },
            "of_another_stage": { "ignored": true, "filter-match": { "status": "mismatch", "reason": "expression" } },
        } } } });
        assert_eq!(ignored(&list), ["a::b is_ignored"]);
    }

    #[test]
    fn what_a_command_says_is_added_up() {
        let mut command = Command::new("sh");
        let line = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured";
        command.args(["-c", &format!("echo '{line}'; echo other; echo '{line}'; exit 3")]);
        let (count, is_success) = watch(command, Pipe::Stdout, libtest).unwrap();
        assert_eq!(count, Count { passed: 4, failed: 0, skipped: 2 });
        assert!(!is_success);
        assert_eq!(count.with_exit(is_success).failed, 1);
    }
}
