//! A snapshot of a newer version: the node ends rather than apply what follows to the state before it.

use crate::effect::Effect;
use crate::input::Input;
use crate::message::PeerMessage;
use crate::node::{Codec, Node, Restored, Setup};
use crate::state::{ClusterState, ConfigInForce};
use ha_consensus::{
    Body, Entry, Identity, Limits, LogPos, Mark, Membership, Message, Payload, SnapshotMeta, StartError,
};
use ha_model::{
    BootNs, ClusterConfig, Incarnation, Index, LogEntry, NodeId, Now, Origin, PlanId, SessionId, StoreId,
    Term, WallMs,
};
use std::sync::Arc;

const CLUSTER: &str = r#"
name = "test"
[timing]
off_settle = "0ms"
[[node]]
name = "alpha"
links = ["10.0.0.11"]
[[node]]
name = "beta"
links = ["10.0.0.12"]
[[node]]
name = "gamma"
links = ["10.0.0.13"]
"#;

pub(super) const GOOD: u8 = 1;
const NEWER_CONFIG: u8 = 2;
const NEWER_FORM: u8 = 3;

fn decode(bytes: &[u8]) -> Result<ClusterState, String> {
    let text = match bytes {
        [GOOD] => CLUSTER.to_owned(),
        [NEWER_CONFIG] => format!("key_of_a_newer_version = true\n{CLUSTER}"),
        _ => return Err("unexpected variant 77".to_owned()),
    };
    let config =
        ConfigInForce { name: "cluster.toml".into(), text, origin: Origin::Default, index: Index(1) };
    let mut state = ClusterState::default();
    state.config = Some(config);
    Ok(state)
}

pub(super) fn config() -> ClusterConfig {
    ha_config::parse("cluster.toml", CLUSTER).expect("valid").config
}

pub(super) fn node(votes: ha_consensus::Restored<LogEntry>) -> Result<Node, StartError> {
    let setup = Setup {
        me: "gamma".into(),
        incarnation: Incarnation(3),
        session: SessionId(1),
        store: StoreId(3),
        file_name: "cluster.toml".into(),
        file_text: CLUSTER.into(),
        config: Arc::new(config()),
        codec: Codec { encode_state: |_| vec![GOOD], decode_state: decode, entry_size: |_| 64 },
        limits: Limits::default(),
        seed: 3,
    };
    Node::new(setup, Restored { votes, acted: (Term(0), PlanId(0)) }, now(1))
}

pub(super) fn now(ms: u64) -> Now {
    Now { boot: BootNs::from_ms(ms), wall: WallMs(0) }
}

fn meta() -> SnapshotMeta {
    let members: Vec<NodeId> = ["alpha", "beta", "gamma"].map(NodeId::from).to_vec();
    SnapshotMeta {
        pos: LogPos { term: Term(1), index: Index(40) },
        membership: Membership::formed(&members, &[]),
    }
}

fn of_leader(body: Body<LogEntry>) -> Input {
    let identity = Identity {
        store: StoreId(1),
        session: SessionId(1),
        restored: Mark::default(),
        promised: Index(0),
        regressed: None,
    };
    let message = PeerMessage::Raft(Message { term: Term(1), identity, body });
    Input::Message { from: "alpha".into(), message: Box::new(message) }
}

/// Steps, and lets the writes be durable at once; all effects.
pub(super) fn run(node: &mut Node, at: u64, input: Input) -> Vec<Effect> {
    let mut effects = node.step(now(at), input);
    let mut seen = 0;
    while seen < effects.len() {
        if let Effect::Persist { id, .. } = &effects[seen] {
            effects.extend(node.step(now(at), Input::Persisted(*id)));
        }
        seen += 1;
    }
    effects
}

fn follower() -> Node {
    let (voters, learners) = (config().voters(), config().learners());
    node(ha_consensus::Restored::Fresh { voters, learners }).expect("it starts")
}

