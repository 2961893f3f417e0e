//! Durable state of one node in redb: small named records, a log, a snapshot.
//!
//! It must not know what the bytes mean, nor any clock, nor the network. Invariants (S16): nothing is reported
//! as written before it is durable; after a failed write or sync the store refuses everything until it is
//! opened again; damage is found when the store is opened and costs the store its id (a voter is a node and a
//! store id), it is never skipped over. S13: sizes and queues are bounded by named constants.

mod batch;
mod dir;
mod error;
mod layout;
mod roots;
mod store;
mod writer;

pub use batch::{BATCH_MAX, Batch, BatchError, META_KEY_MAX, META_KEYS_MAX, VALUE_MAX};
pub use error::{ApplyError, OpenError};
pub use store::{CACHE_BYTES, Contents, Found, Store};
pub use writer::{Completion, GROUP_MAX, QUEUE_BYTES_MAX, QUEUE_MAX, StoreWriter, SubmitError};

/// What a store is kept on; tests inject disk faults here.
pub use redb::StorageBackend;
