//! Laying out text in 80 columns. What agents and devices said is made harmless before it is shown.

use crate::paint::{Tone, paint};
use ha_model::OwnView;

/// Columns of every terminal, rescue consoles included.
pub(crate) const COLUMNS: usize = 80;

/// A cell of a table row.
pub(crate) struct Cell {
    text: String,
    width: usize,
    tone: Tone,
}

impl Cell {
    /// A cell padded to `width` columns.
    pub(crate) fn new(text: &str, width: usize) -> Cell {
        Cell { text: harmless(text), width, tone: Tone::Plain }
    }

    /// The same in a colour.
    pub(crate) fn tone(mut self, tone: Tone) -> Cell {
        self.tone = tone;
        self
    }
}

/// One row, indented; a cell that does not fit goes to the next line, indented by four more.
pub(crate) fn row(out: &mut String, indent: usize, cells: &[Cell], color: bool) {
    let mut line = " ".repeat(indent);
    let mut column = indent;
    let mut pending = 0;
    let mut is_first = true;
    for cell in cells.iter().filter(|cell| !(cell.text.is_empty() && cell.width == 0)) {
        let length = cell.text.chars().count();
        if !is_first && length > 0 && column + pending + length > COLUMNS {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent + 4);
            column = indent + 4;
        } else {
            line.push_str(&" ".repeat(pending));
            column += pending;
        }
        line.push_str(&paint(&cell.text, cell.tone, color && length > 0));
        column += length;
        pending = cell.width.saturating_sub(length) + 2;
        is_first = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// A sentence broken at blanks; every line indented. A word (a path) is never broken.
pub(crate) fn sentence(out: &mut String, indent: usize, text: &str) {
    hanging(out, &" ".repeat(indent), indent, text);
}

/// Like [`sentence`], with something before the first line.
pub(crate) fn hanging(out: &mut String, first: &str, indent: usize, text: &str) {
    let mut line = first.to_owned();
    let mut column = first.chars().count();
    let mut is_empty = true;
    for word in harmless(text).split_whitespace() {
        let length = word.chars().count();
        if !is_empty && column + 1 + length > COLUMNS {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
            column = indent;
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
            column += 1;
        }
        line.push_str(word);
        column += length;
        is_empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// The line above what a node told by itself, because it could not ask the leader; nothing above all else.
pub(crate) fn own_view(own: Option<&OwnView>) -> String {
    let mut out = String::new();
    if let Some(own) = own {
        hanging(&mut out, "", 2, &own.text());
        out.push('\n');
    }
    out
}

/// Control characters (a device's answer could hold terminal commands) become visible marks.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_keep_words_whole_and_columns_bounded() {
        let mut out = String::new();
        let path = format!("/opt/{}/bin/webd", "x".repeat(90));
        sentence(&mut out, 4, &format!("{} start failed: {path}: no such file", "word ".repeat(20)));
        assert!(out.contains(&path));
        for line in out.lines().filter(|line| !line.contains(&path)) {
            assert!(line.starts_with("    ") && line.chars().count() <= COLUMNS, "{line}");
        }
    }

    #[test]
    fn rows_break_between_cells() {
        let mut out = String::new();
        let long = "n".repeat(63);
        row(&mut out, 2, &[Cell::new(&long, 63), Cell::new("online", 7), Cell::new("voter", 0)], false);
        assert_eq!(out, format!("  {long}  online\n      voter\n"));
        for cell in out.lines() {
            assert!(cell.chars().count() <= COLUMNS);
        }
    }

    #[test]
    fn terminal_commands_of_a_device_stay_text() {
        let mut out = String::new();
        sentence(&mut out, 0, "pdu says \x1b[2J\x07on\nand off");
        assert_eq!(out, "pdu says \u{fffd}[2J\u{fffd}on and off\n");
    }
}
