//! What a daemon tells the operator of the host it runs on.
#![allow(clippy::unwrap_used)]

use ha_api::Client;
use ha_model::{AdminReply, AdminRequest, Level, NodeId};
use ha_transport::ClusterCa;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A node of a cluster whose other nodes are off.
fn node(dir: &Path) -> Command {
    let process = 16 + (std::process::id() % 200) as u8;
    let mut text = "name = \"shop\"\n".to_owned();
    for (n, name) in ["alpha", "beta", "gamma"].iter().enumerate() {
        text += &format!("[[node]]\nname = \"{name}\"\nlinks = [\"127.{process}.96.{}\"]\n", n + 1);
    }
    fs::write(dir.join("cluster.toml"), text).unwrap();
    let ca = ClusterCa::create("shop").unwrap();
    ca.issue(&NodeId::from("gamma")).unwrap().write_to(&dir.join("keys")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanode"));
    command.args(["--node", "gamma", "--port", "5418"]).stderr(File::create(dir.join("log")).unwrap());
    let places = [("config", "cluster.toml"), ("keys", "keys"), ("data", "data"), ("run", "run")];
    for (option, place) in places.into_iter().chain([("socket", "socket")]) {
        command.arg(format!("--{option}")).arg(dir.join(place));
    }
    command
}

/// In a mount namespace of its own, where no cgroup v2 is mounted.
fn without_cgroups() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    for line in mounts.lines().filter(|line| line.contains(" - cgroup2 ")) {
        umount2(line.split(' ').nth(4).unwrap_or_default(), MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_host_without_cgroups_is_an_alarm_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = node(dir.path());
    // SAFETY: the child has one thread, and the allocator of this C library may be used after a fork.
    unsafe { command.pre_exec(without_cgroups) };
    let _daemon =
        Daemon(command.spawn().expect("this test needs permission to make a mount namespace (run as root)"));
    let client = Client::new(&dir.path().join("socket"));
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match client.request(&AdminRequest::Status, PATIENCE).await {
            Ok(answer) => break answer.reply,
            Err(error) => {
                let log = fs::read_to_string(dir.path().join("log")).unwrap();
                assert!(Instant::now() < end, "{error}; it said:\n{log}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let AdminReply::Status(status) = status else { panic!("{status:?}") };
    let found = status.warnings.iter().find(|(_, _, text)| text.contains("no cgroup for services"));
    let Some((node, level, text)) = found else { panic!("{:?}", status.warnings) };
    assert_eq!((node, *level), (&NodeId::from("gamma"), Level::Alarm));
    assert!(text.contains("no cgroup v2 is mounted"), "says why: {text}");
    assert!(text.contains("a stop may be taken for done while it runs"), "says what may go wrong: {text}");
    assert!(text.contains("run hanode as root on a host with cgroup v2"), "says what to do: {text}");
}
