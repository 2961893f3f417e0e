//! Cuts the power behind each operation of a life, in many ways, and judges what the store then gives back.

use super::disk::{Act, Disk, Restart, Sync};
use super::life::{Failing, Life, Living, Mark, World};
use super::medium::{Cut, Medium};
use super::rng::Rng;
use ha_storage::{Contents, Found, OpenError, Store};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Ways to cut the power that are tried behind each operation.
const CUTS_PER_ACT: usize = 3;

/// What a store gave back after a power cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// The newest acknowledged state.
    Acknowledged,
    /// The state that was being written.
    InFlight,
    /// The state before the newest acknowledged one: the store said that it was rolled back.
    SaidRolledBack,
    /// None: the store said that it is damaged. It costs the vote.
    SaidCorrupt,
}

/// What was seen.
#[derive(Default, Debug)]
pub struct Tally {
    /// Power cuts judged: pairs of an operation and what survived it, no two of an operation alike.
    pub points: usize,
    /// Of them, cuts while a store recovered from an earlier one.
    pub nested: usize,
    /// Lives judged.
    pub lives: usize,
    /// Syncs that failed in them.
    pub failed_syncs: usize,
    /// Opens with a read that failed.
    pub read_faults: usize,
    pub outcomes: BTreeMap<(Cut, Outcome), usize>,
    pub broken: Vec<String>,
}

impl Tally {
    pub fn table(&self) -> String {
        let mut out = format!(
            "{} crash points ({} of them during recovery) in {} lives, {} failing syncs, {} failing reads, {} broken\n",
            self.points,
            self.nested,
            self.lives,
            self.failed_syncs,
            self.read_faults,
            self.broken.len()
        );
        for ((cut, outcome), count) in &self.outcomes {
            out += &format!("  {:<16} {:<16} {count:>7}\n", format!("{cut:?}"), format!("{outcome:?}"));
        }
        for broken in self.broken.iter().take(10) {
            out += &format!("  broken: {broken}\n");
        }
        out
    }

    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|((_, o), _)| *o == outcome).map(|(_, count)| count).sum()
    }

    /// Judges every operation of `life`, until there are `enough` points.
    pub fn judge(&mut self, name: &str, life: &Life, rng: &mut Rng, enough: usize) {
        self.broken.extend(life.broken.iter().map(|b| format!("{name}: {b}")));
        self.lives += 1;
        self.failed_syncs += life.failed_syncs;
        let mut medium = Medium::of(life.start.clone());
        for acts in 0..=life.history.len() {
            if acts > 0 {
                step(&mut medium, &life.history[acts - 1]);
            }
            if self.points >= enough {
                return;
            }
            self.cut_all(&format!("{name}, operation {acts}"), life, acts, &medium, rng);
        }
    }

    fn cut_all(&mut self, name: &str, life: &Life, acts: usize, medium: &Medium, rng: &mut Rng) {
        let mut seen = HashSet::new();
        let mut cuts = Cut::ALL;
        for _ in 0..CUTS_PER_ACT {
            // Any of those not yet drawn.
            let drawn = seen.len().min(cuts.len() - 1);
            let other = drawn + rng.below(cuts.len() - drawn);
            cuts.swap(drawn, other);
            let cut = cuts[drawn];
            let Some(image) = medium.after(cut, rng) else { continue };
            let mut hasher = DefaultHasher::new();
            image.hash(&mut hasher);
            if seen.insert(hasher.finish()) {
                self.point(&format!("{name}, {cut:?}"), life, mark_at(life, acts), cut, image, rng);
            }
        }
    }

    fn point(&mut self, name: &str, life: &Life, mark: Mark, cut: Cut, image: Vec<u8>, rng: &mut Rng) {
        self.points += 1;
        match opened(&image, life, mark, cut) {
            Ok(outcome) => {
                *self.outcomes.entry((cut, outcome)).or_default() += 1;
                let sound = matches!(outcome, Outcome::Acknowledged | Outcome::InFlight);
                if sound && rng.chance(5) {
                    self.failing_read(name, &image, rng);
                }
                if sound && !damages(cut) && rng.chance(15) {
                    self.recovery(name, life, mark, image, rng);
                }
            }
            Err(why) => self.broken.push(format!("{name}: {why}")),
        }
    }

    /// Cuts the power once more, while the store recovers or soon after.
    fn recovery(&mut self, name: &str, life: &Life, mark: Mark, image: Vec<u8>, rng: &mut Rng) {
        let world = World { sync: Sync::Works, restart: Restart::DropsCache, failing: Failing::Never };
        let life = Living::on(image, life.states.clone(), mark, world, rng.draw()).short();
        self.broken.extend(life.broken.iter().map(|b| format!("{name}, recovery: {b}")));
        let acts = rng.below(life.history.len() + 1);
        let mut medium = Medium::of(life.start.clone());
        for act in &life.history[..acts] {
            step(&mut medium, act);
        }
        let cut = Cut::ALL[rng.below(Cut::ALL.len())];
        let Some(image) = medium.after(cut, rng) else { return };
        self.points += 1;
        self.nested += 1;
        match opened(&image, &life, mark_at(&life, acts), cut) {
            Ok(outcome) => *self.outcomes.entry((cut, outcome)).or_default() += 1,
            Err(why) => self.broken.push(format!("{name}, recovery cut at {acts}, {cut:?}: {why}")),
        }
    }

    /// A read that fails is a disk that fails: no damage, no loss, nothing invented.
    fn failing_read(&mut self, name: &str, image: &[u8], rng: &mut Rng) {
        let disk = Disk::new(image.to_vec(), Sync::Works, 0);
        let opened = Store::open_backend(disk.clone());
        let reads = disk.reads();
        drop(opened);
        let disk = Disk::new(image.to_vec(), Sync::Works, 0);
        disk.fail_read(rng.below(reads));
        self.read_faults += 1;
        match Store::open_backend(disk) {
            Err(OpenError::Io { .. }) => {}
            Err(other) => self.broken.push(format!("{name}: a failing read gave: {other}")),
            Ok(_) => self.broken.push(format!("{name}: a failing read passed unseen")),
        }
    }
}

