//! Calling cargo, and finding what it built.

use crate::error::{Error, Result, Trying};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Root of the workspace.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("xtask is a folder of the workspace").to_path_buf()
}

/// The cargo that called us, in the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether `cargo NAME` exists.
pub fn has_subcommand(name: &str) -> bool {
    cargo().args([name, "--version"]).output().is_ok_and(|out| out.status.success())
}

/// Standard output of a cargo command, as JSON.
pub fn json(args: &[&str]) -> Result<serde_json::Value> {
    let program = || format!("cargo {}", args.join(" "));
    let out = cargo().args(args).output().trying(|| format!("run {}", program()))?;
    if !out.status.success() {
        let why = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        return Err(Error::Output { program: program(), why });
    }
    serde_json::from_slice(&out.stdout)
        .map_err(|e| Error::Output { program: program(), why: format!("not JSON: {e}") })
}

/// Where cargo puts what it builds.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = json(&["metadata", "--no-deps", "--format-version", "1"])?;
    let dir = metadata["target_directory"].as_str();
    dir.map(PathBuf::from).ok_or_else(|| Error::Output {
        program: "cargo metadata".into(),
        why: "it names no target_directory".into(),
    })
}
