//! Links of the documents lead somewhere: to a file, to a heading, to a test or function of that name.
//!
//! Must not know: the net; links to elsewhere are not followed.

use super::source::find_word;
use super::{File, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// The rule.
pub fn check(files: &[File]) -> Vec<Finding> {
    let by_path: BTreeMap<&str, &File> = files.iter().map(|f| (f.path.as_str(), f)).collect();
    let mut folders = BTreeSet::new();
    for path in by_path.keys() {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.extend(parents);
    }
    let mut found = Vec::new();
    for file in files.iter().filter(|f| f.path.ends_with(".md")) {
        for link in links(&file.text) {
            if let Some(why) = broken(file, &link, &by_path, &folders) {
                found.push(Finding::error(&file.path, link.line, why));
            }
        }
    }
    found
}

struct Link {
    line: usize,
    text: String,
    target: String,
}

fn broken(
    from: &File,
    link: &Link,
    files: &BTreeMap<&str, &File>,
    folders: &BTreeSet<&str>,
) -> Option<String> {
    let target = link.target.as_str();
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let resolved = if path.is_empty() { Some(from.path.clone()) } else { resolve(&from.path, path) };
    let Some(resolved) = resolved else {
        return Some(format!("`{target}` leads out of the repository"));
    };
    let Some(file) = files.get(resolved.as_str()) else {
        let is_folder = resolved.is_empty() || folders.contains(resolved.as_str());
        return (!is_folder).then(|| format!("`{target}` leads nowhere: there is no {resolved}"));
    };
    if !anchor.is_empty() && resolved.ends_with(".md") && !anchors(&file.text).contains(anchor) {
        return Some(format!("`{target}`: {resolved} has no such heading"));
    }
    // A link whose text is a name in code promises that the name is there.
    let name = link.text.strip_prefix('`')?.strip_suffix('`')?;
    let last = name.trim_end_matches("()").rsplit("::").next().unwrap_or(name);
    let is_name = !last.is_empty() && last.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_there = find_word(&file.text, last).next().is_some() || resolved.contains(last);
    (file.is_rust() && is_name && !is_there).then(|| format!("there is no `{last}` in {resolved}"))
}

fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if let Some(absolute) = path.strip_prefix('/') {
        return Some(absolute.trim_end_matches('/').to_owned());
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// `[text](target)`, outside code.
fn links(text: &str) -> Vec<Link> {
    let mut out = Vec::new();
    for (line, content) in prose(text) {
        for (at, _) in content.match_indices("](") {
            let Some(len) = content[at + 2..].find(')') else { continue };
            let Some(open) = content[..at].rfind('[') else { continue };
            let target = content[at + 2..at + 2 + len].split(' ').next().unwrap_or("");
            out.push(Link { line, text: content[open + 1..at].to_owned(), target: target.to_owned() });
        }
    }
    out
}

/// Lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((i + 1, line))
    })
}

/// Names of headings, as the usual renderers make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).map(|(_, line)| line).filter(|line| line.starts_with('#'));
    let headings = headings.map(|line| line.trim_start_matches('#'));
    headings
        .map(|heading| {
            let kept = heading.trim().to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = [
            file("docs/a.md", text),
            file("docs/b.md", "# The `way` out\n"),
            file("crates/x/src/lib.rs", "//! X.\nfn holds() {}\n"),
        ];
        check(&files).into_iter().map(|f| format!("{}: {}", f.line, f.text)).collect()
    }

    #[test]
    fn links_lead_somewhere() {
        for good in [
            "[b](b.md)",
            "[b](../docs/b.md#the-way-out)",
            "[crates](../crates)",
            "[`holds`](../crates/x/src/lib.rs)",
            "[`x::holds()`](../crates/x/src/lib.rs)",
            "[net](https://example.org/x.md)",
            "```\n[not](a/link.md)\n```",
            "# Here\n[up](#here)",
        ] {
            assert!(found(good).is_empty(), "{good}: {:?}", found(good));
        }
    }

    #[test]
    fn broken_ones_are_named() {
        assert_eq!(found("\n[c](c.md)"), ["2: `c.md` leads nowhere: there is no docs/c.md"]);
        assert_eq!(found("[b](b.md#no-way)"), ["1: `b.md#no-way`: docs/b.md has no such heading"]);
        assert_eq!(found("[up](../../etc/x)"), ["1: `../../etc/x` leads out of the repository"]);
        assert_eq!(
            found("[`breaks`](../crates/x/src/lib.rs)"),
            ["1: there is no `breaks` in crates/x/src/lib.rs"]
        );
    }
}
