//! Licences of dependencies against the list in `deny.toml`, where `cargo deny` is not installed.
//!
//! Must not know: bans; `tidy` checks those without any build.

use crate::cargo::{cargo, has_subcommand, json, root};
use crate::compare;
use crate::error::{Error, Result, Trying};
use std::process::Command;
use toml::Table;

/// Runs the check on both workspaces: the product's, and that of the comparison.
pub fn check() -> Result<bool> {
    let manifests = [root().join("Cargo.toml"), compare::manifest()];
    let mut is_good = true;
    for manifest in manifests {
        is_good &= check_one(&manifest.to_string_lossy())?;
    }
    Ok(is_good)
}

fn check_one(manifest: &str) -> Result<bool> {
    if has_subcommand("deny") {
        // Advisories need the net: `cargo deny check advisories` by hand.
        let config = root().join("deny.toml");
        let mut deny = cargo();
        deny.args(["deny", "--locked", "--manifest-path", manifest, "check", "--config"]).arg(config);
        let status = deny.args(["bans", "licenses", "sources"]).status();
        return Ok(status.trying(|| "run cargo deny".into())?.success());
    }
    let deny = std::fs::read_to_string(root().join("deny.toml")).trying(|| "read deny.toml".into())?;
    let allowed = allowed(&deny)?;
    let host = host()?;
    let words = ["metadata", "--locked", "--format-version", "1", "--filter-platform", &host];
    let metadata = json(&[&words[..], &["--manifest-path", manifest]].concat())?;
    let used: Vec<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|n| n["id"].as_str())
        .collect();
    let mut refused = Vec::new();
    let mut count = 0;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if package["source"].is_null() || !package["id"].as_str().is_some_and(|id| used.contains(&id)) {
            continue;
        }
        count += 1;
        let licence = package["license"].as_str().unwrap_or("");
        if !is_allowed(licence, &allowed) {
            refused.push(format!("{} {}: `{licence}`", package["name"], package["version"]));
        }
    }
    refused.iter().for_each(|line| println!("licence not allowed by deny.toml: {line}"));
    println!("licences: {manifest}: {count} crates, {} not allowed", refused.len());
    Ok(refused.is_empty() && count > 0)
}

fn allowed(deny: &str) -> Result<Vec<String>> {
    let wrong = |why: String| Error::Output { program: "deny.toml".into(), why };
    let table: Table = deny.parse().map_err(|e| wrong(format!("{e}")))?;
    let list = table.get("licenses").and_then(|l| l.get("allow")).and_then(|a| a.as_array());
    let list = list.ok_or_else(|| wrong("no list licenses.allow".into()))?;
    Ok(list.iter().filter_map(|l| l.as_str().map(str::to_owned)).collect())
}

fn host() -> Result<String> {
    let out = Command::new("rustc").arg("-vV").output().trying(|| "run rustc -vV".into())?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let host = text.lines().find_map(|l| l.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Error::Output { program: "rustc -vV".into(), why: "it names no host".into() })
}

/// Whether an SPDX expression can be met: `A OR B`, `A AND B`, brackets, `A WITH exception`, and the old `A/B`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any(&mut rest, allowed);
    met && rest.is_empty()
}

fn any(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut met = all(rest, allowed);
    while let Some((&"OR", after)) = rest.split_first() {
        *rest = after;
        met |= all(rest, allowed);
    }
    met
}

fn all(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut met = one(rest, allowed);
    while let Some((&"AND", after)) = rest.split_first() {
        *rest = after;
        met &= one(rest, allowed);
    }
    met
}

fn one(rest: &mut &[&str], allowed: &[String]) -> bool {
    let Some((first, after)) = rest.split_first() else { return false };
    *rest = after;
    if *first == "(" {
        let met = any(rest, allowed);
        let Some((&")", after)) = rest.split_first() else { return false };
        *rest = after;
        return met;
    }
    let mut name = (*first).to_owned();
    if let [with, exception, after @ ..] = *rest
        && *with == "WITH"
    {
        name = format!("{name} WITH {exception}");
        *rest = after;
    }
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let allowed =
            ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC", "Unicode-3.0"].map(String::from);
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "Apache-2.0 AND ISC",
        ] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR ISC) AND GPL-3.0",
            "GPL-2.0 WITH MIT",
            "(MIT",
            "MIT MIT",
        ] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
