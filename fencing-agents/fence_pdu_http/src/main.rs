//! Fence agent for power switches with an HTTP interface.
//!
//! Purpose: Digital Loggers REST, NETIO JSON, and any other switch by a template, by the standard fence-agent contract.
//!
//! Must not know: our cluster; it runs by hand and under other cluster managers just as well.

mod device;
mod dli;
mod generic;
mod netio;
mod options;
mod rule;
mod tls;
mod web;

use std::process::ExitCode;

fn main() -> ExitCode {
    ha_fence_agent::run(options::description(), async |settings| device::PduHttp::build(settings))
}
