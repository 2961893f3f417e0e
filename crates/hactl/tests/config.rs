//! `hactl config …` and `hactl cluster keys`: files, differences, certificates.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Daemon, fits, hactl};
use ha_model::{AdminReply, AdminRequest};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NOWHERE: &str = "/nonexistent/hanode.sock";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/clusters/three-node-web.toml")
}

/// A daemon with the example in force.
fn daemon() -> Daemon {
    let text = std::fs::read_to_string(example()).unwrap();
    Daemon::new(move |request| match request {
        AdminRequest::ConfigShow => AdminReply::Config {
            name: "cluster.toml".to_owned(),
            text: text.clone(),
            sha256: "ab".repeat(32),
            own_view: None,
        },
        _ => AdminReply::Done { message: "in force on 3 of 3 nodes".to_owned() },
    })
}

fn changed(directory: &Path, from: &str, to: &str) -> PathBuf {
    let text = std::fs::read_to_string(example()).unwrap();
    assert!(text.contains(from), "the example still has {from}");
    let path = directory.join("new.toml");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    path
}

/// Others call 1650 ms "token: 1000" and tell nobody: the times that follow are said.
#[test]
fn accepted_file_says_what_follows_from_it() {
    let example = example();
    let run = hactl(Path::new(NOWHERE), &["config", "check", example.to_str().unwrap()]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.contains("voters: alpha, beta and gamma\n"), "{}", run.out);
    assert!(run.out.contains("a node that is silent for 1s is lost"), "{}", run.out);
    let run = hactl(Path::new(NOWHERE), &["config", "check", "--json", example.to_str().unwrap()]);
    let json: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(json["data"]["voters"], serde_json::json!(["alpha", "beta", "gamma"]));
    assert_eq!((&json["node"], &json["ok"]), (&Value::Null, &true.into()));
}

/// Others accept a mistyped parameter, or bury it; and without a fence device add nothing without a reason.
#[test]
fn refused_file_shows_places_names_and_what_to_add() {
    let directory = tempfile::tempdir().unwrap();
    let file = changed(directory.path(), "interval =", "intervall =");
    let run = hactl(Path::new(NOWHERE), &["config", "check", file.to_str().unwrap()]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("new.toml:") && run.err.contains("did you mean `interval`?"), "{}", run.err);
    assert!(run.err.ends_with("new.toml: 1 error; nothing was applied\n"), "{}", run.err);

    let file = changed(directory.path(), "alpha = [\"1\"], ", "");
    let run = hactl(Path::new(NOWHERE), &["config", "check", "--json", file.to_str().unwrap()]);
    assert_eq!((run.code, run.err.as_str()), (2, ""));
    let json: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(json["error"]["code"], "bad-configuration");
    let found = &json["data"]["diagnostics"];
    let first = found.as_array().unwrap().iter().find(|d| d["severity"] == "error").unwrap();
    assert_eq!(first["code"], "no-fence-path");
    assert!(first["line"].as_u64().unwrap() > 1 && !first["help"].as_array().unwrap().is_empty(), "{first}");
}

#[test]
fn difference_says_what_it_does_to_what_runs() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = daemon();
    let same = example();
    let run = daemon.hactl(&["config", "diff", same.to_str().unwrap()]);
    assert!(run.out.ends_with("three-node-web.toml is in force as it is\n"), "{}", run.out);
    let layout = changed(directory.path(), "# ---- Resources.", "# Resources, laid out anew.");
    let run = daemon.hactl(&["config", "diff", layout.to_str().unwrap()]);
    assert!(run.out.ends_with("differs from cluster.toml in layout and comments only\n"), "{}", run.out);
    let other = changed(directory.path(), "10.0.0.100/24", "10.0.0.101/24");
    let run = daemon.hactl(&["config", "diff", other.to_str().unwrap()]);
    assert_eq!(run.code, 0);
    fits(&run.out);
    let words = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("resource vip: option address changes from"), "{words}");
    assert!(
        words.contains("refused unless it is stopped: first hactl resource stop vip, then apply"),
        "{words}"
    );
}

