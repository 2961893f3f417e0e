//! What is written in one go, and what makes it acceptable. Pure.
//!
//! Order within a batch: `meta`, `snapshot`, `truncate_from`, `drop_through`, `append`. Invariant: the log's
//! indices have no gap, so a batch that would leave one is refused before anything is written.

/// Longest name of a meta record in bytes.
pub const META_KEY_MAX: usize = 64;
/// Most meta records in a store: they are a handful of counters and marks, named in code.
pub const META_KEYS_MAX: usize = 64;
/// Longest value in bytes: no longer than a frame can carry to a peer.
pub const VALUE_MAX: usize = 16 << 20;
/// Most bytes in a batch, bounding the memory of one transaction: a snapshot and the log tail behind it.
pub const BATCH_MAX: usize = 4 * VALUE_MAX;

/// Changes that become durable together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Named records to set.
    pub meta: Vec<(String, Vec<u8>)>,
    /// Drop every log entry with this index or a higher one.
    pub truncate_from: Option<u64>,
    /// Log entries to add, each with its index; they continue the log without a gap.
    pub append: Vec<(u64, Vec<u8>)>,
    /// Replace the snapshot.
    pub snapshot: Option<Vec<u8>>,
    /// Drop every log entry up to and including this index; when that is beyond the end, the log is empty and
    /// goes on after it.
    pub drop_through: Option<u64>,
}

impl Batch {
    /// Payload bytes of the batch.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.meta.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>()
            + self.append.iter().map(|(_, v)| v.len()).sum::<usize>()
            + self.snapshot.as_ref().map_or(0, Vec::len)
    }
}

/// Why a batch is refused: a bug in the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// An appended entry does not follow the last one.
    #[error("log entry {found} appended where {expected} is next")]
    Gap {
        /// Index that would continue the log.
        expected: u64,
        /// Index given.
        found: u64,
    },
    /// Truncation outside what the log holds.
    #[error("log truncated from {from}, but it holds {first} up to before {next}")]
    Truncate {
        /// Index asked for.
        from: u64,
        /// First index held.
        first: u64,
        /// Index after the last.
        next: u64,
    },
    /// A value, name or batch above its limit.
    #[error("{what} of {len} bytes exceeds {max}")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// Its length.
        len: usize,
        /// Its limit.
        max: usize,
    },
    /// More named records than a store takes.
    #[error("more than {META_KEYS_MAX} meta records")]
    TooManyKeys,
}

/// The range of indices in the log: `first` up to before `next`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bounds {
    pub first: u64,
    pub next: u64,
}

impl Bounds {
    /// The bounds after `batch`, or why it does not fit.
    pub fn after(self, batch: &Batch) -> Result<Bounds, BatchError> {
        let mut b = self;
        if let Some(from) = batch.truncate_from {
            if from < b.first || from > b.next {
                return Err(BatchError::Truncate { from, first: b.first, next: b.next });
            }
            b.next = from;
        }
        if let Some(through) = batch.drop_through {
            let first = through.saturating_add(1);
            b.first = b.first.max(first);
            b.next = b.next.max(b.first);
        }
        for (index, _) in &batch.append {
            if *index != b.next {
                return Err(BatchError::Gap { expected: b.next, found: *index });
            }
            b.next += 1;
        }
        Ok(b)
    }
}

/// Checks the sizes of a batch.
pub(crate) fn check_sizes(batch: &Batch) -> Result<(), BatchError> {
    let within =
        |what, len, max| if len > max { Err(BatchError::TooLong { what, len, max }) } else { Ok(()) };
    for (key, value) in &batch.meta {
        within("meta name", key.len(), META_KEY_MAX)?;
        within("meta value", value.len(), VALUE_MAX)?;
    }
    for (_, value) in &batch.append {
        within("log entry", value.len(), VALUE_MAX)?;
    }
    if let Some(snapshot) = &batch.snapshot {
        within("snapshot", snapshot.len(), VALUE_MAX)?;
    }
    within("batch", batch.bytes(), BATCH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(indices: &[u64]) -> Batch {
        Batch { append: indices.iter().map(|i| (*i, vec![0])).collect(), ..Batch::default() }
    }

    #[test]
    fn bounds_follow_each_part_in_order() {
        let b = Bounds { first: 3, next: 8 };
        let after = |batch: Batch| b.after(&batch).map(|b| (b.first, b.next));
        assert_eq!(after(Batch::default()), Ok((3, 8)));
        assert_eq!(after(append(&[8, 9])), Ok((3, 10)));
        assert_eq!(after(Batch { truncate_from: Some(5), ..append(&[5]) }), Ok((3, 6)));
        assert_eq!(after(Batch { truncate_from: Some(3), ..append(&[]) }), Ok((3, 3)));
        assert_eq!(after(Batch { truncate_from: Some(8), ..append(&[]) }), Ok((3, 8)));
        assert_eq!(after(Batch { drop_through: Some(5), ..append(&[8]) }), Ok((6, 9)));
        assert_eq!(after(Batch { drop_through: Some(1), ..append(&[]) }), Ok((3, 8)));
        assert_eq!(after(Batch { drop_through: Some(20), ..append(&[21]) }), Ok((21, 22)));
        let install = Batch { truncate_from: Some(3), drop_through: Some(4), ..append(&[5]) };
        assert_eq!(after(install), Ok((5, 6)), "an installed snapshot replaces the log");
    }

    #[test]
    fn whatever_would_leave_a_gap_is_refused() {
        let b = Bounds { first: 3, next: 8 };
        assert_eq!(b.after(&append(&[9])), Err(BatchError::Gap { expected: 8, found: 9 }));
        assert_eq!(b.after(&append(&[7])), Err(BatchError::Gap { expected: 8, found: 7 }));
        assert_eq!(b.after(&append(&[8, 10])), Err(BatchError::Gap { expected: 9, found: 10 }));
        for from in [2, 9] {
            let refused = b.after(&Batch { truncate_from: Some(from), ..Batch::default() });
            assert_eq!(refused, Err(BatchError::Truncate { from, first: 3, next: 8 }));
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let meta = |k: usize, v: usize| Batch { meta: vec![("k".repeat(k), vec![0; v])], ..Batch::default() };
        assert!(check_sizes(&meta(META_KEY_MAX, VALUE_MAX)).is_ok());
        assert!(check_sizes(&meta(META_KEY_MAX + 1, 0)).is_err());
        assert!(check_sizes(&meta(1, VALUE_MAX + 1)).is_err());
        let many = Batch { append: (1..=5).map(|i| (i, vec![0; VALUE_MAX])).collect(), ..Batch::default() };
        assert!(matches!(check_sizes(&many), Err(BatchError::TooLong { what: "batch", .. })));
    }
}
