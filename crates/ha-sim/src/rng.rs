//! What a life draws from: the votes' own generator, in ranges and choices.

/// The generator.
#[derive(Clone, Debug)]
pub struct Rng(ha_consensus::Rng);

impl Rng {
    /// A stream of its own for each `purpose`, so that drawing more for one changes nothing of the others.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let start = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose.wrapping_mul(0x5DEE_CE66_D1CE_4E5B);
        let mut rng = Self(ha_consensus::Rng::new(start));
        rng.draw();
        rng
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    /// From `low` to `high`, both included.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high - low + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        percent > 0 && self.draw() % 100 < percent
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.draw() % from.len() as u64;
        &from[at as usize]
    }
}
