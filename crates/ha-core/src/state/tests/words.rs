//! What the log takes at its word, and for how long: readings of outlets, a human's word, reasons of fences.

use super::*;
use ha_model::{PathDoubt, PathEvidence};

const OFF: &str = "outlet 1 reads off although the node is up";

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

#[test]
fn who_is_not_lost_is_not_fenced_for_being_lost() {
    let mut log = Log::new();
    let request = |log: &mut Log, reason| {
        let incarnation = Some(Incarnation(1));
        log.apply(Entry::FenceRequested { target: "alpha".into(), incarnation, reason })
    };
    log.lose("alpha", 1);
    log.ok(Entry::NodeReturned { node: "alpha".into(), incarnation: Incarnation(1) });
    for reason in [FenceReason::Lost, FenceReason::NeverSeen, FenceReason::DaemonGone] {
        request(&mut log, reason).expect_err("it has returned");
    }
    request(&mut log, FenceReason::StopFailed { what: "db".into() })
        .expect("that can be so of whom all hear");
}

#[test]
fn s1_a_second_word_of_one_boot_adds_to_the_first() {
    let mut log = Log::new();
    let confirm = |log: &mut Log| {
        let proof = FenceProof {
            target: "alpha".into(),
            incarnation: Some(Incarnation(1)),
            scope: ProofScope::Everything,
            by: "beta".into(),
            evidence: Evidence::Confirmed { by: "op".into() },
            at: WallMs(0),
        };
        log.ok(Entry::FenceConfirmed { proof });
    };
    let freed = |log: &Log| log.state.nodes[&"alpha".into()].freed_by_word.clone();
    log.may_run("alpha", 1, 1).expect("free");
    log.lose("alpha", 1);
    confirm(&mut log);
    assert_eq!(freed(&log), ["db".into()]);
    let (target, incarnation) = ("alpha".into(), Some(Incarnation(1)));
    log.ok(Entry::FenceRequested { target, incarnation, reason: FenceReason::HeardAfterConfirmation });
    let id = FenceId(log.next - 1);
    log.attempt(id, 1).expect("first");
    log.ok(Entry::FenceFailed { id, attempt: 1, why: "no answer".into() });
    confirm(&mut log);
    assert_eq!(freed(&log), ["db".into()], "should it speak once more, db stops once more");
    log.join("alpha", 2, 2);
    assert!(freed(&log).is_empty());
}