/// A snapshot, then an entry behind it.
fn follow(kind: u8) -> (Node, Vec<Effect>, Vec<Effect>) {
    let mut node = follower();
    run(&mut node, 2, Input::Tick);
    let chunk = Body::Chunk { meta: meta(), offset: 0, total: 1, bytes: vec![kind] };
    let installed = run(&mut node, 3, of_leader(chunk));
    let entry = Entry { index: Index(41), term: Term(1), payload: Payload::Noop };
    let append = Body::Append { prev: meta().pos, entries: vec![entry], commit: Index(41) };
    let after = run(&mut node, 4, of_leader(append));
    (node, installed, after)
}

fn why(effects: &[Effect]) -> &str {
    match effects {
        [Effect::Halt { why }] => why,
        other => panic!("not a halt alone: {other:?}"),
    }
}

#[test]
fn a_snapshot_that_can_be_read_is_followed() {
    let (node, _, after) = follow(GOOD);
    assert_eq!(node.applied(), Index(41));
    assert!(node.state().parsed().is_some());
    assert!(after.iter().any(|e| matches!(e, Effect::Send { .. })), "{after:?}");
}

#[test]
fn a_snapshot_of_a_newer_version_ends_the_node_before_anything_is_applied_behind_it() {
    for (kind, reason) in [(NEWER_FORM, "unexpected variant 77"), (NEWER_CONFIG, "key_of_a_newer_version")] {
        let (mut node, installed, after) = follow(kind);
        let last = installed.last().map(std::slice::from_ref).unwrap_or_default();
        assert!(why(last).contains(reason) && why(last).contains("upgrade hanode on this node"), "{last:?}");
        // No acknowledgement, beat, vote or grant of that step or any later one.
        let acknowledged = |e: &Effect| {
            matches!(e, Effect::Send { message, .. }
                if matches!(&**message, PeerMessage::Raft(Message { body: Body::AppendAck { .. }, .. })))
        };
        assert!(!installed.iter().any(acknowledged), "{installed:?}");
        why(&after);
        for at in [5, 5_000] {
            why(&run(&mut node, at, Input::Tick));
        }
        assert_eq!(node.applied(), Index(0));
        assert_eq!(node.state().config.as_ref().map(|c| c.index), None);
    }
}

#[test]
fn a_store_that_a_newer_version_wrote_is_not_called_corrupt() {
    for kind in [NEWER_FORM, NEWER_CONFIG] {
        let snapshot = ha_consensus::Snapshot { meta: meta(), data: Arc::from([kind]) };
        let hard = ha_consensus::HardState { term: Term(1), ..ha_consensus::HardState::default() };
        let restored = ha_consensus::Restored::Intact { hard, snapshot, log: Vec::new(), peers: Vec::new() };
        let error = node(restored).expect_err("it must not start").to_string();
        assert!(error.contains("upgrade hanode") && !error.contains("corrupt"), "{error}");
    }
}

#[test]
fn a_configuration_that_only_a_newer_version_reads_ends_the_node_rather_than_be_passed_over() {
    for (text, is_read) in
        [(CLUSTER.to_owned(), true), (format!("key_of_a_newer_version = true\n{CLUSTER}"), false)]
    {
        let (mut node, ..) = follow(GOOD);
        let config = ha_model::Entry::Config { name: "cluster.toml".into(), text, origin: Origin::Default };
        let payload = Payload::App(LogEntry { at: WallMs(0), entry: config });
        let entry = Entry { index: Index(42), term: Term(1), payload };
        let prev = LogPos { term: Term(1), index: Index(41) };
        let append = Body::Append { prev, entries: vec![entry], commit: Index(42) };
        let effects = run(&mut node, 6, of_leader(append));
        let halts = effects.last().is_some_and(|e| matches!(e, Effect::Halt { .. }));
        assert_eq!(halts, !is_read, "{effects:?}");
        if halts {
            why(&run(&mut node, 7, Input::Tick));
        }
    }
}
