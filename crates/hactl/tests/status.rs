//! The words of `hactl status`, over a real socket. Several guard against what other cluster managers say badly.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Daemon, fits, golden, views};
use ha_model::{Phase, StatusView};

fn shown(view: StatusView) -> String {
    let run = Daemon::with_status(view).hactl(&["status"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    fits(&run.out);
    run.out
}

#[test]
fn healthy_cluster_fits_on_a_screen() {
    let text = shown(views::healthy());
    golden("healthy.txt", &text);
    assert!(text.lines().count() <= 24, "a terminal has 24 lines");
    assert!(text.starts_with("cluster shop: everything is as wished\n"));
}

/// Others show "no coordinator" and every node "UNCLEAN (offline)" eight seconds after a healthy start.
#[test]
fn forming_cluster_says_that_it_forms_for_whom_it_waits_and_how_long() {
    let text = shown(views::forming());
    golden("forming.txt", &text);
    assert!(text.starts_with("cluster shop: forming: waits for gamma, 12 s more, then goes on without it\n"));
    assert!(!text.to_lowercase().contains("unclean") && !text.contains("offline"));
}

#[test]
fn last_moment_of_forming_waits_for_nobody() {
    let mut view = views::healthy();
    view.state = Phase::Forming { waits_for: Vec::new(), remaining_ms: 0 };
    view.leader = None;
    assert!(
        shown(view).starts_with("cluster shop: forming: every node is here, a leader is being elected\n")
    );
}

/// A cold start: nobody is blamed before the first election.
#[test]
fn first_start_forms_and_an_election_is_no_loss() {
    let mut view = views::no_quorum();
    view.term = ha_model::Term(0);
    let text = shown(view);
    let first = "cluster shop: forming: 1 of the 2 voters needed are here; waits for beta and\n  gamma, without limit\n";
    assert!(text.starts_with(first), "{text}");
    let mut view = views::healthy();
    view.leader = None;
    view.state = Phase::NoQuorum { heard: vec!["alpha".into(), "gamma".into()], needed: 2 };
    let text = shown(view);
    let first = "cluster shop: no leader yet: alpha and gamma hear each other, an election is\n  under way\n";
    assert!(text.starts_with(first), "{text}");
}

#[test]
fn without_quorum_it_says_who_is_missing() {
    golden("no-quorum.txt", &shown(views::no_quorum()));
}

/// Others wait for a coordinator that does not answer, and then say nothing.
#[test]
fn node_cut_from_the_leader_says_whose_knowledge_it_shows() {
    let text = shown(views::cut_off());
    golden("cut-off.txt", &text);
    let first = "cluster shop: cannot reach the leader alpha: this is what beta knows itself, as\n  of log position 412\n";
    assert!(text.starts_with(first), "{text}");
    let run = Daemon::with_status(views::cut_off()).hactl(&["--json", "status", "--check"]);
    let answer: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, &answer["data"]["as_wished"]), (5, &false.into()));
    assert_eq!(answer["data"]["own_view"]["leader"], "alpha");
    assert_eq!(answer["data"]["own_view"]["position"], 412);
}

/// One cable, one line: not one for each node at its other end.
#[test]
fn silence_of_an_own_link_is_told_once() {
    let text = shown(views::own_link());
    golden("own-link.txt", &text);
    assert!(text.starts_with("cluster shop: 1 thing is not as wished\n"), "{text}");
    assert!(text.contains("it hears nobody over 192.168.7.11: look at its cable"), "{text}");
    assert!(!text.contains("not heard over"), "{text}");
    let mut view = views::own_link();
    view.nodes[0].links[1].1 = true;
    assert!(shown(view).contains("2 things are not as wished"), "the links of the others, where ours works");
}

#[test]
fn disabled_resource_is_as_wished() {
    let text = shown(views::disabled());
    golden("disabled.txt", &text);
    assert!(text.starts_with("cluster shop: everything is as wished\n"), "{text}");
    assert!(text.contains("disabled in the cluster file (cluster.toml:41:1)"), "{text}");
    let mut view = views::disabled();
    view.resources[2].is_wanted = true;
    assert!(
        shown(view).contains("1 thing is not as wished"),
        "an operator stopped it and may have forgotten"
    );
}

#[test]
fn failing_fence_says_what_it_needs() {
    golden("fence-failing.txt", &shown(views::fence_failing()));
}

