//! Cargo.lock: no crate that `deny.toml` bans, nothing from elsewhere than crates.io.
//!
//! `cargo deny` checks this and more; this check needs nothing installed and reads the same list.

use super::source::line_of;
use super::{File, Finding};
use toml::Table;

/// Where published crates come from.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// The product's.
const LOCK: &str = "Cargo.lock";
/// Crates that must be in the list of bans, whoever edits it.
const BANNED: [&str; 5] = ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"];

/// The rule, for each workspace's lock file.
pub fn check(files: &[File]) -> Vec<Finding> {
    let text = |path: &str| files.iter().find(|f| f.path == path).map(|f| f.text.as_str());
    let (Some(_), Some(deny)) = (text(LOCK), text("deny.toml")) else {
        let missing = [LOCK, "deny.toml"].into_iter().filter(|p| text(p).is_none());
        return missing.map(|p| Finding::error(p, 0, "it is missing")).collect();
    };
    let deny = match deny.parse::<Table>() {
        Ok(deny) => deny,
        Err(e) => return vec![Finding::error("deny.toml", 0, e.to_string())],
    };
    let mut found = guarded(&banned(&deny));
    for lock in files.iter().filter(|f| f.path == LOCK || f.path.ends_with("/Cargo.lock")) {
        match lock.text.parse::<Table>() {
            Ok(parsed) => found.extend(judge(&parsed, lock, &banned(&deny))),
            Err(e) => found.push(Finding::error(&lock.path, 0, e.to_string())),
        }
    }
    found
}

/// Crates that no list of bans may lack.
fn guarded(banned: &[String]) -> Vec<Finding> {
    let missing = BANNED.iter().filter(|name| banned.iter().all(|b| b != *name));
    missing.map(|name| Finding::error("deny.toml", 0, format!("{name} is not banned"))).collect()
}

/// Names that `deny.toml` bans.
fn banned(deny: &Table) -> Vec<String> {
    let list = deny.get("bans").and_then(|b| b.get("deny")).and_then(|d| d.as_array());
    let name = |entry: &toml::Value| {
        let name =
            entry.as_str().or_else(|| entry.get("crate")?.as_str()).or_else(|| entry.get("name")?.as_str());
        name.map(str::to_owned)
    };
    list.into_iter().flatten().filter_map(name).collect()
}

fn judge(lock: &Table, file: &File, banned: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in lock.get("package").and_then(|p| p.as_array()).into_iter().flatten() {
        let field = |key: &str| package.get(key).and_then(|v| v.as_str());
        let Some(name) = field("name") else { continue };
        let line = file.text.find(&format!("name = \"{name}\"")).map_or(0, |at| line_of(&file.text, at));
        if banned.iter().any(|b| b == name) {
            let help = "cargo tree --invert says who brings it";
            found.push(Finding::error(&file.path, line, format!("{name} is banned by deny.toml; {help}")));
        }
        if let Some(source) = field("source").filter(|s| *s != CRATES_IO) {
            found.push(Finding::error(&file.path, line, format!("{name} comes from {source}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::file;
    use super::*;

    fn found(lock: &str, deny: &str) -> Vec<String> {
        check(&[file("Cargo.lock", lock), file("deny.toml", deny)]).iter().map(|f| f.text.clone()).collect()
    }

    fn deny() -> String {
        let entries: Vec<String> = BANNED.iter().map(|n| format!("{{ crate = \"{n}\" }}")).collect();
        format!("[bans]\ndeny = [{}]\n", entries.join(", "))
    }

    #[test]
    fn banned_crates_and_foreign_sources() {
        let fine =
            format!("[[package]]\nname = \"ring\"\nsource = \"{CRATES_IO}\"\n[[package]]\nname = \"own\"\n");
        assert!(found(&fine, &deny()).is_empty());
        let banned = found("[[package]]\nname = \"openssl-sys\"\n", &deny());
        assert!(banned[0].starts_with("openssl-sys is banned"), "{banned:?}");
        let fork = found("[[package]]\nname = \"x\"\nsource = \"git+https://example.org/x\"\n", &deny());
        assert_eq!(fork, ["x comes from git+https://example.org/x"]);
    }

    #[test]
    fn the_list_itself_is_guarded() {
        let short = deny().replace("{ crate = \"native-tls\" }", "\"spin\"");
        assert_eq!(found("", &short), ["native-tls is not banned"]);
        assert_eq!(check(&[]).len(), 2, "both files are missing");
    }
}
