//! The nearest name to a mistyped one.

/// The name nearest to `typed` where it is near enough for a slip: at most a third of the letters differ (one
/// may always), or one begins with the other.
pub(crate) fn nearest<'a>(typed: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    valid
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let distance = strsim::osa_distance(&typed, &lower);
            let longer = typed.chars().count().max(lower.chars().count());
            let shares_start = typed.chars().count().min(lower.chars().count()) >= 3
                && (lower.starts_with(&typed) || typed.starts_with(&lower));
            (distance <= (longer / 3).max(1) || shares_start).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Most names shown when none is near.
const LISTED_MAX: usize = 12;

/// The end of a sentence about an unknown name: the nearest one, else those that exist.
pub(crate) fn suggestion(typed: &str, valid: &[&str]) -> String {
    if let Some(name) = nearest(typed, valid.iter().copied()) {
        return format!(": did you mean \"{name}\"?");
    }
    match valid {
        [] => String::new(),
        names if names.len() > LISTED_MAX => {
            format!(" (there are {}, ... {} in all)", names[..LISTED_MAX].join(", "), names.len())
        }
        names => format!(" (there are {})", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slips_are_corrected() {
        let names = ["alpha", "beta", "gamma"];
        assert_eq!(nearest("alhpa", names), Some("alpha"));
        assert_eq!(nearest("Beta", names), Some("beta"));
        assert_eq!(nearest("gam", names), Some("gamma"));
        assert_eq!(nearest("delta", names), None, "fencing the wrong node is no slip to suggest");
        assert_eq!(suggestion("omega9", &names), " (there are alpha, beta, gamma)");
    }
}
