//! Operators' wishes end with what they were for: none is left behind that nobody sees.

use super::*;
use ha_model::{Origin, Wish};

fn by() -> Origin {
    Origin::Admin { who: "anna".into(), when: WallMs(0), until: None }
}

fn enabled(on: bool) -> Entry {
    Entry::Wish { origin: by(), wish: Wish::Enabled { resource: "db".into(), enabled: on } }
}

fn restart() -> Entry {
    Entry::Wish { origin: by(), wish: Wish::Restart { resource: "db".into() } }
}

fn file(text: &str) -> Entry {
    Entry::Config { name: "f".into(), text: text.into(), origin: Origin::Default }
}

fn disabled() -> String {
    FILE.replace("name = \"db\"", "name = \"db\"\nenabled = false")
}

fn pin(log: &Log) -> Option<bool> {
    log.state.wishes.enabled.get(&"db".into()).map(|(on, _)| *on)
}

/// The way out that the guard of configurations recommends: stop, apply, start.
#[test]
fn a_start_or_stop_that_the_file_says_too_leaves_no_pin() {
    let mut log = Log::new();
    log.ok(enabled(true));
    assert_eq!(pin(&log), None, "the file says so already");
    log.ok(enabled(false));
    assert_eq!(pin(&log), Some(false));
    log.ok(file(&FILE.replace("/bin/db", "/bin/other")));
    assert_eq!(pin(&log), Some(false), "the file says nothing new of whether it shall run");
    log.ok(enabled(true));
    assert_eq!(pin(&log), None, "as the file says again");
    log.ok(file(&disabled()));
    log.ok(enabled(false));
    assert_eq!(pin(&log), None);
    log.ok(enabled(true));
    assert_eq!(pin(&log), Some(true));
}

#[test]
fn a_file_that_says_something_new_ends_the_wish_before_it() {
    let mut log = Log::new();
    log.ok(enabled(false));
    log.ok(file(&disabled()));
    assert_eq!(pin(&log), None);
    log.ok(enabled(true));
    log.ok(file(&disabled().replace("/bin/db", "/bin/other")));
    assert_eq!(pin(&log), Some(true), "that file says nothing new of it");
    log.ok(file(FILE));
    assert_eq!(pin(&log), None);
}

#[test]
fn what_is_removed_takes_its_wishes_and_failures_with_it() {
    let mut log = Log::new();
    log.ok(enabled(false));
    let failed = FailureRecord { at: WallMs(0), op: ha_model::FailedOp::Start, why: "died".into() };
    log.state.failures.entry("db".into()).or_default().insert("alpha".into(), vec![failed]);
    log.ok(file(&FILE.replace("name = \"db\"", "name = \"sql\"")));
    log.ok(file(FILE));
    assert_eq!(pin(&log), None, "another resource of that name, and somebody's old wish");
    assert!(log.state.failures.is_empty());
    log.ok(file(&FILE.replace("name = \"db\"", "name = \"sql\"")));
    log.apply(enabled(false)).expect_err("there is no db");
}

#[test]
fn only_what_is_up_is_restarted() {
    let mut log = Log::new();
    let why = log.apply(restart()).expect_err("nothing runs");
    assert!(why.contains("does not run"), "{why}");
    log.observe("alpha", 1, 1, 1, InstanceState::Stopped).expect("probed");
    log.observe("beta", 2, 1, 1, InstanceState::Stopped).expect("probed");
    log.apply(restart()).expect_err("it is stopped");
    log.observe("alpha", 1, 2, 2, InstanceState::Running).expect("runs");
    log.ok(restart());
    log.observe("alpha", 1, 3, 3, InstanceState::Stopping).expect("stops");
    assert!(!log.state.wishes.restart.is_empty(), "under way");
    log.observe("alpha", 1, 4, 4, InstanceState::Stopped).expect("stopped");
    assert!(log.state.wishes.restart.is_empty(), "done");
}

#[test]
fn a_restart_ends_with_the_node_on_which_it_was_asked_for() {
    let mut log = Log::new();
    log.observe("alpha", 1, 1, 1, InstanceState::Running).expect("runs");
    log.observe("beta", 2, 1, 1, InstanceState::Stopped).expect("probed");
    log.ok(restart());
    log.lose("alpha", 1);
    assert!(log.state.wishes.restart.is_empty(), "an outage more after the failover");
    log.apply(restart()).expect_err("what ran on a lost node is no running resource");
}

/// The daemon restarts before the stop: whether there is something to restart is known when it is probed.
#[test]
fn a_restart_waits_for_the_probe_of_a_new_session() {
    for (state, is_kept) in [(InstanceState::Running, true), (InstanceState::Stopped, false)] {
        let mut log = Log::new();
        log.observe("alpha", 1, 1, 1, InstanceState::Running).expect("runs");
        log.observe("beta", 2, 1, 1, InstanceState::Stopped).expect("probed");
        log.ok(restart());
        log.join("alpha", 1, 7);
        assert!(!log.state.wishes.restart.is_empty(), "nobody has looked yet");
        let observation = Observation { state, why: None, order: None, failed_op: None };
        log.ok(Entry::Observed {
            node: "alpha".into(),
            incarnation: Incarnation(1),
            session: SessionId(7),
            seq: 1,
            acted: (Term(1), PlanId(2)),
            instances: vec![("db".into(), Observed { observation, failures: 0 })],
        });
        assert_eq!(!log.state.wishes.restart.is_empty(), is_kept, "{state:?}");
    }
}
