//! Collects diagnostics while a file is read. Knows places and words, not the meaning of any key.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Lines, Severity};
use crate::limits::DIAGNOSTICS_KEPT;
use ha_model::{Origin, Waiver};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Bytes of the text.
pub(crate) type Bytes = Range<usize>;

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sp<T> {
    pub value: T,
    pub at: Bytes,
}

impl<T> Sp<T> {
    pub(crate) fn new(value: T, at: Bytes) -> Self {
        Sp { value, at }
    }
}

/// What was found so far, the waivers that were typed and the reasons that needed one.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: &'a str,
    lines: Lines<'a>,
    items: Vec<Diagnostic>,
    errors: usize,
    waivers: BTreeMap<Waiver, Bytes>,
    used: BTreeSet<Waiver>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Report {
            file,
            lines: Lines::new(text),
            items: Vec::new(),
            errors: 0,
            waivers: BTreeMap::new(),
            used: BTreeSet::new(),
        }
    }

    fn push(&mut self, severity: Severity, code: Code, at: &Bytes, message: String) {
        self.errors += usize::from(severity == Severity::Error);
        self.items.truncate(DIAGNOSTICS_KEPT - 1);
        self.items.push(Diagnostic {
            severity,
            code,
            message,
            help: Vec::new(),
            span: self.lines.span(at),
            secondary: Vec::new(),
            secret: None,
        });
    }

    /// Adds an error; the rest of it is added to what is returned.
    pub(crate) fn error(&mut self, code: Code, at: &Bytes, message: impl Into<String>) -> More<'_, 'a> {
        self.push(Severity::Error, code, at, message.into());
        More { report: self }
    }

    /// Adds a warning.
    pub(crate) fn warning(&mut self, code: Code, at: &Bytes, message: impl Into<String>) -> More<'_, 'a> {
        self.push(Severity::Warning, code, at, message.into());
        More { report: self }
    }

    /// Adds a note.
    pub(crate) fn note(&mut self, code: Code, at: &Bytes, message: impl Into<String>) -> More<'_, 'a> {
        self.push(Severity::Note, code, at, message.into());
        More { report: self }
    }

    /// How many errors there are so far: a later check that builds on a section can see whether it is whole.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether no more diagnostics are kept: looking for further ones of a kind is then in vain.
    pub(crate) fn is_full(&self) -> bool {
        self.items.len() >= DIAGNOSTICS_KEPT
    }

    pub(crate) fn origin(&self, at: &Bytes) -> Origin {
        let span = self.lines.span(at);
        Origin::File { name: self.file.to_owned(), line: span.line, column: span.column }
    }

    /// Line of a place, for sentences.
    pub(crate) fn line(&self, at: &Bytes) -> u32 {
        self.lines.span(at).line
    }

    pub(crate) fn set_waivers(&mut self, waivers: BTreeMap<Waiver, Bytes>) {
        self.waivers = waivers;
    }

    pub(crate) fn waivers(&self) -> &BTreeMap<Waiver, Bytes> {
        &self.waivers
    }

    /// Whether the waiver was typed. Asking means that it is needed.
    pub(crate) fn waived(&mut self, waiver: Waiver) -> bool {
        self.used.insert(waiver);
        self.waivers.contains_key(&waiver)
    }

    /// Whether a reason came up that needs the waiver.
    pub(crate) fn was_needed(&self, waiver: Waiver) -> bool {
        self.used.contains(&waiver)
    }

    /// Everything, in order of places.
    pub(crate) fn into_items(mut self) -> Vec<Diagnostic> {
        self.items.sort_by_key(|d| (d.span.bytes.start, std::cmp::Reverse(d.severity)));
        self.items
    }
}

/// The last diagnostic, to which more is added.
pub(crate) struct More<'r, 'a> {
    report: &'r mut Report<'a>,
}

impl More<'_, '_> {
    fn last(&mut self) -> &mut Diagnostic {
        self.report.items.last_mut().expect("made after a push")
    }

    /// What to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.last().help.push(help.into());
        self
    }

    /// The waiver that makes it accepted.
    pub(crate) fn waiver(self, waiver: Waiver) -> Self {
        let word = waiver.word();
        self.help(format!(
            "or accept it, shown by `hactl status` for as long as it stands: waivers = [\"{word}\"]"
        ))
    }

    /// Another place that matters.
    pub(crate) fn see(mut self, at: &Bytes, label: impl Into<String>) -> Self {
        let span = self.report.lines.span(at);
        self.last().secondary.push((span, label.into()));
        self
    }

    /// A place that holds a secret.
    pub(crate) fn secret(mut self, at: &Bytes) -> Self {
        let span = self.report.lines.span(at);
        self.last().secret = Some(span);
        self
    }
}
