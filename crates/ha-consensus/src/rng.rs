//! A small seeded generator: same seed, same delays (S15). Simulations of the votes draw from it too.
//!
//! Not for secrets. SplitMix64 (Steele, Lea, Flood 2014): one word of state, passes the usual tests.

use std::time::Duration;

/// Deterministic source of delays.
#[derive(Clone, Debug, Hash)]
pub struct Rng(u64);

impl Rng {
    /// The same seed, the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A delay in `max/2 ..= max`: long enough for an answer, spread enough that two candidates part.
    pub(crate) fn retry(&mut self, max: Duration) -> Duration {
        let max = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
        let half = max / 2;
        Duration::from_nanos(half + self.draw() % (max - half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stay_in_range_differ_and_repeat_by_seed() {
        let max = Duration::from_millis(100);
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..50).map(|_| rng.retry(max)).collect::<Vec<_>>()
        };
        let first = draw(1);
        assert!(first.iter().all(|d| *d >= max / 2 && *d <= max));
        assert_ne!(first[0], first[1]);
        assert_eq!(first, draw(1));
        assert_ne!(first, draw(2));
    }
}
