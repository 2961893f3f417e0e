//! The cgroup v2 file interface, and its stand-in by `/proc` where cgroups are not permitted.
//!
//! Must not know: names of jobs. Invariant: no controller is enabled, so that leaves may lie beside the daemon's own
//! processes.

use crate::gate::Gate;
use crate::leash::MARK;
use crate::spawn::{self, Prepared, Stage};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Deepest nesting of cgroups made by a service that is followed (systemd in a container makes four).
const MAX_DEPTH: usize = 16;

/// The directory of the cgroup v2 that this process is in.
pub(crate) fn own() -> Result<PathBuf, String> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").map_err(|e| format!("/proc/self/cgroup: {e}"))?;
    own_from(&mountinfo()?, &cgroups)
}

fn mountinfo() -> Result<String, String> {
    fs::read_to_string("/proc/self/mountinfo").map_err(|e| format!("/proc/self/mountinfo: {e}"))
}

fn own_from(mountinfo: &str, cgroups: &str) -> Result<PathBuf, String> {
    let path = cgroups
        .lines()
        .find_map(|l| l.strip_prefix("0::"))
        .ok_or("this process is in no cgroup v2 (no line `0::` in /proc/self/cgroup)")?;
    let (dir, _) = shown(mountinfo, path)?;
    Ok(dir)
}

/// The directory that shows a cgroup, by its path in this process's cgroup namespace. Where that directory does not
/// exist, the cgroup is gone, and with it every process that was in it (cgroups(7): only an empty one is removed).
///
/// # Errors
/// When no mount shows that part of the hierarchy.
pub(crate) fn shown_at(path: &str) -> Result<PathBuf, String> {
    let (dir, point) = shown(&mountinfo()?, path)?;
    // Under another mount, absence would mean nothing.
    let proof = point.join("cgroup.procs");
    fs::metadata(&proof).map_err(|e| format!("{}: {e}", proof.display()))?;
    Ok(dir)
}

/// The path in this process's cgroup namespace of the cgroup that a directory shows.
pub(crate) fn path_of(dir: &Path) -> Result<PathBuf, String> {
    let mountinfo = mountinfo()?;
    let below = mounts(&mountinfo).filter_map(|(root, point)| Some((root, dir.strip_prefix(point).ok()?)));
    let nearest = below.min_by_key(|(_, below)| below.as_os_str().len());
    let (root, below) = nearest.ok_or_else(|| format!("{} is below no cgroup v2 mount", dir.display()))?;
    Ok(root.join(below))
}

/// The directory of a cgroup, and the mount that shows it.
fn shown(mountinfo: &str, path: &str) -> Result<(PathBuf, PathBuf), String> {
    let mut seen = None;
    for (root, point) in mounts(mountinfo) {
        match Path::new(path).strip_prefix(root) {
            Ok(below) => return Ok((point.join(below), point.to_path_buf())),
            Err(_) => seen = Some(point),
        }
    }
    Err(match seen {
        Some(point) => {
            format!("no cgroup v2 mount shows cgroup {path} (the one at {} does not)", point.display())
        }
        None => "no cgroup v2 is mounted".into(),
    })
}

/// The cgroup v2 mounts: the cgroup that is shown, and where (proc_pid_mountinfo(5)).
fn mounts(mountinfo: &str) -> impl Iterator<Item = (&Path, &Path)> {
    mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        right.starts_with("cgroup2 ").then_some((Path::new(root), Path::new(point)))
    })
}

/// Makes `dir` and proves that a process can be started in it.
pub(crate) fn prove(dir: &Path) -> Result<(), String> {
    let what = |e: io::Error| format!("{}: {e}", dir.display());
    let trial = dir.join("trial");
    let cgroup = open_leaf(&trial).map_err(what)?;
    let null = || OpenOptions::new().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let stdio =
        [null(), null(), null()].map(|fd| fd.and_then(|fd| spawn::above_stdio(fd).map_err(io::Error::from)));
    let [Ok(stdin), Ok(stdout), Ok(stderr)] = stdio else { return Err("/dev/null cannot be opened".into()) };
    // A program that cannot exist: reaching the exec is the proof.
    let prepared = Prepared {
        program: c"/dev/null/none".into(),
        argv: vec![],
        envp: vec![],
        stdio: [stdin, stdout, stderr],
        cgroup: Some(cgroup),
        gate: Gate::always(),
        dies_with_thread: false,
    };
    let result = match spawn::spawn(&prepared) {
        Err(failure) if failure.stage == Stage::Exec && failure.errno == Errno::ENOTDIR => Ok(()),
        Err(failure) => {
            Err(format!("{}: {} failed: {}", dir.display(), failure.stage.words(), failure.errno))
        }
        Ok(_) => Err(format!("{}: the trial did not fail as it must", dir.display())),
    };
    remove(&trial);
    result
}

