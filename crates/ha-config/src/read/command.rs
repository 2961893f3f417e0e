//! Checks command lines of `exec`: no shell reads them, so what only a shell understands is refused here and not
//! when the service is to start. The rules are those of the agent: `'…'` is literal, in `"…"` and outside quotes a
//! backslash escapes. A start that is known to leave no process is refused where it lacks what that needs.

use crate::code::Code;
use crate::report::{Report, Sp};
use crate::walk::shown;

/// Words that only a shell understands, when they stand alone and unquoted.
const SHELL_WORDS: [&str; 10] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", ">&2"];

/// Programs whose work stays in the kernel or with another daemon when they end.
const WITHOUT_PROCESS: [&str; 10] = [
    "cryptsetup",
    "exportfs",
    "lvchange",
    "mount",
    "service",
    "swapon",
    "systemctl",
    "vgchange",
    "virsh",
    "zpool",
];

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

/// The program of a command line, if it is known to leave no process, also where a shell is written around it.
fn without_process(line: &str) -> Option<&str> {
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"'));
    let mut words = words.filter(|word| !word.is_empty());
    let base = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut program = words.next()?;
    if matches!(base(program).as_str(), "sh" | "bash" | "dash") {
        // Of several commands, a later one may be the service.
        words.next().filter(|option| *option == "-c" && !line.contains([';', '&', '|']))?;
        program = words.next()?;
    }
    // `systemctl --wait` ends with what it started.
    let is_known = WITHOUT_PROCESS.contains(&base(program).as_str()) && !words.any(|word| word == "--wait");
    is_known.then_some(program)
}

/// Refuses a start that leaves no process, where options are missing without which nobody could say that it has stopped (S7).
pub(super) fn check_start(line: &Sp<String>, missing: &[&str], report: &mut Report<'_>) {
    let Some(program) = without_process(&line.value).filter(|_| !missing.is_empty()) else { return };
    let missing: Vec<String> = missing.iter().map(|option| format!("`{option}`")).collect();
    let message = format!(
        "`{}` leaves no process to watch or to end: it needs {}",
        shown(program),
        missing.join(" and ")
    );
    report
        .error(Code::BadValue, &line.at, message)
        .help("`stop` undoes what `start` did; `check` exits with 0 while that is active on this node, and only then");
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

    #[test]
    fn programs_that_leave_no_process() {
        for (line, program) in [
            ("/bin/mount /dev/sdb1 /srv", Some("/bin/mount")),
            ("sh -c 'mount /dev/sdb1 /srv'", Some("mount")),
            ("sh -c 'mount /dev/sdb1 /srv && exec web'", None),
            ("/usr/bin/bash -c \"systemctl start web\"", Some("systemctl")),
            ("systemctl --wait start web", None),
            ("/usr/local/sbin/mount-and-wait /srv", None),
            ("sh mount", None),
            ("/bin/web --mount mount", None),
        ] {
            assert_eq!(without_process(line), program, "{line}");
        }
    }
}
