//! `cargo xtask sim`, `golden` and `exhaust`: builds the simulator and hands over to it.
//!
//! Must not know: what is simulated; `ha-sim` does it.

use crate::bench::commit;
use crate::cargo::{cargo, root, target_dir};
use crate::error::{Error, Result, Trying};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Seeds of the batch that every change must pass.
const SEEDS: u32 = 500;

/// Options of `sim`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask sim --seeds 2000 --start 1     a batch on all cores; ends with `N seeds, V violations`\n  \
    cargo xtask sim --seed 42                  one life, its journal, the nodes side by side\n  \
    cargo xtask sim --seed 42 --step           the same, Enter after each act\n  \
    cargo xtask sim --seed 42 --shrink         the shortest schedule that breaks the same rule\n  \
    cargo xtask sim --seed 42 --keep FILE      its schedule as a golden scenario\n\n\
    `cargo xtask sim -- --help` lists all options of the simulator.")]
pub struct Options {
    /// Options of the simulator.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Builds, then becomes `ha-sim`.
pub fn command(options: &Options) -> Result<bool> {
    let mut sim = simulator()?;
    sim.args(["--build", &commit()]);
    let source = sim.args(&options.words).exec();
    Err(Error::Io { what: "start ha-sim".into(), source })
}

/// Options of `golden`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask golden                              every scenario\n  \
    cargo xtask golden owner-loses-power            one of them\n  \
    cargo xtask golden owner-loses-power --update   its journal written anew; never its facts\n\n\
    Each is a file of crates/ha-sim/golden: what happens, the journal of it, and facts that are judged from outside.")]
pub struct Golden {
    /// Only these.
    names: Vec<String>,
    /// Write journals anew; never facts, and nothing where a fact does not hold.
    #[arg(long)]
    update: bool,
}

/// Lives golden scenarios. Built as for tests: these lives are short.
pub fn golden(options: &Golden) -> Result<bool> {
    let mut build = cargo();
    build.args(["build", "--locked", "--quiet", "--package", "ha-sim"]);
    if !build.status().trying(|| "run cargo build".into())?.success() {
        return Err(Error::Output { program: "cargo build".into(), why: "it failed".into() });
    }
    let mut sim = Command::new(target_dir()?.join("debug").join("ha-sim"));
    sim.current_dir(root()).arg("golden").args(&options.names);
    if options.update {
        sim.arg("--update");
    }
    Ok(sim.status().trying(|| "start ha-sim".into())?.success())
}

/// The batch of every change.
pub fn batch() -> Result<bool> {
    let mut sim = simulator()?;
    sim.args(["--build", &commit(), "--seeds", &SEEDS.to_string()]);
    Ok(sim.status().trying(|| "start ha-sim".into())?.success())
}

/// Options of `exhaust`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask exhaust                              every scope; ends with `N states, V violations`\n  \
    cargo xtask exhaust --scope frozen               one\n  \
    cargo xtask exhaust --scope frozen --undisturbed its undisturbed path in words\n\n\
    `cargo xtask exhaust -- --help` lists all options.")]
pub struct Exhaust {
    /// Options of the search.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Builds, then explores.
pub fn exhaust(options: &Exhaust) -> Result<bool> {
    let mut search = simulator()?;
    Ok(search
        .arg("exhaust")
        .args(&options.words)
        .status()
        .trying(|| "start ha-sim exhaust".into())?
        .success())
}

/// The same, for `cargo xtask test`.
pub fn exhaust_all() -> Result<bool> {
    exhaust(&Exhaust { words: vec![] })
}

/// Options of `sabotage`.
#[derive(clap::Args)]
pub struct Sabotage {
    /// Lives for each rule at most.
    #[arg(long, default_value_t = 200)]
    seeds: u32,
}

/// Breaks each rule that can be broken, in a build of its own: the checkers must see it.
pub fn sabotage(options: &Sabotage) -> Result<bool> {
    // Of its own: a program with the feature must not lie where the others are looked for.
    let target = target_dir()?.join("sabotage");
    let mut build = cargo();
    build.args(["build", "--locked", "--profile", "sim", "--package", "ha-sim", "--features", "sabotage"]);
    build.arg("--target-dir").arg(&target);
    if !build.status().trying(|| "run cargo build".into())?.success() {
        return Err(Error::Output { program: "cargo build".into(), why: "it failed".into() });
    }
    let program = target.join("sim").join("ha-sim");
    let mut sim = Command::new(&program);
    sim.args(["--sabotage", "all", "--seeds", &options.seeds.to_string()]);
    let are_seen = sim.status().trying(|| "start ha-sim".into())?.success();
    let mut search = Command::new(&program);
    let are_found = search
        .args(["exhaust", "--sabotage", "all"])
        .status()
        .trying(|| "start ha-sim exhaust".into())?
        .success();
    Ok(are_seen && are_found)
}

/// The same, for `cargo xtask test`.
pub fn sabotage_all() -> Result<bool> {
    sabotage(&Sabotage { seeds: 200 })
}

fn simulator() -> Result<Command> {
    let mut build = cargo();
    build.args(["build", "--locked", "--profile", "sim", "--package", "ha-sim"]);
    if !build.status().trying(|| "run cargo build".into())?.success() {
        return Err(Error::Output { program: "cargo build".into(), why: "it failed".into() });
    }
    Ok(Command::new(target_dir()?.join("sim").join("ha-sim")))
}
