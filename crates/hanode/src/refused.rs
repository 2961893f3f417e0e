//! What arrived at the heartbeat port and did not count: told in words, now and then.
//!
//! Must not know: when it is told.

use ha_transport::beats::BeatStats;

/// Counts by reason, in the order in which they are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refused([u64; 5]);

impl Refused {
    /// As counted since the start.
    pub fn of(stats: &BeatStats) -> Self {
        Self([stats.foreign, stats.version, stats.unknown_key, stats.forged, stats.replayed])
    }

    /// What came since an earlier reading, as a sentence; `None`: nothing.
    pub fn since(&self, earlier: &Refused) -> Option<String> {
        const WORDS: [&str; 5] =
            ["no heartbeats", "of another version", "under no present key", "forged", "replayed"];
        let new = self.0.iter().zip(&earlier.0).map(|(now, then)| now.saturating_sub(*then));
        let parts: Vec<String> =
            new.zip(WORDS).filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        (!parts.is_empty()).then(|| format!("datagrams refused at the heartbeat port: {}", parts.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_told() {
        let first = Refused::of(&BeatStats { foreign: 2, replayed: 1, ..BeatStats::default() });
        let text = first.since(&Refused::default()).unwrap();
        assert_eq!(text, "datagrams refused at the heartbeat port: 2 no heartbeats, 1 replayed");
        assert_eq!(first.since(&first), None);
        let later = Refused::of(&BeatStats { foreign: 2, forged: 3, replayed: 1, ..BeatStats::default() });
        assert_eq!(later.since(&first).unwrap(), "datagrams refused at the heartbeat port: 3 forged");
    }
}
