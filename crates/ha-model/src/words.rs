//! Reasons in words: the ends of sentences that notices and `status` share.

use crate::fence::FenceReason;
use crate::log::{LostReason, Stalled};

impl Stalled {
    /// The thing that stands still.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Stalled::Core => "its core",
            Stalled::Disk => "its log disk",
            Stalled::Spawn => "starting programs",
        }
    }
}

impl LostReason {
    /// In words, after "lost: ".
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            LostReason::Silent { for_ms } => format!("no heartbeat for {for_ms} ms"),
            LostReason::OneWay => "it speaks but does not hear us".to_owned(),
            LostReason::Stalled { what, age_ms } => {
                format!("{} stands still for {age_ms} ms", what.word())
            }
            LostReason::DaemonGone => "its daemon died and did not come back".to_owned(),
            LostReason::NeverSeen => "not seen since the cluster formed".to_owned(),
        }
    }
}

impl FenceReason {
    /// In words, after "fence: ".
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            FenceReason::Lost => "it is lost and may still hold resources".to_owned(),
            FenceReason::NeverSeen => "it was not seen and may hold resources".to_owned(),
            FenceReason::StopFailed { what } => format!("{what} could not be stopped there"),
            FenceReason::DaemonGone => "its daemon died and did not come back".to_owned(),
            FenceReason::Asked { by } => format!("asked by {by}"),
            FenceReason::HeardAfterConfirmation => {
                "it was heard although it had been confirmed off".to_owned()
            }
        }
    }
}
