//! Walks the tables of the file and reads typed values. An unknown key, a wrong type and a missing key are
//! reported and reading goes on, so that one run shows everything.
//!
//! Invariant: only keys of the table's [`Section`] can be read (a key that the reference lacks cannot exist).

use crate::code::Code;
use crate::duration::{BadDuration, format_duration, parse_duration};
use crate::limits::STRING_MAX;
use crate::name::check_name;
use crate::nearest::{nearest, suggestion};
use crate::report::{Bytes, Report, Sp};
use crate::schema::Section;
use crate::secret::is_secret;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One table of the file.
pub(crate) struct Table<'a> {
    /// What it describes, for messages.
    section: &'static Section,
    /// Where it begins.
    pub at: Bytes,
    entries: &'a DeTable<'a>,
    /// Keys that unknown ones were probably meant to be: they are not missing, they are mistyped.
    mistyped: Vec<&'static str>,
}

/// A value with its key's place.
pub(crate) type Entry<'a> = (Bytes, &'a Spanned<DeValue<'a>>);

/// A type in the words of an operator, with its article.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The value of a whole number, if it fits.
pub(crate) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(number) = value else { return None };
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Entries of a table in order of the file.
pub(crate) fn in_file_order<'a>(table: &'a DeTable<'a>) -> Vec<(Sp<&'a str>, &'a Spanned<DeValue<'a>>)> {
    let mut entries: Vec<_> =
        table.iter().map(|(key, value)| (Sp::new(key.get_ref().as_ref(), key.span()), value)).collect();
    entries.sort_by_key(|(key, _)| key.at.start);
    entries
}

impl<'a> Table<'a> {
    /// Opens a table and reports its unknown keys.
    pub(crate) fn open(
        section: &'static Section,
        at: Bytes,
        entries: &'a DeTable<'a>,
        report: &mut Report<'_>,
    ) -> Self {
        let mut mistyped = Vec::new();
        for (key, value) in in_file_order(entries) {
            if report.is_full() {
                break;
            }
            if !section.names().any(|name| name == key.value) {
                mistyped.extend(nearest(key.value, section.names()));
                let hint = suggestion(key.value, section.names());
                let message = format!("unknown key `{}` in {}{hint}", shown(key.value), section.title);
                let more = report.error(Code::UnknownKey, &key.at, message);
                if is_secret(key.value) {
                    more.secret(&value.span());
                }
            }
        }
        Table { section, at, entries, mistyped }
    }

    /// The entry of a key, if it is there.
    pub(crate) fn get(&self, key: &'static str) -> Option<Entry<'a>> {
        assert!(self.section.names().any(|name| name == key), "{key} is not in the schema");
        self.entries.get_key_value(key).map(|(key, value)| (key.span(), value))
    }

    /// Reports a key that must be there and is not; `line` shows how it is written.
    pub(crate) fn missing(&self, key: &str, line: &str, report: &mut Report<'_>) {
        if self.mistyped.contains(&key) {
            return;
        }
        report
            .error(Code::MissingKey, &self.at, format!("missing `{key}` in {}", self.section.title))
            .help(format!("add a line such as: {line}"));
    }

    /// A string.
    pub(crate) fn string(&self, key: &'static str, report: &mut Report<'_>) -> Option<Sp<String>> {
        let (_, value) = self.get(key)?;
        string(key, value, report)
    }

    /// A name by the rule for names.
    pub(crate) fn name(&self, key: &'static str, report: &mut Report<'_>) -> Option<Sp<String>> {
        let name = self.string(key, report)?;
        check_name(&name, report);
        Some(name)
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&'static str, T)],
        report: &mut Report<'_>,
    ) -> Option<Sp<T>> {
        let typed = self.string(key, report)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == typed.value) {
            return Some(Sp::new(*value, typed.at));
        }
        let hint = suggestion(&typed.value, words.iter().map(|(word, _)| *word));
        let message = format!("unknown {key} `{}`{hint}", shown(&typed.value));
        report.error(Code::BadValue, &typed.at, message);
        None
    }

    /// A whole number in a range.
    pub(crate) fn int(
        &self,
        key: &'static str,
        range: RangeInclusive<i64>,
        report: &mut Report<'_>,
    ) -> Option<Sp<i64>> {
        let (_, value) = self.get(key)?;
        int(key, value, range, report)
    }

