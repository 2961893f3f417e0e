//! One core driven by hand: what it refuses at start, its bounds, its first writes. Guards S10 S13 S15 S16.

#![allow(clippy::unwrap_used, reason = "helpers of a test: a broken assumption shall end it")]

use ha_consensus::{
    Entry, Event, HardState, LogPos, Membership, Payload, Persist, ProposeError, Raft, Ready, Restored, Role,
    Settings, Snapshot, SnapshotError, SnapshotMeta, StartError, Timer,
};
use ha_model::{BootNs, Index, NodeId, SessionId, StoreId, Term};
use std::time::Duration;

const T_LOST: Duration = Duration::from_millis(1000);

fn settings() -> Settings<String> {
    Settings::derived(NodeId::from("a"), StoreId(1), SessionId(1), T_LOST, String::len)
}

fn ids(names: &[&str]) -> Vec<NodeId> {
    names.iter().map(|n| NodeId::from(*n)).collect()
}

fn fresh(voters: &[&str]) -> Restored<String> {
    Restored::Fresh { voters: ids(voters), learners: Vec::new() }
}

fn start(settings: Settings<String>, restored: Restored<String>) -> Result<Raft<String>, StartError> {
    Raft::new(settings, restored, BootNs::from_ms(10), 1)
}

fn ms(ms: u64) -> BootNs {
    BootNs::from_ms(ms)
}

/// Confirms each write at once until nothing is left; returns all that came out.
fn drain(raft: &mut Raft<String>, now: BootNs) -> Vec<Ready<String>> {
    let mut all = Vec::new();
    loop {
        let ready = raft.take_ready();
        if ready.is_empty() {
            return all;
        }
        let id = ready.persist.as_ref().map(|p| p.id);
        all.push(ready);
        if let Some(id) = id {
            raft.persisted(now, id);
        }
    }
}

fn single(settings: Settings<String>) -> Raft<String> {
    let mut raft = start(settings, fresh(&["a"])).unwrap();
    let _ = drain(&mut raft, ms(10));
    while !raft.is_serving() {
        let at = raft.next_deadline().expect("a single voter elects itself");
        raft.tick(at);
        let _ = drain(&mut raft, at);
    }
    raft
}

fn entry(index: u64, term: u64) -> Entry<String> {
    Entry { index: Index(index), term: Term(term), payload: Payload::App(String::new()) }
}

#[test]
fn unsafe_settings_are_refused() {
    let lease = Settings { t_lease: T_LOST * 81 / 100, ..settings() };
    assert!(matches!(start(lease, fresh(&["a"])), Err(StartError::Lease { .. })));
    let zero = Settings { retransmit: Duration::ZERO, ..settings() };
    assert_eq!(start(zero, fresh(&["a"])).err(), Some(StartError::Zero));
    let mut bound = settings();
    bound.limits.log_entries = bound.limits.log_tail;
    assert_eq!(start(bound, fresh(&["a"])).err(), Some(StartError::LogBound));
    assert_eq!(start(settings(), fresh(&["a", "b"])).err(), Some(StartError::EvenVoters(2)));
    assert_eq!(start(settings(), fresh(&[])).err(), Some(StartError::EvenVoters(0)));
    for n in [1, 3, 5] {
        assert!(start(settings(), fresh(&["a", "b", "c", "d", "e"][..n])).is_ok());
    }
}

#[test]
fn a_store_that_contradicts_itself_is_refused() {
    let at = |term, index| LogPos { term: Term(term), index: Index(index) };
    let intact = |hard: (u64, u64), pos, log| Restored::Intact {
        hard: HardState { term: Term(hard.0), acked: Index(hard.1), ..HardState::default() },
        snapshot: Snapshot {
            meta: SnapshotMeta { pos, membership: Membership::formed(&ids(&["a"]), &[]) },
            data: [].into(),
        },
        log,
        peers: Vec::new(),
    };
    let good: Vec<Restored<String>> = vec![
        intact((2, 0), at(0, 0), vec![]),
        intact((2, 6), at(2, 4), vec![entry(5, 2), entry(6, 2)]),
        intact((2, 5), at(1, 4), vec![entry(3, 1), entry(4, 1), entry(5, 2)]),
        intact((2, 5), at(1, 4), vec![entry(4, 1), entry(5, 2)]),
        intact((9, 0), at(1, 2), vec![entry(1, 1), entry(2, 1)]),
    ];
    for restored in good {
        let raft = start(settings(), restored.clone());
        assert!(raft.is_ok(), "{restored:?}: {:?}", raft.err());
    }
    let bad: Vec<(&str, Restored<String>)> = vec![
        ("gap in the log", intact((2, 0), at(0, 0), vec![entry(1, 1), entry(3, 1)])),
        ("terms fall", intact((2, 0), at(2, 4), vec![entry(5, 1)])),
        ("gap after the snapshot", intact((2, 0), at(1, 4), vec![entry(6, 2)])),
        ("log ends before the snapshot", intact((2, 0), at(1, 4), vec![entry(2, 1), entry(3, 1)])),
        ("another entry than the snapshot's", intact((2, 0), at(2, 2), vec![entry(1, 1), entry(2, 1)])),
        ("term older than the log", intact((1, 0), at(0, 0), vec![entry(1, 2)])),
        ("acknowledged more than it holds", intact((2, 3), at(0, 0), vec![entry(1, 2), entry(2, 2)])),
    ];
    for (what, restored) in bad {
        let error = start(settings(), restored).err();
        assert!(matches!(error, Some(StartError::Inconsistent(_))), "{what}: {error:?}");
    }
}

