//! The files of the repository: what git tracks, and what it would track.

use super::source::code_only;
use crate::error::{Error, Result, Trying};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// A text file.
#[derive(Debug, Clone)]
pub struct File {
    /// Path within the repository, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Whether all of it is only for tests: by its path, or because it is a module behind `#[cfg(test)]`.
    pub is_for_tests: bool,
}

impl File {
    fn new(path: &str, text: String) -> Self {
        Self { path: path.to_owned(), text, is_for_tests: is_test_path(path) }
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// As the tree is laid out.
fn is_test_path(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_folder = folders.split('/').any(|f| f == "tests" || f == "benches");
    is_folder || name == "tests.rs" || name.ends_with("_tests.rs")
}

/// Marks the modules that their parents declare behind `#[cfg(test)]`.
fn mark_test_modules(files: &mut [File]) {
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|f| f.is_rust()) {
        let code = code_only(&file.text);
        for (at, attribute) in code.match_indices("#[cfg(test)]") {
            let Some(name) = code[at + attribute.len()..].trim_start().strip_prefix("mod ") else { continue };
            let Some((name, _)) = name.split_once([';', '{']) else { continue };
            let (folder, own) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            let own = own.trim_end_matches(".rs");
            let is_top = matches!(own, "mod" | "lib" | "main");
            let base = if is_top { folder.to_owned() } else { format!("{folder}/{own}") };
            let name = name.trim();
            found.extend([format!("{base}/{name}.rs"), format!("{base}/{name}/mod.rs")]);
        }
    }
    for file in files {
        file.is_for_tests |= found.contains(&file.path);
    }
}

/// Every text file that is tracked, or new and not ignored. Files that are no UTF-8 are left out.
pub fn read(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let out = git.output().trying(|| "run git ls-files".into())?;
    if !out.status.success() {
        let why = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        return Err(Error::Output { program: "git ls-files".into(), why });
    }
    let listed = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|p| !p.is_empty()) {
        let at = root.join(path);
        // Deleted, but not yet in the index; or a link to elsewhere.
        if !at.symlink_metadata().is_ok_and(|m| m.is_file()) {
            continue;
        }
        let bytes = std::fs::read(&at).trying(|| format!("read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File::new(path, text));
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    mark_test_modules(&mut files);
    Ok(files)
}

#[cfg(test)]
pub fn file(path: &str, text: &str) -> File {
    File::new(path, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_their_path() {
        for (path, is_test) in [
            ("crates/a/tests/x.rs", true),
            ("crates/a/src/node/tests.rs", true),
            ("crates/a/src/node/tests/world.rs", true),
            ("crates/a/src/attempt_tests.rs", true),
            ("crates/a/src/path_test.rs", false),
            ("crates/a/src/contests.rs", false),
            ("tests/cluster/src/lib.rs", true),
        ] {
            assert_eq!(file(path, "").is_for_tests, is_test, "{path}");
        }
    }

    #[test]
    fn a_module_behind_cfg_test_is_for_tests() {
        let mut files = [
            file("crates/a/src/main.rs", "mod b;\n#[cfg(test)]\nmod c;\n// #[cfg(test)]\nmod d;\n"),
            file("crates/a/src/b.rs", "#[cfg(test)]\nmod e;\n#[cfg(test)]\nfn f() {}\nmod g;\n"),
            file("crates/a/src/c.rs", ""),
            file("crates/a/src/d.rs", ""),
            file("crates/a/src/b/e/mod.rs", ""),
            file("crates/a/src/b/g.rs", ""),
        ];
        mark_test_modules(&mut files);
        assert_eq!(files.map(|f| f.is_for_tests), [false, false, true, false, true, false]);
    }
}
