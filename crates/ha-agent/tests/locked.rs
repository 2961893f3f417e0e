//! Children of a daemon that is protected: memory locked, real-time, exempt from the out-of-memory killer. One test in a
//! process of its own, because these settings are the whole process's.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Tidy, program, root, sh};
use ha_agent::Cancel;
use ha_agent::runner::{Ended, run};
use nix::sys::mman::{MlockAllFlags, mlockall};
use std::fs;
use std::time::{Duration, Instant};

const BALLAST_BYTES: usize = 256 * 1024 * 1024;

#[test]
fn a_locked_realtime_daemon_starts_plain_children_quickly() {
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)
        .expect("needs CAP_IPC_LOCK (run as root)");
    // A daemon has -1000; a test may not have the right to that, and any value but 0 shows as well what is inherited.
    fs::write("/proc/self/oom_score_adj", "300").unwrap();
    let ballast = vec![1_u8; BALLAST_BYTES];
    let priority = libc::sched_param { sched_priority: 10 };
    // SAFETY: a valid parameter; raw, because musl's wrapper refuses.
    let set = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_RR, &raw const priority) };
    assert_eq!(set, 0, "needs CAP_SYS_NICE (run as root)");
    // This thread's class is inherited by the threads that start children.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tidy = Tidy(root("locked"));
        let leash = tidy.0.leash(&["a"]);
        let asks = sh("cat /proc/self/oom_score_adj; grep VmLck /proc/self/status; chrt -p $$ | head -1");
        let report = run(asks, &leash, &Cancel::default()).await;
        let text = report.stdout.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "0", "{text}");
        assert!(lines[1].ends_with(" 0 kB"), "{text}");
        assert!(lines[2].ends_with("SCHED_OTHER"), "{text}");
        assert_eq!(
            fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim(),
            "300",
            "the daemon keeps its own"
        );

        let mut took = vec![];
        for _ in 0..20 {
            let began = Instant::now();
            let report = run(program(&["/bin/true"]), &leash, &Cancel::default()).await;
            assert_eq!(report.ended, Ended::Exited { code: 0 });
            took.push(began.elapsed());
        }
        took.sort();
        println!("with {BALLAST_BYTES} bytes locked: {:?} median", took[10]);
        // Copying the page tables of the ballast, as fork does, and copying its pages on write would show here.
        assert!(took[10] < Duration::from_millis(15), "{took:?}");
    });
    drop(ballast);
}
