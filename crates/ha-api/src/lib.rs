//! The operator's interface of a node: requests and answers as JSON over HTTP on a unix socket.
//!
//! Must not know: what a request means. It hands each to a handler and carries the answer back.
//! Invariants: every size, number and wait is bounded ([`limits`]); a panic of the handler ends one request,
//! never the daemon (S20); who asked is what the kernel says (`SO_PEERCRED`), never what the caller says.

pub mod limits;

mod caller;
mod client;
mod envelope;
mod error;
mod names;
mod server;
mod wire;

pub use caller::Caller;
pub use client::Client;
pub use envelope::Envelope;
pub use error::{ApiError, ServeError};
pub use limits::{API_VERSION, SOCKET_DEFAULT};
pub use server::{Server, SocketOptions, serve};
pub use wire::{Answer, ErrorBody, Health};
