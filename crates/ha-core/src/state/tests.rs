//! The rules of applying, one by one: what the log itself refuses, whatever a leader proposed.

mod config;
mod free;
mod wishes;
mod words;

use super::*;
use ha_model::{
    AgentName, Entry, Evidence, FenceMarks, FenceProof, FenceReason, Incarnation, InstanceState, LogEntry,
    LostReason, Observation, Observed, OrderStamp, PlanId, ProofScope, SessionId, Term,
};
use ha_scheduler::NodeStatus;

const FILE: &str = r#"
name = "t"
[[node]]
name = "alpha"
links = ["10.0.0.1"]
[[node]]
name = "beta"
links = ["10.0.0.2"]
[[node]]
name = "gamma"
role = "witness"
links = ["10.0.0.3"]
[[fence]]
name = "pdu"
agent = "fence_pdu_snmp"
options = { ip = "10.0.9.1" }
outlets = { alpha = ["1"], beta = ["2"] }
[[resource]]
name = "db"
agent = "exec"
options = { start = "/bin/db" }
"#;

struct Log {
    state: ClusterState,
    next: u64,
}

impl Log {
    /// A cluster with alpha and beta up.
    fn new() -> Self {
        let mut log = Log { state: ClusterState::default(), next: 1 };
        log.ok(Entry::Config { name: "f".into(), text: FILE.into(), origin: Origin::Default });
        for (node, boot) in [("alpha", 1), ("beta", 2)] {
            log.join(node, boot, boot);
        }
        log
    }

    fn apply(&mut self, entry: Entry) -> Result<Vec<Notice>, String> {
        let index = Index(self.next);
        self.next += 1;
        let before = self.state.clone();
        let notices = self.state.apply(index, &LogEntry { at: WallMs(self.next as i64), entry }).notices;
        match notices.first() {
            Some(Notice::EntryVoid { why, .. }) => {
                let mut after = self.state.clone();
                after.events = before.events.clone();
                assert_eq!(after, before, "an entry without effect changed something");
                Err(why.clone())
            }
            _ => Ok(notices),
        }
    }

    fn ok(&mut self, entry: Entry) -> Vec<Notice> {
        self.apply(entry).expect("takes effect")
    }

    fn join(&mut self, node: &str, boot: u128, session: u128) {
        let entry = Entry::NodeJoined {
            node: node.into(),
            incarnation: Incarnation(boot),
            session: SessionId(session),
        };
        self.ok(entry);
    }

    fn may_run(&mut self, node: &str, boot: u128, plan: u64) -> Result<Vec<Notice>, String> {
        let (incarnation, session) = (Incarnation(boot), SessionId(boot));
        let stamp = OrderStamp { term: Term(1), plan: PlanId(plan), incarnation, session };
        self.apply(Entry::MayRun {
            objects: vec!["service/db".into()],
            instance: "db".into(),
            node: node.into(),
            incarnation,
            stamp,
        })
    }

    fn observe(
        &mut self,
        node: &str,
        boot: u128,
        seq: u64,
        acted: u64,
        state: InstanceState,
    ) -> Result<Vec<Notice>, String> {
        let observation = Observation { state, why: None, order: None, failed_op: None };
        self.apply(Entry::Observed {
            node: node.into(),
            incarnation: Incarnation(boot),
            session: SessionId(boot),
            seq,
            acted: (Term(1), PlanId(acted)),
            instances: vec![("db".into(), Observed { observation, failures: 0 })],
        })
    }

    fn lose(&mut self, node: &str, boot: u128) {
        let why = LostReason::Silent { for_ms: 1000 };
        self.ok(Entry::NodeLost { node: node.into(), incarnation: Some(Incarnation(boot)), why });
    }

    /// Requests a fence; returns its number.
    fn request(&mut self, node: &str, boot: u128) -> FenceId {
        let incarnation = Some(Incarnation(boot));
        self.ok(Entry::FenceRequested { target: node.into(), incarnation, reason: FenceReason::Lost });
        FenceId(self.next - 1)
    }

    fn attempt(&mut self, id: FenceId, attempt: u32) -> Result<Vec<Notice>, String> {
        self.apply(Entry::FenceAttempt { id, attempt, executor: "beta".into() })
    }

    fn prove(
        &mut self,
        id: FenceId,
        node: &str,
        boot: u128,
        scope: ProofScope,
    ) -> Result<Vec<Notice>, String> {
        let evidence = Evidence::ReadOff { level: 1, devices: vec!["pdu".into()], readings: 2 };
        let proof = FenceProof {
            target: node.into(),
            incarnation: Some(Incarnation(boot)),
            scope,
            by: "beta".into(),
            evidence,
            at: WallMs(0),
        };
        self.apply(Entry::FenceProven { id, proof, marks: FenceMarks::default() })
    }

    fn holder(&self) -> Option<String> {
        self.state.may_run.values().next().map(|m| m.node.to_string())
    }
}

