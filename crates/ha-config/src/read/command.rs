//! Checks command lines of `exec`: no shell reads them, so what only a shell understands is refused here and not
//! when the service is to start. The rules are those of the agent: `'…'` is literal, in `"…"` and outside quotes a
//! backslash escapes.

use crate::code::Code;
use crate::report::{Report, Sp};

/// Words that only a shell understands, when they stand alone and unquoted.
const SHELL_WORDS: [&str; 10] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", ">&2"];

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    OpenQuote(char),
    OpenEscape,
    ShellWord(String),
    NoProgram,
}

fn wrong(line: &str) -> Option<Wrong> {
    let mut chars = line.chars();
    let (mut word, mut is_quoted, mut is_first) = (String::new(), false, true);
    loop {
        let next = chars.next();
        match next {
            Some(quote @ ('\'' | '"')) => {
                is_quoted = true;
                loop {
                    match chars.next() {
                        None => return Some(Wrong::OpenQuote(quote)),
                        Some(end) if end == quote => break,
                        Some('\\') if quote == '"' => word.extend(chars.next()),
                        Some(other) => word.push(other),
                    }
                }
            }
            Some('\\') => match chars.next() {
                None => return Some(Wrong::OpenEscape),
                Some(escaped) => {
                    is_quoted = true;
                    word.push(escaped);
                }
            },
            Some(c) if !c.is_whitespace() => word.push(c),
            _ => {
                if !is_quoted && SHELL_WORDS.contains(&word.as_str()) {
                    return Some(Wrong::ShellWord(word));
                }
                if is_first && is_quoted && word.is_empty() {
                    return Some(Wrong::NoProgram);
                }
                is_first &= word.is_empty();
                word.clear();
                is_quoted = false;
                next?;
            }
        }
    }
}

/// Reports a command line that cannot be split into a program and its arguments.
pub(super) fn check_command(key: &str, line: &Sp<String>, report: &mut Report<'_>) {
    let message = match wrong(&line.value) {
        None => return,
        Some(Wrong::OpenQuote(quote)) => format!("option `{key}`: a quote ({quote}) is not closed"),
        Some(Wrong::OpenEscape) => format!("option `{key}`: a backslash at the end escapes nothing"),
        Some(Wrong::NoProgram) => format!("option `{key}`: the program's name is empty"),
        Some(Wrong::ShellWord(word)) => {
            let message = format!("option `{key}`: `{word}` means something to a shell only");
            report
                .error(Code::BadValue, &line.at, message)
                .help("no shell reads the line; write one around it: \"sh -c '…'\"");
            return;
        }
    };
    report.error(Code::BadValue, &line.at, message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_is_refused() {
        for line in ["/bin/web --port 80", "sh -c 'a | b > c'", "/bin/a \"b ; c\"", "a \\| b", "a 'b'\"c\" "]
        {
            assert_eq!(wrong(line), None, "{line}");
        }
        assert_eq!(wrong("a | b"), Some(Wrong::ShellWord("|".into())));
        assert_eq!(wrong("a 2>&1"), Some(Wrong::ShellWord("2>&1".into())));
        assert_eq!(wrong("a 'b"), Some(Wrong::OpenQuote('\'')));
        assert_eq!(wrong("a \"b\\\""), Some(Wrong::OpenQuote('"')));
        assert_eq!(wrong("a \\"), Some(Wrong::OpenEscape));
        assert_eq!(wrong("'' a"), Some(Wrong::NoProgram));
    }
}
