//! Pure crates have no clock, socket, file, thread, process, environment or randomness: by scanning their source.
//! `#![no_std]` would be stricter, and would cost every crate its collections and errors.
//!
//! Must not know: dependencies; see `crates`.

use super::crates::PURE;
use super::source::{code_only, find_word, line_of, without_tests};
use super::{File, Finding};

/// Parts of `std`, and what each of them lets in. `std::net` is left out: addresses are data; its sockets are named.
const DOORS: [(&str, &str); 12] = [
    ("std::fs", "files"),
    ("std::env", "the environment"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("std::os", "the system"),
    ("std::time::Instant", "a clock"),
    ("std::time::SystemTime", "a clock"),
    ("std::net::TcpStream", "sockets"),
    ("std::net::TcpListener", "sockets"),
    ("std::net::UdpSocket", "sockets"),
    ("std::collections::HashMap", "an order that differs from run to run (S15); use BTreeMap"),
    ("std::collections::HashSet", "an order that differs from run to run (S15); use BTreeSet"),
];

/// Words that need no `use` of ours to be wrong.
const WORDS: [(&str, &str); 4] = [
    ("Instant::now", "a clock"),
    ("SystemTime::now", "a clock"),
    ("RandomState", "randomness"),
    ("println!", "output; return a value or a notice"),
];

/// The rule.
pub fn check(files: &[File]) -> Vec<Finding> {
    let is_pure = |f: &&File| {
        f.is_rust() && !f.is_for_tests && PURE.iter().any(|c| f.path.starts_with(&format!("crates/{c}/src/")))
    };
    files.iter().filter(is_pure).flat_map(judge).collect()
}

fn judge(file: &File) -> Vec<Finding> {
    let code = without_tests(&code_only(&file.text));
    let mut found = Vec::new();
    let mut report = |at: usize, what: &str, brings: &str| {
        let text = format!("a pure crate must not use `{what}`: it brings {brings}");
        found.push(Finding::error(&file.path, line_of(&code, at), text));
    };
    for (at, path) in uses(&code) {
        for (door, brings) in DOORS {
            let is_whole_module = door.starts_with(&format!("{path}::")) && path.matches("::").count() >= 1;
            if path == door || path.starts_with(&format!("{door}::")) {
                report(at, door, brings);
            } else if is_whole_module && path.ends_with("::*") {
                report(at, &path, brings);
            }
        }
        if path.starts_with("std::time::*") || path.starts_with("std::net::*") || path == "std::*" {
            report(at, &path, "everything in it; name what is used");
        }
    }
    for (word, brings) in DOORS.iter().chain(&WORDS) {
        let is_in_use = |at: usize| code[..at].trim_end().ends_with("use");
        for at in find_word(&code, word).filter(|at| !is_in_use(*at)) {
            report(at, word, brings);
        }
    }
    found.dedup();
    found
}

/// Every path that a `use` names, braces written out: place and path.
fn uses(code: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for at in find_word(code, "use ") {
        let Some(end) = code[at..].find(';') else { continue };
        let tree: String = code[at + 4..at + end].split_whitespace().collect::<Vec<_>>().join(" ");
        expand("", &tree, &mut |path| out.push((at, path.to_owned())));
    }
    out
}

fn expand(prefix: &str, tree: &str, say: &mut impl FnMut(&str)) {
    let tree = tree.trim().trim_start_matches("::");
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree).trim();
        let path = format!("{prefix}{name}");
        say(path.strip_suffix("::self").unwrap_or(&path));
        return;
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let inner = tree[open + 1..].strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &inner[from..at], say);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !inner[from..].trim().is_empty() {
        expand(&prefix, &inner[from..], say);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    fn found(text: &str) -> Vec<(usize, String)> {
        check(&[file("crates/ha-core/src/x.rs", text)]).into_iter().map(|f| (f.line, f.text)).collect()
    }

    #[test]
    fn doors_are_found_however_they_are_written() {
        for bad in [
            "use std::fs;",
            "use std::fs::File;",
            "use std::{collections::BTreeMap, fs};",
            "use std::{io, net::{IpAddr, UdpSocket}};",
            "use std::time::{Duration, Instant};",
            "use std::time::*;",
            "use std::thread::{self, JoinHandle};",
            "use std::process as p;",
            "fn f() { std::env::var(\"X\"); }",
            "fn f() { let t = Instant::now(); }",
            "use std::collections::{BTreeMap, HashMap};",
            "fn f() { println!(\"x\"); }",
        ] {
            assert_eq!(found(bad).iter().map(|f| f.0).collect::<Vec<_>>(), [1], "{bad}: {:?}", found(bad));
        }
    }

    #[test]
    fn what_is_data_passes_and_tests_may() {
        for good in [
            "use std::net::{IpAddr, Ipv4Addr};",
            "use std::time::Duration;",
            "//! Not a word of std::fs.\nconst A: &str = \"std::fs\";",
            "#[cfg(test)]\nmod tests { use std::fs; }",
            "use std::collections::{BTreeMap, BTreeSet, VecDeque};",
            "struct MyInstant; use crate::fs;",
        ] {
            assert_eq!(found(good), [], "{good}");
        }
        let shell = [file("crates/ha-agent/src/x.rs", "use std::fs;")];
        assert!(check(&shell).is_empty(), "a shell touches the world");
    }
}