#[test]
fn s17_one_permission_for_one_object() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    let why = log.may_run("beta", 2, 2).expect_err("alpha may still hold it");
    assert!(why.contains("alpha"), "{why}");
    log.may_run("alpha", 1, 3).expect("the same holder may be ordered again");
}

#[test]
fn a_stop_closes_only_when_the_newest_start_order_was_acted_on() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 5).expect("free");
    log.observe("alpha", 1, 1, 4, InstanceState::Stopped).expect("a report from before the order");
    assert_eq!(log.holder().as_deref(), Some("alpha"), "a start may still be on its way");
    log.observe("alpha", 1, 2, 5, InstanceState::Running).expect("runs");
    log.observe("alpha", 1, 3, 6, InstanceState::Failed).expect("fails");
    assert!(log.holder().is_some(), "failed is not stopped");
    log.observe("alpha", 1, 4, 7, InstanceState::Stopped).expect("stopped");
    assert_eq!(log.holder(), None);
}

#[test]
fn reports_out_of_order_or_of_another_life_are_void() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    log.observe("alpha", 1, 5, 1, InstanceState::Running).expect("runs");
    log.observe("alpha", 1, 4, 9, InstanceState::Stopped).expect_err("older than what is known");
    log.join("alpha", 1, 7);
    log.observe("alpha", 1, 6, 9, InstanceState::Stopped).expect_err("of the session before");
    assert!(log.holder().is_some());
}

#[test]
fn s2_a_lost_node_keeps_its_permissions_until_proof() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    log.lose("alpha", 1);
    log.may_run("beta", 2, 2).expect_err("lost is not off");
    let id = log.request("alpha", 1);
    log.attempt(id, 1).expect("first");
    log.may_run("beta", 2, 3).expect_err("off was asked, not proven");
    log.prove(id, "alpha", 1, ProofScope::Everything).expect("proof");
    log.may_run("beta", 2, 4).expect("free now");
}

#[test]
fn s7_a_proof_is_for_one_boot_and_only_after_an_off() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    log.lose("alpha", 1);
    let id = log.request("alpha", 1);
    log.prove(id, "alpha", 1, ProofScope::Everything).expect_err("no off was sent");
    log.attempt(id, 1).expect("first");
    log.prove(id, "alpha", 9, ProofScope::Everything).expect_err("another boot");
    log.prove(id, "beta", 1, ProofScope::Everything).expect_err("another node");
    assert!(log.holder().is_some());
}

#[test]
fn a_proof_frees_only_what_its_scope_covers() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    log.lose("alpha", 1);
    let id = log.request("alpha", 1);
    log.attempt(id, 1).expect("first");
    let disk = ProofScope::Objects(["disk/a".into()].into());
    log.prove(id, "alpha", 1, disk).expect("a proof for a disk");
    assert!(log.holder().is_some(), "a disk's proof covers no service");
    assert_ne!(log.state.nodes[&"alpha".into()].status, NodeStatus::Off);
}

#[test]
fn s18_a_condemned_boot_never_counts_again() {
    let mut log = Log::new();
    log.lose("alpha", 1);
    let id = log.request("alpha", 1);
    log.attempt(id, 1).expect("first");
    let back = Entry::NodeReturned { node: "alpha".into(), incarnation: Incarnation(1) };
    log.apply(back).expect_err("an off may have been sent");
    for session in [1, 8] {
        let entry = Entry::NodeJoined {
            node: "alpha".into(),
            incarnation: Incarnation(1),
            session: SessionId(session),
        };
        log.apply(entry).expect_err("the boot is condemned");
    }
    log.may_run("alpha", 1, 2).expect_err("nothing is permitted to it");
    log.observe("alpha", 1, 9, 9, InstanceState::Stopped).expect_err("its results are refused");
    log.join("alpha", 3, 3);
    assert!(log.state.fences.is_empty(), "the new boot ends the old one");
}

#[test]
fn a_lost_node_may_return_before_anything_was_sent() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    log.lose("alpha", 1);
    log.request("alpha", 1);
    log.ok(Entry::NodeReturned { node: "alpha".into(), incarnation: Incarnation(1) });
    assert!(log.state.fences.is_empty());
    assert_eq!(log.holder().as_deref(), Some("alpha"), "it still runs what it ran");
}

#[test]
fn a_fence_is_withdrawn_only_before_its_first_attempt() {
    let mut log = Log::new();
    log.lose("alpha", 1);
    let id = log.request("alpha", 1);
    log.attempt(id, 1).expect("first");
    log.apply(Entry::FenceWithdrawn { id }).expect_err("an off may have been sent");
    log.attempt(id, 3).expect_err("attempts are counted one by one");
    log.attempt(id, 2).expect("second");
}

#[test]
fn only_a_new_boot_ends_the_old_one_a_new_session_inherits() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    log.join("alpha", 1, 7);
    assert!(log.holder().is_some(), "a restarted daemon's services may still run");
    assert!(log.state.instances.values().all(|n| !n.contains_key(&"alpha".into())), "but must be probed");
    log.join("alpha", 5, 8);
    assert_eq!(log.holder(), None, "another boot cannot run what the old one ran");
    let entry =
        Entry::NodeJoined { node: "alpha".into(), incarnation: Incarnation(1), session: SessionId(9) };
    log.apply(entry).expect_err("a boot that is over does not come back");
}

