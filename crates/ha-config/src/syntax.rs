//! Text to tables. Says where the text is not TOML.

use crate::code::Code;
use crate::report::Report;
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::DeTable;

/// Most places shown: after the first few the reader has lost its way and guesses.
const PLACES_MAX: usize = 5;

/// Reads the tables of a text, or reports why it is no TOML.
pub(crate) fn tables<'a>(text: &'a str, report: &mut Report<'_>) -> Option<Spanned<DeTable<'a>>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table);
    }
    let mut errors: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    errors.sort_by_key(|(at, _)| at.start);
    let mut lines_seen = BTreeSet::new();
    let mut shown = 0;
    for (at, message) in errors {
        if shown < PLACES_MAX && lines_seen.insert(report.line(&at)) {
            shown += 1;
            let rest = text.get(at.start..).unwrap_or_default();
            if message == "duplicate key" {
                let key = text.get(at.clone()).unwrap_or_default();
                report.error(
                    Code::Syntax,
                    &at,
                    format!("`{}` stands twice in one table", crate::walk::shown(key)),
                );
            } else if message.starts_with("string values must be quoted") {
                let missing =
                    rest.trim_start_matches([' ', '\t']).starts_with(['\n', '\r', '#']) || rest.is_empty();
                let words = if missing { "a value is missing" } else { "text must stand in quotes" };
                report.error(Code::Syntax, &at, words);
            } else {
                report.error(Code::Syntax, &at, format!("not TOML: {message}"));
            }
        }
    }
    None
}
