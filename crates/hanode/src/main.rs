//! The daemon of each node: wires the shells (transport, storage, agents, operators' socket) to the core.
//!
//! Where to start reading: [`daemon`] (what is started in which order), [`engine`] (the loop that feeds the core and
//! carries out its effects).

mod beats;
mod cli;
mod daemon;
mod engine;
mod file;
mod journal;
mod life;
mod refused;
mod store;
mod vital;
mod work;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    journal::start();
    let options = cli::Options::parse();
    match daemon::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Once: standard error is the journal's too.
            eprintln!("hanode does not start: {error}");
            ExitCode::FAILURE
        }
    }
}
