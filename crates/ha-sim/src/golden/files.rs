//! Scenarios as files: found, lived, compared, and their journals written anew.
//!
//! Invariant: a file is written only where all facts hold, no rule is broken and nothing but its journal differs.

use super::{Lived, Scenario, live};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// How a scenario's file ends.
const EXTENSION: &str = "scenario";
/// Lines of a difference that are shown.
const SHOWN: usize = 40;

/// What came of a scenario's file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Everything is as written.
    Same,
    /// Only the journal was another, and is written anew.
    Updated,
    /// It cannot be read, something is not so, or the journal is another: in words.
    Wrong(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Same => f.write_str("ok"),
            Verdict::Updated => {
                f.write_str("journal written anew: look at the difference before you keep it")
            }
            Verdict::Wrong(why) => f.write_str(why),
        }
    }
}

/// The scenarios of a folder in order of their names, or those of them that are named.
///
/// # Errors
/// The folder cannot be read, or there is none of such a name.
pub fn all(folder: &Path, names: &[String]) -> Result<Vec<PathBuf>, String> {
    let cannot = |e: io::Error| format!("cannot read {}: {e}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(cannot)?;
    let mut paths = vec![];
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|e| e == EXTENSION) {
            paths.push(path);
        }
    }
    paths.sort();
    let stem = |path: &PathBuf| path.file_stem().map(|s| s.to_string_lossy().into_owned());
    if let Some(name) = names.iter().find(|n| !paths.iter().any(|p| stem(p).as_ref() == Some(n))) {
        let known: Vec<_> = paths.iter().filter_map(stem).collect();
        return Err(format!("there is no scenario {name}; there are: {}", known.join(", ")));
    }
    paths.retain(|p| names.is_empty() || names.iter().any(|n| stem(p).as_ref() == Some(n)));
    Ok(paths)
}

/// Lives one, compares, and writes its journal anew where that is asked.
pub fn check(path: &Path, is_update: bool) -> Verdict {
    match live_file(path) {
        Err(why) => Verdict::Wrong(why),
        Ok((text, scenario, lived)) => verdict(path, &text, &scenario, &lived, is_update),
    }
}

/// Reads a scenario and lives it.
///
/// # Errors
/// It cannot be read: file, line, and what would be right.
pub fn live_file(path: &Path) -> Result<(String, Scenario, Lived), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let scenario = read(path, &text)?;
    let lived = live(&scenario);
    Ok((text, scenario, lived))
}

/// Reads a text that lies there.
///
/// # Errors
/// File, line, and what would be right.
pub(super) fn read(path: &Path, text: &str) -> Result<Scenario, String> {
    Scenario::read(text, &|name| bring(path, name)).map_err(|e| format!("{}:{e}", path.display()))
}

/// A file beside the scenario, or in a folder above it: the repository's own.
fn bring(path: &Path, name: &str) -> Result<String, String> {
    let near = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let found = near.ancestors().skip(1).map(|folder| folder.join(name)).find(|p| p.is_file());
    let found = found.ok_or_else(|| {
        format!("there is no file {name} beside the scenario or above; right would be: examples/clusters/three-node-web.toml")
    })?;
    std::fs::read_to_string(&found).map_err(|e| format!("cannot read {}: {e}", found.display()))
}

/// Compares what was lived with what is written, and writes the journal anew where that is asked.
pub fn verdict(path: &Path, text: &str, scenario: &Scenario, lived: &Lived, is_update: bool) -> Verdict {
    let faults = lived.faults();
    if !faults.is_empty() {
        let at = path.display();
        let mut why: String = faults.iter().map(|f| format!("{at}: {f}\n")).collect();
        why += &format!("{at}: the journal of it:\n");
        why += &lived.seen.lines.iter().map(|l| format!("  {l}\n")).collect::<String>();
        return Verdict::Wrong(why);
    }
    if lived.seen.lines == scenario.expect {
        return Verdict::Same;
    }
    if !is_update {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let shown = difference(&scenario.expect, &lived.seen.lines);
        return Verdict::Wrong(format!(
            "{}: the journal is another (- as written, + as lived):\n{shown}if that is right: cargo xtask golden {name} --update",
            path.display()
        ));
    }
    match std::fs::write(path, scenario.with_journal(text, &lived.seen.lines)) {
        Ok(()) => Verdict::Updated,
        Err(e) => Verdict::Wrong(format!("cannot write {}: {e}", path.display())),
    }
}

/// Lines that are only in one of them (by the longest common subsequence).
fn difference(old: &[String], new: &[String]) -> String {
    let mut longest = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = if old[i] == new[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, vec![]);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push(format!("- {}\n", old[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}\n", new[j]));
            j += 1;
        }
    }
    let more = lines.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!("… and {more} more lines\n") } else { String::new() };
    lines.iter().take(SHOWN).map(String::as_str).chain([rest.as_str()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let lines = |text: &str| text.chars().map(|c| c.to_string()).collect::<Vec<_>>();
        assert_eq!(difference(&lines("abcd"), &lines("axcde")), "- b\n+ x\n+ e\n");
        assert_eq!(difference(&lines("ab"), &lines("ab")), "");
    }
}
