//! The operator's tool: `hactl`.
//!
//! Must not know: how the cluster decides. It asks the daemon of this node and shows what it answers.
//! Invariants: one answer, one exit code ([`outcome::Exit`]); whatever is not as wished is shown with one
//! sentence that says why; nothing that cannot be taken back is done without a typed confirmation.

mod cli;
mod commands;
mod confirm;
mod context;
mod names;
mod outcome;
mod paint;
mod problems;
#[cfg(test)]
mod reference;
mod span;
mod status;
mod text;
mod timeline;
mod usage;
mod wall;

use clap::Parser;
use cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    let name = cli.command.name();
    let (json, color) = (cli.global.json, cli.global.color);
    let result = context::Context::new(&cli.global).and_then(|context| commands::run(&context, cli.command));
    outcome::show(name, result, json, color)
}
