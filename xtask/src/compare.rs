//! `cargo xtask compare`: builds the comparison with the crate `raft`, a workspace of its own, and hands over to it.
//!
//! Must not know: what is compared; `ha-twin` does it.

use crate::cargo::{cargo, root, target_dir};
use crate::error::{Error, Result, Trying};
use std::path::PathBuf;
use std::process::Command;

/// Schedules that every change must pass.
const SCHEDULES: u64 = 10_000;

/// Options of `compare`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask compare --schedules 100000     a batch on all cores; ends with `N schedules, D differences`\n  \
    cargo xtask compare --seed 42              one schedule, both implementations side by side\n  \
    cargo xtask compare --hops 42              the same, with each message and what each node believes\n  \
    cargo xtask compare --sabotage all         our core broken on purpose, rule by rule: each must be seen")]
pub struct Options {
    /// Schedules to compare.
    #[arg(long, default_value_t = SCHEDULES)]
    schedules: u64,
    /// Seed of the first.
    #[arg(long, default_value_t = 1)]
    start: u64,
    /// Only this one, step by step.
    #[arg(long, conflicts_with = "sabotage")]
    seed: Option<u64>,
    /// Only this one, message by message.
    #[arg(long, conflicts_with_all = ["sabotage", "seed"])]
    hops: Option<u64>,
    /// With this rule of our core broken, or `all` of them, one after the other.
    #[arg(long)]
    sabotage: Option<String>,
}

/// Builds, then runs `ha-twin`.
pub fn command(options: &Options) -> Result<bool> {
    let mut words = vec!["--start".to_owned(), options.start.to_string()];
    match (options.seed, options.hops, &options.sabotage) {
        (Some(seed), _, _) => words.extend(["--seed".into(), seed.to_string()]),
        (None, Some(seed), _) => words.extend(["--hops".into(), seed.to_string()]),
        (None, None, Some(name)) => words.extend(["--sabotage".into(), name.clone()]),
        (None, None, None) => words.extend(["--schedules".into(), options.schedules.to_string()]),
    }
    run(&built()?, &words)
}

/// What every change must pass: the schedules, then each sabotage.
pub fn all() -> Result<bool> {
    let program = built()?;
    let is_equal = run(&program, &["--schedules".into(), SCHEDULES.to_string()])?;
    Ok(run(&program, &["--sabotage".into(), "all".into()])? && is_equal)
}

/// Its manifest.
pub fn manifest() -> PathBuf {
    root().join("tests").join("twin").join("Cargo.toml")
}

fn run(program: &PathBuf, words: &[String]) -> Result<bool> {
    Ok(Command::new(program).args(words).status().trying(|| "start ha-twin".into())?.success())
}

fn built() -> Result<PathBuf> {
    // Of its own: it builds the core with a feature that no other program may have.
    let target = target_dir()?.join("twin");
    let mut build = cargo();
    build.args(["build", "--locked", "--manifest-path"]).arg(manifest()).arg("--target-dir").arg(&target);
    if !build.status().trying(|| "run cargo build".into())?.success() {
        return Err(Error::Output { program: "cargo build".into(), why: "it failed".into() });
    }
    Ok(target.join("debug").join("ha-twin"))
}
