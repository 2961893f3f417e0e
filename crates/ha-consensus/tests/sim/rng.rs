//! The simulation's one source of chance (SplitMix64): one seed sets everything.

#[derive(Clone, Debug)]
pub struct Rng(ha_consensus::Rng);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(ha_consensus::Rng::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x1234_5678))
    }

    pub fn next(&mut self) -> u64 {
        self.0.draw()
    }

    /// In `low .. high`.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    /// True in `percent` of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.range(0, 100) < percent
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let i = self.range(0, items.len() as u64);
        &items[usize::try_from(i).unwrap()]
    }
}
