//! What the tests of agents share. No test passes by being skipped: missing permission fails it, saying so.
#![allow(dead_code, clippy::unwrap_used)]

pub mod lan;
pub mod service;

use ha_agent::runner::Program;
use ha_agent::{CgroupRoot, Gate, Leash};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// A cgroup root of this test's own.
pub fn root(test: &str) -> CgroupRoot {
    let root = CgroupRoot::detect(&format!("test-{test}-{}", std::process::id()));
    assert_eq!(root.limitation(), None, "these tests need permission to make cgroups (run as root)");
    root
}

/// Removes the root's directory when the test is over.
pub struct Tidy(pub CgroupRoot);

impl Drop for Tidy {
    fn drop(&mut self) {
        if let Some(dir) = self.0.directory() {
            let _ = fs::write(dir.join("cgroup.kill"), "1");
            let end = Instant::now() + Duration::from_secs(2);
            while remove(dir).is_err() && Instant::now() < end {
                std::thread::yield_now();
            }
        }
    }
}

fn remove(dir: &std::path::Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(dir)
}

pub fn program(argv: &[&str]) -> Program {
    Program {
        argv: argv.iter().map(|s| (*s).to_owned()).collect(),
        env: BTreeMap::from([("PATH".into(), ha_agent::DEFAULT_PATH.into())]),
        stdin: vec![],
        timeout: Duration::from_secs(10),
        gate: Gate::always(),
        dies_with_daemon: false,
    }
}

pub fn sh(script: &str) -> Program {
    program(&["/bin/sh", "-c", script])
}

/// Waits for a condition, at most 5 s.
pub async fn until(what: &str, mut is_met: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !is_met() {
        assert!(Instant::now() < end, "waited 5 s for: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z ") && !s.contains(") X "))
}

/// Whether any process of the leash runs this program.
pub fn runs(leash: &Leash, name: &str) -> bool {
    leash
        .members()
        .iter()
        .any(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == name))
}
