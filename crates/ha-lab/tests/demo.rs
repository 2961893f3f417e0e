//! The demonstration, with stand-ins for the daemon and the command line: what it judges, and that it can fail.
#![allow(clippy::unwrap_used)]

mod common;

use common::PROGRAM_FILE;
use ha_lab::wait_for;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The first host serves at once; the second, when it no longer hears the service, cuts the first one's power by the
/// switch and takes over; whoever finds the service running leaves it alone.
const DAEMON: &str = r#"#!/bin/bash
[ "$1 $3" = "--config --node" ] && [ -s /etc/ha/cluster.toml ] || { echo "unexpected: $*"; exit 2; }
outlet() {
    exec 3<>/dev/tcp/10.0.9.1/80
    printf "POST /outlet/1 HTTP/1.1\r\nHost: pdu\r\nAuthorization: Basic YWRtaW46MTIzNA==\r\n" >&3
    printf "Content-Length: ${#1}\r\nConnection: close\r\n\r\n$1" >&3
    cat <&3 >/dev/null
}
serve() {
    ip address add 10.0.0.100/24 dev eth0
    ha-lab announce eth0 10.0.0.100
    exec ha-lab web --listen 10.0.0.100:80
}
answers() { ha-lab ask --timeout-ms 200 10.0.0.100:80 >/dev/null 2>&1; }
case $4 in
alpha) answers || serve ;;
beta)
    TAKEOVER
    until answers; do sleep 0.02; done
    while answers || answers; do sleep 0.02; done
    outlet off && (sleep 1; outlet on) &
    serve ;;
esac
exec sleep infinity
"#;

const HACTL: &str = r#"#!/bin/bash
case "$1 $2" in
"--json timeline") echo '{"data":{"failovers":[{"total_ms":1}]}}' ;;
"cluster keys") for n in alpha beta gamma; do mkdir -p "$5/$n"; echo key > "$5/$n/node.key"; done ;;
"status --watch") echo "it asks"; read -r word; echo "it heard $word"; exec sleep infinity ;;
"--json status") sleep 0.5; echo '{"data":{"problems":["w"],"warnings":["w"]}}' ;;   # late: beta has seen it by then
*) echo "stand-in says: $*" ;;
esac
"#;

fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn demo(dir: &Path, takeover: &str, limit_s: &str) -> Output {
    command(dir, takeover).args(["--once", "--limit-s", limit_s]).output().unwrap()
}

fn command(dir: &Path, takeover: &str) -> Command {
    let agents = dir.join("agents");
    fs::create_dir_all(&agents).unwrap();
    script(&agents, "fence_pdu_snmp", "#!/bin/sh\nexit 1\n");
    let hanode = script(dir, "hanode", &DAEMON.replace("TAKEOVER", takeover));
    let hactl = script(dir, "hactl", HACTL);
    let mut command = Command::new(PROGRAM_FILE);
    command.arg("demo").arg("--dir").arg(dir.join("demo")).arg("--hanode").arg(hanode);
    command.arg("--hactl").arg(hactl).arg("--agents").arg(agents);
    command
}

#[test]
fn a_failover_is_shown_and_judged_by_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let out = demo(dir.path(), "", "20");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    for part in [
        "answer from http://10.0.0.100/: alpha",
        "== Power off alpha",
        "gets an answer again: beta",
        "outage that the client saw: ",
        "alpha lost its power (button)",
        "[beta] hactl timeline",
        "| stand-in says: timeline",
        "| stand-in says: status",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    // What it left can be begun anew, and the secret is nobody else's.
    let secret = dir.path().join("demo/hosts/alpha/config/secrets/pdu-a");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(demo(dir.path(), "", "20").status.success(), "a second demonstration in the same place");
}

#[test]
fn without_a_takeover_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let out = demo(dir.path(), "exec sleep infinity", "4");
    let text = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("== Power off alpha") && !text.contains("outage that the client saw"), "{text}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("waited 4000 ms"), "{out:?}");
}

#[test]
fn a_directory_with_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("demo")).unwrap();
    fs::write(dir.path().join("demo/precious"), "x").unwrap();
    let out = demo(dir.path(), "", "4");
    assert!(!out.status.success() && dir.path().join("demo/precious").exists());
}

#[test]
fn it_stays_to_play_with_and_a_killed_one_leaves_the_place_free() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = command(dir.path(), "").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    assert!(lines.any(|l| l.unwrap().starts_with("== It stays up")));
    let ctl = |words: &[&str]| {
        let at = dir.path().join("demo");
        Command::new(PROGRAM_FILE).arg("demo-ctl").arg("--dir").arg(at).args(words).output().unwrap()
    };
    let out = ctl(&["hactl", "status", "--json"]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "stand-in says: status --json\n");
    a_command_that_goes_on_has_the_terminal(&dir.path().join("demo"));
    assert!(ctl(&["kill-daemon", "gamma"]).status.success());
    let out = ctl(&["cut", "gamma"]);
    // On a busy machine an answer may be late though nothing that serves was touched.
    assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("the client "), "{out:?}");
    assert!(ctl(&["heal"]).status.success() && !ctl(&["fail", "nobody"]).status.success());
    let again = command(dir.path(), "").output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("runs in"), "two in one place: {again:?}");
    demo.kill().unwrap();
    demo.wait().unwrap();
    wait_for("the lab to be gone", common::SOON, || Ok(!ctl(&["heal"]).status.success())).unwrap();
}

/// Its words come while it runs, it hears what is typed, and it ends with its caller.
fn a_command_that_goes_on_has_the_terminal(demo: &Path) {
    let mut command = Command::new(PROGRAM_FILE);
    command.arg("demo-ctl").arg("--dir").arg(demo).args(["hactl", "status", "--watch"]);
    let mut watch = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "it asks");
    watch.stdin.take().unwrap().write_all(b"yes\n").unwrap();
    assert_eq!(said.next().unwrap().unwrap(), "it heard yes");
    watch.kill().unwrap();
    watch.wait().unwrap();
    // The last holder of the pipe is the command itself.
    assert!(said.next().is_none());
}