/// Makes a leaf; opens its directory and its `cgroup.procs`.
pub(crate) fn open_leaf(dir: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    fs::create_dir_all(dir)?;
    let directory = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir)?;
    let procs = OpenOptions::new().write(true).open(dir.join("cgroup.procs"))?;
    Ok((above(directory)?, above(procs)?))
}

fn above(file: File) -> io::Result<OwnedFd> {
    Ok(spawn::above_stdio(file.into())?)
}

/// Every process in the cgroup and below.
pub(crate) fn members(dir: &Path) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    for dir in tree(dir) {
        let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        found.extend(procs.lines().filter_map(|l| l.parse::<i32>().ok()).filter(|pid| *pid > 0));
    }
    found
}

/// Whether a process is in the cgroup or below. A directory that does not exist holds none; one that cannot be read is
/// taken as populated.
pub(crate) fn is_populated(dir: &Path) -> bool {
    match fs::read_to_string(dir.join("cgroup.events")) {
        Ok(events) => !events.lines().any(|l| l == "populated 0"),
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        Err(e) if e.raw_os_error() == Some(libc::ENODEV) => false,
        Err(_) => true,
    }
}

/// Kills the whole tree at once. `false` where the kernel cannot (before 5.14).
pub(crate) fn kill(dir: &Path) -> bool {
    fs::write(dir.join("cgroup.kill"), "1").is_ok()
}

/// Removes an empty tree, deepest first.
pub(crate) fn remove(dir: &Path) {
    for dir in tree(dir).into_iter().rev() {
        // In use, or gone already: both are fine.
        let _ = fs::remove_dir(dir);
    }
}

/// The directory and those below it, parents first.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![dir.to_path_buf()];
    let mut level = 0..1;
    for _ in 0..MAX_DEPTH {
        for at in level.clone() {
            let Ok(entries) = fs::read_dir(&all[at]) else { continue };
            let below =
                entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path());
            all.extend(below);
        }
        level = level.end..all.len();
    }
    all
}

/// Living processes that carry the mark (or one below it) or belong to one of the sessions.
pub(crate) fn marked_members(mark: &str, sessions: &BTreeSet<i32>) -> BTreeSet<i32> {
    let wanted = format!("{MARK}={mark}");
    processes()
        .filter(|pid| {
            let Some((state, session)) = state_and_session(*pid) else { return false };
            let is_marked = || {
                let bears = |v: &[u8]| {
                    v.strip_prefix(wanted.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
                };
                fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| env.split(|b| *b == 0).any(bears))
            };
            state != 'Z' && state != 'X' && (sessions.contains(&session) || is_marked())
        })
        .collect()
}

/// Sessions with at least one process, zombies included.
pub(crate) fn sessions_alive() -> BTreeSet<i32> {
    processes().filter_map(state_and_session).map(|(_, session)| session).collect()
}

fn processes() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok())
}

fn state_and_session(pid: i32) -> Option<(char, i32)> {
    let fields = stat_fields(pid)?;
    Some((fields.first()?.chars().next()?, fields.get(3)?.parse().ok()?))
}

/// The parent of a living process.
pub(crate) fn parent(pid: i32) -> Option<i32> {
    stat_fields(pid)?.get(1)?.parse().ok()
}

/// Fields of `/proc/PID/stat` from the state on (proc_pid_stat(5)): the command before it may contain anything.
fn stat_fields(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(") ")?;
    Some(after.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
        41 31 0:35 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n";

    #[test]
    fn finds_v2_beside_v1() {
        let cgroups = "4:memory:/process_api/x\n0::/system.slice/hanode.service\n";
        let own = own_from(HYBRID, cgroups);
        assert_eq!(own, Ok(PathBuf::from("/sys/fs/cgroup/unified/system.slice/hanode.service")));
    }

    #[test]
    fn follows_the_root_of_the_mount() {
        let mounts = "30 23 0:27 /lab/alpha /sys/fs/cgroup rw - cgroup2 none rw\n";
        assert_eq!(own_from(mounts, "0::/lab/alpha/ha\n"), Ok(PathBuf::from("/sys/fs/cgroup/ha")));
        let hidden = own_from(mounts, "0::/elsewhere\n");
        assert!(hidden.clone().is_err_and(|why| why.contains("/elsewhere")), "{hidden:?}");
    }

    #[test]
    fn says_when_there_is_none() {
        assert!(own_from("", "0::/\n").is_err_and(|why| why.contains("no cgroup v2 is mounted")));
        assert!(own_from(HYBRID, "1:cpu:/\n").is_err_and(|why| why.contains("0::")));
    }
}
