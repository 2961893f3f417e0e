//! A snapshot that arrives in pieces: only the next piece of the same one counts. Guards S5 S16.

#![allow(clippy::unwrap_used, reason = "helpers of a test: a broken assumption shall end it")]

use ha_consensus::{
    Body, Identity, LogPos, Mark, Membership, Message, Raft, Restored, Settings, Snapshot, SnapshotMeta,
};
use ha_model::{BootNs, Index, NodeId, SessionId, StoreId, Term};
use std::time::Duration;

const WHOLE: &[u8] = b"abcdefghijkl";
const TOTAL: u64 = WHOLE.len() as u64;

/// a, which follows b.
struct Follower {
    raft: Raft<String>,
    now: BootNs,
}

fn voters() -> Vec<NodeId> {
    ["a", "b", "c"].map(NodeId::from).to_vec()
}

/// The snapshot through entry `index`.
fn meta(index: u64) -> SnapshotMeta {
    let pos = LogPos { term: Term(1), index: Index(index) };
    SnapshotMeta { pos, membership: Membership::formed(&voters(), &[]) }
}

impl Follower {
    fn new() -> Self {
        let t_lost = Duration::from_secs(1);
        let (id, store, session) = (NodeId::from("a"), StoreId(1), SessionId(1));
        let mut settings = Settings::derived(id, store, session, t_lost, String::len);
        settings.limits.snapshot_bytes = 100;
        let fresh = Restored::Fresh { voters: voters(), learners: Vec::new() };
        let raft = Raft::new(settings, fresh, BootNs::from_ms(10), 1).unwrap();
        let mut follower = Self { raft, now: BootNs::from_ms(10) };
        assert_eq!(follower.drain(), (Vec::new(), None));
        follower
    }

    /// Confirms each write; returns what was said to b, and the snapshot to apply.
    fn drain(&mut self) -> (Vec<Body<String>>, Option<Snapshot>) {
        let (mut said, mut installed) = (Vec::new(), None);
        loop {
            let ready = self.raft.take_ready();
            if ready.is_empty() {
                return (said, installed);
            }
            said.extend(ready.messages.into_iter().map(|(_, message)| message.body));
            installed = installed.or(ready.install_snapshot);
            if let Some(persist) = ready.persist {
                self.raft.persisted(self.now, persist.id);
            }
        }
    }

    fn chunk_of_term(
        &mut self,
        term: u64,
        meta: SnapshotMeta,
        offset: u64,
        total: u64,
        bytes: &[u8],
    ) -> (Vec<Body<String>>, Option<Snapshot>) {
        self.now = self.now + Duration::from_millis(1);
        let restored = Mark { term: Term(0), index: Index(0) };
        let identity = Identity {
            store: StoreId(2),
            session: SessionId(2),
            restored,
            promised: Index(0),
            regressed: None,
        };
        let body = Body::Chunk { meta, offset, total, bytes: bytes.to_vec() };
        let message = Message { term: Term(term), identity, body };
        self.raft.receive(self.now, &NodeId::from("b"), message);
        self.drain()
    }

    /// One piece of the snapshot through `index`; returns how much of it a says it has.
    fn piece(&mut self, index: u64, offset: u64, total: u64, bytes: &[u8]) -> Option<u64> {
        let (said, installed) = self.chunk_of_term(1, meta(index), offset, total, bytes);
        assert_eq!(installed, None, "not complete");
        match said[..] {
            [] => None,
            [Body::ChunkAck { index: of, received }] => {
                assert_eq!(of, Index(index));
                Some(received)
            }
            _ => panic!("{said:?}"),
        }
    }

