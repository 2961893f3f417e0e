//! S19 where it is applied: what was proposed before a configuration counts, and what was planned before it does not.

use super::*;
use ha_config::Refused;

const CHANGED: [(&str, &str); 2] = [("/bin/db", "/bin/other"), ("name = \"db\"", "name = \"sql\"")];

#[test]
fn s19_what_may_run_is_not_changed_under_it_though_the_permission_came_last() {
    for (old, new) in CHANGED {
        let mut log = Log::new();
        log.may_run("alpha", 1, 1).expect("nothing stands against it");
        let before = log.state.parsed().map(|c| c.sha256);
        let why = log.apply(config(&FILE.replace(old, new))).expect_err("db may be running");
        assert!(why.contains("may be running on alpha"), "{why}");
        assert_eq!(log.state.parsed().map(|c| c.sha256), before, "a void entry must change nothing");
    }
    // The same while nothing runs.
    let mut log = Log::new();
    for (old, new) in CHANGED {
        log.apply(config(&FILE.replace(old, new))).expect("nothing runs");
    }
}

#[test]
fn a_start_planned_before_the_configuration_changed_is_not_permitted_after() {
    let mut log = Log::new();
    log.apply(config(&FILE.replace("name = \"db\"", "name = \"sql\""))).expect("nothing runs");
    let why = log.may_run("alpha", 1, 1).expect_err("there is no db any more");
    assert!(why.contains("does not hold"), "{why}");
}

#[test]
fn s19_levels_of_a_node_that_is_not_proven_off_keep_their_shape() {
    let two = FILE.replace(
        "[[resource]]\nname = \"db\"",
        "[[fence]]\nname = \"pdu-b\"\nagent = \"fence_pdu_snmp\"\noptions = { ip = \"10.0.9.2\" }\n\
         outlets = { alpha = [\"1\"], beta = [\"2\"] }\n[[level]]\nnode = \"alpha\"\ndevices = [\"pdu\", \"pdu-b\"]\n\
         [[resource]]\nname = \"db\"",
    );
    let either = two.replace(
        "devices = [\"pdu\", \"pdu-b\"]",
        "devices = [\"pdu\"]\n[[level]]\nnode = \"alpha\"\ndevices = [\"pdu-b\"]",
    );
    let mut log = Log::new();
    log.apply(config(&two)).expect("nothing runs");
    let why = LostReason::Silent { for_ms: 1000 };
    log.apply(Entry::NodeLost { node: "alpha".into(), incarnation: Some(Incarnation(1)), why })
        .expect("lost");
    let why = log.apply(config(&either)).expect_err("one switch of two would be proof");
    assert!(why.contains("fence path cannot change"), "{why}");
}

fn config(text: &str) -> Entry {
    Entry::Config { name: "cluster.toml".into(), text: text.into(), origin: Origin::Default }
}

