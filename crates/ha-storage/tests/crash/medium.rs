//! What is on the platters, what is still pending, and what a power cut leaves of it.

use super::disk::SECTOR;
use super::rng::Rng;
use std::sync::Arc;

/// One change that a sync makes durable.
#[derive(Clone, Debug)]
pub enum Change {
    Write { at: usize, bytes: Arc<[u8]> },
    Length(usize),
}

/// What a power cut leaves of the pending changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cut {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Each sector or not.
    Sectors,
    /// Nearly each sector.
    NearlyAll,
    /// Each write or not, whole.
    Writes,
    /// The first writes, and of the next one the first bytes.
    Torn,
    /// The last writes only.
    Reordered,
    /// Everything but one sector.
    OneLost,
    /// The first page only: roots without what they point to.
    HeadOnly,
    /// Everything but the first page.
    AllButHead,
    /// Every write, and no change of the length.
    LengthLost,
    /// The lengths, and no write.
    LengthOnly,
    /// Everything, with bits of an unsynced sector flipped.
    FlippedUnsynced,
    /// Everything, with a bit of a synced sector flipped.
    FlippedSynced,
}

impl Cut {
    pub const ALL: [Cut; 14] = [
        Cut::Nothing,
        Cut::Everything,
        Cut::Sectors,
        Cut::NearlyAll,
        Cut::Writes,
        Cut::Torn,
        Cut::Reordered,
        Cut::OneLost,
        Cut::HeadOnly,
        Cut::AllButHead,
        Cut::LengthLost,
        Cut::LengthOnly,
        Cut::FlippedUnsynced,
        Cut::FlippedSynced,
    ];
}

/// The platters and what waits for them.
#[derive(Clone, Debug)]
pub struct Medium {
    bytes: Vec<u8>,
    pending: Vec<Change>,
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(len) => bytes.resize(*len, 0),
        Change::Write { at, bytes: new } => write(bytes, *at, new),
    }
}

/// Writes what lies within the length; what lies behind the end of a file cannot be seen.
fn write(bytes: &mut [u8], at: usize, new: &[u8]) {
    let end = (at + new.len()).min(bytes.len());
    if at < end {
        bytes[at..end].copy_from_slice(&new[..end - at]);
    }
}

/// The parts of a write that are in one sector each.
fn sectors(at: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = at + from;
        let len = (SECTOR - start % SECTOR).min(bytes.len() - from);
        let part = &bytes[from..from + len];
        from += len;
        (len > 0).then_some((start, part))
    })
}

impl Medium {
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, pending: Vec::new() }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn pend(&mut self, change: Change) {
        self.pending.push(change);
    }

    pub fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.bytes, &change);
        }
    }

    /// Of the pending changes these reached the medium, the rest never will.
    pub fn only(&mut self, landed: &[Change]) {
        self.pending = landed.to_vec();
        self.sync();
    }

    /// Some sectors of what is pending; every length, since lengths are in the journal of the file system.
    pub fn some_landed(&self, rng: &mut Rng) -> Vec<Change> {
        self.parts(|_| rng.chance(50))
    }

    /// The pending changes in parts of one sector, those that `keep` keeps; lengths always.
    fn parts(&self, mut keep: impl FnMut(usize) -> bool) -> Vec<Change> {
        let mut kept = Vec::new();
        for change in &self.pending {
            match change {
                Change::Length(_) => kept.push(change.clone()),
                Change::Write { at, bytes } => {
                    for (at, part) in sectors(*at, bytes) {
                        if keep(at) {
                            kept.push(Change::Write { at, bytes: part.into() });
                        }
                    }
                }
            }
        }
        kept
    }

    /// What a power cut leaves. `None` where this cut has nothing to act on.
    pub fn after(&self, cut: Cut, rng: &mut Rng) -> Option<Vec<u8>> {
        if self.pending.is_empty() && !matches!(cut, Cut::Nothing | Cut::FlippedSynced) {
            return None;
        }
        let kept = match cut {
            Cut::Nothing => Vec::new(),
            Cut::Everything | Cut::FlippedUnsynced | Cut::FlippedSynced => self.pending.clone(),
            Cut::Sectors => self.parts(|_| rng.chance(50)),
            Cut::NearlyAll => self.parts(|_| rng.chance(90)),
            Cut::Writes => self.pending.iter().filter(|_| rng.chance(50)).cloned().collect(),
            Cut::Torn => self.torn(rng),
            Cut::Reordered => self.pending[rng.below(self.pending.len())..].to_vec(),
            Cut::OneLost => {
                let mut all = self.parts(|_| true);
                all.remove(rng.below(all.len()));
                all
            }
            Cut::HeadOnly => self.parts(|at| at < super::disk::PAGE),
            Cut::AllButHead => self.parts(|at| at >= super::disk::PAGE),
            Cut::LengthLost => {
                self.pending.iter().filter(|c| matches!(c, Change::Write { .. })).cloned().collect()
            }
            Cut::LengthOnly => self.parts(|_| false),
        };
        let mut bytes = self.bytes.clone();
        for change in &kept {
            apply(&mut bytes, change);
        }
        match cut {
            Cut::FlippedUnsynced => self.flip_unsynced(&mut bytes, rng)?,
            Cut::FlippedSynced => self.flip_synced(&mut bytes, rng)?,
            _ => {}
        }
        Some(bytes)
    }

    fn torn(&self, rng: &mut Rng) -> Vec<Change> {
        let last = rng.below(self.pending.len());
        let mut kept = self.pending[..last].to_vec();
        if let Change::Write { at, bytes } = &self.pending[last] {
            let cut = rng.below(bytes.len());
            kept.push(Change::Write { at: *at, bytes: bytes[..cut].into() });
        }
        kept
    }

    fn flip_unsynced(&self, bytes: &mut [u8], rng: &mut Rng) -> Option<()> {
        let parts = self.parts(|_| true);
        let Some(Change::Write { at, bytes: part }) = parts.get(rng.below(parts.len())) else { return None };
        let first = at + rng.below(part.len());
        for _ in 0..=rng.below(8) {
            let at = (first + rng.below(64)).min(at + part.len() - 1);
            *bytes.get_mut(at)? ^= 1 << rng.below(8);
        }
        Some(())
    }

    /// A bit of a sector that holds something and has no pending change. Every fourth is in the first page.
    fn flip_synced(&self, bytes: &mut [u8], rng: &mut Rng) -> Option<()> {
        let touched = self.parts(|_| true);
        let pending = |sector: usize| {
            touched.iter().any(|c| matches!(c, Change::Write { at, .. } if at / SECTOR == sector))
        };
        let within = if rng.chance(25) { SECTOR.min(bytes.len()) } else { self.bytes.len().min(bytes.len()) };
        for _ in 0..200 {
            let at = rng.below(within);
            if bytes.get(at).is_some_and(|byte| *byte != 0) && !pending(at / SECTOR) {
                bytes[at] ^= 1 << rng.below(8);
                return Some(());
            }
        }
        None
    }
}
