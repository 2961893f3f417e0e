//! The journal: one line per notice, in the words that `hactl timeline` shows too.

use ha_model::{Level, Notice};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error; `HANODE_LOG` sets the filter (`info` by default).
pub fn start() {
    let filter = EnvFilter::try_from_env("HANODE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// Writes a notice at its level.
pub fn tell(notice: &Notice) {
    let (subsystem, text) = (notice.subsystem(), notice.text());
    match notice.level() {
        Level::Info => tracing::info!("{subsystem}: {text}"),
        Level::Warning => tracing::warn!("{subsystem}: {text}"),
        Level::Alarm => tracing::error!("{subsystem}: {text}"),
    }
}
