//! What a daemon asks of the kernel takes effect: locked memory, a heartbeat thread in real time, no out-of-memory
//! kill; its services get none of it. Looked at from outside, in /proc.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON};

/// Realtime round-robin, as /proc shows it.
const SCHED_RR: i64 = 2;
/// Capabilities (linux/capability.h), and the warning of a daemon without each.
const IPC_LOCK: (u32, &str) = (14, "memory not locked");
const SYS_NICE: (u32, &str) = (23, "heartbeat thread without realtime priority");
const SYS_RESOURCE: (u32, &str) = (24, "not protected from the out-of-memory killer");

/// Whether the machine surely permits it: to root of the machine itself. Else it takes effect or is a warning.
fn is_permitted(capability: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|l| l.strip_prefix("CapEff:")).unwrap().trim();
    let is_ours = u64::from_str_radix(effective, 16).unwrap() >> capability & 1 == 1;
    let users = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    is_ours && users.split_whitespace().eq(["0", "0", "4294967295"])
}

/// A number of a file below `/proc/PID` of a process in a host.
fn number(cluster: &Cluster, host: &str, file: &str, name: &str) -> u64 {
    let text = cluster.sh(host, &format!("cat /proc/{file}"));
    let line =
        text.lines().find_map(|l| l.strip_prefix(&format!("{name}:"))).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Kilobytes that are locked, and that are resident, counted alike: a shared page is its share.
fn locked(cluster: &Cluster, host: &str, pid: &str) -> (u64, u64) {
    let of = |name| number(cluster, host, &format!("{pid}/smaps_rollup"), name);
    (of("Locked"), of("Pss"))
}

/// Policy and priority (fields 41 and 40 of `stat`) of the threads of this name.
fn scheduling(cluster: &Cluster, host: &str, pid: &str, thread: &str) -> Vec<(i64, i64)> {
    let stats = cluster.sh(host, &format!("cat /proc/{pid}/task/*/stat"));
    let named = stats.lines().filter(|l| l.contains(&format!("({thread})")));
    named
        .map(|line| {
            let fields: Vec<&str> = line.rsplit(')').next().unwrap().split_whitespace().collect();
            (fields[38].parse().unwrap(), fields[37].parse().unwrap())
        })
        .collect()
}

fn oom_score(cluster: &Cluster, host: &str, pid: &str) -> i64 {
    cluster.sh(host, &format!("cat /proc/{pid}/oom_score_adj")).trim().parse().unwrap()
}

#[test]
fn the_daemon_is_locked_in_memory_and_beats_in_real_time_and_its_services_do_not() {
    let cluster = Cluster::start(Plan::default());
    for host in cluster.hosts_named() {
        let pid = cluster.sh(&host, "cat /run/ha-lab/hanode.pid").trim().to_string();
        let mut warnings = String::new();
        cluster.wait("its status", SOON, || {
            let status = cluster.status_json(&host);
            warnings = status["warnings"].to_string();
            status["warnings"].is_array()
        });
        let judge = |(capability, warning): (u32, &str), is_so: bool, seen: &str| {
            assert!(is_so || !is_permitted(capability), "{host}: {seen}; it says {warnings}");
            assert_eq!(!is_so, warnings.contains(warning), "{host}: {seen}; it says {warnings}");
        };
        let (locked, resident) = locked(&cluster, &host, &pid);
        // Between the two readings it may grow a little, and the kernel's own pages in it are never swapped out.
        let is_locked = locked * 10 >= resident * 9;
        judge(IPC_LOCK, is_locked, &format!("{locked} kB locked of {resident} kB resident"));
        let threads = scheduling(&cluster, &host, &pid, "heartbeat");
        let [(policy, priority)] = threads[..] else { panic!("heartbeat threads of {host}: {threads:?}") };
        let seen = format!("policy {policy}, priority {priority}");
        judge(SYS_NICE, policy == SCHED_RR && priority > 0, &seen);
        let score = oom_score(&cluster, &host, &pid);
        judge(SYS_RESOURCE, score == -1000, &format!("oom_score_adj {score}"));
    }
    // A service runs as if it had been started by hand.
    let owner = cluster.answer();
    let pid = owner.pid.to_string();
    let threads = scheduling(&cluster, &owner.host, &pid, "ha-lab");
    assert!(!threads.is_empty() && threads.iter().all(|t| *t == (0, 0)), "{threads:?}");
    assert_eq!(number(&cluster, &owner.host, &format!("{pid}/status"), "VmLck"), 0);
    assert_eq!(oom_score(&cluster, &owner.host, &pid), oom_score(&cluster, &owner.host, "self"));
    cluster.wait("the cluster to be quiet", LONG, || cluster.is_quiet());
}
