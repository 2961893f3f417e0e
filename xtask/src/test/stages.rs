//! What each stage does.

use super::Stage;
use super::count::Count;
use super::licences;
use super::runner::{Which, doctests, run as run_tests};
use crate::cargo::{cargo, root, target_dir};
use crate::error::{Result, Trying};
use crate::{chaos, compare, demo, sim, tidy};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a stage.
pub fn run(stage: Stage, programs: &Path) -> Result<Count> {
    match stage {
        Stage::Tidy => tidy::command(&tidy::Options::default()).map(Count::of),
        Stage::Licences => licences::check().map(Count::of),
        Stage::Clippy => {
            let twin = ["--target-dir".into(), target_dir()?.join("twin").into_os_string()];
            let of = |manifest: PathBuf, more: &[OsString]| {
                let mut clippy = cargo();
                clippy.args(["clippy", "--locked", "--workspace", "--all-targets", "--manifest-path"]);
                check(clippy.arg(manifest).args(more).args(["--", "-D", "warnings"]))
            };
            Ok(of(root().join("Cargo.toml"), &[])? + of(compare::manifest(), &twin)?)
        }
        Stage::Docs => {
            let mut doc = cargo();
            doc.args(["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]);
            check(doc.env("RUSTDOCFLAGS", "-D warnings"))
        }
        // All targets: with the features that the tests want, so that the tests build nothing anew.
        Stage::Build => check(cargo().args(["build", "--locked", "--workspace", "--all-targets"])),
        Stage::Tests => run_tests(Which::Crates),
        Stage::Doctests => doctests(),
        Stage::Sim => sim::batch().map(Count::of),
        Stage::Exhaust => sim::exhaust_all().map(Count::of),
        Stage::Sabotage => sim::sabotage_all().map(Count::of),
        Stage::Compare => compare::all().map(Count::of),
        Stage::Cluster => run_tests(Which::Clusters),
        Stage::Chaos => chaos::every_change(programs).map(Count::of),
        Stage::Demo => demo::once(programs).map(Count::of),
    }
}

fn check(command: &mut Command) -> Result<Count> {
    Ok(Count::of(command.status().trying(|| "run cargo".into())?.success()))
}
