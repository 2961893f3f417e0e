//! Children as the kernel sees them.

use super::*;
use crate::cgroup;
use std::fs::OpenOptions;

fn null() -> OwnedFd {
    let file = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    above_stdio(file.into()).unwrap()
}

/// Both ways into a cgroup: born there, and moved by the child itself (sandboxes without clone3).
#[test]
fn the_child_executes_in_its_cgroup_either_way() {
    let dir = cgroup::own().unwrap().join(format!("hanode.spawn-{}", std::process::id()));
    for tries_cgroup in [true, false] {
        let prepared = Prepared {
            program: c"/bin/sleep".into(),
            argv: vec![c"sleep".into(), c"300".into()],
            envp: vec![],
            stdio: [null(), null(), null()],
            cgroup: Some(
                cgroup::open_leaf(&dir).expect("these tests need permission to make cgroups (run as root)"),
            ),
            gate: Gate::always(),
            dies_with_thread: false,
        };
        let started = spawn_by(&prepared, tries_cgroup).unwrap();
        assert_eq!(cgroup::members(&dir), [started.pid].into());
        let executed = std::fs::read_link(format!("/proc/{}/exe", started.pid)).unwrap();
        assert!(!executed.ends_with(std::env::current_exe().unwrap().file_name().unwrap()), "{executed:?}");
        assert!(cgroup::kill(&dir));
        reap(started.pid);
        while cgroup::is_populated(&dir) {
            std::thread::yield_now();
        }
    }
    cgroup::remove(&dir);
    assert!(!dir.exists());
}

/// A favoured thread starts both: what dies with the daemon goes before ordinary work too, a service does not.
#[test]
fn a_service_is_not_favoured_by_the_thread_that_starts_it() {
    const FAVOURED: c_int = -7;
    let nice_of = |pid: u32| {
        // SAFETY: no memory is involved.
        unsafe { libc::getpriority(libc::PRIO_PROCESS, pid) }
    };
    let ordinary = nice_of(std::process::id());
    let favoured = std::thread::spawn(move || {
        // SAFETY: no memory is involved; `0` names this thread alone.
        let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, FAVOURED) };
        assert_eq!(done, 0, "this test needs permission to favour a thread (run as root)");
        for (dies_with_thread, expected) in [(false, ordinary), (true, FAVOURED)] {
            let prepared = Prepared {
                program: c"/bin/sleep".into(),
                argv: vec![c"sleep".into(), c"300".into()],
                envp: vec![],
                stdio: [null(), null(), null()],
                cgroup: None,
                gate: Gate::always(),
                dies_with_thread,
            };
            let started = spawn(&prepared).unwrap();
            let nice = nice_of(started.pid.unsigned_abs());
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(started.pid),
                nix::sys::signal::Signal::SIGKILL,
            )
            .unwrap();
            reap(started.pid);
            assert_eq!(nice, expected, "dies with the daemon: {dies_with_thread}");
        }
    });
    favoured.join().unwrap();
}