/// What an operation does to the medium.
pub fn step(medium: &mut Medium, act: &Act) {
    match act {
        Act::Change(change) => medium.pend(change.clone()),
        Act::Synced => medium.sync(),
        Act::Failed(landed) => medium.only(landed),
    }
}

fn mark_at(life: &Life, acts: usize) -> Mark {
    let after = life.marks.partition_point(|mark| mark.acts <= acts);
    life.marks[after - 1]
}

/// Whether a cut damages what a disk must keep. A sector that is being written anew may hold what was acknowledged too.
fn damages(cut: Cut) -> bool {
    matches!(cut, Cut::FlippedUnsynced | Cut::FlippedSynced)
}

/// Opens what a power cut left; an error is a broken rule.
fn opened(image: &[u8], life: &Life, mark: Mark, cut: Cut) -> Result<Outcome, String> {
    let disk = Disk::new(image.to_vec(), Sync::Works, 0);
    let found = match Store::open_backend(disk) {
        Ok((_, Found::Intact(found))) => found,
        Err(OpenError::Corrupt { .. }) if damages(cut) => return Ok(Outcome::SaidCorrupt),
        Ok((_, other)) => return Err(format!("taken for {other:?}")),
        Err(e) => return Err(format!("does not open: {e}")),
    };
    let rolled_back = found.rolled_back;
    let found = Contents { rolled_back: false, ..found };
    let is = |state: usize| life.states[state] == found;
    if is(mark.acked) {
        Ok(Outcome::Acknowledged)
    } else if mark.may.is_some_and(is) {
        Ok(Outcome::InFlight)
    } else if damages(cut) && rolled_back && is(mark.before) {
        Ok(Outcome::SaidRolledBack)
    } else {
        let known = life.states.iter().position(|state| *state == found);
        Err(match known {
            Some(state) => format!(
                "state {state} where {} was acknowledged and {:?} being written (said rolled back: {rolled_back})",
                mark.acked, mark.may
            ),
            None => format!("contents that were never written (said rolled back: {rolled_back})"),
        })
    }
}