#[test]
fn formation_is_written_and_restores_to_the_same() {
    let mut raft = start(settings(), fresh(&["a", "b", "c"])).unwrap();
    let Persist { snapshot, hard, append, .. } =
        raft.take_ready().persist.expect("formation is durable first");
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.meta.membership.voters.len(), 3);
    let again = Restored::Intact { hard, snapshot, log: append, peers: Vec::new() };
    let again = start(settings(), again).unwrap();
    assert_eq!((again.membership(), again.term()), (raft.membership(), Term(0)));
}

#[test]
fn a_lost_store_keeps_its_lack_of_a_vote_across_restarts() {
    for restored in [Restored::Wiped, Restored::Corrupt] {
        let mut raft = start(settings(), restored).unwrap();
        let persist = raft.take_ready().persist.unwrap();
        assert!(persist.hard.no_vote, "S16: written down");
        let again = Restored::Intact {
            hard: persist.hard,
            snapshot: persist.snapshot.unwrap(),
            log: persist.append,
            peers: persist.peers,
        };
        let mut again = start(settings(), again).unwrap();
        assert_eq!(again.role(), Role::Learner);
        assert!(matches!(again.take_ready().events[..], [Event::NoVote(_)]));
        assert_eq!(again.deadline(Timer::Election), None);
    }
}

#[test]
fn a_single_voter_waits_a_lease_and_commits_only_what_is_written() {
    let mut raft = single(settings());
    let now = ms(20_000);
    let index = raft.propose(now, vec!["x".into(), "y".into()]).unwrap();
    assert_eq!(raft.last_log().index, index.next());
    let ready = raft.take_ready();
    assert!(ready.committed.is_empty() && raft.commit_index() < index, "S16: not before it is durable");
    raft.persisted(now, ready.persist.unwrap().id);
    let committed = raft.take_ready().committed;
    let texts: Vec<_> = committed.iter().map(|e| &e.payload).collect();
    assert_eq!(texts, [&Payload::App("x".to_string()), &Payload::App("y".to_string())]);
    assert!(raft.take_ready().is_empty(), "each once");
}

#[test]
fn proposals_are_bounded() {
    let mut settings = settings();
    settings.limits.entry_bytes = 4;
    settings.limits.log_tail = 2;
    settings.limits.snapshot_after = 5;
    settings.limits.log_entries = 10;
    let mut raft = single(settings);
    let now = ms(20_000);
    let one = || vec!["x".to_string()];
    assert_eq!(raft.propose(now, Vec::new()), Err(ProposeError::Empty));
    let large = raft.propose(now, vec!["x".into(), "12345".into()]);
    assert_eq!(large, Err(ProposeError::TooLarge { bytes: 5, limit: 4 }));
    let mut wanted = 0;
    while raft.propose(now, one()).is_ok() {
        let ready = drain(&mut raft, now);
        wanted += ready.iter().flat_map(|r| &r.events).filter(|e| **e == Event::SnapshotWanted).count();
    }
    assert_eq!(raft.propose(now, one()), Err(ProposeError::LogFull { entries: 10 }), "S13");
    assert_eq!(wanted, 1, "asked once, not at each entry");
    let applied = raft.applied_index();
    assert_eq!(raft.snapshot_taken(applied.next(), vec![]), Err(SnapshotError::NotApplied { applied }));
    raft.snapshot_taken(applied, vec![7]).unwrap();
    assert_eq!(raft.snapshot_taken(applied, vec![]), Err(SnapshotError::NotNewer { have: applied }));
    assert_eq!(raft.log_len(), 2, "a tail is kept");
    let persist = raft.take_ready().persist.unwrap();
    assert_eq!(persist.discard_through, Some(Index(applied.0 - 2)));
    assert_eq!(persist.snapshot.map(|s| s.meta.pos.index), Some(applied));
    assert!(raft.propose(now, one()).is_ok());
    let huge =
        vec![
            0;
            Settings::<String>::derived(NodeId::from("a"), StoreId(1), SessionId(1), T_LOST, String::len,)
                .limits
                .snapshot_bytes
                + 1
        ];
    assert!(matches!(raft.snapshot_taken(applied.next(), huge), Err(SnapshotError::TooLarge { .. })));
}

#[test]
fn writes_are_confirmed_in_order_or_not_at_all() {
    let mut raft = single(settings());
    let now = ms(20_000);
    let mut id = || {
        raft.propose(now, vec!["x".into()]).unwrap();
        raft.take_ready().persist.unwrap().id
    };
    let (first, second) = (id(), id());
    assert!(first < second, "several may be under way");
    let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| raft.persisted(now, second)));
    assert!(wrong.is_err(), "S16: out of order aborts");
}

#[test]
fn after_a_failed_write_later_confirmations_count_for_nothing() {
    let mut raft = single(settings());
    let now = ms(20_000);
    let index = raft.propose(now, vec!["x".into()]).unwrap();
    let id = raft.take_ready().persist.unwrap().id;
    raft.persist_failed(now, id);
    raft.persisted(now, id);
    let ready = raft.take_ready();
    assert!(raft.commit_index() < index && ready.committed.is_empty());
    assert!(ready.messages.is_empty() && ready.persist.is_none());
    assert_eq!(raft.role(), Role::Failed);
    assert_eq!(raft.next_deadline(), None, "it waits for its restart");
    assert!(raft.propose(now, vec!["y".into()]).is_err());
}
