//! The demonstration with the real programs, as an ordinary user: in a user namespace, without control groups.
#![allow(clippy::unwrap_used)]

use ha_lab::{Remote, find_program};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// The user without rights on Debian and nearly everywhere.
const NOBODY: u32 = 65534;
/// What it is made of.
const PROGRAMS: [&str; 5] = ["ha-lab", "hanode", "hactl", "fence_pdu_snmp", "fence_pdu_http"];

/// `ha-lab demo --once`, as nobody where we are root.
fn demo(bin: &Path, dir: &Path) -> Command {
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(bin.join("ha-lab"));
        setpriv
    } else {
        Command::new(bin.join("ha-lab"))
    };
    command.args(["demo", "--once", "--dir"]).arg(dir);
    command.arg("--hanode").arg(bin.join("hanode")).arg("--hactl").arg(bin.join("hactl"));
    command.arg("--agents").arg(bin);
    command
}

#[test]
fn without_root_the_demonstration_shows_a_failover_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    // The programs may lie where that user cannot go.
    let bin = place.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let built = find_program().unwrap();
    for program in PROGRAMS {
        let from = built.with_file_name(program);
        fs::copy(&from, bin.join(program)).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    }
    if nix::unistd::geteuid().is_root() {
        let all = Command::new("chown").args(["-R", "65534:65534"]).arg(place.path()).status().unwrap();
        assert!(all.success());
    }
    let (dir, errors) = (place.path().join("demo"), place.path().join("stderr"));
    let mut demo = demo(&bin, &dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(demo.stdout.take().unwrap());
    let mut text = String::new();
    // It says something once it runs as whom it shall.
    out.read_line(&mut text).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", demo.id())).unwrap();
    // pgrep: 0 for found, 1 for none, anything else for not having looked.
    let look = || Command::new("pgrep").arg("-af").arg(place.path()).output().unwrap();
    let seen = look();
    out.read_to_string(&mut text).unwrap();
    let ended = demo.wait().unwrap();
    let report = || {
        let machine: Vec<String> = ha_lab::check::check().iter().map(|f| f.to_string()).collect();
        let errors = fs::read_to_string(&errors).unwrap_or_default();
        format!("{ended}\n{text}\n{errors}\nthis machine:\n{}", machine.join("\n"))
    };
    assert!(ended.success(), "{}", report());
    if nix::unistd::geteuid().is_root() {
        assert!(status.contains(&format!("Uid:\t{NOBODY}")), "it should not run as root: {status}");
    }
    for part in ["== Power off ", "gets an answer again: ", "outage that the client saw: ", "== Power on "] {
        assert!(text.contains(part), "no `{part}` in {}", report());
    }
    assert!(Remote::open(&dir).is_ok_and(|lab| lab.hosts().is_err()), "its lab answers still");
    assert_eq!(seen.status.code(), Some(0), "it is seen while it runs");
    let left = look();
    assert_eq!(left.status.code(), Some(1), "{}", String::from_utf8_lossy(&left.stdout));
}