    /// A boolean.
    pub(crate) fn bool(&self, key: &'static str, report: &mut Report<'_>) -> Option<Sp<bool>> {
        let (_, value) = self.get(key)?;
        if let DeValue::Boolean(b) = value.get_ref() {
            return Some(Sp::new(*b, value.span()));
        }
        let message = format!("`{key}` is true or false, not {}", kind(value.get_ref()));
        let more = report.error(Code::WrongType, &value.span(), message);
        if let Some(word @ ("true" | "false")) = value.get_ref().as_str() {
            more.help(format!("write it without quotes: {key} = {word}"));
        }
        None
    }

    /// A time in a range.
    pub(crate) fn duration(
        &self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        report: &mut Report<'_>,
    ) -> Option<Sp<Duration>> {
        let (_, value) = self.get(key)?;
        duration(key, value, range, report)
    }

    /// A list of strings; `example` is one as it could stand there.
    pub(crate) fn strings(
        &self,
        key: &'static str,
        example: &str,
        max: usize,
        report: &mut Report<'_>,
    ) -> Option<Sp<Vec<Sp<String>>>> {
        let (_, value) = self.get(key)?;
        strings(key, value, example, max, report)
    }

    /// A table within this one, not yet opened.
    pub(crate) fn inner(
        &self,
        key: &'static str,
        example: &str,
        report: &mut Report<'_>,
    ) -> Option<(Bytes, &'a DeTable<'a>)> {
        let (key_at, value) = self.get(key)?;
        if let DeValue::Table(entries) = value.get_ref() {
            return Some((key_at, entries));
        }
        let message = format!("`{key}` must be a table, not {}", kind(value.get_ref()));
        report.error(Code::WrongType, &value.span(), message).help(format!("such as: {example}"));
        None
    }

    /// The tables of `[[key]]`.
    pub(crate) fn tables(
        &self,
        key: &'static str,
        section: &'static Section,
        max: usize,
        report: &mut Report<'_>,
    ) -> Vec<Table<'a>> {
        let Some((_, value)) = self.get(key) else { return Vec::new() };
        let items = match value.get_ref() {
            DeValue::Array(items) => items,
            other => {
                let message = format!("`{key}` must be written as [[{key}]], not as {}", kind(other));
                report
                    .error(Code::WrongType, &value.span(), message)
                    .help(format!("double the brackets, once for each {key}: [[{key}]]"));
                return Vec::new();
            }
        };
        if items.len() > max {
            let at = items.get(max).map_or(value.span(), Spanned::span);
            report.error(Code::TooMany, &at, format!("more than {max} of [[{key}]]"));
        }
        let mut tables = Vec::new();
        for item in items.iter().take(max) {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    tables.push(Table::open(section, item.span(), entries, report));
                }
                other => {
                    let message = format!("[[{key}]] must be a table, not {}", kind(other));
                    report.error(Code::WrongType, &item.span(), message);
                }
            }
        }
        tables
    }
}

/// Text of the file inside a message: one line of bounded length.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let mut line: String =
        text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().count() > SHOWN_MAX {
        line.push('…');
    }
    line
}

/// Reads a string of bounded length without control characters.
pub(crate) fn string(
    what: &str,
    value: &Spanned<DeValue<'_>>,
    report: &mut Report<'_>,
) -> Option<Sp<String>> {
    let at = value.span();
    let Some(text) = value.get_ref().as_str() else {
        let message = format!("`{what}` must be a string, not {}", kind(value.get_ref()));
        let more = report.error(Code::WrongType, &at, message);
        if let Some(number) = integer(value.get_ref()) {
            more.help(format!("write it in quotes: \"{number}\""));
        }
        return None;
    };
    if text.len() > STRING_MAX {
        report.error(Code::BadValue, &at, format!("`{what}` is longer than {STRING_MAX} bytes"));
        return None;
    }
    if text.trim().is_empty() {
        report.error(Code::BadValue, &at, format!("`{what}` is empty"));
        return None;
    }
    if text.chars().any(char::is_control) {
        let message = format!("`{what}` contains a line break or another control character");
        report.error(Code::BadValue, &at, message);
        return None;
    }
    Some(Sp::new(text.to_owned(), at))
}

