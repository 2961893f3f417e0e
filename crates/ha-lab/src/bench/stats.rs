//! Smallest, middle, largest.
//!
//! Must not know: of what.

/// Of some values, at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Smallest.
    pub min: f64,
    /// Middle; of an even number the mean of both in the middle.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl Summary {
    /// None without values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            (sorted[half - 1] + sorted[half]) / 2.0
        } else {
            sorted[half]
        };
        Some(Self { min, median, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_does_not_depend_on_the_order() {
        assert_eq!(Summary::of([]), None);
        assert_eq!(Summary::of([5.0, 1.0, 3.0]), Some(Summary { min: 1.0, median: 3.0, max: 5.0 }));
        assert_eq!(Summary::of([4.0, 1.0, 3.0, 100.0]).unwrap().median, 3.5);
    }
}
