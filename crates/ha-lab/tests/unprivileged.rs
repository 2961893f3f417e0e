//! A lab of an ordinary user: user namespace, no control groups, the same behaviour.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PROGRAM_FILE, SOON, spec, web};
use ha_lab::{ClientSpec, Direction, Remote, wait_for};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The user without rights on Debian and nearly everywhere.
const NOBODY: u32 = 65534;

#[test]
fn an_ordinary_user_has_a_whole_lab() {
    let (dir, plan) = spec(&["alpha", "beta"]);
    let plan = plan.with_service(&web("0.0.0.0:80"));
    ha_lab::outer::prepare(&plan).unwrap();
    // The program may lie where that user cannot go.
    let program = dir.path().join("ha-lab");
    std::fs::copy(PROGRAM_FILE, &program).unwrap();
    let mut command = if nix::unistd::geteuid().is_root() {
        let all = Command::new("chown").args(["-R", "65534:65534"]).arg(dir.path()).status().unwrap();
        assert!(all.success());
        let mut c = Command::new("setpriv");
        c.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
        c
    } else {
        Command::new(&program)
    };
    let mut outer = command
        .args(["run", "--lifeline", "--dir"])
        .arg(&plan.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(outer.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "{:?}", ha_lab::check::check());
    let lab = Remote::open(&plan.dir).unwrap();
    if nix::unistd::geteuid().is_root() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", outer.id())).unwrap();
        assert!(status.contains(&format!("Uid:\t{NOBODY}")), "it should not run as root: {status}");
    }

    let sh = |host: &str, script: &str| lab.exec(host, &["bash", "-c", script], SOON).unwrap();
    assert_eq!(sh("alpha", "id -u; hostname").stdout, "0\nalpha\n");
    assert!(!sh("alpha", "touch /usr/x").is_success());
    let client = lab.client("c", &ClientSpec::parse("http://10.0.0.11/").unwrap()).unwrap();
    client.wait_ok(SOON).unwrap();

    lab.freeze("alpha").unwrap();
    client.wait_fail(SOON).unwrap();
    lab.thaw("alpha").unwrap();
    client.wait_ok(SOON).unwrap();

    lab.cut("alpha", "client", Direction::Both, None).unwrap();
    client.wait_fail(SOON).unwrap();
    lab.heal().unwrap();
    client.wait_ok(SOON).unwrap();

    sh("alpha", "setsid sleep 9999 >/dev/null 2>&1 &");
    // pgrep: 0 for found, 1 for none, anything else for not having looked.
    let look = || lab.exec_lab(&["pgrep", "-f", "sleep 9999"], SOON).unwrap();
    wait_for("the process to be seen", SOON, || Ok(look().code == Some(0))).unwrap();
    lab.freeze("alpha").unwrap();
    lab.power_off("alpha").unwrap();
    client.wait_fail(SOON).unwrap();
    assert_eq!(look().code, Some(1), "a process outlived its host: {:?}", look());
    lab.power_on("alpha").unwrap();
    client.wait_ok(SOON).unwrap();

    drop(outer.stdin.take());
    wait_for("the lab to end with its lifeline", SOON, || Ok(outer.try_wait().unwrap().is_some())).unwrap();
    assert!(lab.hosts().is_err());
}
