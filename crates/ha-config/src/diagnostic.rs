//! What is wrong in a file, where, and what to write instead; and how that is shown.
//!
//! Invariants: a span lies on character borders of the text; a secret that was typed into the file is never
//! shown.

use crate::code::Code;
use crate::limits::DIAGNOSTICS_MAX;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};
use std::fmt;
use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Something worth knowing that is as it should be.
    Note,
    /// Accepted, but probably not meant.
    Warning,
    /// Refused.
    Error,
}

/// A place in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// Bytes of the text.
    pub bytes: Range<usize>,
    /// Line of the first character, from 1.
    pub line: u32,
    /// Column of the first character in characters, from 1.
    pub column: u32,
}

/// One thing to say about a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is; stable, for scripts.
    pub code: Code,
    /// One sentence, with the nearest valid name when a name is unknown.
    pub message: String,
    /// What to do: the reason, the line to add or to change. Empty when the message says it all.
    pub help: Vec<String>,
    /// The place.
    pub span: Span,
    /// Other places that matter, each with what it is.
    pub secondary: Vec<(Span, String)>,
    /// A place that holds a secret: it is masked whenever the text is shown.
    pub secret: Option<Span>,
}

/// Everything that is wrong with a file; at least one is an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostics {
    /// The file's name as given.
    pub file: String,
    /// Errors, warnings and notes in order of their places.
    pub items: Vec<Diagnostic>,
    text: String,
}

impl Diagnostics {
    pub(crate) fn new(file: &str, text: &str, items: Vec<Diagnostic>) -> Self {
        Diagnostics { file: file.to_owned(), text: masked(text, &items), items }
    }

    /// How many are errors.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.items.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// All of it for a terminal: file, line, column, excerpt, help. Ends with a line that counts the errors.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let errors = self.error_count();
        let plural = if errors == 1 { "" } else { "s" };
        let mut out = render(&self.file, &self.text, &self.items, color);
        out.push_str(&format!("{}: {errors} error{plural}; nothing was applied\n", self.file));
        out
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Shows diagnostics of `text`, for instance the warnings of an accepted file.
#[must_use]
pub fn render(file: &str, text: &str, items: &[Diagnostic], color: bool) -> String {
    let text = masked(text, items);
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for item in items.iter().take(DIAGNOSTICS_MAX) {
        out.push_str(&render_one(file, &text, item, &renderer));
        out.push_str("\n\n");
    }
    if let Some(more) = items.len().checked_sub(DIAGNOSTICS_MAX).filter(|more| *more > 0) {
        out.push_str(&format!("… and {more} more\n\n"));
    }
    out
}

fn render_one(file: &str, text: &str, item: &Diagnostic, renderer: &Renderer) -> String {
    let level = match item.severity {
        Severity::Note => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    // Only the lines from the first place to the last are handed over: a file may be long.
    let spans = || std::iter::once(&item.span).chain(item.secondary.iter().map(|(span, _)| span));
    let places = || spans().map(|span| clamp(text, &span.bytes));
    let first = places().map(|bytes| bytes.start).min().unwrap_or(0);
    let last = places().map(|bytes| bytes.end).max().unwrap_or(text.len());
    let start = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
    let line = spans().map(|span| span.line).min().unwrap_or(1);
    let within = |span: &Span| {
        let bytes = clamp(text, &span.bytes);
        bytes.start - start..bytes.end - start
    };
    let mut snippet = Snippet::source(&text[start..end])
        .path(file)
        .line_start(usize::try_from(line).unwrap_or(1))
        .annotation(AnnotationKind::Primary.span(within(&item.span)));
    for (span, label) in &item.secondary {
        snippet = snippet.annotation(AnnotationKind::Context.span(within(span)).label(label.as_str()));
    }
    let mut group = level.primary_title(item.message.as_str()).id(item.code.word()).element(snippet);
    for help in &item.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// A range on character borders inside the text.
fn clamp(text: &str, bytes: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(bytes.start);
    start..floor(bytes.end).max(start)
}

/// The text with every secret replaced by stars, byte for byte, so that places stay.
fn masked(text: &str, items: &[Diagnostic]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for secret in items.iter().filter_map(|item| item.secret.as_ref()) {
        for byte in &mut bytes[clamp(text, &secret.bytes)] {
            if *byte != b'\n' {
                *byte = b'*';
            }
        }
    }
    String::from_utf8(bytes).expect("whole characters were replaced by ASCII")
}

/// Finds line and column of byte positions.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Lines { text, starts }
    }

    /// Line and column of the range's start.
    pub(crate) fn span(&self, bytes: &Range<usize>) -> Span {
        let bytes = clamp(self.text, bytes);
        let line = self.starts.partition_point(|start| *start <= bytes.start);
        let column = self.text[self.starts[line - 1]..bytes.start].chars().count() + 1;
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { bytes, line: small(line), column: small(column) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_from_one() {
        let lines = Lines::new("aä=1\n\nb=2");
        let place = |at: usize| {
            let span = lines.span(&(at..at + 1));
            (span.line, span.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(3), (1, 3), "after a character of two bytes");
        assert_eq!(place(6), (2, 1));
        assert_eq!(place(7), (3, 1));
        assert_eq!(place(999), (3, 4), "beyond the end");
    }
}
