//! Who is present: heartbeats per link, judged; and the grant that a member holds.
//!
//! Must not know: sockets, keys, votes, resources. Time is an argument.
//!
//! Invariants: a heartbeat counts only if it echoes a recent heartbeat of our own, so both directions are proven
//! and a replay is void; a grant runs from when the member *sent* the request that it answers.

mod grant;
mod presence;
mod watchdog;

pub use grant::Grant;
pub use presence::{Ages, Beat, Hears, Judgement, Membership, Presence, Sight};
pub use watchdog::PetLimit;
