//! Rust text without what the rules must not see: comments and literals, and code that is only for tests.
//!
//! A lexer for these few things, not a parser. Invariant: every line keeps its number.

/// Blanks comments and the contents of literals.
pub fn code_only(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    let mut previous = ' ';
    while let Some(c) = rest.chars().next() {
        let is_word_before = previous.is_alphanumeric() || previous == '_';
        let len = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !is_word_before => raw_string(rest).unwrap_or(0),
            '\'' => char_literal(rest).unwrap_or(0),
            _ => 0,
        };
        if len == 0 {
            out.push(c);
            previous = c;
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            previous = ' ';
            rest = &rest[len..];
        }
    }
    out
}

/// Blanks items behind `#[cfg(test)]`, in text that has gone through [`code_only`].
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(found) = out[from..].find("#[cfg(test)]") {
        let begin = from + found;
        let end = item_end(&out, begin);
        let blank: String = out[begin..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(begin..end, &blank);
        from = begin + blank.len();
    }
    out
}

/// Line number, from 1, of a byte.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Every place of a word: not part of a longer name. A needle that begins or ends with punctuation has no bound there.
pub fn find_word<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let begins = is_name(needle.chars().next());
    let ends = is_name(needle.chars().next_back());
    text.match_indices(needle).map(|(at, _)| at).filter(move |at| {
        let before = is_name(text[..*at].chars().next_back());
        let after = is_name(text[at + needle.len()..].chars().next());
        !(begins && before || ends && after)
    })
}

/// End of the item at `begin`: its closing brace, or the semicolon.
fn item_end(code: &str, begin: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[begin..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return begin + at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return begin + at + 1,
            _ => {}
        }
    }
    code.len()
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`, `b"…"`, `c"…"`; None for a name that begins with such a letter.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = text.find(|c| !matches!(c, 'r' | 'b' | 'c'))?;
    let body = &text[prefix..];
    if !text[..prefix].contains('r') {
        return body.starts_with('"').then(|| prefix + string(body));
    }
    let hashes = body.find(|c| c != '#')?;
    let inner = body[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inner.find(&close).map_or(inner.len(), |e| e + close.len());
    Some(prefix + hashes + 1 + end)
}

/// `'x'` or `'\…'`; None for a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next();
        return chars.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    let (at, c) = chars.next()?;
    (c == '\'').then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_lines_stay() {
        let text = "a /* x\n/* y */ z */ b // c\n\"d\\\"e\nf\" g r#\"h\"i\"# 'j' '\\'' &'k l b\"m\" rest";
        let code = code_only(text);
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(words, ["a", "b", "g", "&'k", "l", "rest"]);
        assert_eq!(code.matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn test_items_are_blank_and_what_follows_is_not() {
        let code =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { x }\n}\n#[cfg(test)]\nmod t;\nfn c() {}\n";
        let left = without_tests(code);
        assert_eq!(left.split_whitespace().collect::<Vec<_>>(), ["fn", "a()", "{}", "fn", "c()", "{}"]);
        assert_eq!(line_of(&left, left.find("fn c").unwrap()), 8);
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(find_word("xfs fs fsx fs::a", "fs").collect::<Vec<_>>(), [4, 11]);
        assert_eq!(find_word("a.unwrap() b.unwrap()", ".unwrap()").count(), 2);
    }
}
