//! The nearest name to a mistyped one, by the same rule as in cluster files.

use ha_config::nearest;

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
        assert_eq!(nearest("delta", names), None, "no other node is proposed for fencing");
        assert_eq!(suggestion("omega9", &names), " (there are alpha, beta, gamma)");
    }
}
