//! Colours, where they are wanted.

use std::io::IsTerminal;

/// When to colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set (no-color.org)
    Auto,
    /// Wherever it goes
    Always,
    /// Not at all
    Never,
}

impl ColorWhen {
    /// Whether to colour what goes to `stream`.
    pub(crate) fn wanted(self, stream: &impl IsTerminal) -> bool {
        match self {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// What a word means; its colour follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tone {
    /// No colour.
    Plain,
    /// As wished.
    Good,
    /// Changing, or wished by an operator for now.
    Attention,
    /// Not as wished.
    Bad,
}

/// A word in its colour (ECMA-48 SGR).
pub(crate) fn paint(text: &str, tone: Tone, color: bool) -> String {
    let code = match tone {
        _ if !color => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
        Tone::Good => "32",
        Tone::Attention => "33",
        Tone::Bad => "1;31",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
