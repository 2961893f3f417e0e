//! Asking before something that cannot be taken back: the node's name must be typed.

use crate::outcome::Failure;
use std::io::{BufRead, IsTerminal, Read, Write};

/// Longest line read: a node's name is far shorter.
const LINE_MAX: u64 = 256;

/// Shows what it means and asks for the node's name on the terminal.
///
/// `option` is what a script says instead of typing.
pub(crate) fn on_terminal(what: &str, node: &str, option: &str) -> Result<(), Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let message =
            format!("nobody is there to confirm this for {node}: run it on a terminal, or add {option}");
        return Err(Failure::usage(message));
    }
    ask(&mut stdin.lock(), &mut std::io::stderr(), what, node)
}

fn ask(input: &mut impl BufRead, output: &mut impl Write, what: &str, node: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("cannot ask on the terminal: {error}"));
    write!(output, "{what}Type the node's name to go on: ").and_then(|()| output.flush()).map_err(failed)?;
    let mut line = String::new();
    input.take(LINE_MAX).read_line(&mut line).map_err(failed)?;
    if line.trim() == node {
        return Ok(());
    }
    Err(Failure::usage(format!("\"{}\" is not {node}: nothing was done", line.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_name_confirms() {
        for (typed, is_accepted) in [
            ("alpha\n", true),
            (" alpha \n", true),
            ("alph\n", false),
            ("yes\n", false),
            ("y\n", false),
            ("", false),
        ] {
            let mut shown = Vec::new();
            let result = ask(&mut typed.as_bytes(), &mut shown, "It goes off.\n", "alpha");
            assert_eq!(result.is_ok(), is_accepted, "{typed:?}");
            assert_eq!(String::from_utf8(shown).unwrap(), "It goes off.\nType the node's name to go on: ");
        }
    }
}