/// Others start nothing without a fence device and give no hint; and of a missing program they say "error".
#[test]
fn blocked_and_failed_resources_say_why_and_name_the_missing_program() {
    let text = shown(views::blocked());
    golden("blocked.txt", &text);
    assert!(text.contains("have no fence path; add"), "{text}");
    assert!(
        text.contains("/opt/company/releases/2026-11/backup/bin/backup-server-main:"),
        "in one piece: {text}"
    );
    assert!(text.contains("\nfence paths: none\n"));
}

#[test]
fn waivers_stand_for_ever_and_a_silent_link_is_told() {
    golden("waiver.txt", &shown(views::waiver()));
}

/// Others leave two permanent rules behind a move.
#[test]
fn move_says_until_when_it_holds_and_is_as_wished() {
    let text = shown(views::moved());
    golden("moved.txt", &text);
    assert!(text.starts_with("cluster shop: everything is as wished\n"));
    assert!(text.contains("moved to beta by anna on alpha; holds until 2026-11-22 12:19:12 UTC\n"), "{text}");
}

#[test]
fn longest_names_stay_within_80_columns() {
    golden("wide.txt", &shown(views::wide()));
}

/// Whatever state is wrong, a sentence follows, even when the daemon gave none.
#[test]
fn nothing_wrong_is_without_its_sentence() {
    for state in
        ["joining", "lost", "fencing", "off", "held", "unseen", "left", "daemon-gone", "silent", "strange"]
    {
        let mut view = views::healthy();
        view.nodes[1].state = state.to_owned();
        let text = shown(view);
        let mut below = text.lines().skip_while(|line| !line.starts_with("  beta")).skip(1);
        assert!(below.next().unwrap().starts_with("      "), "{state}: {text}");
        assert!(text.contains("1 thing is not as wished"), "{state}: {text}");
    }
    let mut view = views::waiver();
    view.nodes[1].links[0].1 = false;
    let text = shown(view).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("asked by anna@alpha; not heard over 10.0.0.12; its other links"), "{text}");
    for state in ["starting", "stopping", "failed", "blocked", "unknown", "stop-failed", "strange"] {
        let mut view = views::healthy();
        view.resources[2].state = state.to_owned();
        let text = shown(view);
        let mut below = text.lines().skip_while(|line| !line.starts_with("  backup")).skip(1);
        assert!(below.next().unwrap().starts_with("        "), "{state}: {text}");
        assert!(text.contains("1 thing is not as wished"), "{state}: {text}");
    }
}

#[test]
fn check_tells_monitoring_by_its_exit_code() {
    let code = |view| Daemon::with_status(view).hactl(&["status", "--check"]).code;
    assert_eq!(code(views::healthy()), 0);
    assert_eq!(code(views::moved()), 0, "a move is a wish");
    for view in
        [views::forming(), views::no_quorum(), views::fence_failing(), views::blocked(), views::waiver()]
    {
        assert_eq!(code(view), 5);
    }
}

#[test]
fn colours_only_when_asked_for() {
    let daemon = Daemon::with_status(views::fence_failing());
    let plain = daemon.hactl(&["status"]).out;
    let colored = daemon.hactl(&["status", "--color", "always"]).out;
    assert!(colored.contains("\x1b[1;31mfencing\x1b[0m"));
    let mut stripped = colored.clone();
    for code in ["\x1b[1;31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain, "colours change no column");
}

#[test]
fn json_holds_the_view_and_the_judgement() {
    let json = |view| {
        let run = Daemon::with_status(view).hactl(&["--json", "status"]);
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        let mut value: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert!(value["at"].as_i64().unwrap() > 1_700_000_000_000, "{}", value["at"]);
        value["at"] = 0.into();
        serde_json::to_string_pretty(&value).unwrap() + "\n"
    };
    golden("status-healthy.json", &json(views::healthy()));
    golden("status-fence-failing.json", &json(views::fence_failing()));
    golden("status-forming.json", &json(views::forming()));
}

/// A daemon that restarts is what `--watch` is looked at for: it goes on.
#[test]
fn watch_goes_on_when_the_daemon_goes_and_ends_when_nobody_reads() {
    use std::io::BufRead;
    let daemon = Daemon::with_status(views::healthy());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_hactl"))
        .args(["status", "--watch", "--json"])
        .env("HA_SOCKET", &daemon.socket)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["data"]["as_wished"], true);
    drop(daemon);
    let gone = std::iter::repeat_with(&mut next).take(3).find(|look| look["ok"] == false).unwrap();
    assert_eq!(gone["error"]["code"], "daemon-not-running");
    drop(lines);
    assert!(child.wait().unwrap().success(), "ends by itself once nobody reads");
}
