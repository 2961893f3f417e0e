//! Style that text alone can show: headers, lengths, `unwrap`, unfinished work, wildcards in state machines.

use super::source::{code_only, find_word, line_of, without_tests};
use super::{File, Finding};

/// Lines from which a file is to be thought about.
const LINES_WARN: usize = 400;
/// Lines that no file has.
const LINES_MAX: usize = 800;

/// Files that hold a state machine: every pair of state and event is written out, so that a new state or event is an
/// error of the compiler in each of them, not a silent default.
const STATE_MACHINES: [&str; 8] = [
    "crates/ha-core/src/node/executor.rs",
    "crates/ha-core/src/node/local.rs",
    "crates/ha-core/src/state/apply.rs",
    "crates/ha-core/src/state/fences.rs",
    "crates/ha-core/src/state/runs.rs",
    "crates/ha-fencing/src/attempt.rs",
    "crates/ha-fencing/src/path_test.rs",
    "crates/ha-resource/src/transition.rs",
];

/// The rule.
pub fn check(files: &[File]) -> Vec<Finding> {
    let rust = files.iter().filter(|f| f.is_rust());
    let mut found: Vec<Finding> = rust.flat_map(|f| [header(f), length(f), code(f)].concat()).collect();
    found.extend(files.iter().flat_map(unfinished));
    found.extend(lost_machines(files));
    found
}

fn header(file: &File) -> Vec<Finding> {
    match file.text.starts_with("//!") {
        true => Vec::new(),
        false => vec![Finding::error(
            &file.path,
            1,
            "begin with `//!`: purpose, what it must not know, invariants",
        )],
    }
}

fn length(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    match lines {
        0..=LINES_WARN => Vec::new(),
        _ if lines <= LINES_MAX => {
            vec![Finding::warning(&file.path, 0, format!("{lines} lines; aim for {LINES_WARN}"))]
        }
        _ => vec![Finding::error(&file.path, 0, format!("{lines} lines; split it, {LINES_MAX} is the most"))],
    }
}

/// What compiled code must not contain.
fn code(file: &File) -> Vec<Finding> {
    let all = code_only(&file.text);
    let product = if file.is_for_tests { String::new() } else { without_tests(&all) };
    let mut found = Vec::new();
    let mut forbid = |text: &str, needle: &str, why: &str| {
        for at in find_word(text, needle) {
            found.push(Finding::error(&file.path, line_of(text, at), why));
        }
    };
    forbid(
        &product,
        ".unwrap()",
        "no unwrap outside tests: `expect` states the invariant, or return an error",
    );
    forbid(&product, "dbg!", "left over from debugging");
    forbid(&all, "todo!", "unfinished");
    forbid(&all, "unimplemented!", "unfinished");
    forbid(
        &all,
        "#[ignore",
        "a test that is not run proves nothing: run it or make it an example or a bench",
    );
    if STATE_MACHINES.contains(&file.path.as_str()) {
        for (at, _) in product.match_indices("_ =>") {
            let before = product[..at].trim_end_matches([' ', '\n']);
            // `(_, x) =>` is no wildcard; `_ =>` begins an arm or ends an alternative.
            if before.ends_with(['{', '}', ',', '|', ')', ';'])
                && !product[..at].ends_with(char::is_alphanumeric)
            {
                let why = "a state machine has no `_`: write every state and event out";
                found.push(Finding::error(&file.path, line_of(&product, at), why));
            }
        }
    }
    found
}

/// Notes to oneself, in any text: an issue is the place for them.
fn unfinished(file: &File) -> Vec<Finding> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let mut found = Vec::new();
    for word in words {
        for at in find_word(&file.text, word) {
            let text = format!("{word}: do it, or open an issue");
            found.push(Finding::error(&file.path, line_of(&file.text, at), text));
        }
    }
    found
}

/// A machine that has moved would no longer be watched.
fn lost_machines(files: &[File]) -> Vec<Finding> {
    let is_whole_tree = files.iter().any(|f| f.path == "Cargo.lock");
    let is_there = |path: &&&str| files.iter().any(|f| f.path == ***path);
    let lost = STATE_MACHINES.iter().filter(|path| is_whole_tree && !is_there(path));
    lost.map(|path| Finding::error(path, 0, "it is in the list of state machines, but not there")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    fn texts(path: &str, text: &str) -> Vec<String> {
        check(&[file(path, text)]).into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn a_file_begins_with_its_purpose() {
        assert!(texts("crates/a/src/x.rs", "use a;\n")[0].contains("begin with"));
        assert!(texts("crates/a/src/x.rs", "//! A.\n").is_empty());
    }

    #[test]
    fn length_warns_then_fails() {
        let of = |n: usize| format!("//! A.\n{}", "\n".repeat(n - 1));
        assert!(check(&[file("a.rs", &of(400))]).is_empty());
        let warned = check(&[file("a.rs", &of(401))]);
        assert!(!warned[0].is_error && warned.len() == 1, "{warned:?}");
        assert!(!check(&[file("a.rs", &of(800))])[0].is_error);
        assert!(check(&[file("a.rs", &of(801))])[0].is_error);
    }

    #[test]
    fn unwrap_is_for_tests() {
        let text = "//! A.\nfn f() {\n    g().unwrap();\n}\n#[cfg(test)]\nmod tests {\n    fn t() { g().unwrap() }\n}\n";
        let found = texts("crates/a/src/x.rs", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("error: crates/a/src/x.rs:3: no unwrap"), "{found:?}");
        assert!(texts("crates/a/tests/x.rs", "//! A.\nfn f() { g().unwrap() }\n").is_empty());
        assert!(texts("crates/a/src/x.rs", "//! A.\nfn f() { g().unwrap_or(1) } // .unwrap()\n").is_empty());
    }

    #[test]
    fn nothing_is_left_unfinished() {
        for bad in [
            "fn f() { todo!() }",
            "fn f() { unimplemented!(\"x\") }",
            "#[ignore]\nfn f() {}",
            "#[ignore = \"y\"]",
        ] {
            assert_eq!(texts("crates/a/tests/x.rs", &format!("//! A.\n{bad}\n")).len(), 1, "{bad}");
        }
        for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")] {
            assert_eq!(texts("docs/a.md", &format!("# A\n\n{word}: later\n")).len(), 1, "{word}");
        }
        assert!(texts("a.sh", concat!("mktemp a.X", "XXXXX\n")).is_empty());
    }

    #[test]
    fn a_state_machine_has_no_wildcard() {
        let machine = STATE_MACHINES[0];
        for bad in [
            "match a {\n    A => {}\n    _ => {}\n}",
            "match a { A => {}, _ => {} }",
            "match a { A | _ => {} }",
        ] {
            assert_eq!(texts(machine, &format!("//! A.\nfn f() {{ {bad} }}\n")).len(), 1, "{bad}");
        }
        for good in ["match a { (_, B) => {} (A, _) => {} }", "match a { a_ => {} }"] {
            assert!(texts(machine, &format!("//! A.\nfn f() {{ {good} }}\n")).is_empty(), "{good}");
        }
        assert!(
            texts("crates/a/src/x.rs", "//! A.\nfn f() { match a { _ => {} } }\n").is_empty(),
            "only those listed"
        );
        let lost = check(&[file("Cargo.lock", "")]);
        assert_eq!(lost.len(), STATE_MACHINES.len(), "{lost:?}");
    }
}
