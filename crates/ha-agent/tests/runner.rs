//! The runner with real processes: every way to end, nothing left behind, bounded output, the gate.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Tidy, program, root, runs, sh, until};
use ha_agent::runner::{Ended, run};
use ha_agent::{Cancel, CgroupRoot, Gate, HEAD_BYTES, TAIL_BYTES, boot_now};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[tokio::test]
async fn exit_code_output_and_input_come_back() {
    let tidy = Tidy(root("plain"));
    let mut job = sh("read line; echo \"got $line\"; echo oops >&2; exit 7");
    job.stdin = b"secret\n".to_vec();
    let report = run(job, &tidy.0.leash(&["a"]), &Cancel::default()).await;
    assert_eq!(report.ended, Ended::Exited { code: 7 });
    assert_eq!((report.stdout.text().as_str(), report.stderr.text().as_str()), ("got secret\n", "oops\n"));
}

#[tokio::test]
async fn a_signal_is_told_from_a_code() {
    let tidy = Tidy(root("signal"));
    let report = run(sh("kill -SEGV $$"), &tidy.0.leash(&["a"]), &Cancel::default()).await;
    assert_eq!(report.ended, Ended::Signalled { signal: 11 });
}

#[tokio::test]
async fn a_missing_program_is_named_by_its_path() {
    let tidy = Tidy(root("missing"));
    let leash = tidy.0.leash(&["a"]);
    let report = run(program(&["/opt/none/agent"]), &leash, &Cancel::default()).await;
    assert_eq!(report.ended, Ended::NotFound { path: "/opt/none/agent".into() });
    assert_eq!(report.ended.to_string(), "program /opt/none/agent does not exist");
    let Ended::NotFound { path } = run(program(&["no-such-agent"]), &leash, &Cancel::default()).await.ended
    else {
        panic!("a name that is nowhere in PATH");
    };
    assert!(path.starts_with("no-such-agent (searched in /usr/local/sbin:"), "{path}");
}

