//! `cargo xtask chaos`: builds the programs and hands over to the randomised run on real processes.
//!
//! Must not know: what a life is; `tests/cluster` does it.

use crate::bench::commit;
use crate::cargo::{cargo, root, target_dir};
use crate::error::{Error, Result, Trying};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What runs, and what makes it run.
const PACKAGES: [&str; 6] =
    ["ha-lab", "hanode", "hactl", "fence_pdu_http", "fence_pdu_snmp", "ha-cluster-tests"];
/// How long every change is tried.
const MINUTES: u32 = 2;

/// Options of `chaos`.
#[derive(clap::Args, Default)]
#[command(after_help = "Examples:\n  \
    cargo xtask chaos --minutes 10             ends with `N lives, V violations`\n  \
    cargo xtask chaos --seed 7 --life 3        the same schedule once more, with its story\n  \
    cargo xtask chaos --lying-switch           the control: the judge must find a violation\n\n\
    As root. One life at a time; Ctrl-C leaves nothing behind. The journals of a life that went wrong are kept in \
    target/chaos.")]
pub struct Options {
    /// New lives begin for so long [default: 2].
    #[arg(long)]
    minutes: Option<f64>,
    /// Seed of all lives [default: drawn, and printed].
    #[arg(long)]
    seed: Option<u64>,
    /// Only this life of the seed.
    #[arg(long, value_name = "K")]
    life: Option<u32>,
    /// The switch says what it is asked to and does nothing; exit code 0 when the judge saw it.
    #[arg(long)]
    lying_switch: bool,
    /// Write the table to this file too.
    #[arg(long, value_name = "FILE")]
    out: Option<String>,
    /// Tell the story of every life.
    #[arg(long)]
    verbose: bool,
    /// Build with optimisation.
    #[arg(long)]
    release: bool,
}

/// Builds, then becomes the run.
pub fn command(options: &Options) -> Result<bool> {
    let mut build = cargo();
    build.args(["build", "--locked", "--bins"]).args(PACKAGES.iter().flat_map(|p| ["--package", p]));
    if options.release {
        build.arg("--release");
    }
    if !build.status().trying(|| "run cargo build".into())?.success() {
        return Err(Error::Output { program: "cargo build".into(), why: "it failed".into() });
    }
    let programs = target_dir()?.join(if options.release { "release" } else { "debug" });
    let source = run(&programs, options)?.exec();
    Err(Error::Io { what: "start cluster-chaos".into(), source })
}

/// The run of every change, then its control, with what is built already. For `cargo xtask test`.
pub fn every_change(programs: &Path) -> Result<bool> {
    let mut is_good = true;
    for is_lying in [false, true] {
        let minutes = Some(f64::from(MINUTES));
        let options = Options { minutes, lying_switch: is_lying, ..Options::default() };
        is_good &= run(programs, &options)?.status().trying(|| "start cluster-chaos".into())?.success();
    }
    Ok(is_good)
}

fn run(programs: &Path, options: &Options) -> Result<Command> {
    let mut command = Command::new(programs.join("cluster-chaos"));
    let keep = target_dir()?.join("chaos");
    command.args(["--build", &commit()]).arg("--keep").arg(keep).args(arguments(options)).current_dir(root());
    Ok(command)
}

fn arguments(options: &Options) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        out.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
    };
    add("--minutes", options.minutes.map(|n| n.to_string()));
    add("--seed", options.seed.map(|n| n.to_string()));
    add("--life", options.life.map(|n| n.to_string()));
    add("--out", options.out.clone());
    out.extend(options.lying_switch.then(|| "--lying-switch".to_owned()));
    // One life is asked for to be looked at.
    out.extend((options.verbose || options.life.is_some()).then(|| "--verbose".to_owned()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_reaches_the_run() {
        assert_eq!(arguments(&Options::default()), Vec::<String>::new());
        let options = Options { minutes: Some(2.0), seed: Some(7), lying_switch: true, ..Options::default() };
        assert_eq!(arguments(&options).join(" "), "--minutes 2 --seed 7 --lying-switch");
        let options = Options { seed: Some(7), life: Some(3), ..Options::default() };
        assert_eq!(arguments(&options).join(" "), "--seed 7 --life 3 --verbose");
    }
}
