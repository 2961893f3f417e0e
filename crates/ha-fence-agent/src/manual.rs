//! `--help` and the manual page.
//!
//! Must not know: option values.

use std::fmt::Write as _;

use crate::description::{AgentDescription, OptionSpec};
use crate::metadata::getopt;

/// The text of `--help`.
pub(crate) fn help(description: &AgentDescription) -> String {
    let mut text = format!(
        "{}: {}\n\nUsage: {} [options]\n       or name=value lines on standard input, without arguments\n\nOptions:\n",
        description.name, description.shortdesc, description.name
    );
    for spec in &description.options {
        let _ = writeln!(text, "   {:<42} {}", getopt(spec), sentence(spec));
    }
    text
}

/// The manual page, in man(7) form.
pub(crate) fn manpage(description: &AgentDescription) -> String {
    let mut text = format!(
        ".TH {} 8\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.B {}\n[options]\n.SH DESCRIPTION\n{}\n.SH PARAMETERS\n",
        roff(&description.name.to_uppercase()),
        roff(description.name),
        roff(description.shortdesc),
        roff(description.name),
        roff(description.longdesc),
    );
    for spec in &description.options {
        let _ = writeln!(
            text,
            ".TP\n.B {} ({})\n{}",
            roff(spec.name),
            roff(&getopt(spec)),
            roff(&sentence(spec))
        );
    }
    text.push_str(
        ".SH EXIT STATUS\n.TP\n.B 0\nDone; for status: on.\n.TP\n.B 1\nFailed or unknown.\n.TP\n.B 2\nFor status only: off.\n",
    );
    text
}

fn sentence(spec: &OptionSpec) -> String {
    let choices = match spec.kind {
        crate::Kind::Select(choices) => format!(" ({})", choices.join(", ")),
        _ => String::new(),
    };
    let default = spec.default.map(|default| format!(" (default {default})")).unwrap_or_default();
    format!("{}{choices}{default}", spec.help)
}

fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with('.') || text.starts_with('\'') { format!("\\&{text}") } else { text }
}
