//! Whatever ends a lab, nothing of it is left: no process, namespace, mount; and after a sweep no control group.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PROGRAM_FILE, Place, SOON, spec, start, web};
use ha_lab::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Namespaces of a process, as the kernel names them: `net:[4026531840]`.
fn namespaces(pid: i32) -> Vec<PathBuf> {
    ["net", "mnt", "pid"].iter().filter_map(|n| fs::read_link(format!("/proc/{pid}/ns/{n}")).ok()).collect()
}

fn all_pids() -> Vec<i32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// Every living process in one of these namespaces (a corpse that its parent has not buried is none).
fn living(spaces: &BTreeSet<PathBuf>) -> Vec<i32> {
    let is_in = |pid: &i32| namespaces(*pid).iter().any(|n| spaces.contains(n));
    all_pids().into_iter().filter(is_in).collect()
}

/// The namespaces of a lab: those of all its processes that are not ours.
fn lab_namespaces(lab: &Place) -> BTreeSet<PathBuf> {
    let ours: BTreeSet<_> = namespaces(std::process::id() as i32).into_iter().collect();
    let mut tree = BTreeSet::from([lab.outer_pid() as i32]);
    loop {
        let parent = |pid: i32| -> Option<i32> {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
        };
        let fresh: Vec<i32> = all_pids()
            .into_iter()
            .filter(|p| !tree.contains(p) && parent(*p).is_some_and(|pp| tree.contains(&pp)))
            .collect();
        if fresh.is_empty() {
            break;
        }
        tree.extend(fresh);
    }
    tree.iter().flat_map(|p| namespaces(*p)).filter(|n| !ours.contains(n)).collect()
}

fn groups() -> Vec<PathBuf> {
    let Some(mount) = ha_lab::cgroup::v2_mount() else { return Vec::new() };
    let entries = fs::read_dir(mount).unwrap().flatten();
    entries.map(|e| e.path()).filter(|p| p.to_string_lossy().contains(ha_lab::cgroup::PREFIX)).collect()
}

fn busy_lab() -> Place {
    let mut plan = spec(&["alpha", "beta"]);
    plan.1 = plan.1.with_service(&web("0.0.0.0:80"));
    let lab = start(plan);
    // A process that left its session and ignores signals must not escape either.
    lab.sh("alpha", "(trap '' TERM HUP INT; setsid sleep 9999 >/dev/null 2>&1 &) ; true");
    lab.freeze("beta").unwrap();
    lab
}

fn nothing_is_left(spaces: &BTreeSet<PathBuf>, lab_dir: &std::path::Path) {
    wait_for("every process of the lab to end", SOON, || Ok(living(spaces).is_empty())).unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(lab_dir.to_str().unwrap()), "mounts are left: {mounts}");
    assert!(!fs::read_to_string("/proc/net/dev").unwrap().contains("alpha.net0"), "an interface is left");
}

#[test]
fn dropped() {
    let lab = busy_lab();
    let spaces = lab_namespaces(&lab);
    // Lab, two hosts (net, mnt, pid each).
    assert!(spaces.len() >= 9, "{spaces:?}");
    assert!(living(&spaces).len() > 6);
    let own_group = format!("{}{}-", ha_lab::cgroup::PREFIX, lab.outer_pid());
    let is_own = |p: &PathBuf| p.to_string_lossy().contains(&own_group);
    assert!(!nix::unistd::geteuid().is_root() || groups().iter().any(is_own), "root has control groups");
    let dir = lab.dir().to_path_buf();
    drop(lab);
    nothing_is_left(&spaces, &dir);
    assert!(!groups().iter().any(is_own), "a proper end removes its control groups");
}

#[test]
fn killed() {
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT] {
        let mut place = busy_lab();
        let spaces = lab_namespaces(&place);
        let outer = place.outer_pid();
        kill(Pid::from_raw(outer as i32), signal).unwrap();
        nothing_is_left(&spaces, place.lab.dir());
        place.lab.wait_ended();
        let out = Command::new(PROGRAM_FILE).arg("sweep").output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let own_group = format!("{}{outer}-", ha_lab::cgroup::PREFIX);
        let left: Vec<_> =
            groups().into_iter().filter(|p| p.to_string_lossy().contains(&own_group)).collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "after {signal} and a sweep");
    }
}

#[test]
fn a_sweep_spares_the_living() {
    let lab = start(spec(&["alpha"]));
    let out = Command::new(PROGRAM_FILE).arg("sweep").output().unwrap();
    assert!(out.status.success());
    assert_eq!(lab.sh("alpha", "echo alive"), "alive\n");
    lab.freeze("alpha").unwrap();
    lab.thaw("alpha").unwrap();
}

#[test]
fn the_end_of_a_process_it_cannot_do_without_ends_the_lab() {
    let lab = busy_lab();
    let spaces = lab_namespaces(&lab);
    let switch = living(&spaces)
        .into_iter()
        .find(|p| fs::read_to_string(format!("/proc/{p}/cmdline")).is_ok_and(|c| c.contains("\0power\0")));
    kill(Pid::from_raw(switch.unwrap()), Signal::SIGKILL).unwrap();
    nothing_is_left(&spaces, lab.dir());
    assert!(lab.power_off("alpha").is_err());
}
