//! The form of every command's JSON, by the names of its fields: scripts rely on them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Daemon, golden, views};
use ha_model::{AdminReply, AdminRequest, Index, LostReason, Notice, PathView, TimelineEvent};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The paths of all fields, elements of lists as `[]`.
fn fields(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                // Typed notices are the model's own; their words are in `text`.
                let path = format!("{path}.{key}");
                out.insert(path.clone());
                if key != "notice" {
                    fields(inner, &path, out);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| fields(inner, &format!("{path}[]"), out)),
        _ => {}
    }
}

fn daemon(text: String) -> Daemon {
    let event = TimelineEvent {
        index: Index(7),
        at: views::NOW,
        notice: Notice::NodeLost { node: "alpha".into(), why: LostReason::OneWay },
    };
    let path = PathView {
        device: "pdu-a".into(),
        node: "beta".into(),
        works: true,
        tested_by: Some("alpha".into()),
        at: Some(views::NOW),
        why: None,
    };
    Daemon::new(move |request| match request {
        AdminRequest::Status => AdminReply::Status(Box::new(views::fence_failing())),
        AdminRequest::Timeline { .. } => AdminReply::Timeline { events: vec![event.clone()], own_view: None },
        AdminRequest::FenceHistory { .. } => {
            AdminReply::FenceHistory { events: vec![event.clone()], own_view: None }
        }
        AdminRequest::FenceTest { .. } => AdminReply::FenceTest { paths: vec![path.clone()] },
        AdminRequest::ConfigShow => AdminReply::Config {
            name: "cluster.toml".to_owned(),
            text: text.clone(),
            sha256: "ab".repeat(32),
            own_view: None,
        },
        _ => AdminReply::Done { message: "done".to_owned() },
    })
}

#[test]
fn fields_of_every_command_are_stable() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/clusters/three-node-web.toml");
    let text = std::fs::read_to_string(&example).unwrap().replace("10.0.0.100/24", "10.0.0.101/24");
    let (example, daemon) = (example.to_str().unwrap().to_owned(), daemon(text));
    let directory = daemon.directory.path().join("keys");
    let wrong = daemon.directory.path().join("wrong.toml");
    std::fs::write(&wrong, "nam = 1\n").unwrap();
    let (out, wrong) = (directory.to_str().unwrap(), wrong.to_str().unwrap());
    let commands: [(&str, &[&str]); 20] = [
        ("status", &["status"]),
        ("node standby", &["node", "standby", "beta"]),
        ("node online", &["node", "online", "beta"]),
        ("resource start", &["resource", "start", "web"]),
        ("resource stop", &["resource", "stop", "web"]),
        ("resource restart", &["resource", "restart", "web"]),
        ("resource move", &["resource", "move", "web"]),
        ("resource cleanup", &["resource", "cleanup"]),
        ("fence off", &["fence", "off", "beta", "--yes"]),
        ("fence on", &["fence", "on", "beta"]),
        ("fence confirm", &["fence", "confirm", "beta", "--yes-i-made-sure-it-is-off"]),
        ("fence test", &["fence", "test"]),
        ("fence history", &["fence", "history"]),
        ("timeline", &["timeline"]),
        ("config show", &["config", "show"]),
        ("config check", &["config", "check", &example]),
        ("config check", &["config", "check", wrong]),
        ("config diff", &["config", "diff", &example]),
        ("config apply", &["config", "apply", &example]),
        ("cluster keys", &["cluster", "keys", &example, "--out", out]),
    ];
    let mut shapes = String::new();
    for (name, args) in commands {
        let run = daemon.hactl(&[&["--json"], args].concat());
        assert_eq!(run.err, "", "{name}: standard error stays empty");
        let json: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(json["command"], name);
        assert_eq!(run.out.lines().count(), 1, "{name}");
        assert_eq!(json["ok"], json["error"].is_null(), "{name}");
        let mut found = BTreeSet::new();
        fields(&json["data"], "", &mut found);
        shapes.push_str(&format!("{name}, exit {}\n", run.code));
        for path in found {
            shapes.push_str(&format!("  {path}\n"));
        }
    }
    golden("json-fields.txt", &shapes);
}
