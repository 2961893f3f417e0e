//! What a life draws from: the votes' own generator, in ranges and choices.

/// Of a steady generator, chances (in percent) below this one never come: they are there to surprise a life.
const RARE: u64 = 10;

/// The generator.
#[derive(Clone, Debug)]
pub struct Rng {
    stream: ha_consensus::Rng,
    is_steady: bool,
}

impl Rng {
    /// A stream of its own for each `purpose`, so that drawing more for one changes nothing of the others.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let start = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose.wrapping_mul(0x5DEE_CE66_D1CE_4E5B);
        let mut rng = Self { stream: ha_consensus::Rng::new(start), is_steady: false };
        rng.draw();
        rng
    }

    /// For golden scenarios: whatever lies in a range is its first quarter, and nothing rare happens. So whoever asks for more
    /// of that, or in another order, changes no other event.
    #[must_use]
    pub fn steady(seed: u64, purpose: u64) -> Self {
        Self { is_steady: true, ..Self::new(seed, purpose) }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.stream.draw()
    }

    /// From `low` to `high`, both included.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        if self.is_steady {
            return low + (high - low) / 4;
        }
        low + self.draw() % (high - low + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        let is_possible = percent > 0 && !(self.is_steady && percent < RARE);
        is_possible && self.draw() % 100 < percent
    }

    /// The same, of what never comes in a steady life: what the worst of shells does.
    pub fn surprises(&mut self, percent: u64) -> bool {
        !self.is_steady && self.percent(percent)
    }

    /// Whether this is a steady life: one that a scenario tells.
    pub fn is_steady(&self) -> bool {
        self.is_steady
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.draw() % from.len() as u64;
        &from[at as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_one_does_not_surprise() {
        let mut rng = Rng::steady(1, 2);
        assert_eq!([rng.range(0, 100), rng.range(4, 4), rng.range(2, 6)], [25, 4, 3]);
        let some = (0..1000).filter(|_| rng.percent(40)).count();
        assert!((300..500).contains(&some), "{some}");
        assert!((0..1000).all(|_| !rng.percent(5) && rng.percent(100)));
        assert_ne!(rng.draw(), rng.draw());
    }
}
