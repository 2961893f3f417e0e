//! The nearest valid name to a mistyped one. Pure text; knows nothing of what the names mean.

/// Longest name that is compared: a longer one is no typing error of a short one.
const COMPARED_MAX: usize = 128;
/// Most names shown when none is near.
const LISTED_MAX: usize = 12;

/// Edit distance with transposition of neighbours (optimal string alignment), letters compared without case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// The valid name nearest to `typed`, when it is near enough to be a typing error: at most a third of the
/// letters differ (at least one may), or one name begins with the other. Ties go to the first.
pub fn nearest<'a>(typed: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if typed.len() > COMPARED_MAX {
        return None;
    }
    let lower = typed.to_lowercase();
    valid
        .into_iter()
        .filter(|name| name.len() <= COMPARED_MAX)
        .filter_map(|name| {
            let d = distance(typed, name);
            let longer = typed.chars().count().max(name.chars().count());
            let name_lower = name.to_lowercase();
            let shares_start = lower.len().min(name.len()) >= 3
                && (name_lower.starts_with(&lower) || lower.starts_with(&name_lower));
            (d <= (longer / 3).max(1) || shares_start).then_some((d, name))
        })
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// The end of a sentence about an unknown name: `: did you mean "alpha"?`, or the list of what exists.
pub(crate) fn suggestion<'a>(typed: &str, valid: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(typed, valid.clone()) {
        return format!(": did you mean `{name}`?");
    }
    let names: Vec<&str> = valid.into_iter().collect();
    match names.len() {
        0 => String::new(),
        n if n > LISTED_MAX => format!(" (known: {}, … {n} in all)", names[..LISTED_MAX].join(", ")),
        _ => format!(" (known: {})", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_a_swap_of_neighbours_once() {
        for (a, b, d) in
            [("", "", 0), ("", "abc", 3), ("alpha", "alhpa", 1), ("beta", "bet", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), d, "{a} {b}");
            assert_eq!(distance(b, a), d, "{b} {a}");
        }
    }

    #[test]
    fn only_near_names_are_proposed() {
        let keys = ["links", "name", "role"];
        assert_eq!(nearest("link", keys), Some("links"));
        assert_eq!(nearest("Name", keys), Some("name"));
        assert_eq!(nearest("monitor", keys), None);
        assert_eq!(nearest("x", ["y"]), Some("y"));
        assert_eq!(nearest("interf", ["interface"]), Some("interface"));
        assert_eq!(suggestion("zz", ["alpha", "beta"]), " (known: alpha, beta)");
    }
}
