//! `cargo xtask demo`: builds the programs and hands over to the laboratory.
//!
//! Must not know: what a demonstration is; `ha-lab demo` and `ha-lab demo-ctl` do it.

use crate::cargo::{cargo, target_dir};
use crate::error::{Error, Result, Trying};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the demonstration is made of.
const PACKAGES: [&str; 5] = ["ha-lab", "hanode", "hactl", "fence_pdu_http", "fence_pdu_snmp"];

/// Options of `demo`.
#[derive(clap::Args, Default)]
#[command(after_help = "While it runs, from another terminal:\n  \
    cargo xtask demo fail|on|freeze|thaw|cut|kill-daemon NODE\n  \
    cargo xtask demo heal\n  \
    cargo xtask demo hactl COMMAND…\n\n\
    NODE is alpha, beta or gamma. Ctrl-C ends the demonstration and leaves nothing behind.")]
pub struct Options {
    /// End by itself after the failover; exit code 0 only if the client outside saw it.
    #[arg(long)]
    once: bool,
    /// Directory of the demonstration; an earlier one there is removed [default: chosen by ha-lab].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Pace of the cluster: `default` (a node is lost after 1 s) or `fast` (150 ms).
    #[arg(long)]
    profile: Option<String>,
    /// Use the power switch by HTTP instead of SNMP.
    #[arg(long)]
    http: bool,
    /// How long the service may take to appear, in seconds.
    #[arg(long)]
    limit_s: Option<u64>,
    /// Build with optimisation: minutes longer, and the same times, which follow from time-outs.
    #[arg(long)]
    release: bool,
    /// Do this to the running demonstration instead of starting one.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Runs it: builds if needed, then becomes `ha-lab`.
pub fn command(options: &Options) -> Result<bool> {
    let programs = target_dir()?.join(if options.release { "release" } else { "debug" });
    if options.words.is_empty() {
        build(options.release)?;
    }
    let mut lab = lab(&programs, options)?;
    Err(Error::Io { what: format!("start {}", programs.join("ha-lab").display()), source: lab.exec() })
}

/// Runs `demo --once` with what is built already, to its end. For `cargo xtask test`.
pub fn once(programs: &Path) -> Result<bool> {
    let mut lab = lab(programs, &Options { once: true, ..Options::default() })?;
    Ok(lab.status().trying(|| "start ha-lab".into())?.success())
}

fn build(is_release: bool) -> Result<()> {
    let mut command = cargo();
    command.arg("build").args(PACKAGES.iter().flat_map(|p| ["--package", p]));
    if is_release {
        command.arg("--release");
    }
    match command.status().trying(|| "run cargo build".into())?.success() {
        true => Ok(()),
        false => Err(Error::Output { program: "cargo build".into(), why: "it failed".into() }),
    }
}

fn lab(programs: &Path, options: &Options) -> Result<Command> {
    let lab = programs.join("ha-lab");
    if !lab.is_file() {
        let help = "start a demonstration first: cargo xtask demo".into();
        return Err(Error::Missing { what: format!("{} is not built", lab.display()), help });
    }
    let mut command = Command::new(lab);
    command.args(arguments(programs, options));
    Ok(command)
}

/// The command line of `ha-lab`.
fn arguments(programs: &Path, options: &Options) -> Vec<String> {
    let path = |name: &str| programs.join(name).display().to_string();
    let mut out = vec![if options.words.is_empty() { "demo" } else { "demo-ctl" }.to_owned()];
    if let Some(dir) = &options.dir {
        out.extend(["--dir".to_owned(), dir.display().to_string()]);
    }
    if !options.words.is_empty() {
        out.extend(options.words.iter().cloned());
        return out;
    }
    out.extend(["--hanode".to_owned(), path("hanode"), "--hactl".to_owned(), path("hactl")]);
    out.extend(["--agents".to_owned(), programs.display().to_string()]);
    if let Some(profile) = &options.profile {
        out.extend(["--profile".to_owned(), profile.clone()]);
    }
    if let Some(limit) = options.limit_s {
        out.extend(["--limit-s".to_owned(), limit.to_string()]);
    }
    out.extend(options.http.then(|| "--http".to_owned()));
    out.extend(options.once.then(|| "--once".to_owned()));
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

    fn arguments_of(line: &str) -> String {
        let line = Line::parse_from(std::iter::once("demo").chain(line.split_whitespace()));
        arguments(Path::new("/t"), &line.options).join(" ")
    }

    #[test]
    fn what_is_for_the_demonstration_and_what_is_for_its_programs() {
        let programs = "--hanode /t/hanode --hactl /t/hactl --agents /t";
        assert_eq!(arguments_of(""), format!("demo {programs}"));
        assert_eq!(
            arguments_of("--once --profile fast --http --dir /d"),
            format!("demo --dir /d {programs} --profile fast --http --once")
        );
        assert_eq!(arguments_of("fail alpha"), "demo-ctl fail alpha");
        // After the first word everything belongs to it, also what looks like an option of ours.
        assert_eq!(
            arguments_of("--dir /d hactl status --json --once"),
            "demo-ctl --dir /d hactl status --json --once"
        );
    }
}
