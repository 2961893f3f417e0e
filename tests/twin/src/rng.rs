//! The one source of chance (SplitMix64): one seed sets everything.

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Rng(ha_consensus::Rng);

impl Rng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ha_consensus::Rng::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5_7A1E))
    }

    /// In `0 .. below`.
    pub fn below(&mut self, below: usize) -> usize {
        usize::try_from(self.0.draw() % (below as u64)).expect("it is below a usize")
    }

    /// True in `percent` of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
