//! A fence request through its levels to a verdict and a proof.
//!
//! Must not know: processes, sockets, votes. It asks for single agent calls and judges their outcomes.
//!
//! Invariants (S7): unknown is never off; off counts only after the command, read at least twice a settle time
//! apart on every outlet of every device of one level, and only where the path was once read on while the node
//! lived ([`judge()`]).

mod attempt;
mod backoff;
mod call;
mod judge;
mod path_test;

pub use attempt::{Attempt, AttemptReport, LevelOutcome};
pub use backoff::{FENCE_WINDOW, FENCES_PER_WINDOW, retry_pause};
pub use call::{Call, CallAction, CallId, CallOutcome, DevicePlan, LevelPlan, Step, level_plans};
pub use judge::{Claim, judge, never_read_on};
pub use path_test::{IMPOSSIBLE_PLUG, PathTest, PathTestReport};
