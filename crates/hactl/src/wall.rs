//! Wall time in words. Always UTC: the nodes of a cluster need not agree on a zone, and a rescue system has none.

use ha_model::WallMs;
pub(crate) use ha_model::utc::{date_and_clock, seconds};
use std::time::{SystemTime, UNIX_EPOCH};

/// The present, for answers without a daemon.
pub(crate) fn now() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A length of time for reading: `850 ms`, `12 s`, `3 min`, `2 h`, `5 d`.
pub(crate) fn length(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms.div_ceil(1000)),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_never_promise_too_little() {
        assert_eq!(length(999), "999 ms");
        assert_eq!(length(11_001), "12 s");
        assert_eq!(length(120_000), "2 min");
        assert_eq!(length(7_200_000), "2 h");
    }
}