#[tokio::test]
async fn a_file_that_cannot_be_executed_says_why() {
    let tidy = Tidy(root("noexec"));
    let leash = tidy.0.leash(&["a"]);
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    let ended = run(program(&[plain.to_str().unwrap()]), &leash, &Cancel::default()).await.ended;
    assert!(ended.to_string().contains(&format!("chmod +x {}", plain.display())), "{ended}");

    fs::write(&plain, "#!/opt/none/python9\n").unwrap();
    executable(&plain);
    let ended = run(program(&[plain.to_str().unwrap()]), &leash, &Cancel::default()).await.ended;
    assert!(ended.to_string().contains("interpreter /opt/none/python9"), "{ended}");
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn time_out_kills_the_whole_family() {
    let tidy = Tidy(root("timeout"));
    let leash = tidy.0.leash(&["a"]);
    let mut job = sh("trap '' TERM; setsid sleep 300 & (setsid sleep 301 &) ; sleep 302");
    job.timeout = Duration::from_millis(300);
    let report = run(job, &leash, &Cancel::default()).await;
    assert_eq!(report.ended, Ended::TimedOut { after: Duration::from_millis(300) });
    assert!(report.survivors.is_empty() && leash.is_empty());
    assert!(report.took < Duration::from_secs(1), "{:?}", report.took);
}

#[tokio::test]
async fn orphans_of_a_finished_job_are_killed() {
    let tidy = Tidy(root("orphan"));
    let leash = tidy.0.leash(&["a"]);
    // The orphan keeps the output open: the runner must not wait for it.
    let report = run(sh("setsid sleep 300 & echo $!; exit 0"), &leash, &Cancel::default()).await;
    assert_eq!(report.ended, Ended::Exited { code: 0 });
    let orphan: i32 = report.stdout.text().trim().parse().unwrap();
    assert!(!common::is_alive(orphan), "the orphan {orphan} lives");
    assert!(report.took < Duration::from_secs(2), "{:?}", report.took);
}

#[tokio::test]
async fn megabytes_of_output_are_drained_and_bounded() {
    let tidy = Tidy(root("output"));
    let job = sh("echo begin; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo end; echo fine >&2");
    let report = run(job, &tidy.0.leash(&["a"]), &Cancel::default()).await;
    assert_eq!(report.ended, Ended::Exited { code: 0 });
    let text = report.stdout.text();
    assert!(text.len() <= HEAD_BYTES + TAIL_BYTES + 100, "{}", text.len());
    assert!(text.starts_with("begin\n") && text.ends_with("\nend\n"));
    assert_eq!(report.stdout.dropped(), 20_000_011 - (HEAD_BYTES + TAIL_BYTES) as u64);
    assert_eq!(report.stderr.text(), "fine\n");
}

#[tokio::test]
async fn cancelling_ends_it_at_once() {
    let tidy = Tidy(root("cancel"));
    let leash = tidy.0.leash(&["a"]);
    let cancel = Cancel::default();
    let job = run(program(&["sleep", "300"]), &leash, &cancel);
    let canceller = async {
        until("sleep runs", || runs(&leash, "sleep")).await;
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(job, canceller);
    assert_eq!(report.ended, Ended::Cancelled);
    assert!(leash.is_empty());
}

#[tokio::test]
async fn dropping_the_future_kills_and_collects() {
    let tidy = Tidy(root("drop"));
    let leash = tidy.0.leash(&["a"]);
    let cancel = Cancel::default();
    let pid = {
        let job = run(program(&["sleep", "300"]), &leash, &cancel);
        tokio::pin!(job);
        tokio::select! {
            _ = &mut job => panic!("sleep 300 ended"),
            () = until("sleep runs", || runs(&leash, "sleep")) => {}
        }
        *leash.members().first().unwrap()
    };
    until("the process and its zombie are gone", || !Path::new(&format!("/proc/{pid}")).exists()).await;
}

#[tokio::test]
async fn a_closed_gate_begins_nothing() {
    let tidy = Tidy(root("gate"));
    let dir = tempfile::tempdir().unwrap();
    let proof = dir.path().join("ran");
    let mut job = program(&["touch", proof.to_str().unwrap()]);
    job.gate = Gate::until(boot_now());
    let report = run(job, &tidy.0.leash(&["a"]), &Cancel::default()).await;
    assert_eq!(report.ended, Ended::GrantLapsed);
    assert!(!proof.exists());
}

/// The child is born into a frozen cgroup, so it stands between clone and exec while its grant runs out.
#[tokio::test]
async fn a_grant_that_lapses_between_clone_and_exec_begins_nothing() {
    let tidy = Tidy(root("lapse"));
    let leash = tidy.0.leash(&["a"]);
    let frozen = tidy.0.directory().unwrap().join("cgroup.freeze");
    fs::write(&frozen, "1").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let proof = dir.path().join("ran");
    let mut job = program(&["touch", proof.to_str().unwrap()]);
    let gate = Gate::always();
    job.gate = gate.clone();
    let cancel = Cancel::default();
    let lapse = async {
        until("the child is born", || !leash.members().is_empty()).await;
        assert!(gate.is_open(), "the gate was open when the child was made");
        gate.set(boot_now());
        fs::write(&frozen, "0").unwrap();
    };
    let (report, ()) = tokio::join!(run(job, &leash, &cancel), lapse);
    assert_eq!(report.ended, Ended::GrantLapsed);
    assert!(!proof.exists(), "the program ran after its grant had lapsed");
}

#[tokio::test]
async fn a_program_that_closes_its_output_and_hangs_ends_at_its_time_out() {
    let tidy = Tidy(root("closed"));
    let mut job = sh("echo said; exec >&- 2>&-; sleep 300");
    job.timeout = Duration::from_millis(200);
    let report = run(job, &tidy.0.leash(&["a"]), &Cancel::default()).await;
    assert_eq!(report.ended, Ended::TimedOut { after: Duration::from_millis(200) });
    assert_eq!((report.stdout.text().as_str(), report.survivors.len()), ("said\n", 0));
}

#[tokio::test]
async fn what_runs_after_a_run_that_was_dropped_is_not_killed_with_it() {
    let tidy = Tidy(root("dropped"));
    let (leash, cancel) = (tidy.0.leash(&["a"]), Cancel::default());
    let dropped =
        tokio::time::timeout(Duration::from_millis(100), run(sh("sleep 300"), &leash, &cancel)).await;
    assert!(dropped.is_err());
    until("it is killed", || leash.is_empty()).await;
    assert_eq!(run(sh("exit 3"), &leash, &cancel).await.ended, Ended::Exited { code: 3 });
}

/// As on a file system that hangs: the child never reaches its program.
#[tokio::test]
async fn a_start_that_hangs_before_exec_ends_at_its_time_out() {
    let tidy = Tidy(root("hang"));
    let leash = tidy.0.leash(&["a"]);
    let frozen = tidy.0.directory().unwrap().join("cgroup.freeze");
    fs::write(&frozen, "1").unwrap();
    let mut job = program(&["sleep", "300"]);
    job.timeout = Duration::from_millis(200);
    let report = run(job, &leash, &Cancel::default()).await;
    assert_eq!(report.ended, Ended::TimedOut { after: Duration::from_millis(200) });
    assert!(leash.is_empty() && report.survivors.is_empty());
}

#[tokio::test]
async fn a_child_inherits_nothing_from_the_daemon() {
    let tidy = Tidy(root("clean"));
    let open = fs::File::open("/etc/passwd").unwrap();
    let keep = nix::unistd::dup(&open).unwrap();
    let job = sh(
        "ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' /proc/self/status; pwd; env | sort | cut -d= -f1 | tr '\\n' ' '; ps -o sid= -p $$ | tr -d ' ' ; echo $$",
    );
    let report = run(job, &tidy.0.leash(&["a"]), &Cancel::default()).await;
    drop(keep);
    let text = report.stdout.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "4", "0, 1, 2 and the directory being listed: {text}");
    assert_eq!(lines[1..3], ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"], "{text}");
    assert_eq!(lines[3], "/");
    assert!(lines[4].starts_with("PATH PWD"), "{text}");
    assert!(lines[4].ends_with(lines[5]), "it leads a session of its own: {text}");
}

#[tokio::test]
async fn starting_is_quick() {
    let tidy = Tidy(root("quick"));
    let leash = tidy.0.leash(&["a"]);
    let mut took = vec![];
    for _ in 0..20 {
        let began = Instant::now();
        let report = run(program(&["/bin/true"]), &leash, &Cancel::default()).await;
        assert_eq!(report.ended, Ended::Exited { code: 0 });
        took.push(began.elapsed());
    }
    took.sort();
    // Moving a process between cgroups alone costs more than this (it waits for an RCU grace period).
    assert!(took[10] < Duration::from_millis(15), "{took:?}");
    println!("fork, exec, exit, empty cgroup: {:?} median", took[10]);
}

/// The helper below is this test's own binary run again: a daemon that is killed while its agent runs.
#[tokio::test]
async fn an_agent_dies_with_its_daemon() {
    let tidy = Tidy(root("pdeath"));
    let leash = tidy.0.leash(&["a"]);
    let me = std::env::current_exe().unwrap();
    let daemon = std::process::Command::new(me)
        .args(["--exact", "helper_daemon", "--nocapture"])
        .env("HELPER_ROOT", tidy.0.directory().unwrap())
        .spawn();
    let mut daemon = daemon.unwrap();
    until("the agent runs", || runs(&leash, "sleep")).await;
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    until("the agent died with its daemon", || leash.is_empty()).await;
}

#[tokio::test]
async fn helper_daemon() {
    let Some(dir) = std::env::var_os("HELPER_ROOT") else { return };
    let root = CgroupRoot::at(Path::new(&dir), "helper");
    let mut job = program(&["sleep", "300"]);
    job.dies_with_daemon = true;
    job.timeout = Duration::from_secs(60);
    run(job, &root.leash(&["a"]), &Cancel::default()).await;
}

#[tokio::test]
async fn without_cgroups_detached_children_are_found_by_their_mark() {
    let root = CgroupRoot::marked(&format!("mark-{}", std::process::id()), "test");
    assert!(root.limitation().unwrap().contains("test"));
    let leash = root.leash(&["a"]);
    let mut job = sh("setsid sleep 300 & sleep 301");
    job.timeout = Duration::from_millis(200);
    let report = run(job, &leash, &Cancel::default()).await;
    assert_eq!(report.ended, Ended::TimedOut { after: Duration::from_millis(200) });
    assert!(report.survivors.is_empty() && leash.members().is_empty());
}
