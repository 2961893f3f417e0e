//! Developer commands: `cargo xtask tidy|test|demo|bench|sim|golden|exhaust|sabotage|compare|chaos`.
//!
//! Must not know: any crate of the project. It reads their sources and calls their programs.

mod bench;
mod cargo;
mod chaos;
mod compare;
mod demo;
mod error;
mod sim;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Developer commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the tree itself: which crate may use which, what pure crates must not touch, style, links.
    Tidy(tidy::Options),
    /// Everything that must pass before a change is done; what CI runs.
    Test(test::Options),
    /// Three real daemons on simulated hosts, one failover, then a lab to play with.
    Demo(demo::Options),
    /// Measure failovers, and what idle and busy nodes do.
    Bench(bench::Options),
    /// Lives of simulated clusters: the daemon's own core under every fault, from one seed.
    Sim(sim::Options),
    /// Scenarios of simulated clusters as text: what happens, the journal of it, and facts judged from outside.
    Golden(sim::Golden),
    /// Every path of a small cluster within a budget of faults: the same core, state by state; ends with `N states, V violations`.
    Exhaust(sim::Exhaust),
    /// Break the rules one by one, and see the simulator's checkers find each; ends with `F of M found`.
    Sabotage(sim::Sabotage),
    /// Lives of real clusters: three and five daemons, faults from a printed seed, judged from outside.
    Chaos(chaos::Options),
    /// Votes and log beside those of the crate `raft`, schedule by schedule; ends with `N schedules, D differences`.
    Compare(compare::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Tidy(options) => tidy::command(&options),
        Command::Test(options) => test::command(&options),
        Command::Demo(options) => demo::command(&options),
        Command::Bench(options) => bench::command(&options),
        Command::Sim(options) => sim::command(&options),
        Command::Golden(options) => sim::golden(&options),
        Command::Exhaust(options) => sim::exhaust(&options),
        Command::Sabotage(options) => sim::sabotage(&options),
        Command::Chaos(options) => chaos::command(&options),
        Command::Compare(options) => compare::command(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::FAILURE
        }
    }
}
