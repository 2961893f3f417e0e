//! No file names a place on one developer's machine: it would work there and nowhere else.

use super::source::line_of;
use super::{File, Finding};

/// The rule.
pub fn check(files: &[File]) -> Vec<Finding> {
    // Put together here, or the rule would find itself.
    let places = ["work", "root", "home", "Users"].map(|name| format!("/{name}/"));
    let mut found = Vec::new();
    for file in files {
        for place in &places {
            for (at, _) in file.text.match_indices(place.as_str()) {
                // Part of a longer path, of an address, or of a variable's.
                let is_inside =
                    file.text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}/)*".contains(c));
                if !is_inside {
                    let text = format!("`{place}…` is a place on one machine");
                    found.push(Finding::error(&file.path, line_of(&file.text, at), text));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    #[test]
    fn places_of_one_machine_are_found() {
        let of = |name: &str| format!("a\nrun /{name}/me/bin\n");
        for name in ["work", "root", "home", "Users"] {
            let found = check(&[file("a.sh", &of(name))]);
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0].line, 2);
        }
        let fine = "https://example.org/home/x ../work/y $dir/root/z /etc/ha/secrets /tmp/ha-demo";
        assert!(check(&[file("a.sh", fine)]).is_empty());
    }
}
