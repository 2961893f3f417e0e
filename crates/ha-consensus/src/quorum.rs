//! Majority arithmetic, alone and pure: numbers in, numbers out.
//!
//! Must not know: nodes, terms, logs, time. Invariant: two majorities of one set always share a member.

use ha_model::sabotage::{self, Sabotage};

/// How many of `n` are a majority.
#[must_use]
pub fn majority(n: usize) -> usize {
    if sabotage::is(Sabotage::MinorityDecides) { (n / 2).max(1) } else { n / 2 + 1 }
}

/// How a ballot stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Outcome {
    /// A majority refused, or nobody may vote.
    Lost,
    /// Neither side has a majority yet.
    Open,
    /// A majority granted.
    Won,
}

/// The highest value that a majority has reached; `None` for a voter that has reached nothing. An empty set
/// reaches nothing.
pub fn reached<T: Ord>(values: impl IntoIterator<Item = Option<T>>) -> Option<T> {
    let mut values: Vec<Option<T>> = values.into_iter().collect();
    if values.is_empty() {
        return None;
    }
    let place = majority(values.len()) - 1;
    values.sort_by(|a, b| b.cmp(a));
    values.swap_remove(place)
}

/// Counts a ballot: `Some(true)` granted, `Some(false)` refused, `None` not answered.
pub fn tally(votes: impl IntoIterator<Item = Option<bool>>) -> Outcome {
    let (mut n, mut granted, mut refused) = (0, 0, 0);
    for vote in votes {
        n += 1;
        match vote {
            Some(true) => granted += 1,
            Some(false) => refused += 1,
            None => {}
        }
    }
    if n == 0 || n - refused < majority(n) {
        Outcome::Lost
    } else if granted >= majority(n) {
        Outcome::Won
    } else {
        Outcome::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_two_majorities_share_a_member() {
        for n in 1..=7usize {
            let majorities: Vec<u32> =
                (0..1u32 << n).filter(|set| set.count_ones() as usize >= majority(n)).collect();
            for a in &majorities {
                assert!(majorities.iter().all(|b| a & b != 0), "n={n} a={a:b}");
            }
        }
    }

    #[test]
    fn reached_is_what_a_majority_has() {
        let table: &[(&[Option<u64>], Option<u64>)] = &[
            (&[], None),
            (&[Some(5)], Some(5)),
            (&[Some(5), None, None], None),
            (&[Some(5), Some(3), None], Some(3)),
            (&[Some(5), Some(3), Some(4)], Some(4)),
            (&[Some(9), Some(8), Some(1), Some(1), None], Some(1)),
            (&[Some(9), Some(8), Some(7), Some(1), None], Some(7)),
            // Four is never configured, yet the arithmetic must not give it two halves.
            (&[Some(2), Some(2), Some(1), Some(1)], Some(1)),
        ];
        for (values, want) in table {
            assert_eq!(reached(values.iter().copied()), *want, "{values:?}");
        }
    }

    #[test]
    fn reached_agrees_with_counting() {
        for code in 0..4u32.pow(5) {
            let values: Vec<Option<u32>> = (0..5).map(|i| (code / 4u32.pow(i) % 4).checked_sub(1)).collect();
            let counted =
                (0..3).rev().find(|v| values.iter().filter(|x| x.is_some_and(|x| x >= *v)).count() >= 3);
            assert_eq!(reached(values.iter().copied()), counted, "{values:?}");
        }
    }

    #[test]
    fn tally_table() {
        let (y, n, o) = (Some(true), Some(false), None);
        let table: &[(&[Option<bool>], Outcome)] = &[
            (&[], Outcome::Lost),
            (&[y], Outcome::Won),
            (&[o], Outcome::Open),
            (&[n], Outcome::Lost),
            (&[y, o, o], Outcome::Open),
            (&[y, y, o], Outcome::Won),
            (&[y, n, o], Outcome::Open),
            (&[y, n, n], Outcome::Lost),
            (&[y, y, n, n, o], Outcome::Open),
            (&[y, y, n, n, y], Outcome::Won),
            (&[y, y, n, n], Outcome::Lost),
        ];
        for (votes, want) in table {
            assert_eq!(tally(votes.iter().copied()), *want, "{votes:?}");
        }
    }
}
