//! Reads options of agents; refuses secrets typed into the file.

use crate::code::Code;
use crate::limits::OPTIONS_MAX;
use crate::report::{Report, Sp};
use crate::secret::is_secret;
use crate::walk::{in_file_order, integer, kind, shown, string};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Options by name, each value as text.
pub(super) type Options = BTreeMap<String, Sp<String>>;

/// Reads a table of options but those that are `refused` already. Names are not judged, except that a secret is refused.
pub(super) fn read_options(
    owner: &str,
    entries: &DeTable<'_>,
    refused: &BTreeSet<&str>,
    report: &mut Report<'_>,
) -> Options {
    let mut options = Options::new();
    for (index, (name, value)) in in_file_order(entries).into_iter().enumerate() {
        if index == OPTIONS_MAX {
            report.error(Code::TooMany, &name.at, format!("more than {OPTIONS_MAX} options"));
            break;
        }
        if refused.contains(name.value) {
            continue;
        }
        if is_secret(name.value) {
            let message = format!(
                "option `{}` is a secret in a file that every node keeps and shows",
                shown(name.value)
            );
            report.error(Code::SecretInFile, &value.span(), message).secret(&value.span()).help(format!(
                "put it into a file that only root can read, on each node: {}_file = \"/etc/ha/secrets/{owner}\"",
                shown(name.value)
            ));
            continue;
        }
        if let Some(text) = scalar(name.value, value, report) {
            options.insert(name.value.to_owned(), text);
        }
    }
    options
}

/// The text that an agent gets for a string, a whole number or a boolean.
fn scalar(name: &str, value: &Spanned<DeValue<'_>>, report: &mut Report<'_>) -> Option<Sp<String>> {
    match value.get_ref() {
        DeValue::String(_) => string(name, value, report),
        DeValue::Boolean(b) => Some(Sp::new(b.to_string(), value.span())),
        DeValue::Integer(_) => {
            let number = integer(value.get_ref());
            if number.is_none() {
                report.error(Code::BadValue, &value.span(), format!("`{}` is too large", shown(name)));
            }
            number.map(|n| Sp::new(n.to_string(), value.span()))
        }
        other => {
            let message = format!(
                "option `{}` must be a string, a whole number or a boolean, not {}",
                shown(name),
                kind(other)
            );
            report.error(Code::WrongType, &value.span(), message);
            None
        }
    }
}