    /// The rest of the snapshot through `index`, of which a has four bytes; it must be whole.
    fn completes(&mut self, index: u64) {
        assert_eq!(self.piece(index, 4, TOTAL, &WHOLE[4..8]), Some(8));
        let (said, installed) = self.chunk_of_term(1, meta(index), 8, TOTAL, &WHOLE[8..]);
        assert_eq!(said, [Body::AppendAck { matched: Index(index) }]);
        let installed = installed.expect("complete");
        assert_eq!((&installed.data[..], &installed.meta), (WHOLE, &meta(index)));
        assert_eq!((self.raft.commit_index(), self.raft.applied_index()), (Index(index), Index(index)));
    }
}

#[test]
fn pieces_in_order_make_the_snapshot() {
    let mut a = Follower::new();
    assert_eq!(a.piece(10, 0, TOTAL, &WHOLE[..4]), Some(4));
    a.completes(10);
}

#[test]
fn a_piece_that_is_not_the_next_is_not_taken() {
    let mut a = Follower::new();
    assert_eq!(a.piece(10, 4, TOTAL, &WHOLE[4..8]), Some(0), "the first one is missing");
    assert_eq!(a.piece(10, 0, TOTAL, &WHOLE[..4]), Some(4));
    for (what, offset, bytes) in [
        ("one is missing before it", 8, &WHOLE[8..]),
        ("once more", 0, &WHOLE[..4]),
        ("overlaps the end", 2, &WHOLE[2..6]),
        ("past the end", TOTAL, &WHOLE[..1]),
        ("longer than what is left", 4, b"efghijklmnop".as_slice()),
    ] {
        assert_eq!(a.piece(10, offset, TOTAL, bytes), Some(4), "{what}");
    }
    a.completes(10);
}

#[test]
fn pieces_of_two_snapshots_are_not_put_together() {
    let mut a = Follower::new();
    assert_eq!(a.piece(10, 0, TOTAL, &WHOLE[..4]), Some(4));
    assert_eq!(a.piece(11, 4, TOTAL, b"EFGH"), Some(0), "the newer one starts at its start");
    assert_eq!(a.piece(11, 0, TOTAL, b"ABCD"), Some(4));
    assert_eq!(a.piece(10, 4, TOTAL, &WHOLE[4..8]), Some(0), "the older one was dropped");
    assert_eq!(a.piece(10, 0, TOTAL, &WHOLE[..4]), Some(4));
    assert_eq!(a.piece(10, 4, TOTAL + 4, &WHOLE[4..8]), Some(0), "another size is another snapshot");
    assert_eq!(a.piece(10, 0, TOTAL, &WHOLE[..4]), Some(4));
    let mut other = meta(10);
    other.membership = Membership::formed(&voters()[..1], &[]);
    let (said, _) = a.chunk_of_term(1, other, 4, TOTAL, b"EFGH");
    assert_eq!(said, [Body::ChunkAck { index: Index(10), received: 0 }], "so are other members");
    assert_eq!(a.piece(10, 0, TOTAL, &WHOLE[..4]), Some(4));
    a.completes(10);
}

#[test]
fn a_leader_of_the_past_adds_no_piece() {
    let mut a = Follower::new();
    let (said, _) = a.chunk_of_term(2, meta(10), 0, TOTAL, &WHOLE[..4]);
    assert_eq!(said, [Body::ChunkAck { index: Index(10), received: 4 }]);
    let (said, _) = a.chunk_of_term(1, meta(10), 4, TOTAL, b"EFGH");
    assert_eq!(said, [Body::ChunkAck { index: Index(10), received: 0 }]);
    let (said, _) = a.chunk_of_term(2, meta(10), 4, TOTAL, &WHOLE[4..8]);
    assert_eq!(said, [Body::ChunkAck { index: Index(10), received: 8 }], "and drops none");
}

#[test]
fn a_snapshot_past_its_bound_is_not_begun() {
    let mut a = Follower::new();
    assert_eq!(a.piece(10, 0, 101, &WHOLE[..4]), None, "S13");
    assert_eq!(a.piece(10, 0, 100, &WHOLE[..4]), Some(4));
}
