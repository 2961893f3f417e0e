//! The `ha-lab` program: the lab's commands for people, and the parts of a lab that are processes of their own.
//!
//! Must not know: how anything is done. Exit codes: 0 done, 1 failed, 2 wrong usage; `nsexec` passes its command's on.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("ha-lab: {e}");
            ExitCode::FAILURE
        }
    }
}