#[test]
fn s9_too_many_fences_hold_the_node() {
    let mut log = Log::new();
    let mut held = false;
    for boot in 10..13 {
        log.join("alpha", boot, boot);
        log.lose("alpha", boot);
        let id = log.request("alpha", boot);
        log.attempt(id, 1).expect("first");
        assert!(!held, "held after {} fences", boot - 10);
        let notices = log.prove(id, "alpha", boot, ProofScope::Everything).expect("proof");
        held = notices.iter().any(|n| matches!(n, Notice::NodeHeld { .. }));
    }
    assert!(held && log.state.nodes[&"alpha".into()].is_held);
}

#[test]
fn s9_what_a_human_cuts_does_not_hold_the_node() {
    let mut log = Log::new();
    for boot in 10..16 {
        log.join("alpha", boot, boot);
        let target: NodeId = "alpha".into();
        let reason = FenceReason::Asked { by: "anna".into() };
        log.apply(Entry::FenceRequested {
            target: target.clone(),
            incarnation: Some(Incarnation(boot)),
            reason,
        })
        .expect("asked");
        let (id, _) = log.state.fence_of(&target).expect("open");
        log.attempt(id, 1).expect("first");
        log.prove(id, "alpha", boot, ProofScope::Everything).expect("proof");
        assert!(!log.state.nodes[&target].is_held, "held after {} fences", boot - 9);
    }
}

#[test]
fn s19_a_node_that_may_run_something_cannot_leave() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    let leave = || Entry::NodeLeft { node: "alpha".into(), incarnation: Incarnation(1) };
    let why = log.apply(leave()).expect_err("it may run the service");
    assert!(why.contains("service/db"), "{why}");
    log.observe("alpha", 1, 1, 1, InstanceState::Stopped).expect("stopped");
    log.ok(leave());
}

#[test]
fn a_confirmation_frees_and_bars_like_a_proof() {
    let mut log = Log::new();
    log.may_run("alpha", 1, 1).expect("free");
    let confirm = |boot| Entry::FenceConfirmed {
        proof: FenceProof {
            target: "alpha".into(),
            incarnation: Some(Incarnation(boot)),
            scope: ProofScope::Everything,
            by: "beta".into(),
            evidence: Evidence::Confirmed { by: "op".into() },
            at: WallMs(0),
        },
    };
    log.apply(confirm(1)).expect_err("it takes part");
    log.lose("alpha", 1);
    log.apply(confirm(2)).expect_err("another boot");
    log.ok(confirm(1));
    assert_eq!(log.holder(), None);
    assert!(log.state.nodes[&"alpha".into()].has_ended(Incarnation(1)));
}

#[test]
fn a_failure_counts_once_however_often_it_is_reported() {
    let mut log = Log::new();
    let report = |log: &mut Log, seq, failures| {
        let observation = Observation {
            state: InstanceState::Failed,
            why: Some("died".into()),
            order: None,
            failed_op: Some(ha_model::FailedOp::Monitor),
        };
        log.ok(Entry::Observed {
            node: "alpha".into(),
            incarnation: Incarnation(1),
            session: SessionId(1),
            seq,
            acted: (Term(1), PlanId(1)),
            instances: vec![("db".into(), Observed { observation, failures })],
        });
    };
    let count = |log: &Log| log.state.failures[&"db".into()][&"alpha".into()].len();
    report(&mut log, 1, 1);
    report(&mut log, 2, 1);
    assert_eq!(count(&log), 1);
    report(&mut log, 3, 2);
    assert_eq!(count(&log), 2);
}

#[test]
fn evidence_lapses_with_the_path_that_it_was_read_through() {
    let mut log = Log::new();
    let config = std::sync::Arc::clone(log.state.parsed().expect("in force"));
    let device: DeviceId = "pdu".into();
    let tested = |hash| Entry::PathTested {
        device: "pdu".into(),
        target: "alpha".into(),
        executor: "beta".into(),
        result: Ok(ha_model::PathEvidence {
            device: "pdu".into(),
            target: "alpha".into(),
            path_hash: hash,
            at: WallMs(0),
        }),
        doubt: None,
    };
    log.ok(tested(config.devices[&device].path_hash));
    assert!(log.state.has_evidence(&config, &device, &"alpha".into()));
    let text = FILE.replace("10.0.9.1", "10.0.9.7");
    log.ok(Entry::Config { name: "f".into(), text, origin: Origin::Default });
    let config = std::sync::Arc::clone(log.state.parsed().expect("in force"));
    assert_eq!(config.devices[&device].agent, AgentName::from("fence_pdu_snmp"));
    assert!(!log.state.has_evidence(&config, &device, &"alpha".into()), "another switch, no evidence");
}
