//! What the tests need from the system: installed when we are root and there is apt, named when not.

use super::count::Count;
use crate::error::{Result, Trying};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// A program or file, and the Debian 12 package that has it.
const NEEDED: [(&str, &str); 14] = [
    ("/usr/sbin/fence_apc_snmp", "fence-agents"),
    ("/usr/share/cluster/relaxng/metadata.rng", "fence-agents"),
    ("/usr/bin/xmllint", "libxml2-utils"),
    ("/usr/bin/snmpget", "snmp"),
    ("/usr/sbin/snmpd", "snmpd"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/bin/ip", "iproute2"),
    ("/usr/sbin/tc", "iproute2"),
    ("/usr/bin/python3", "python3"),
    ("/usr/bin/pgrep", "procps"),
    ("/usr/bin/script", "bsdutils"),
    ("/usr/bin/setpriv", "util-linux"),
    ("/usr/lib/ocf/resource.d/heartbeat/Dummy", "resource-agents"),
    ("/usr/sbin/modprobe", "kmod"), // the agent Filesystem asks for it
];

/// Installs what is missing. Failed when something is missing in the end.
pub fn provide(may_install: bool) -> Result<Count> {
    let mut missing = packages(|path| Path::new(path).exists());
    if !missing.is_empty() && may_install && is_root()? && Path::new("/usr/bin/apt-get").exists() {
        println!("installing {}", missing.join(" "));
        apt(&["update"])?;
        let options = ["install", "--yes", "--no-install-recommends"];
        apt(&[&options, missing.as_slice()].concat())?;
        missing = packages(|path| Path::new(path).exists());
    }
    if !missing.is_empty() {
        println!("needed, and not there: {}", missing.join(" "));
        println!("on Debian: sudo apt-get install --no-install-recommends {}", missing.join(" "));
    }
    Ok(Count::of(missing.is_empty()))
}

/// Packages of what is not there.
fn packages(exists: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut out: Vec<_> =
        NEEDED.iter().filter(|(path, _)| !exists(path)).map(|(_, package)| *package).collect();
    out.sort_unstable();
    out.dedup();
    out
}

fn apt(args: &[&str]) -> Result<()> {
    let mut command = Command::new("/usr/bin/apt-get");
    // RUNLEVEL=1: services of the packages are not started, the tests start their own.
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    let status = command.status().trying(|| "run apt-get".into())?;
    if !status.success() {
        println!("apt-get {}: {status}", args[0]);
    }
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self").trying(|| "read /proc/self".into())?.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_package_is_named_once() {
        assert!(packages(|_| true).is_empty());
        let two =
            packages(|path| !path.contains("fence") && !path.contains("cluster") && !path.contains("snmpd"));
        assert_eq!(two, ["fence-agents", "snmpd"]);
    }
}
