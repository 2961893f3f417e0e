//! Orders, questions and failures over a real socket: what is asked, what is said, how it ends.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Daemon, Run, fits, golden, hactl, views};
use ha_model::{
    AdminReply, AdminRequest, Evidence, Incarnation, Index, LostReason, Notice, PathView, TimelineEvent,
    WallMs,
};
use serde_json::Value;
use std::path::Path;

fn healthy() -> Daemon {
    Daemon::with_status(views::healthy())
}

/// One line on standard error, nothing on standard output.
fn one_line(run: &Run, code: i32, expected: &str) {
    assert_eq!(
        (run.code, run.out.as_str(), run.err.as_str()),
        (code, "", format!("hactl: {expected}\n").as_str())
    );
}

/// Each command asks for what it says.
#[test]
fn orders_reach_the_daemon() {
    let daemon = healthy();
    let orders: [(&[&str], AdminRequest); 14] = [
        (&["node", "standby", "beta"], AdminRequest::NodeStandby { node: "beta".into() }),
        (&["node", "online", "beta"], AdminRequest::NodeOnline { node: "beta".into() }),
        (&["resource", "start", "web"], AdminRequest::ResourceStart { resource: "web".into() }),
        (&["resource", "stop", "web"], AdminRequest::ResourceStop { resource: "web".into() }),
        (&["resource", "restart", "web"], AdminRequest::ResourceRestart { resource: "web".into() }),
        (
            &["resource", "move", "web"],
            AdminRequest::ResourceMove { resource: "web".into(), to: None, for_s: 3600 },
        ),
        (
            &["resource", "move", "web", "beta", "--for", "1500ms"],
            AdminRequest::ResourceMove { resource: "web".into(), to: Some("beta".into()), for_s: 2 },
        ),
        (&["resource", "cleanup"], AdminRequest::ResourceCleanup { resource: None, node: None }),
        (
            &["resource", "cleanup", "web", "--node", "alpha"],
            AdminRequest::ResourceCleanup { resource: Some("web".into()), node: Some("alpha".into()) },
        ),
        (&["fence", "off", "gamma", "--yes"], AdminRequest::FenceOff { node: "gamma".into() }),
        (&["fence", "on", "gamma"], AdminRequest::FenceOn { node: "gamma".into() }),
        (&["timeline", "--last", "7"], AdminRequest::Timeline { limit: 7 }),
        (&["timeline", "--all"], AdminRequest::Timeline { limit: u32::MAX }),
        (&["fence", "history", "beta"], AdminRequest::FenceHistory { node: Some("beta".into()) }),
    ];
    for (number, (args, expected)) in orders.into_iter().enumerate() {
        daemon.hactl(args);
        assert_eq!(daemon.orders().len(), number + 1, "{args:?} is one order");
        assert_eq!(daemon.orders().pop().unwrap(), expected, "{args:?}");
    }
    let run = daemon.hactl(&["node", "standby", "beta"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "done\n", ""));
}

/// Others leave two permanent constraints behind a move until someone knows to clear them.
#[test]
fn move_says_until_when_it_holds() {
    let run = healthy().hactl(&["resource", "move", "web", "beta", "--for", "2h"]);
    assert_eq!(run.code, 0);
    let (said, rest) = run.out.split_once('\n').unwrap();
    assert_eq!(said, "done");
    assert!(rest.starts_with("holds until 20") && rest.contains(" UTC (2h); then it is forgotten"), "{rest}");
    let run = healthy().hactl(&["--json", "resource", "move", "web", "--for", "2h"]);
    let json: Value = serde_json::from_str(&run.out).unwrap();
    let (at, until) = (json["at"].as_i64().unwrap(), json["data"]["until"].as_i64().unwrap());
    assert_eq!(until - at, 7_200_000);
}

