//! The commands, one concept a file. Each asks, and says how it ended.

mod cluster;
mod config;
mod fence;
mod orders;
mod status;
mod version;

use crate::cli::{Cluster, Command};
use crate::context::Context;
use crate::outcome::{Failure, Success};

/// Runs a command.
pub(crate) fn run(context: &Context, command: Command) -> Result<Success, Failure> {
    match command {
        Command::Status { watch: true, .. } => status::watch(context),
        Command::Status { check, .. } => status::once(context, check),
        Command::Node(command) => orders::node(context, command),
        Command::Resource(command) => orders::resource(context, command),
        Command::Fence(command) => fence::run(context, command),
        Command::Config(command) => config::run(context, command),
        Command::Cluster(Cluster::Keys { file, out }) => cluster::keys(&file, &out),
        Command::Timeline { last, all } => status::timeline(context, if all { u32::MAX } else { last }),
        Command::Version => version::run(context),
    }
}
