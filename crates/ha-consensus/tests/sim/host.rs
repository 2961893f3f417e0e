//! One simulated host: a clock with an offset and drift, a disk that loses what was not yet written, and the core.

use ha_consensus::{
    BeatPart, Entry, HardState, LogPos, Payload, PeerMemory, Persist, Raft, Restored, Settings, Snapshot,
};
use ha_model::{BootNs, Index, NodeId, SessionId, StoreId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub const MS: u64 = 1_000_000;
pub const T_LOST_MS: u64 = 1000;

#[derive(Clone, Debug)]
pub struct Disk {
    pub store: StoreId,
    pub hard: HardState,
    pub snapshot: Option<Snapshot>,
    pub log: Vec<Entry<u64>>,
    pub peers: Vec<PeerMemory>,
}

impl Disk {
    pub fn new(store: u128) -> Self {
        Self {
            store: StoreId(store),
            hard: HardState::default(),
            snapshot: None,
            log: Vec::new(),
            peers: Vec::new(),
        }
    }

    pub fn write(&mut self, p: Persist<u64>) {
        self.hard = p.hard;
        self.peers = p.peers;
        if let Some(snapshot) = p.snapshot {
            self.snapshot = Some(snapshot);
        }
        if p.reset_log {
            self.log.clear();
        }
        if let Some(through) = p.discard_through {
            self.log.retain(|e| e.index > through);
        }
        if let Some(from) = p.truncate_from {
            self.log.retain(|e| e.index < from);
        }
        if let (Some(last), Some(first)) = (self.log.last(), p.append.first()) {
            assert_eq!(last.index.next(), first.index, "the disk would hold a gap or a duplicate");
        }
        self.log.extend(p.append);
    }

    pub fn last(&self) -> LogPos {
        let snapshot = self.snapshot.as_ref().map_or(LogPos::default(), |s| s.meta.pos);
        self.log.last().map_or(snapshot, |e| LogPos { term: e.term, index: e.index })
    }

    /// How a node starts that never wrote: from the cluster file, or waiting to be told.
    pub fn restore(&self, formation: Option<&[NodeId]>) -> Restored<u64> {
        match (&self.snapshot, formation) {
            (Some(snapshot), _) => Restored::Intact {
                hard: self.hard.clone(),
                snapshot: snapshot.clone(),
                log: self.log.clone(),
                peers: self.peers.clone(),
            },
            (None, Some(voters)) => Restored::Fresh { voters: voters.to_vec(), learners: Vec::new() },
            (None, None) => Restored::Wiped,
        }
    }
}

pub struct Host {
    pub id: NodeId,
    pub disk: Disk,
    /// As it was when it was last lost.
    pub lost_disk: Option<Disk>,
    pub raft: Option<Raft<u64>>,
    /// Writes under way, oldest first.
    pub writing: VecDeque<Persist<u64>>,
    /// Grows at each crash: what was meant for an earlier life is lost.
    pub life: u64,
    pub frozen_until: u64,
    /// What the application made of the log: a running hash, through this index.
    pub applied: Index,
    pub hash: u64,
    /// Beat contents as the sending thread holds them; sometimes it sends an old one.
    pub beats: BTreeMap<NodeId, BeatPart>,
    pub wake: Option<u64>,
    pub wiped: bool,
    /// Lease in percent of `t_lost`, from its next start.
    pub lease_percent: u32,
    /// Its `t_lost`, ms, from its next start: files may differ.
    pub t_lost_ms: u64,
    clock_from: u64,
    clock_at: u64,
    drift_ppm: i64,
}

impl Host {
    pub fn new(id: NodeId, store: u128, clock_at: u64, drift_ppm: i64) -> Self {
        Self {
            id,
            disk: Disk::new(store),
            lost_disk: None,
            raft: None,
            writing: VecDeque::new(),
            life: 0,
            frozen_until: 0,
            applied: Index(0),
            hash: 0,
            beats: BTreeMap::new(),
            wake: None,
            wiped: false,
            lease_percent: 80,
            t_lost_ms: T_LOST_MS,
            clock_from: 0,
            clock_at,
            drift_ppm,
        }
    }

    /// The host's own clock at world time `t`.
    pub fn clock(&self, t: u64) -> BootNs {
        let passed = i128::from(t - self.clock_from);
        let own = passed + passed * i128::from(self.drift_ppm) / 1_000_000;
        BootNs(self.clock_at + u64::try_from(own).unwrap())
    }

    /// When the host's clock will show `at`, in world time (never before `t`).
    pub fn world_time(&self, at: BootNs, t: u64) -> u64 {
        let own = i128::from(at.0) - i128::from(self.clock_at);
        let passed = own * 1_000_000 / i128::from(1_000_000 + self.drift_ppm);
        u64::try_from(i128::from(self.clock_from) + passed + 1).unwrap_or(0).max(t)
    }

    /// A reboot sets the clock back to its start.
    pub fn reboot_clock(&mut self, t: u64) {
        (self.clock_from, self.clock_at) = (t, 7 * MS);
    }

    pub fn start(&mut self, t: u64, formation: Option<&[NodeId]>, seed: u64) {
        let limits = ha_consensus::Limits {
            message_entries: 8,
            message_bytes: 64,
            entry_bytes: 64,
            in_flight: 4,
            log_tail: 4,
            snapshot_after: 30,
            log_entries: 2000,
            snapshot_bytes: 4096,
            catch_up: 20,
        };
        let session = SessionId((u128::from(self.life) << 64) | u128::from(seed));
        let mut settings = Settings::derived(
            self.id.clone(),
            self.disk.store,
            session,
            Duration::from_millis(self.t_lost_ms),
            |_| 8,
        );
        settings.limits = limits;
        settings.t_lease = settings.t_lost * self.lease_percent / 100;
        let restored = self.disk.restore(formation);
        let snapshot = self.disk.snapshot.as_ref();
        self.applied = snapshot.map_or(Index(0), |s| s.meta.pos.index);
        self.hash = snapshot.map_or(0, |s| unpack(&s.data));
        let raft = Raft::new(settings, restored, self.clock(t), seed);
        self.raft = Some(raft.expect("what the disk holds is whole"));
        self.wake = None;
        self.beats.clear();
    }

    pub fn apply(&mut self, entry: &Entry<u64>) {
        assert_eq!(entry.index, self.applied.next(), "{}: applied out of order or twice", self.id);
        self.applied = entry.index;
        self.hash = chain(self.hash, entry);
    }
}

pub fn chain(hash: u64, entry: &Entry<u64>) -> u64 {
    let value = match &entry.payload {
        Payload::Noop => 1,
        Payload::Membership(m) => 2 + m.voters.len() as u64,
        Payload::App(v) => *v,
    };
    (hash ^ value ^ entry.term.0 << 40 ^ entry.index.0 << 20).wrapping_mul(0x100_0000_01B3).rotate_left(17)
}

/// A snapshot of several pieces, so that its transfer can be interrupted.
pub fn pack(hash: u64) -> Vec<u8> {
    hash.to_le_bytes().repeat(25)
}

pub fn unpack(data: &[u8]) -> u64 {
    let Some(first) = data.first_chunk::<8>() else { return 0 };
    assert_eq!(data, pack(u64::from_le_bytes(*first)), "a snapshot arrived torn");
    u64::from_le_bytes(*first)
}
