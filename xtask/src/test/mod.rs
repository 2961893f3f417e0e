//! `cargo xtask test`: everything that must pass, stage by stage, each with its time.
//!
//! Every stage uses the same packages, profile and features, so that one build serves them all. A test that is skipped
//! is counted and fails the run, like one that fails: what was not tried is not known to work.

mod count;
mod licences;
mod needs;
mod report;
mod runner;
mod stages;

use crate::cargo::target_dir;
use crate::error::Result;
use clap::ValueEnum;
use count::Count;
use report::{Line, table};
use std::time::Instant;

/// Options of `test`.
#[derive(clap::Args)]
pub struct Options {
    /// Only these stages, in their usual order.
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    only: Vec<Stage>,
    /// All but these stages.
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    skip: Vec<Stage>,
    /// Install nothing; name what is missing.
    #[arg(long)]
    no_install: bool,
}

/// A stage, in the order in which they run: what fails fast comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Stage {
    /// The tree itself (`cargo xtask tidy`).
    Tidy,
    /// Licences and bans of dependencies: `cargo deny` where it is installed, else a check of our own.
    Licences,
    /// No warning of clippy in any target.
    Clippy,
    /// The documentation of the code builds without a warning.
    Docs,
    /// Programs and tests.
    Build,
    /// Tests of every crate.
    Tests,
    /// Examples in the documentation of the code.
    Doctests,
    /// 500 lives of simulated clusters (`cargo xtask sim`).
    Sim,
    /// Every path of a small cluster (`cargo xtask exhaust`).
    Exhaust,
    /// Rules broken on purpose are seen broken (`cargo xtask sabotage`).
    Sabotage,
    /// 10,000 schedules of votes and log beside the crate `raft`, and each sabotage (`cargo xtask compare`).
    Compare,
    /// Clusters of real processes, judged from outside.
    Cluster,
    /// Two minutes of lives of real clusters with drawn faults, and their control (`cargo xtask chaos`).
    Chaos,
    /// `cargo xtask demo --once`.
    Demo,
}

impl Stage {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Runs programs that the build must have made.
    fn needs_build(self) -> bool {
        matches!(self, Self::Tests | Self::Doctests | Self::Cluster | Self::Chaos | Self::Demo)
    }

    /// Uses programs that a bare system lacks.
    fn needs_packages(self) -> bool {
        matches!(self, Self::Tests | Self::Cluster | Self::Chaos | Self::Demo)
    }
}

/// What runs.
fn chosen(only: &[Stage], skip: &[Stage]) -> Vec<Stage> {
    let all = Stage::value_variants().iter().copied();
    all.filter(|s| only.is_empty() || only.contains(s)).filter(|s| !skip.contains(s)).collect()
}

/// Runs it; true when nothing failed and nothing was skipped.
pub fn command(options: &Options) -> Result<bool> {
    let stages = chosen(&options.only, &options.skip);
    let begin = Instant::now();
    let mut lines = Vec::new();
    if stages.iter().any(|s| s.needs_packages()) {
        // What is missing is said once, here; the tests that need it fail and name it again.
        lines.push(timed("packages", || needs::provide(!options.no_install)));
    }
    let programs = target_dir()?.join("debug");
    let mut is_built = true;
    for stage in stages {
        if stage.needs_build() && !is_built {
            lines.push(Line { name: stage.name(), time: None, count: Count::skipped(1) });
            continue;
        }
        let line = timed(&stage.name(), || stages::run(stage, &programs));
        is_built &= stage != Stage::Build || line.count.is_good();
        lines.push(line);
    }
    let total = lines.iter().fold(Count::default(), |sum, line| sum + line.count);
    print!("\n{}", table(&lines, begin.elapsed()));
    println!("{total}");
    Ok(total.is_good())
}

fn timed(name: &str, run: impl FnOnce() -> Result<Count>) -> Line {
    println!("\n== {name}");
    let begin = Instant::now();
    let count = run().unwrap_or_else(|e| {
        println!("{name}: {e}");
        Count::failed(1)
    });
    Line { name: name.to_owned(), time: Some(begin.elapsed()), count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_chosen_in_their_order() {
        let all = chosen(&[], &[]);
        assert_eq!(all, Stage::value_variants());
        assert!(all.is_sorted());
        assert_eq!(chosen(&[Stage::Demo, Stage::Tidy], &[]), [Stage::Tidy, Stage::Demo]);
        assert_eq!(chosen(&[], &[Stage::Demo, Stage::Cluster]).len(), all.len() - 2);
        assert_eq!(chosen(&[Stage::Demo], &[Stage::Demo]), []);
    }

    #[test]
    fn an_error_of_a_stage_is_a_failure() {
        let why = crate::error::Error::Output { program: "x".into(), why: "y".into() };
        assert_eq!(timed("x", || Err(why)).count, Count::failed(1));
    }
}