/// Reads a whole number in a range.
pub(crate) fn int(
    what: &str,
    value: &Spanned<DeValue<'_>>,
    range: RangeInclusive<i64>,
    report: &mut Report<'_>,
) -> Option<Sp<i64>> {
    let at = value.span();
    let (low, high) = (range.start(), range.end());
    if !value.get_ref().is_integer() {
        let message = format!("`{what}` must be a whole number, not {}", kind(value.get_ref()));
        let more = report.error(Code::WrongType, &at, message);
        if let Some(number) = value.get_ref().as_str().and_then(|s| s.trim().parse::<i64>().ok()) {
            more.help(format!("write it without quotes: {number}"));
        }
        return None;
    }
    match integer(value.get_ref()) {
        Some(number) if range.contains(&number) => Some(Sp::new(number, at)),
        _ => {
            report.error(Code::BadValue, &at, format!("`{what}` must be between {low} and {high}"));
            None
        }
    }
}

/// Reads a time in a range.
pub(crate) fn duration(
    what: &str,
    value: &Spanned<DeValue<'_>>,
    range: RangeInclusive<Duration>,
    report: &mut Report<'_>,
) -> Option<Sp<Duration>> {
    let at = value.span();
    let text = match value.get_ref() {
        DeValue::String(text) => text,
        DeValue::Integer(number) => {
            let message = format!("`{what}` needs its unit: a bare number could be seconds or milliseconds");
            let n = number.as_str();
            report
                .error(Code::WrongType, &at, message)
                .help(format!("write \"{n}s\" for seconds or \"{n}ms\" for milliseconds"));
            return None;
        }
        other => {
            let message = format!("`{what}` must be a time such as \"10s\", not {}", kind(other));
            report.error(Code::WrongType, &at, message);
            return None;
        }
    };
    let (low, high) = (*range.start(), *range.end());
    match parse_duration(text.trim()) {
        Ok(time) if range.contains(&time) => Some(Sp::new(time, at)),
        Ok(_) | Err(BadDuration::TooLong) => {
            let (low, high) = (format_duration(low), format_duration(high));
            report.error(Code::BadValue, &at, format!("`{what}` must be between {low} and {high}"));
            None
        }
        Err(bad) => {
            let message = format!("`{what}`: \"{}\" is no time", shown(text));
            let more = report.error(Code::BadValue, &at, message);
            match bad {
                BadDuration::NoUnit => {
                    let n = text.trim();
                    more.help(format!("add its unit: \"{n}s\" for seconds or \"{n}ms\" for milliseconds"));
                }
                BadDuration::Fraction(Some(same)) => {
                    more.help(format!("whole numbers only: \"{same}\""));
                }
                BadDuration::UnknownUnit(unit) => {
                    more.help(format!("the units are ms, s, m, h; \"{unit}\" is none of them"));
                }
                BadDuration::Fraction(None) | BadDuration::NoNumber | BadDuration::TooLong => {
                    more.help("a whole number and its unit, such as \"150ms\", \"10s\", \"2m\", \"1h\"");
                }
            }
            None
        }
    }
}

/// Reads a list of strings.
pub(crate) fn strings(
    what: &str,
    value: &Spanned<DeValue<'_>>,
    example: &str,
    max: usize,
    report: &mut Report<'_>,
) -> Option<Sp<Vec<Sp<String>>>> {
    let at = value.span();
    let DeValue::Array(items) = value.get_ref() else {
        let message = format!("`{what}` must be a list, not {}", kind(value.get_ref()));
        let example = match value.get_ref() {
            DeValue::String(one) => format!("[\"{}\"]", shown(one)),
            DeValue::Integer(one) => format!("[\"{}\"]", one.as_str()),
            _ => example.to_owned(),
        };
        report.error(Code::WrongType, &at, message).help(format!("write {example}"));
        return None;
    };
    if items.is_empty() {
        report
            .error(Code::BadValue, &at, format!("`{what}` is an empty list"))
            .help(format!("such as: {example}"));
        return None;
    }
    if items.len() > max {
        let message = format!("`{what}` has {} entries, more than {max}", items.len());
        report.error(Code::TooMany, &items[max].span(), message);
    }
    let list = items.iter().take(max).filter_map(|item| string(what, item, report)).collect();
    Some(Sp::new(list, at))
}