/// What `hactl config diff` says is what the log does, for each kind of change, whatever runs meanwhile.
#[test]
fn what_the_difference_calls_refused_is_refused_and_the_rest_is_taken() {
    let old = with_job();
    let fence_b = "[[fence]]\nname = \"pdu-b\"\nagent = \"fence_pdu_snmp\"\noptions = { ip = \"10.0.9.2\" }\n\
                   outlets = { alpha = [\"1\"], beta = [\"2\"] }\n[[level]]\nnode = \"alpha\"\ndevices = [\"pdu\", \
                   \"pdu-b\"]\n[[level]]\nnode = \"beta\"\ndevices = [\"pdu\"]\n[[level]]\nnode = \"beta\"\n\
                   devices = [\"pdu-b\"]\n";
    let delta = "[[node]]\nname = \"delta\"\nrole = \"witness\"\nlinks = [\"10.0.0.4\"]\n[[fence]]";
    let changes: Vec<(&str, String)> = vec![
        ("another name", old.replace("name = \"t\"", "name = \"u\"")),
        ("another link", old.replace("10.0.0.2", "10.0.0.22")),
        (
            "another role",
            old.replace("role = \"witness\"\n", "").replace("[\"2\"]", "[\"2\"], gamma = [\"3\"]"),
        ),
        ("a node more", old.replacen("[[fence]]", delta, 1)),
        ("a switch elsewhere", old.replace("10.0.9.1", "10.0.9.7")),
        ("another outlet", old.replace("alpha = [\"1\"]", "alpha = [\"7\"]")),
        ("more switches", old.replacen("[[resource]]", &format!("{fence_b}[[resource]]"), 1)),
        ("a slower switch", old.replace("[[fence]]", "[[fence]]\ntimeout = \"9s\"")),
        ("db's command", old.replace("/bin/db", "/bin/sql")),
        ("job's command", old.replace("/bin/job", "/bin/task")),
        ("job's object", old.replace("exclusive = false\n", "")),
        ("db gone", old.replace("name = \"db\"", "name = \"sql\"")),
        ("job gone", old.replace("name = \"job\"", "name = \"task\"")),
        ("job disabled", old.replace("name = \"job\"", "name = \"job\"\nenabled = false")),
        ("slower checks", old.replace("[[resource]]", "[[resource]]\nmonitor = { interval = \"9s\" }")),
        ("slower stops", old.replace("[[resource]]", "[[resource]]\nstop_timeout = \"9s\"")),
        ("another priority", old.replace("[[resource]]", "[[resource]]\npriority = 5")),
        ("a group", format!("{old}[[group]]\nname = \"g\"\nmembers = [\"db\", \"job\"]\n")),
        ("another wait", format!("{old}[timing]\nstartup_wait = \"90s\"\n")),
    ];
    let is_parsed = |text: &str| ha_config::parse("f", text).map(|p| p.config).map_err(|d| d.render(false));
    for (what, new) in changes {
        let (before, after) = (is_parsed(&old).expect("valid"), is_parsed(&new).expect(what));
        let words = ha_config::diff(&before, &after);
        assert!(!words.is_empty(), "{what} changes nothing");
        let is_refused = |when: Refused| words.iter().any(|c| c.consequence.refused() == when);
        let always = is_refused(Refused::Always);
        for (case, expected) in [
            ("idle", always),
            ("both run", always || is_refused(Refused::WhileItRuns)),
            ("both are lost", always || is_refused(Refused::WhileUnproven)),
        ] {
            let mut log = in_case(&old, case);
            let taken = log.apply(config(&new));
            assert_eq!(taken.is_err(), expected, "{what}, {case}: {taken:?} against {words:#?}");
            for change in words.iter().filter(|c| c.consequence.refused() != Refused::Never) {
                assert!(change.to_string().contains("refused"), "{change}");
            }
        }
    }
}

/// Alpha and beta, a db that is exclusive, a job that is not.
fn with_job() -> String {
    format!(
        "{FILE}[[resource]]\nname = \"job\"\nagent = \"exec\"\nexclusive = false\noptions = {{ start = \"/bin/job\" }}\n"
    )
}

fn in_case(file: &str, case: &str) -> Log {
    let mut log = Log::new();
    log.ok(config(file));
    let is_up = case == "both run";
    if is_up {
        log.may_run("alpha", 1, 1).expect("nothing stands against it");
    }
    for (node, boot) in [("alpha", 1), ("beta", 2)] {
        let state = if is_up && node == "alpha" { InstanceState::Running } else { InstanceState::Stopped };
        said(&mut log, node, boot, &["db", "job"], state);
    }
    if case == "both are lost" {
        log.lose("alpha", 1);
        log.lose("beta", 2);
    }
    log
}

fn said(log: &mut Log, node: &str, boot: u128, instances: &[&str], state: InstanceState) {
    let observed = || Observed {
        observation: Observation { state, why: None, order: None, failed_op: None },
        failures: 0,
    };
    log.ok(Entry::Observed {
        node: node.into(),
        incarnation: Incarnation(boot),
        session: SessionId(boot),
        seq: log.next,
        acted: (Term(1), PlanId(log.next)),
        instances: instances.iter().map(|i| ((*i).into(), observed())).collect(),
    });
}

#[test]
fn what_needs_no_permission_is_not_changed_before_every_node_has_said_that_it_is_down() {
    let changed = with_job().replace("/bin/job", "/bin/task");
    let mut log = Log::new();
    log.ok(config(&with_job()));
    said(&mut log, "alpha", 1, &["job"], InstanceState::Stopped);
    let why = log.apply(config(&changed)).expect_err("beta may run it");
    assert!(why.contains("beta has not said yet whether job runs there"), "{why}");
    said(&mut log, "beta", 2, &["job"], InstanceState::Running);
    let (why, help) =
        log.state.why_not_config(&ha_config::parse("f", &changed).expect("valid").config).expect("it runs");
    assert!(why.starts_with("job may be running on beta"), "{why}");
    assert_eq!(help, "hactl resource stop job, then apply, then hactl resource start job");
    log.lose("beta", 2);
    let why = log.apply(config(&changed)).expect_err("beta may come back with it");
    assert!(why.contains("beta, which is lost"), "{why}");
    log.join("beta", 9, 9);
    said(&mut log, "beta", 9, &["job"], InstanceState::Stopped);
    log.ok(config(&changed));
}
