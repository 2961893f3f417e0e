//! What happens when: a heap of times, and what falls due at them in places of its own, because moving it costs more
//! than ordering it.
//!
//! Invariant: of one time, what was put in first comes out first (S15).

use super::Due;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The queue.
#[derive(Default)]
pub struct Queue {
    /// Time, number, place.
    times: BinaryHeap<Reverse<(u64, u64, usize)>>,
    places: Vec<Option<Due>>,
    free: Vec<usize>,
    numbers: u64,
}

impl Queue {
    /// At that time of the world.
    pub fn push(&mut self, at: u64, due: Due) {
        self.numbers += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(due);
        self.times.push(Reverse((at, self.numbers, place)));
    }

    /// When the next falls due.
    pub fn next_at(&self) -> Option<u64> {
        self.times.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next, and when it falls due.
    pub fn pop(&mut self) -> Option<(u64, Due)> {
        let Reverse((at, _, place)) = self.times.pop()?;
        self.free.push(place);
        self.places[place].take().map(|due| (at, due))
    }
}