#[test]
fn apply_sends_a_checked_text_after_showing_what_changes() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = daemon();
    let apply = |file: &Path| daemon.hactl(&["config", "apply", file.to_str().unwrap()]);
    let sent =
        || daemon.orders().into_iter().filter(|o| matches!(o, AdminRequest::ConfigApply { .. })).count();
    assert_eq!(apply(&changed(directory.path(), "interval =", "intervall =")).code, 2);
    let run = apply(&example());
    assert_eq!(run.code, 0);
    assert!(run.out.contains("in force already"), "{}", run.out);
    assert_eq!(sent(), 0, "neither a wrong file nor the same one is sent");
    let file = changed(directory.path(), "10.0.0.100/24", "10.0.0.101/24");
    let run = apply(&file);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.starts_with("- resource vip: "), "{}", run.out);
    assert!(run.out.ends_with("\nin force on 3 of 3 nodes\n"), "{}", run.out);
    let text = std::fs::read_to_string(&file).unwrap();
    let expected = AdminRequest::ConfigApply { name: file.display().to_string(), text };
    assert_eq!(daemon.orders().pop().unwrap(), expected);
}

#[test]
fn show_prints_the_text_or_its_sum() {
    let daemon = daemon();
    let run = daemon.hactl(&["config", "show"]);
    assert_eq!(run.out, std::fs::read_to_string(example()).unwrap());
    let run = daemon.hactl(&["config", "show", "--sha"]);
    assert_eq!(run.out, format!("{}  cluster.toml\n", "ab".repeat(32)));
}

#[test]
fn unreadable_file_is_named() {
    let run = hactl(Path::new(NOWHERE), &["config", "check", "/nonexistent/cluster.toml"]);
    assert_eq!(run.code, 2);
    let why = "hactl: cannot read /nonexistent/cluster.toml: No such file or directory (os error 2)\n";
    assert!(run.err.starts_with(why), "{}", run.err);
    assert!(run.err.ends_with("hactl config show\n"), "{}", run.err);
}

/// What hanode says when it has no certificate is a command that exists, and makes what is missing.
#[test]
fn missing_certificate_names_the_command_that_makes_it() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("alpha");
    let why = ha_transport::NodeIdentity::read_from(&keys).err().unwrap().to_string();
    let command = why.split('`').nth(1).unwrap();
    let (example, out) = (example(), directory.path().to_owned());
    let typed: Vec<&str> = command
        .split(' ')
        .map(|word| match word {
            "CLUSTER.toml" => example.to_str().unwrap(),
            "DIR" => out.to_str().unwrap(),
            word => word,
        })
        .collect();
    assert_eq!(typed[0], "hactl", "{why}");
    let run = hactl(Path::new(NOWHERE), &typed[1..]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{command}");
    assert!(ha_transport::NodeIdentity::read_from(&keys).is_ok());
}

#[test]
fn keys_are_made_once_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("keys");
    let example = example();
    let make = || {
        hactl(
            Path::new(NOWHERE),
            &["cluster", "keys", example.to_str().unwrap(), "--out", out.to_str().unwrap()],
        )
    };
    let run = make();
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    for node in ["alpha", "beta", "gamma"] {
        ha_transport::NodeIdentity::read_from(&out.join(node)).unwrap();
        let mode = std::fs::metadata(out.join(node).join("node.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!out.join(node).join("ca.key").exists(), "no node gets the authority's key");
    }
    let key = |node: &str| std::fs::read(out.join(node).join("node.key")).unwrap();
    let (alpha, ca) = (key("alpha"), std::fs::read(out.join("ca/ca.pem")).unwrap());
    std::fs::remove_dir_all(out.join("beta")).unwrap();
    let run = make();
    assert_eq!(run.code, 0);
    assert!(run.out.contains("alpha kept") && run.out.contains("beta made"), "{}", run.out);
    assert_eq!(key("alpha"), alpha);
    assert_eq!(std::fs::read(out.join("beta/ca.pem")).unwrap(), ca, "of the same authority");
    std::fs::remove_dir_all(out.join("ca")).unwrap();
    let run = make();
    assert_eq!(run.code, 1, "another authority would cut alpha off: {}", run.out);
    assert!(run.err.contains("ca.key is not there"), "{}", run.err);
}
