//! Code cites invariants by number; every number that is cited exists, and every one that exists is written down once.

use super::source::line_of;
use super::{File, Finding};
use std::collections::BTreeSet;

/// Where they are written down.
const LIST: &str = "docs/INVARIANTS.md";
/// S1 to here.
const SAFETY: usize = 20;
/// L1 to here.
const LIVENESS: usize = 7;

/// The rule.
pub fn check(files: &[File]) -> Vec<Finding> {
    let Some(list) = files.iter().find(|f| f.path == LIST) else {
        return vec![Finding::error(LIST, 0, "it is missing")];
    };
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    for (letter, count) in [('S', SAFETY), ('L', LIVENESS)] {
        for number in 1..=count {
            let name = format!("{letter}{number}");
            let rows = list.text.matches(&format!("| {name} |")).count();
            if rows != 1 {
                found.push(Finding::error(LIST, 0, format!("{name} has {rows} rows; it must have one")));
            }
            known.insert(name);
        }
    }
    for file in files.iter().filter(|f| f.is_rust() || f.path.ends_with(".md")) {
        for (at, name) in cited(&file.text) {
            if !known.contains(&name) {
                let text = format!("{name} is not in {LIST}");
                found.push(Finding::error(&file.path, line_of(&file.text, at), text));
            }
        }
    }
    found
}

/// `S` or `L` and a number, as a word of its own.
fn cited(text: &str) -> Vec<(usize, String)> {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let begun = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut out = Vec::new();
    for (at, letter) in text.match_indices(['S', 'L']) {
        let digits = text[at + 1..].chars().take_while(char::is_ascii_digit).count();
        let end = at + 1 + digits;
        let is_whole = !text[..at].ends_with(begun) && !text[end..].starts_with(goes_on);
        // `S7:` at the beginning of a sentence is a citation, `S7::X` is a path.
        let is_sentence = text[end..].starts_with(':') && !text[end..].starts_with("::");
        if digits > 0 && (is_whole || is_sentence && !text[..at].ends_with(begun)) {
            out.push((at, format!("{letter}{}", &text[at + 1..end])));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    /// Not written out, or the rule would find it here.
    fn number(n: usize) -> String {
        format!("S{n}")
    }

    fn list() -> String {
        let row = |l: char, n: usize| format!("| {l}{n} | text |\n");
        (1..=SAFETY).map(|n| row('S', n)).chain((1..=LIVENESS).map(|n| row('L', n))).collect()
    }

    fn found(list: &str, code: &str) -> Vec<String> {
        check(&[file(LIST, list), file("crates/a/src/x.rs", code)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_cited_exists() {
        let (high, zero) = (number(SAFETY + 1), number(0));
        assert!(found(&list(), "// S1, (S20) and L7: fine. `S::A`, US12, S1x, A_S99").is_empty());
        let bad = found(&list(), &format!("// fine\n// {high}: not\n/// ({zero})"));
        assert_eq!(bad.len(), 2, "{bad:?}");
        assert!(bad[0].contains("x.rs:2:") && bad[1].contains("x.rs:3:"), "{bad:?}");
    }

    #[test]
    fn the_list_is_whole() {
        let without = list().replace("| S7 | text |\n", "");
        assert_eq!(found(&without, ""), [format!("error: {LIST}: S7 has 0 rows; it must have one")]);
        let twice = list() + "| L2 | again |\n";
        assert_eq!(found(&twice, ""), [format!("error: {LIST}: L2 has 2 rows; it must have one")]);
    }
}
