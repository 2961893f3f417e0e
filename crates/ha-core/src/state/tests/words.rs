//! What the log takes at its word, and for how long: readings of outlets.

use super::*;
use ha_model::{PathDoubt, PathEvidence};

const OFF: &str = "outlet 1 reads off although the node is up: wrong outlet?";

/// A test of alpha's path by `executor`.
fn test(log: &mut Log, executor: &str, doubt: Option<PathDoubt>) -> Vec<Notice> {
    let (device, target): (DeviceId, NodeId) = ("pdu".into(), "alpha".into());
    let path_hash = log.state.parsed().expect("in force").devices[&device].path_hash;
    let passed = PathEvidence { device: device.clone(), target: target.clone(), path_hash, at: WallMs(0) };
    let result = if doubt.is_some() { Err(OFF.to_owned()) } else { Ok(passed) };
    log.ok(Entry::PathTested { device, target, executor: executor.into(), result, doubt })
}

fn counts(log: &Log) -> bool {
    let config = log.state.parsed().expect("in force");
    log.state.has_evidence(config, &"pdu".into(), &"alpha".into())
}

fn counts_of(log: &Log, executor: &str) -> Result<(), String> {
    log.state.evidence_for(&"pdu".into(), &"alpha".into(), &executor.into()).map(|_| ())
}

#[test]
fn s7_what_reads_off_while_its_node_lives_takes_the_evidence_away_for_all() {
    let mut log = Log::new();
    assert!(counts_of(&log, "beta").is_err_and(|why| why.contains("never read on")));
    test(&mut log, "beta", None);
    test(&mut log, "gamma", None);
    assert!(counts(&log) && counts_of(&log, "gamma").is_ok());
    let told = test(&mut log, "beta", Some(PathDoubt::Outlet));
    assert!(matches!(&told[..], [Notice::PathBroken { .. }]), "{told:?}");
    assert!(!counts(&log));
    assert!(counts_of(&log, "gamma").is_err_and(|why| why.contains(OFF)));
    let config = log.state.parsed().expect("in force");
    let why = log.state.why_no_exclusive(config, &"alpha".into());
    assert!(why.is_some_and(|w| w.contains(OFF)));
    let told = test(&mut log, "gamma", None);
    assert!(matches!(&told[..], [Notice::PathWorks { .. }]), "{told:?}");
    assert!(counts(&log) && counts_of(&log, "beta").is_ok());
}

#[test]
fn s7_an_agent_in_doubt_proves_nothing_and_anothers_does() {
    let mut log = Log::new();
    test(&mut log, "beta", None);
    test(&mut log, "gamma", None);
    test(&mut log, "beta", Some(PathDoubt::Agent));
    assert!(counts(&log), "gamma's agent is whole");
    assert!(counts_of(&log, "beta").is_err() && counts_of(&log, "gamma").is_ok());
    test(&mut log, "gamma", Some(PathDoubt::Agent));
    assert!(!counts(&log), "nobody is left whose reading proves anything");
}
