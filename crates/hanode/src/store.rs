//! Votes and log between the core's types and the store's bytes.
//!
//! Invariant: what cannot be decoded is corruption, and costs the vote (S16); it is never skipped.

use ha_codec::{decode, encode};
use ha_consensus::{Entry, HardState, PeerMemory, Persist, Snapshot, SnapshotMeta};
use ha_core::ClusterState;
use ha_model::{ClusterConfig, LogEntry, PlanId, StoreId, Term};
use ha_storage::{Batch, Contents, Found, VALUE_MAX};
use serde::de::DeserializeOwned;

/// What a lost store means, and what to do.
const NO_VOTE: &str = "this node goes on without a vote, which this release cannot give back while the cluster runs: \
                       keep the other voters up, and look at the disk";

const HARD: &str = "hard";
const PEERS: &str = "peers";
const ACTED: &str = "acted";

/// What the store gave back, for the core, with what to tell the operator.
pub struct Restored {
    /// The store.
    pub store: StoreId,
    /// For the core.
    pub core: ha_core::Restored,
    /// Something to say.
    pub warning: Option<String>,
    /// Where the log stands.
    pub layout: Layout,
}

/// Where the stored log begins and ends, so that a batch asks only for what is there.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    first: u64,
    next: u64,
}

/// Reads what was found.
pub fn restore(found: Found, config: &ClusterConfig) -> Restored {
    let empty = Layout { first: 1, next: 1 };
    let without = |votes| ha_core::Restored { votes, acted: (Term(0), PlanId(0)) };
    match found {
        Found::Fresh(store) => {
            let votes =
                ha_consensus::Restored::Fresh { voters: config.voters(), learners: config.learners() };
            Restored { store, core: without(votes), warning: None, layout: empty }
        }
        Found::Corrupt { why, kept_as, store } => Restored {
            store,
            core: without(ha_consensus::Restored::Corrupt),
            warning: Some(format!(
                "the store was damaged ({why}) and set aside as {}; {NO_VOTE}",
                kept_as.display()
            )),
            layout: empty,
        },
        Found::Intact(contents) => {
            let layout = Layout { first: contents.first, next: contents.first + contents.log.len() as u64 };
            let (store, was_rolled_back) = (contents.store, contents.rolled_back);
            match intact(&contents, config) {
                Ok(core) => Restored {
                    store,
                    core,
                    warning: was_rolled_back
                        .then(|| "the newest write was incomplete and was rolled back".to_owned()),
                    layout,
                },
                Err(why) => Restored {
                    store,
                    core: without(ha_consensus::Restored::Corrupt),
                    warning: Some(format!("the store cannot be read ({why}); {NO_VOTE}")),
                    layout,
                },
            }
        }
    }
}

fn intact(contents: &Contents, config: &ClusterConfig) -> Result<ha_core::Restored, String> {
    let meta = |key: &str| contents.meta.get(key).map(Vec::as_slice);
    let acted = match meta(ACTED) {
        Some(bytes) => value(ACTED, bytes)?,
        None => (Term(0), PlanId(0)),
    };
    let (Some(hard), Some(snapshot)) = (meta(HARD), &contents.snapshot) else {
        // Created, but nothing was ever written: a cluster that is still to be formed.
        if contents.log.is_empty() && meta(HARD).is_none() && contents.snapshot.is_none() {
            let votes =
                ha_consensus::Restored::Fresh { voters: config.voters(), learners: config.learners() };
            return Ok(ha_core::Restored { votes, acted });
        }
        return Err("votes or snapshot are missing".to_owned());
    };
    let hard: HardState = value(HARD, hard)?;
    let (meta_part, data): (SnapshotMeta, Vec<u8>) = value("snapshot", snapshot)?;
    let peers: Vec<PeerMemory> = meta(PEERS).map_or(Ok(Vec::new()), |bytes| value(PEERS, bytes))?;
    let log: Vec<Entry<LogEntry>> =
        contents.log.iter().map(|(_, bytes)| value("log entry", bytes)).collect::<Result<_, _>>()?;
    let snapshot = Snapshot { meta: meta_part, data: data.into() };
    Ok(ha_core::Restored { votes: ha_consensus::Restored::Intact { hard, snapshot, log, peers }, acted })
}

fn value<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, String> {
    decode(bytes, VALUE_MAX).map_err(|e| format!("{what}: {e}"))
}

impl Layout {
    /// The batch of a write. Keeps count of what the log will hold.
    pub fn batch(&mut self, votes: Option<&Persist<LogEntry>>, acted: Option<(Term, PlanId)>) -> Batch {
        let mut batch = Batch::default();
        if let Some(acted) = acted {
            batch.meta.push((ACTED.to_owned(), encode(&acted)));
        }
        let Some(persist) = votes else { return batch };
        batch.meta.push((HARD.to_owned(), encode(&persist.hard)));
        batch.meta.push((PEERS.to_owned(), encode(&persist.peers)));
        if let Some(snapshot) = &persist.snapshot {
            batch.snapshot = Some(encode(&(&snapshot.meta, &*snapshot.data)));
            if persist.reset_log {
                let after = snapshot.meta.pos.index.0 + 1;
                self.truncate(&mut batch, after.max(self.first));
                self.drop_through(&mut batch, after - 1);
            }
        }
        if let Some(index) = persist.discard_through {
            self.drop_through(&mut batch, index.0);
        }
        if let Some(from) = persist.truncate_from {
            self.truncate(&mut batch, from.0.max(self.first));
        }
        batch.append = persist.append.iter().map(|e| (e.index.0, encode(e))).collect();
        if let Some((last, _)) = batch.append.last() {
            self.next = last + 1;
        }
        batch
    }

    fn truncate(&mut self, batch: &mut Batch, from: u64) {
        if from < self.next {
            batch.truncate_from = Some(from);
            self.next = from;
        }
    }

    fn drop_through(&mut self, batch: &mut Batch, through: u64) {
        if through >= self.first {
            batch.drop_through = Some(through);
            self.first = through + 1;
            self.next = self.next.max(self.first);
        }
    }
}

/// The core's encoding of its state.
pub fn codec() -> ha_core::node::Codec {
    ha_core::node::Codec {
        encode_state: |state: &ClusterState| encode(state),
        decode_state: |bytes: &[u8]| decode(bytes, VALUE_MAX).map_err(|e| e.to_string()),
        entry_size: |entry: &LogEntry| encode(entry).len(),
    }
}
