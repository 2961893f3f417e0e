//! S19 where it is applied: what was proposed before a configuration counts, and what was planned before it does not.

use super::*;

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
