//! Cluster files with mistakes, and cluster files that change while the cluster runs.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Writer, exec_resource, helper};
use ha_lab::Output;
use serde_json::{Value, json};
use std::time::Duration;

/// Where the file of a host is, for the host.
const BAD: &str = "/etc/ha/bad.toml";
const NEW: &str = "/etc/ha/new.toml";

/// Both outputs without line breaks, as a reader reads them.
fn words(out: &Output) -> String {
    format!("{}{}", out.stdout, out.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sha(cluster: &Cluster, host: &str) -> String {
    cluster.json(host, &["config", "show", "--sha"])["sha256"].as_str().unwrap_or_default().to_string()
}

/// A second web service, at another port of the address.
fn second_web(port: u16) -> String {
    let program = ha_lab::PROGRAM;
    let start = format!("{program} web --listen 10.0.0.100:{port}");
    let check = format!("{program} ask 10.0.0.100:{port}");
    exec_resource("web2", &[("start", &start), ("check", &check)], "")
}

/// The cluster file with `web2` behind `web` in the group.
fn with_second_web(text: &str, port: u16) -> String {
    let grouped = text.replace("\"vip\", \"web\"", "\"vip\", \"web\", \"web2\"");
    assert_ne!(grouped, text);
    grouped.replacen("\n[[group]]", &format!("{}\n[[group]]", second_web(port)), 1)
}

/// The host that answers at a port of the address, asked from outside.
fn answers_at(cluster: &Cluster, port: u16) -> Option<String> {
    let program = ha_lab::find_program().unwrap().display().to_string();
    let out = cluster.exec("client", &[&program, "ask", &format!("10.0.0.100:{port}")], SOON).unwrap();
    out.is_success().then(|| out.stdout.split(' ').next().unwrap_or_default().to_string())
}

/// One line with place and nearest name for a mistyped key; the line to add for what is unsafe. By the command before,
/// by the daemon at its start, and by the cluster when it is applied; and nothing changes.
#[test]
fn a_bad_cluster_file_is_refused_everywhere_and_changes_nothing() {
    let cluster = Cluster::start(Plan::default());
    let (owner, good) = (cluster.owner(), cluster.cluster_file());
    let (before, events) = (sha(&cluster, "alpha"), cluster.events("alpha").len());
    let no_gamma = good.replace(", gamma = [\"3\"]", "");
    let gamma_table = "\n[[node]]\nname = \"gamma\"";
    let two_members = good[..good.find(gamma_table).unwrap()].to_string()
        + &good[good.find("\n[[fence]]").unwrap()..].replace(", gamma = [\"3\"]", "");
    let cases = [
        (good.replace("interface = ", "interfce = "), "interfce", "did you mean `interface`?"),
        (good.replace("\nlinks = ", "\nlniks = "), "lniks", "did you mean `links`?"),
        (good.replace("\"vip\", \"web\"", "\"vpi\", \"web\""), "vpi", "`vip`"),
        (good.replace("fence_pdu_snmp", "fence_pdu_smnp"), "fence_pdu_smnp", "`fence_pdu_snmp`"),
        (no_gamma, "gamma can run what has one owner", "gamma = [\"…\"]"),
        (two_members, "two members cannot tell which of them is lost", "role = \"witness\""),
    ];
    for (text, what, help) in &cases {
        cluster.write_config("alpha", "bad.toml", text);
        let checked = cluster.hactl("alpha", &["config", "check", BAD]);
        let applied = cluster.hactl("alpha", &["config", "apply", BAD]);
        let start = ["hanode", "--config", BAD, "--node", "alpha", "--data", "/tmp/other"];
        let started = cluster.exec("alpha", &start, SOON).unwrap();
        assert_eq!((checked.code, applied.code, started.code), (Some(2), Some(2), Some(1)), "{what}");
        for out in [&checked, &applied, &started] {
            let text = words(out);
            assert!(text.contains(what) && text.contains(help), "no `{what}` or no `{help}` in:\n{out:?}");
            assert!(text.contains(&format!("{BAD}:")), "no place in:\n{out:?}");
        }
    }
    let typo = &cases[0].0;
    cluster.write_config("alpha", "bad.toml", typo);
    let diagnostics = cluster.json("alpha", &["config", "check", BAD])["diagnostics"].clone();
    assert_eq!(diagnostics.as_array().map(Vec::len), Some(1), "one mistake, one finding: {diagnostics}");
    assert_eq!(sha(&cluster, "beta"), before);
    assert_eq!(cluster.events("alpha").len(), events, "{:#?}", cluster.events("alpha"));
    cluster.hold_undisturbed(&owner, Duration::from_millis(500));
}

/// A cluster file sent straight to a daemon's socket, past every check of the command; the daemon's answer.
fn post_config(cluster: &Cluster, host: &str, text: &str) -> Value {
    let request = json!({"config-apply": {"name": BAD, "text": text}});
    post(cluster, host, "/v1/request", &request.to_string())
}

fn post(cluster: &Cluster, host: &str, path: &str, body: &str) -> Value {
    cluster.write_config(host, "request.json", body);
    let post = ["cluster-helper", "post", "/run/ha/hanode.sock", path, "/etc/ha/request.json"];
    let out = cluster.exec(host, &post, SOON).unwrap();
    assert!(out.is_success(), "{out:?}");
    serde_json::from_str(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"))
}

/// The daemon relies on nobody's check: what is sent straight to its socket is refused with the same diagnostics, by
/// the leader and by who passes it on to him.
#[test]
fn a_bad_cluster_file_past_the_command_is_refused_by_the_daemon_and_changes_nothing() {
    let cluster = Cluster::start(Plan { adjust: |spec| spec.tools.push(helper()), ..Plan::default() });
    let (owner, good, leader) = (cluster.answer(), cluster.cluster_file(), cluster.leader());
    let before = sha(&cluster, &leader);
    let follower = cluster.others(&[&leader])[0].clone();
    let vip = &good[good.find("\n[[resource]]").unwrap()..];
    let vip = &vip[..vip[1..].find("\n[[").unwrap() + 1];
    let cases = [
        good.replace("interface = ", "interfce = "),
        good.replace("\"vip\", \"web\"", "\"vpi\", \"web\""),
        good.replace(", gamma = [\"3\"]", ""),
        good.replace("beta = [\"2\"]", "beta = [\"1\"]"),
        good.replacen("\n[[group]]", &format!("{}\n[[group]]", vip.replace("\"vip\"", "\"vip2\"")), 1),
        good.replace("\n[timing]\n", "\n[timing]\nt_lease = \"950ms\"\n"),
        "name = [".into(),
        String::new(),
    ];
    for text in &cases {
        assert_ne!(text, &good);
        cluster.write_config(&leader, "bad.toml", text);
        let checked = words(&cluster.hactl(&leader, &["config", "check", BAD]));
        let diagnostics = cluster.json(&leader, &["config", "check", BAD])["diagnostics"].clone();
        let errors = diagnostics.as_array().unwrap().iter().filter(|d| d["severity"] == "error").count();
        assert!(errors > 0, "{checked}");
        for host in [&leader, &follower] {
            let answer = post_config(&cluster, host, text);
            let why = answer["reply"]["refused"]["why"].as_str();
            let why = why.unwrap_or_else(|| panic!("not refused by {host}: {answer}\n{text}"));
            let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
            let (findings, _) = why.rsplit_once(&format!("{BAD}: {errors} error")).unwrap_or_else(|| {
                panic!("{errors} findings of the command, but the daemon of {host}: {why}\n{checked}")
            });
            assert!(checked.contains(findings.trim()), "daemon:\n{findings}\ncommand:\n{checked}");
        }
    }
    // What is no request at all, or too long for one.
    for body in ["{\"config-apply\": 7}".to_string(), "[".repeat(100_000), " ".repeat(3 << 20)] {
        let answer = post(&cluster, &leader, "/v1/request", &body);
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
    assert_eq!(post(&cluster, &leader, "/v1/nothing", "{}")["error"]["code"], "wrong-protocol");
    assert!(cluster.hosts_named().iter().all(|h| sha(&cluster, h) == before));
    cluster.hold_undisturbed(&owner.host, Duration::from_millis(500));
    let now = cluster.answer();
    assert_eq!((now.host, now.pid), (owner.host, owner.pid));
    // And a good one is taken by the same way.
    let better = good.replace("stickiness = 1000", "stickiness = 7");
    let answer = post_config(&cluster, &follower, &better);
    assert!(answer["reply"]["done"].is_object(), "{answer}");
    assert_ne!(sha(&cluster, &leader), before);
}

/// What is unsafe can be waived by name, and the name is shown for ever after.
#[test]
fn a_waiver_is_accepted_by_its_name_and_shown() {
    let cluster = Cluster::start(Plan::default());
    let text = cluster.cluster_file().replace(", gamma = [\"3\"]", "");
    let waived = format!("waivers = [\"i-accept-that-unfenced-members-block-recovery\"]\n{text}");
    cluster.write_config("alpha", "new.toml", &waived);
    cluster.hactl_ok("alpha", &["config", "apply", NEW]);
    let shown = words(&cluster.hactl("beta", &["status"]));
    assert!(shown.contains("i-accept-that-unfenced-members-block-recovery"), "{shown}");
}

/// A good file takes effect everywhere, and outlives the leader that took it.
#[test]
fn a_good_cluster_file_takes_effect_everywhere() {
    let plan = Plan { writer: Writer::None, ..Plan::default() };
    let cluster = Cluster::start(plan.time("off_dwell", "30s"));
    let (owner, before) = (cluster.owner(), sha(&cluster, "alpha"));
    assert_eq!(answers_at(&cluster, 81), None);
    cluster.write_config("beta", "new.toml", &with_second_web(&cluster.cluster_file(), 81));
    let shown = words(&cluster.hactl("beta", &["config", "diff", NEW]));
    assert!(shown.contains("web2"), "{shown}");
    cluster.hactl_ok("beta", &["config", "apply", NEW]);
    cluster.wait("the new service", SOON, || answers_at(&cluster, 81).as_deref() == Some(&owner));
    let after = sha(&cluster, "alpha");
    assert_ne!(after, before);
    assert!(cluster.hosts_named().iter().all(|h| sha(&cluster, h) == after));
    assert_eq!(cluster.owner(), owner, "what ran was left alone");
    cluster.power_off(&owner).unwrap();
    let new = cluster.wait_owner_other_than(&owner, SOON).host;
    cluster.wait("the new service there", SOON, || answers_at(&cluster, 81).as_deref() == Some(&new));
    assert_eq!(sha(&cluster, &new), after);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

/// What runs cannot become something else under itself; the refusal's own way out leads there.
#[test]
fn options_of_a_running_resource_change_by_the_way_out() {
    let cluster = Cluster::start(Plan { writer: Writer::None, ..Plan::default() });
    let text = cluster.cluster_file();
    cluster.write_config("alpha", "new.toml", &with_second_web(&text, 81));
    cluster.hactl_ok("alpha", &["config", "apply", NEW]);
    cluster.wait("the second service", SOON, || answers_at(&cluster, 81).is_some());
    cluster.write_config("alpha", "new.toml", &with_second_web(&text, 82));
    let refused = cluster.hactl("alpha", &["config", "apply", NEW]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let why = words(&refused);
    for part in ["web2 may be running on", "hactl resource stop web2", "hactl resource start web2"] {
        assert!(why.contains(part), "no `{part}` in: {why}");
    }
    assert!(answers_at(&cluster, 81).is_some());
    cluster.hactl_ok("alpha", &["resource", "stop", "web2"]);
    cluster.wait("web2 to stop", SOON, || answers_at(&cluster, 81).is_none());
    cluster.wait("the new options to be taken", SOON, || {
        cluster.hactl("alpha", &["config", "apply", NEW]).is_success()
    });
    cluster.hactl_ok("alpha", &["resource", "start", "web2"]);
    cluster.wait("the service with its new options", SOON, || answers_at(&cluster, 82).is_some());
    assert_eq!(answers_at(&cluster, 81), None);
}

/// A program that is not there is named by its path, on each node where it was tried.
#[test]
fn a_missing_program_is_named_by_its_path() {
    let missing = exec_resource("ghost", &[("start", "/usr/lib/shop/no-such-program --serve")], "");
    let plan = Plan { more_toml: missing, writer: Writer::None, ..Plan::default() };
    let cluster = Cluster::start(Plan { wait_for_service: false, ..plan });
    cluster.wait_problem("alpha", &["resource ghost", "/usr/lib/shop/no-such-program"], LONG);
    // The rest of the cluster is none of its business.
    cluster.owner();
    assert!(cluster.hosts_named().iter().all(|h| cluster.switched_off(h) == 0), "nobody is fenced for it");
}

/// A file on one host that differs from the one in force: the one in force rules.
#[test]
fn a_differing_file_on_one_host_does_not_rule() {
    let cluster = Cluster::start(Plan::default());
    let owner = cluster.owner();
    let other = cluster.others(&[&owner])[0].clone();
    let before = sha(&cluster, &owner);
    let text = cluster.cluster_file().replace("stickiness = 1000", "stickiness = 7");
    cluster.write_config(&other, "cluster.toml", &text);
    cluster.kill_daemon(&other);
    cluster.wait("its daemon to be back", LONG, || sha(&cluster, &other) == before && cluster.is_quiet());
    assert_eq!(cluster.owner(), owner);
    assert_eq!(cluster.switched_off(&other), 0);
}
