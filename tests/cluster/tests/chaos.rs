//! The randomised run itself (`cargo xtask chaos`): a signal ends it and leaves nothing, and its judge sees a lie.
#![allow(clippy::unwrap_used)]

use ha_lab::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Limit of what takes a lab's start or end.
const SOON: Duration = Duration::from_secs(60);

fn chaos(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-chaos"));
    // A lying life is kept; in this test's own directory.
    command.args(["--keep", env!("CARGO_TARGET_TMPDIR")]).args(args).stdout(Stdio::piped());
    command
}

fn dir_of(run: &Child) -> PathBuf {
    PathBuf::from(format!("/dev/shm/ha-chaos-{}", run.id()))
}

/// Processes whose command line names this directory.
fn processes_in(dir: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.filter(|command| String::from_utf8_lossy(command).contains(dir)).count()
}

#[test]
fn a_signal_ends_it_and_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let mut run = chaos(&["--seed", "1", "--life", "1"]).spawn().unwrap();
        let dir = dir_of(&run);
        let name = dir.to_str().unwrap().to_string();
        wait_for("its daemons", SOON, || {
            let is_up = |entry: &std::fs::DirEntry| entry.path().join("lab/clients/client.jsonl").exists();
            Ok(std::fs::read_dir(&dir).is_ok_and(|entries| entries.flatten().any(|e| is_up(&e))))
        })
        .unwrap();
        assert!(processes_in(&name) > 0);
        kill(Pid::from_raw(run.id().cast_signed()), signal).unwrap();
        let status = run.wait().unwrap();
        assert_eq!(status.code(), (signal != Signal::SIGKILL).then_some(130), "{signal}: {status}");
        wait_for("every process of it to end", SOON, || Ok(processes_in(&name) == 0)).unwrap();
        // After SIGKILL the files in memory stay until the next run.
        assert_eq!(dir.exists(), signal == Signal::SIGKILL, "{signal}");
    }
    // What the killed one left is gone as soon as another begins.
    let mut next = chaos(&["--seed", "1", "--life", "1"]).spawn().unwrap();
    let own = dir_of(&next);
    wait_for("its directory", SOON, || Ok(own.exists())).unwrap();
    let is_left = |name: &str| {
        let pid = name.strip_prefix("ha-chaos-").and_then(|pid| pid.parse::<u32>().ok());
        pid.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists())
    };
    let names = std::fs::read_dir("/dev/shm").unwrap().flatten().map(|e| e.file_name());
    let left: Vec<_> = names.filter(|name| name.to_str().is_some_and(is_left)).collect();
    assert!(left.is_empty(), "{left:?}");
    kill(Pid::from_raw(next.id().cast_signed()), Signal::SIGTERM).unwrap();
    next.wait().unwrap();
}

/// The control: its own exit code is 0 because its judge saw the second owner, and it says which rule was broken.
#[test]
fn control_with_a_lying_switch_its_judge_finds_two_owners() {
    let mut run = chaos(&["--seed", "1", "--life", "1", "--lying-switch"]).spawn().unwrap();
    let lines: Vec<String> =
        BufReader::new(run.stdout.take().unwrap()).lines().collect::<Result<_, _>>().unwrap();
    let said = lines.join("\n");
    assert!(run.wait().unwrap().success(), "{said}");
    for part in ["seed 1", "life 1", "host frozen and thawed", "S1 (", "TwoAlive", "S2 (", "NotCut", "kept: "]
    {
        assert!(said.contains(part), "no `{part}` in:\n{said}");
    }
    assert!(lines.iter().any(|line| line.starts_with("1 lives, ") && line.contains("(life 1)")), "{said}");
}
