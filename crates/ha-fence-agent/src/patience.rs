//! How long a device may go on answering without saying anything definite.
//!
//! Must not know: devices, and time limits of the options.
//!
//! Invariant: patience ends in a failure, never in a verdict (`// S7`): giving up soon is safe, and the caller's next
//! fence level gets its turn.

use std::time::Duration;

use tokio::time::Instant;

/// Answers in a row that must say nothing definite: one or two may come from a device that is just switching.
pub(crate) const INDEFINITE_ANSWERS: u32 = 3;
/// Time that those answers must span, at least: devices refresh what they show about once a second. One that said
/// nothing definite *before* the command is not waited for.
pub(crate) const INDEFINITE_SPAN: Duration = Duration::from_secs(1);

/// Counts indefinite answers in a row.
#[derive(Debug)]
pub(crate) struct Patience {
    span: Duration,
    since: Option<Instant>,
    answers: u32,
}

impl Patience {
    /// `was_indefinite`: whether the same was answered before anything was commanded.
    pub(crate) fn new(was_indefinite: bool) -> Self {
        let span = if was_indefinite { Duration::ZERO } else { INDEFINITE_SPAN };
        Self { span, since: None, answers: 0 }
    }

    /// A definite answer: counting starts again.
    pub(crate) fn definite(&mut self) {
        *self = Self::new(false);
    }

    /// An indefinite answer. Some: it is time to give up, and why.
    pub(crate) fn indefinite(&mut self) -> Option<String> {
        self.answers += 1;
        let lasted = self.since.get_or_insert_with(Instant::now).elapsed();
        (self.answers >= INDEFINITE_ANSWERS && lasted >= self.span).then(|| {
            let before = if self.span.is_zero() { ", and before the command" } else { "" };
            format!("{} answers in {:.2} s{before}", self.answers, lasted.as_secs_f64())
        })
    }
}
