//! `cargo xtask bench failover`: builds the programs with optimisation and hands over to the laboratory.
//!
//! Must not know: how anything is measured; `ha-lab bench failover` does it.

use crate::cargo::{cargo, root, target_dir};
use crate::error::{Error, Result, Trying};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What is measured, and what measures it.
const PACKAGES: [&str; 5] = ["ha-lab", "hanode", "hactl", "fence_pdu_http", "fence_pdu_snmp"];

/// Options of `bench`.
#[derive(clap::Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Outages of every kind, as an outside client sees them, split by phase; figures of idle and busy nodes.
    Failover(Failover),
}

#[derive(clap::Args)]
#[command(
    after_help = "All rows of both tables with 20 runs take some two hours; `--runs 5` half an hour, and two \
    busy machines of ten minutes each.\nThe machine must be quiet: the head of the table tells its load. Ctrl-C ends it \
    and leaves nothing behind.\nExit code 1 when a run failed or a healthy node was suspected."
)]
struct Failover {
    /// Runs of each row [default: 20].
    #[arg(long)]
    runs: Option<u32>,
    /// Pace of the cluster: default, fast or both [default: both].
    #[arg(long)]
    profile: Option<String>,
    /// Only this row; may be repeated (power-off, freeze, cut, power-off-leading, freeze-leading, cut-leading, kill,
    /// move, cold-start, idle, busy).
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Which tables: `first` (off_settle 0, in memory), `second` (off_settle 1 s, on disk) or both [default: both].
    #[arg(long)]
    table: Option<String>,
    /// How long the busy machine is watched, in seconds [default: 600].
    #[arg(long)]
    busy_s: Option<u64>,
    /// How long idle nodes are looked at, in seconds [default: 60].
    #[arg(long)]
    idle_s: Option<u64>,
    /// Write the tables to this file too.
    #[arg(long)]
    out: Option<String>,
    /// Keep logs and timelines of runs that failed or missed their target in this directory.
    #[arg(long)]
    keep: Option<String>,
    /// Build without optimisation: for work on the benchmark itself, its figures mean nothing.
    #[arg(long)]
    debug: bool,
}

/// Builds, then becomes `ha-lab`.
pub fn command(options: &Options) -> Result<bool> {
    let What::Failover(failover) = &options.what;
    let mut build = cargo();
    build.arg("build").args(PACKAGES.iter().flat_map(|p| ["--package", p]));
    if !failover.debug {
        build.arg("--release");
    }
    if !build.status().trying(|| "run cargo build".into())?.success() {
        return Err(Error::Output { program: "cargo build".into(), why: "it failed".into() });
    }
    let programs = target_dir()?.join(if failover.debug { "debug" } else { "release" });
    let lab = programs.join("ha-lab");
    let source = Command::new(&lab).args(arguments(&programs, failover, &commit())).exec();
    Err(Error::Io { what: format!("start {}", lab.display()), source })
}

/// What was built, for the head of the table.
pub fn commit() -> String {
    let git = |args: &[&str]| {
        let out = Command::new("git").current_dir(root()).args(args).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "--short", "HEAD"]), git(&["status", "--porcelain", "--untracked-files=no"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => format!("commit {commit}"),
        (Some(commit), _) => format!("commit {commit} with changes"),
        (None, _) => "of no commit".into(),
    }
}

/// The command line of `ha-lab`.
fn arguments(programs: &Path, options: &Failover, build: &str) -> Vec<String> {
    let path = |name: &str| programs.join(name).display().to_string();
    let mut out: Vec<String> = ["bench", "failover"].map(Into::into).into();
    let mut add = |name: &str, value: Option<String>| {
        out.extend(value.into_iter().flat_map(|v| [name.to_owned(), v]));
    };
    add("--hanode", Some(path("hanode")));
    add("--hactl", Some(path("hactl")));
    add("--agents", Some(programs.display().to_string()));
    add("--build", Some(build.to_owned()));
    add("--runs", options.runs.map(|n| n.to_string()));
    add("--profile", options.profile.clone());
    options.only.iter().for_each(|row| add("--only", Some(row.clone())));
    add("--table", options.table.clone());
    add("--busy-s", options.busy_s.map(|n| n.to_string()));
    add("--idle-s", options.idle_s.map(|n| n.to_string()));
    add("--out", options.out.clone());
    add("--keep", options.keep.clone());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn what_is_said_reaches_the_laboratory() {
        let line = "bench failover --runs 5 --only kill --only move --profile fast --busy-s 60";
        let Line { options: Options { what: What::Failover(options) } } =
            Line::parse_from(line.split_whitespace());
        assert_eq!(
            arguments(Path::new("/t"), &options, "commit x").join(" "),
            "bench failover --hanode /t/hanode --hactl /t/hactl --agents /t --build commit x --runs 5 --profile fast \
             --only kill --only move --busy-s 60"
        );
    }
}