/// Others answer a slip with one useful line among unrelated ones; here it is one line with the nearest name.
#[test]
fn slips_get_one_line_with_the_nearest_name() {
    let daemon = healthy();
    let usage = |args: &[&str], expected: &str| one_line(&daemon.hactl(args), 2, expected);
    usage(&["statsu"], "unknown command \"statsu\": did you mean \"status\"?");
    usage(&["node", "stanby", "beta"], "unknown command \"stanby\": did you mean \"standby\"?");
    usage(&["node", "x"], "unknown command \"x\" (there are standby, online)");
    usage(&["status", "--wacth"], "unknown option \"--wacth\": did you mean \"--watch\"?");
    usage(&["status", "now"], "\"now\" is one word too many; see --help");
    usage(&["node", "standby"], "missing: <NODE>; see --help");
    usage(
        &["--color", "alway", "status"],
        "\"alway\" is no value of --color <WHEN>: did you mean \"always\"?",
    );
    usage(
        &["--timeout", "10", "status"],
        "\"10\" is no value of --timeout <TIME>: write a number and one of ms, s, m, h, d, for instance 30s or 1h",
    );
    usage(&["timeline", "--all", "--last", "3"], "--all cannot be used with --last <N>");
    usage(&["node", "standby", "btea"], "cluster shop has no node \"btea\": did you mean \"beta\"?");
    usage(
        &["fence", "off", "delta", "--yes"],
        "cluster shop has no node \"delta\" (there are alpha, beta, gamma)",
    );
    usage(&["resource", "stop", "wbe"], "cluster shop has no resource \"wbe\": did you mean \"web\"?");
    usage(&["resource", "move", "web", "gama"], "cluster shop has no node \"gama\": did you mean \"gamma\"?");
    usage(
        &["resource", "move", "front"],
        "front is a group: name one of its resources (vip, web), for instance vip",
    );
    assert_eq!(daemon.orders(), [], "nothing was asked of the cluster");
    let run = daemon.hactl(&["--json", "statsu"]);
    let json: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, run.err.as_str()), (2, ""));
    assert_eq!((&json["ok"], &json["error"]["code"]), (&false.into(), &"usage".into()));
}

#[test]
fn power_is_cut_and_proofs_are_given_only_after_a_typed_name() {
    let daemon = healthy();
    let run = daemon.hactl(&["fence", "off", "gamma"]);
    one_line(&run, 2, "nobody is there to confirm this for gamma: run it on a terminal, or add --yes");
    let run = daemon.hactl(&["fence", "confirm", "gamma"]);
    assert!(run.err.contains("add --yes-i-made-sure-it-is-off"), "{}", run.err);
    let run = daemon.hactl(&["fence", "confirm", "gamma", "--yes"]);
    assert_eq!(run.code, 2, "the short word is not enough: {}", run.err);
    assert!(
        daemon.orders().iter().all(|order| matches!(order, AdminRequest::Timeline { .. })),
        "nothing else"
    );
}

/// On a terminal of its own (script(1), from Debian's essential bsdutils).
#[test]
fn a_wrong_name_on_the_terminal_does_nothing_and_the_right_one_does_it() {
    let daemon = healthy();
    let on_terminal = |typed: &str| {
        let mut child = std::process::Command::new("script")
            .args(["--quiet", "--return", "--command"])
            .arg(format!("{} fence off gamma", env!("CARGO_BIN_EXE_hactl")))
            .arg("/dev/null")
            .env("HA_SOCKET", &daemon.socket)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, shown) = on_terminal("gamm\n");
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("The power of gamma will be cut."), "{shown}");
    assert!(shown.contains("nothing was done"), "{shown}");
    assert_eq!(daemon.orders(), []);
    let (code, shown) = on_terminal("gamma\n");
    assert_eq!(code, 0, "{shown}");
    assert_eq!(daemon.orders(), [AdminRequest::FenceOff { node: "gamma".into() }]);
}

