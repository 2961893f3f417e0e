//! Fence agent for power switches with an SNMP interface.
//!
//! Purpose: APC rPDU, rPDU2 and MasterSwitch tables over SNMP v1, v2c and v3, by the standard fence-agent contract.
//!
//! Must not know: our cluster; it runs by hand and under other cluster managers just as well.

mod credentials;
mod device;
mod options;
mod snmp;
mod tables;

use std::process::ExitCode;

fn main() -> ExitCode {
    ha_fence_agent::run(options::description(), async |settings| device::PduSnmp::build(settings).await)
}
