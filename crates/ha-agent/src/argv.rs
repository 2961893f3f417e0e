//! A command line as configured, split into a program and its arguments. No shell reads it.
//!
//! Pure. Rules: blanks separate; `'…'` is literal; in `"…"` a backslash escapes `"` and `\`; outside quotes a backslash
//! escapes the next character. Nothing is expanded. Whoever wants a shell writes `sh -c '…'`.

/// Words that only a shell understands, when they stand alone and unquoted.
const SHELL_WORDS: [&str; 10] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", ">&2"];

/// Splits a command line.
///
/// # Errors
/// One sentence that says what is wrong and what to write.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = vec![];
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut chars = line.chars();
    let mut finish = |word: &mut Option<String>, is_quoted: &mut bool| {
        if let Some(word) = word.take() {
            if !*is_quoted && SHELL_WORDS.contains(&word.as_str()) {
                return Err(format!(
                    "`{word}` means something to a shell only: write `sh -c '…'` around the command"
                ));
            }
            words.push(word);
        }
        *is_quoted = false;
        Ok(())
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                is_quoted = true;
                let into = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(format!("a quote ({c}) is not closed")),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some(escaped @ ('"' | '\\')) => into.push(escaped),
                            Some(other) => into.extend(['\\', other]),
                            None => return Err("a quote (\") is not closed".into()),
                        },
                        Some(other) => into.push(other),
                    }
                }
            }
            '\\' => {
                is_quoted = true;
                let escaped = chars.next().ok_or("a backslash at the end escapes nothing")?;
                word.get_or_insert_default().push(escaped);
            }
            '\0' => return Err("a zero byte cannot be passed to a program".into()),
            c if c.is_whitespace() => finish(&mut word, &mut is_quoted)?,
            c => word.get_or_insert_default().push(c),
        }
    }
    finish(&mut word, &mut is_quoted)?;
    match words.first() {
        None => Err("the command is empty".into()),
        Some(program) if program.is_empty() => Err("the program's name is empty".into()),
        Some(_) => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        let split = |line| split(line).unwrap();
        assert_eq!(split("  /bin/a  b\tc "), ["/bin/a", "b", "c"]);
        assert_eq!(split(r#"sh -c 'echo "$x" | cat'"#), ["sh", "-c", r#"echo "$x" | cat"#]);
        assert_eq!(split(r#"a "b \"c\" \\ \n" d\ e"#), ["a", r#"b "c" \ \n"#, "d e"]);
        assert_eq!(split(r#"a '' x'y'"z""#), ["a", "", "xyz"]);
        assert_eq!(split("a '|' \\&"), ["a", "|", "&"]);
    }

    #[test]
    fn errors_say_what_to_write() {
        for (bad, says) in [
            ("a 'b", "not closed"),
            ("a \"b\\", "not closed"),
            ("a \\", "backslash"),
            ("   ", "empty"),
            ("'' a", "empty"),
            ("a | b", "sh -c"),
            ("a > b", "sh -c"),
        ] {
            let why = split(bad).unwrap_err();
            assert!(why.contains(says), "{bad}: {why}");
        }
    }
}
