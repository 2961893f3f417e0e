//! The rule for names: one label of a host name (RFC 1035 §2.3.1 with the leading digit of RFC 1123 §2.1).

use crate::code::Code;
use crate::nearest::suggestion;
use crate::report::{Bytes, Report, Sp};
use crate::walk::shown;
use ha_model::NAME_MAX;
use std::collections::BTreeMap;

/// Reports a name that breaks the rule, with the nearest that keeps it.
pub(crate) fn check_name(name: &Sp<String>, report: &mut Report<'_>) {
    let text = name.value.as_str();
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let edge_is_fine = !text.starts_with('-') && !text.ends_with('-');
    if !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(is_inner) && edge_is_fine {
        return;
    }
    let message =
        format!("`{}` cannot be a name: letters, digits and inner hyphens, at most {NAME_MAX}", shown(text));
    let more = report.error(Code::BadName, &name.at, message);
    let repaired: String = text.chars().map(|c| if is_inner(c) { c } else { '-' }).take(NAME_MAX).collect();
    let repaired = repaired.trim_matches('-');
    if !repaired.is_empty() {
        more.help(format!("for instance \"{repaired}\""));
    }
}

/// Names that were defined, each with its place; finds duplicates and dangling names.
#[derive(Debug)]
pub(crate) struct Names {
    /// What they name: "node", "resource".
    kind: &'static str,
    places: BTreeMap<String, Bytes>,
}

impl Names {
    pub(crate) fn new(kind: &'static str) -> Self {
        Names { kind, places: BTreeMap::new() }
    }

    /// Defines a name; a second one, also one that differs only in case, is reported.
    pub(crate) fn define(&mut self, name: &Sp<String>, report: &mut Report<'_>) {
        let same = self.places.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name.value));
        if let Some((known, at)) = same {
            let case =
                if *known == name.value { "" } else { " (names that differ only in case are one name)" };
            let message = format!("two {}s are named `{}`{case}", self.kind, shown(&name.value));
            report.error(Code::Duplicate, &name.at, message).see(at, "the first");
        }
        self.places.entry(name.value.clone()).or_insert_with(|| name.at.clone());
    }

    pub(crate) fn place(&self, name: &str) -> Option<&Bytes> {
        self.places.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.places.keys().map(String::as_str)
    }

    /// Whether the name exists; if not, that is reported with the nearest that does.
    pub(crate) fn knows(&self, name: &str, at: &Bytes, report: &mut Report<'_>) -> bool {
        if self.places.contains_key(name) {
            return true;
        }
        let hint = suggestion(name, self.iter());
        report.error(Code::UnknownName, at, format!("there is no {} `{}`{hint}", self.kind, shown(name)));
        false
    }
}

/// Reports entries that stand twice in a list; returns the list without them.
pub(crate) fn without_repeats(what: &str, list: Vec<Sp<String>>, report: &mut Report<'_>) -> Vec<Sp<String>> {
    let mut seen: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut unique = Vec::new();
    for item in list {
        if let Some(first) = seen.get(&item.value) {
            let message = format!("`{}` stands twice in {what}", shown(&item.value));
            report.error(Code::Duplicate, &item.at, message).see(first, "the first");
        } else {
            seen.insert(item.value.clone(), item.at.clone());
            unique.push(item);
        }
    }
    unique
}
