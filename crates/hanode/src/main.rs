//! The daemon of each node: wires the shells (transport, storage, agents, operators' socket) to the core.
//!
//! Where to start reading: [`daemon`] (what is started in which order), [`engine`] (the loop that feeds the core and
//! carries out its effects).

mod aborts;
mod beats;
mod cli;
mod daemon;
mod engine;
mod file;
mod journal;
mod kept;
mod life;
mod refused;
mod store;
mod vital;
mod watchdog;
mod work;

use clap::Parser;
use std::process::ExitCode;

const _: () = assert!(
    !ha_model::sabotage::IS_BUILT_IN,
    "a daemon is not built with the feature `sabotage`, which breaks rules on purpose: build hanode by itself"
);

/// Exit code of a daemon that only an operator should start again: EX_DATAERR of sysexits(3).
const HELD: u8 = 65;

fn main() -> ExitCode {
    journal::start();
    let options = cli::Options::parse();
    match daemon::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Once: standard error is the journal's too.
            eprintln!("hanode does not start: {error}");
            match error {
                daemon::StartError::Held(_) => ExitCode::from(HELD),
                _ => ExitCode::FAILURE,
            }
        }
    }
}