#[test]
fn confirmation_shows_what_it_means() {
    let lost = TimelineEvent {
        index: Index(7),
        at: WallMs(views::NOW.0 - 90_000),
        notice: Notice::NodeLost { node: "alpha".into(), why: LostReason::Silent { for_ms: 1000 } },
    };
    let daemon = Daemon::new(move |request| match request {
        AdminRequest::Status => AdminReply::Status(Box::new(views::fence_failing())),
        AdminRequest::Timeline { .. } => AdminReply::Timeline { events: vec![lost.clone()], own_view: None },
        _ => AdminReply::Done { message: "alpha confirmed off by root@alpha".to_owned() },
    });
    let run = daemon.hactl(&["fence", "confirm", "alpha", "--yes-i-made-sure-it-is-off"]);
    assert_eq!(run.code, 0);
    assert_eq!(run.out, "alpha confirmed off by root@alpha\n");
    fits(&run.err);
    golden("confirm.txt", &run.err);
    assert_eq!(daemon.orders().pop().unwrap(), AdminRequest::FenceConfirm { node: "alpha".into() });
    // Of a node that is heard it says so.
    let run = healthy().hactl(&["fence", "confirm", "beta", "--yes-i-made-sure-it-is-off"]);
    assert!(run.err.contains("It is being heard right now: it is not off.\n"), "{}", run.err);
    assert!(run.err.contains("last heard   now\n") && run.err.contains("backup (running)"), "{}", run.err);
}

