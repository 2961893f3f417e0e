//! What nodes say to each other: TLS streams for everything that needs order, and the heartbeat thread.
//!
//! It must not know what is said: bodies are bytes. Invariants: nothing that is not authenticated reaches the
//! core; every queue is bounded and says so when it is full (S13); the loss of a stream stops no heartbeat; the
//! heartbeat thread takes no lock that the core can hold.

mod allowed;
pub mod beats;
mod clock;
mod hello;
mod keys;
pub mod pki;
pub mod streams;
mod tls;
mod warning;

pub use allowed::Allowed;
pub use clock::boot_now;
pub use hello::{Hello, HelloError, PROTOCOL_VERSION};
pub use keys::{KEY_TAG_LEN, KeyStep, PairKeys};
pub use pki::{ClusterCa, NodeIdentity, PkiError};
pub use warning::Warning;
