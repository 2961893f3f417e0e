//! Each mistake, made in a good file, gives exactly the text in `tests/golden/<name>.txt`.
//! `UPDATE_GOLDEN=1 cargo test -p ha-config` rewrites the texts; read the difference before it is committed.

// Helpers of tests stand outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

mod mistakes;

use ha_config::{Code, Severity, parse, render};
use mistakes::{BASE, MISTAKES, Mistake};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn text_of(mistake: &Mistake) -> String {
    let mut text = BASE.to_owned();
    for (from, to) in mistake.edits {
        if from.is_empty() {
            text.push_str(to);
        } else {
            assert!(text.contains(from), "{}: the base does not contain {from:?}", mistake.name);
            text = text.replacen(from, to, 1);
        }
    }
    text
}

/// What an operator sees, and the codes in it.
fn shown(text: &str) -> (String, Vec<Code>) {
    match parse("cluster.toml", text) {
        Ok(parsed) => {
            let out = render("cluster.toml", text, &parsed.warnings, false);
            (out, parsed.warnings.iter().map(|item| item.code).collect())
        }
        Err(errors) => (errors.render(false), errors.items.iter().map(|item| item.code).collect()),
    }
}

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", &format!("{name}.txt")].iter().collect()
}

#[test]
fn the_base_is_a_good_file() {
    assert_eq!(shown(BASE).0, "");
}

#[test]
fn each_mistake_is_shown_as_written() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for mistake in MISTAKES {
        let (got, _) = shown(&text_of(mistake));
        // Trailing blanks are left out: editors strip them from the expected files.
        let got: String = got.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert!(!got.contains("s3cr3t"), "{} shows a secret", mistake.name);
        if update {
            std::fs::write(file(mistake.name), &got).unwrap();
        }
        let want = std::fs::read_to_string(file(mistake.name)).unwrap_or_default();
        if got != want {
            different.push(format!("==== {}\n---- expected\n{want}---- shown\n{got}", mistake.name));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_code_is_among_the_mistakes() {
    let seen: BTreeSet<Code> = MISTAKES.iter().flat_map(|mistake| shown(&text_of(mistake)).1).collect();
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !seen.contains(code)).map(|c| c.word()).collect();
    // Needs a megabyte of text: tests/limits.rs.
    assert_eq!(missing, ["file-too-large"]);
}

#[test]
fn no_expected_file_is_left_over() {
    let names: BTreeSet<String> = MISTAKES.iter().map(|mistake| format!("{}.txt", mistake.name)).collect();
    let files = std::fs::read_dir(file("x").parent().unwrap()).unwrap();
    let files: BTreeSet<String> =
        files.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(files, names);
}

#[test]
fn one_mistake_gives_one_error() {
    for mistake in MISTAKES.iter().filter(|mistake| mistake.is_single) {
        let text = text_of(mistake);
        let Err(errors) = parse("cluster.toml", &text) else { panic!("{} is accepted", mistake.name) };
        let count = errors.items.iter().filter(|item| item.severity == Severity::Error).count();
        assert_eq!(count, 1, "{}:\n{errors}", mistake.name);
        assert_eq!(errors.error_count(), 1);
    }
}