#[test]
fn exit_codes_tell_the_kinds_of_failure_apart() {
    let answers = |reply: AdminReply| {
        Daemon::new(move |request| match request {
            AdminRequest::Status => AdminReply::Status(Box::new(views::healthy())),
            _ => reply.clone(),
        })
    };
    let why = "alpha hears gamma: it is not off".to_owned();
    let help = Some("cut its power first".to_owned());
    let refused = answers(AdminReply::Refused { why, help });
    let run = refused.hactl(&["fence", "on", "gamma"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.err, "hactl: alpha hears gamma: it is not off\n       cut its power first\n");
    let run = answers(AdminReply::Unavailable { why: "1 of 2 needed voters heard".to_owned() })
        .hactl(&["node", "standby", "beta"]);
    assert_eq!(run.code, 4);
    assert!(run.err.starts_with("hactl: 1 of 2 needed voters heard\n"), "{}", run.err);
    let json: Value = serde_json::from_str(&refused.hactl(&["--json", "fence", "on", "gamma"]).out).unwrap();
    assert_eq!((&json["node"], &json["error"]["code"]), (&"alpha".into(), &"refused".into()));

    let run = hactl(Path::new("/nonexistent/hanode.sock"), &["status"]);
    assert_eq!(run.code, 3);
    assert_eq!(
        run.err,
        "hactl: no daemon is running on this node (/nonexistent/hanode.sock: no such socket)\n       \
         start it with: systemctl start hanode; or name its socket with: --socket PATH\n"
    );
    // An answer to another question: the daemon is of another release.
    let run = answers(AdminReply::Done { message: String::new() }).hactl(&["timeline"]);
    assert_eq!(run.code, 3);
    assert!(run.err.contains("same release"), "{}", run.err);
}

#[test]
fn help_and_version_are_no_failures() {
    let nowhere = Path::new("/nonexistent/hanode.sock");
    let run = hactl(nowhere, &["--help"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    golden("help.txt", &run.out);
    fits(&run.out);
    let run = hactl(nowhere, &["version"]);
    assert_eq!(run.code, 0);
    assert!(run.out.contains("hanode: no daemon is running on this node"), "{}", run.out);
    assert!(healthy().hactl(&["version"]).out.contains("hanode 0.1.0 on alpha\n"));
    assert_eq!(hactl(nowhere, &[]).code, 2);
}

#[test]
fn path_test_fails_when_a_path_does() {
    let path = |node: &str, why: Option<&str>| PathView {
        device: "pdu-a".into(),
        node: node.into(),
        works: why.is_none(),
        tested_by: Some("alpha".into()),
        at: Some(views::NOW),
        why: why.map(str::to_owned),
    };
    let answers = |paths: Vec<PathView>| {
        Daemon::new(move |request| match request {
            AdminRequest::Status => AdminReply::Status(Box::new(views::healthy())),
            _ => AdminReply::FenceTest { paths: paths.clone() },
        })
    };
    let run = answers(vec![path("beta", None)]).hactl(&["fence", "test", "beta"]);
    assert_eq!((run.code, run.out.as_str()), (0, "pdu-a to beta: works, read on (read by alpha)\n"));
    let run =
        answers(vec![path("beta", None), path("gamma", Some("no such outlet: 9"))]).hactl(&["fence", "test"]);
    assert_eq!(run.code, 1);
    assert!(
        run.out.ends_with("pdu-a to gamma: does not work (read by alpha)\n    no such outlet: 9\n"),
        "{}",
        run.out
    );
    let run = answers(Vec::new()).hactl(&["fence", "test", "beta"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("there is no fence path to beta\n       add its outlets"), "{}", run.err);
}

#[test]
fn fence_history_and_json_timeline() {
    let events = vec![
        TimelineEvent {
            index: Index(4),
            at: views::NOW,
            notice: Notice::NodeJoined {
                node: "beta".into(),
                incarnation: Incarnation(0x1f << 120),
                is_same_boot: false,
            },
        },
        TimelineEvent {
            index: Index(5),
            at: WallMs(views::NOW.0 + 5),
            notice: Notice::FenceProven {
                node: "beta".into(),
                evidence: Evidence::Confirmed { by: "anna@alpha".to_owned() },
                freed: vec!["web".into()],
            },
        },
    ];
    let daemon = Daemon::new(move |request| match request {
        AdminRequest::Timeline { .. } => AdminReply::Timeline { events: events.clone(), own_view: None },
        _ => AdminReply::FenceHistory { events: events[1..].to_vec(), own_view: None },
    });
    let run = daemon.hactl(&["fence", "history"]);
    let expected = "2026-11-22 UTC\n11:19:12.350  fencing     beta confirmed off by anna@alpha; freed: web\n";
    assert_eq!((run.code, run.out.as_str()), (0, expected));
    let mut json: Value = serde_json::from_str(&daemon.hactl(&["timeline", "--json"]).out).unwrap();
    json["at"] = 0.into();
    golden("timeline.json", &(serde_json::to_string_pretty(&json).unwrap() + "\n"));
}

/// What a node knows itself may be old: every answer of that kind says so, and files stay files.
#[test]
fn answers_without_the_leader_are_marked_in_text_and_json() {
    let own_view = Some(views::own_view());
    let daemon = Daemon::new(move |request| match request {
        AdminRequest::Timeline { .. } => {
            AdminReply::Timeline { events: Vec::new(), own_view: own_view.clone() }
        }
        AdminRequest::FenceHistory { .. } => {
            AdminReply::FenceHistory { events: Vec::new(), own_view: own_view.clone() }
        }
        _ => AdminReply::Config {
            name: "cluster.toml".to_owned(),
            text: "name = \"shop\"\n".to_owned(),
            sha256: "ab".repeat(32),
            own_view: own_view.clone(),
        },
    });
    let mark = "cannot reach the leader alpha: this is what beta knows itself, as of log\n  position 412\n\n";
    assert_eq!(daemon.hactl(&["timeline"]).out, format!("{mark}nothing has happened yet\n"));
    assert_eq!(daemon.hactl(&["fence", "history"]).out, format!("{mark}no node was fenced\n"));
    let show = daemon.hactl(&["config", "show"]);
    assert_eq!((show.out.as_str(), show.err.as_str()), ("name = \"shop\"\n", mark));
    for command in [&["timeline"][..], &["fence", "history"], &["config", "show"]] {
        let run = daemon.hactl(&[command, &["--json"]].concat());
        let json: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(json["data"]["own_view"]["node"], "beta", "{command:?}");
        assert_eq!(run.err, "", "{command:?}");
    }
}
