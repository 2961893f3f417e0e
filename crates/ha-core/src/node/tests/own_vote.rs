//! A node whose own vote does not count says so while a vote of it is counted on, and no longer.

use super::halt::{GOOD, node, now, run};
use crate::effect::Effect;
use crate::input::Input;
use ha_consensus::{HardState, LogPos, Membership, SnapshotMeta};
use ha_model::{AdminReply, AdminRequest, Index, NodeId, Term};
use std::sync::Arc;

/// What gamma warns of, whose store was damaged, with these voters and learners in its log.
fn warned(voters: &[&str], learners: &[&str]) -> Vec<String> {
    let ids = |names: &[&str]| names.iter().map(|n| NodeId::from(*n)).collect::<Vec<_>>();
    let meta = SnapshotMeta {
        pos: LogPos { term: Term(1), index: Index(40) },
        membership: Membership::formed(&ids(voters), &ids(learners)),
    };
    let hard = HardState { term: Term(1), no_vote: true, ..HardState::default() };
    let snapshot = ha_consensus::Snapshot { meta, data: Arc::from([GOOD]) };
    let restored = ha_consensus::Restored::Intact { hard, snapshot, log: Vec::new(), peers: Vec::new() };
    let mut node = node(restored).expect("it starts");
    let told = run(&mut node, 2, Input::Tick);
    assert!(node.step(now(2), Input::Tick).iter().all(|e| !matches!(e, Effect::Halt { .. })), "{told:?}");
    let ask = Input::Admin { id: 1, who: "test".into(), request: AdminRequest::Status };
    let answer = run(&mut node, 3, ask).into_iter().find_map(|e| match e {
        Effect::AdminReply { reply, .. } => Some(*reply),
        _ => None,
    });
    let Some(AdminReply::Status(view)) = answer else { panic!("{answer:?}") };
    let told = told.into_iter().filter_map(|e| match e {
        Effect::TellLocal(notice) => Some(notice.text()),
        _ => None,
    });
    told.chain(view.warnings.into_iter().map(|(_, _, text)| text)).filter(|t| t.contains("no vote")).collect()
}

/// "To let a member without a vote vote in its place" was its advice for ever, also when that was long done.
#[test]
fn who_was_voted_out_misses_no_vote() {
    assert_eq!(warned(&["alpha", "beta", "gamma"], &[]).len(), 2, "told once, and in status");
    assert_eq!(warned(&["alpha", "beta", "delta"], &["gamma"]), Vec::<String>::new());
}
