//! The known name that a mistyped one was probably meant to be.
//!
//! Must not know: what the names stand for.

/// The nearest of `known`, if any is near: a third of its letters may differ, at most three.
pub(crate) fn nearest(known: impl IntoIterator<Item = String>, typed: &str) -> Option<String> {
    let limit = (typed.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(&name, typed), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let near = |typed| nearest(["off", "on", "monitor", "list-status"].map(str::to_owned), typed);
        assert_eq!(near("of").as_deref(), Some("off"));
        assert_eq!(near("monitr").as_deref(), Some("monitor"));
        assert_eq!(near("list-statsu").as_deref(), Some("list-status"));
        assert_eq!(near("explode"), None);
    }
}
