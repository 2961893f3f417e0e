//! What the daemon uses when nothing happens, per node.
//!
//! Must not know: tables. Counted is every process that runs the daemon's program, and the processor time of those it
//! started and buried (checks, its own test forks); not counted are the services. No client asks meanwhile.

use super::bed::{Bed, HOSTS};
use super::refused;
use crate::clock::boot_ns;
use crate::cluster::DAEMON;
use crate::error::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::Duration;

/// Counters of one node at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Usage {
    boot_ns: u64,
    processes: u32,
    rss_kib: u64,
    pss_kib: u64,
    own_ticks: u64,
    child_ticks: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

/// What one node used.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeIdle {
    /// Node, and what it does in the cluster.
    pub node: String,
    /// Resident memory, MiB.
    pub rss_mib: f64,
    /// Its share of what is resident, MiB.
    pub pss_mib: f64,
    /// Processes.
    pub processes: u32,
    /// Its own processor time in percent of one core.
    pub own_percent: f64,
    /// That of what it started and buried: the checks of services, with all that they execute.
    pub child_percent: f64,
    /// Bytes sent and received on all links, a second.
    pub sent_per_s: f64,
    /// See above.
    pub received_per_s: f64,
    /// Over how long, seconds.
    pub seconds: f64,
}

/// Looks at every node twice.
pub fn run(bed: &Bed, seconds: u64) -> Result<Vec<NodeIdle>> {
    let status = bed.status()?;
    let look = || HOSTS.into_iter().map(|host| usage(bed, host)).collect::<Result<Vec<_>>>();
    let before = look()?;
    std::thread::sleep(Duration::from_secs(seconds));
    let after = look()?;
    // SAFETY: a plain question to the C library.
    let ticks_per_s = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let node = |(host, (a, b)): (&str, (&Usage, &Usage))| {
        let seconds = (b.boot_ns - a.boot_ns) as f64 / 1e9;
        let per_s = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        let mut does = Vec::new();
        if status.leader.as_deref() == Some(host) {
            does.push("leads");
        }
        if status.owner() == Some(host) {
            does.push("owns");
        }
        NodeIdle {
            node: format!("{host} {}", does.join(", ")).trim().to_owned(),
            rss_mib: b.rss_kib as f64 / 1024.0,
            pss_mib: b.pss_kib as f64 / 1024.0,
            processes: b.processes,
            own_percent: per_s(a.own_ticks, b.own_ticks) / ticks_per_s * 100.0,
            child_percent: per_s(a.child_ticks, b.child_ticks) / ticks_per_s * 100.0,
            sent_per_s: per_s(a.sent_bytes, b.sent_bytes),
            received_per_s: per_s(a.received_bytes, b.received_bytes),
            seconds,
        }
    };
    Ok(HOSTS.into_iter().zip(before.iter().zip(&after)).map(node).collect())
}

fn usage(bed: &Bed, host: &str) -> Result<Usage> {
    let out = bed.exec(host, &["ha-lab", "bench", "usage"], Duration::from_secs(10))?;
    serde_json::from_str(&out.stdout)
        .map_err(|e| refused(format!("what {host} uses is not known: {e}: {}{}", out.stdout, out.stderr)))
}

/// Inside a host: prints the counters.
pub fn print_usage() -> Result<()> {
    let mut usage = Usage {
        boot_ns: boot_ns(),
        processes: 0,
        rss_kib: 0,
        pss_kib: 0,
        own_ticks: 0,
        child_ticks: 0,
        received_bytes: 0,
        sent_bytes: 0,
    };
    for entry in fs::read_dir("/proc").what(|| "list /proc".into())?.flatten() {
        let path = entry.path();
        let is_daemon = fs::read_link(path.join("exe"))
            .is_ok_and(|exe| exe.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DAEMON)));
        // One that ends meanwhile is no daemon.
        let (Ok(rollup), Ok(stat)) =
            (fs::read_to_string(path.join("smaps_rollup")), fs::read_to_string(path.join("stat")))
        else {
            continue;
        };
        if is_daemon {
            usage.processes += 1;
            usage.rss_kib += kib(&rollup, "Rss:");
            usage.pss_kib += kib(&rollup, "Pss:");
            let (own, children) = ticks(&stat);
            usage.own_ticks += own;
            usage.child_ticks += children;
        }
    }
    let dev = fs::read_to_string("/proc/net/dev").what(|| "read /proc/net/dev".into())?;
    for (received, sent) in dev.lines().filter_map(interface_bytes) {
        usage.received_bytes += received;
        usage.sent_bytes += sent;
    }
    println!("{}", serde_json::to_string(&usage).expect("counters are plain data"));
    Ok(())
}

fn kib(rollup: &str, field: &str) -> u64 {
    let line = rollup.lines().find_map(|l| l.strip_prefix(field));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// utime + stime and cutime + cstime: fields 14 to 17 of proc(5)'s stat.
fn ticks(stat: &str) -> (u64, u64) {
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let mut fields = after_name.split(' ').skip(11).map(|f| f.parse::<u64>().unwrap_or(0));
    let mut two = || fields.by_ref().take(2).sum();
    (two(), two())
}

/// Received and sent bytes of an `ethN` line of /proc/net/dev.
fn interface_bytes(line: &str) -> Option<(u64, u64)> {
    let (name, counters) = line.trim_start().split_once(':')?;
    let fields: Vec<u64> = counters.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    name.starts_with("eth").then(|| Some((*fields.first()?, *fields.get(8)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_as_the_kernel_writes_them() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 900 0 0 0 11 22 33 44 20 0 9 0 100 1000 250";
        assert_eq!(ticks(stat), (33, 77));
        assert_eq!(kib("Rss:                2048 kB\nPss:  1000 kB\n", "Pss:"), 1000);
        let line = "  eth0: 1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0";
        assert_eq!(interface_bytes(line), Some((1000, 2000)));
        assert_eq!(interface_bytes("    lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0"), None);
    }
}
