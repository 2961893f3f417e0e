//! The file system of a host: the machine read-only, with own /run, /tmp, /proc, /sys, and the host's own
//! directories at /var/lib/ha (kept over power cycles), /etc/ha and /var/log/ha.
//!
//! A new root on tmpfs: every top directory of the machine is bound into it read-only; /etc, /var and /var/lib become
//! directories of links to the machine's entries, so that `ha` can be added to them without touching the machine.
//! Must not know: networks, services. Invariant: /proc/sysrq-trigger is masked: in a namespace it would reset the
//! real machine.

use crate::error::{Context, Result};
use crate::host_init::BIN;
use crate::host_launch::HostBoot;
use crate::outer::host_dir;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Size of the host's /run and /tmp: enough for sockets and scratch, and a runaway writer cannot take the machine.
const TMPFS_SIZE: &str = "size=64m";
/// Where the machine's own /etc and /var are seen.
const MACHINE: &str = ".machine";

/// Builds the root and moves into it.
pub fn enter(boot: &HostBoot) -> Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .what(|| "make the mounts private".into())?;
    let own = host_dir(&boot.spec.dir, &boot.host);
    let root = own.join("root");
    tmpfs(&root, "mode=755")?;
    bind_machine(&root)?;
    for dir in ["etc", "var"] {
        let seen = root.join(MACHINE).join(dir);
        make_dir(&seen)?;
        bind(&Path::new("/").join(dir), &seen)?;
        set_read_only(&seen, true)?;
    }
    link_entries(&root, "etc", &["ha", "hosts", "hostname"])?;
    link_entries(&root, "var", &["lib", "log", "run", "tmp"])?;
    link_entries(&root, "var/lib", &["ha"])?;
    write_names(boot, &root)?;
    for (from, to) in [("data", "var/lib/ha"), ("config", "etc/ha"), ("log", "var/log/ha")] {
        make_dir(&root.join(to))?;
        bind(&own.join(from), &root.join(to))?;
    }
    for dir in ["run", "tmp", "var/tmp"] {
        make_dir(&root.join(dir))?;
        tmpfs(&root.join(dir), if dir == "run" { "mode=755" } else { "mode=1777" })?;
    }
    bind_programs(boot, &root)?;
    symlink("/run", root.join("var/run")).what(|| "link /var/run".into())?;
    kernel_views(boot, &root)?;
    set_read_only(&root, false)?;
    // The new root on top of the old one, and the old one away: pivot_root(2), "pivot_root(".", ".")".
    nix::unistd::chdir(&root).at("change to", &root)?;
    nix::unistd::pivot_root(".", ".").what(|| "change the root".into())?;
    umount2(".", MntFlags::MNT_DETACH).what(|| "detach the machine's root".into())?;
    nix::unistd::chdir("/").what(|| "change to the new root".into())
}

/// Top directories of the machine, read-only; its top links as they are.
fn bind_machine(root: &Path) -> Result<()> {
    let own = ["proc", "sys", "dev", "run", "tmp", "etc", "var", "lost+found", MACHINE];
    for entry in fs::read_dir("/").what(|| "list /".into())?.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        if own.iter().any(|o| name == *o) {
            continue;
        }
        let kind = entry.file_type().at("look at", &path)?;
        let to = root.join(&name);
        if kind.is_symlink() {
            let target = fs::read_link(&path).at("read link", &path)?;
            symlink(target, &to).at("link", &to)?;
        } else if kind.is_dir() {
            make_dir(&to)?;
            bind(&path, &to)?;
            set_read_only(&to, true)?;
        }
    }
    Ok(())
}

/// Links to the machine's entries of `dir`, except those that the host has of its own.
fn link_entries(root: &Path, dir: &str, except: &[&str]) -> Result<()> {
    let here = root.join(dir);
    make_dir(&here)?;
    let there = root.join(MACHINE).join(dir);
    for entry in fs::read_dir(&there).at("list", &there)?.flatten() {
        let name = entry.file_name();
        if !except.iter().any(|e| name == *e) {
            let target = PathBuf::from("/").join(MACHINE).join(dir).join(&name);
            symlink(target, here.join(&name)).at("link", &here)?;
        }
    }
    Ok(())
}

/// The lab's own program and its tools, each bound under its name.
fn bind_programs(boot: &HostBoot, root: &Path) -> Result<()> {
    let bin = root.join(BIN.trim_start_matches('/'));
    make_dir(&bin)?;
    let own = crate::spawn::own_program()?;
    let tools = boot.spec.tools.iter().map(|t| (t.clone(), t.file_name().unwrap_or_default().to_os_string()));
    for (from, name) in std::iter::once((own, "ha-lab".into())).chain(tools) {
        let to = bin.join(name);
        fs::File::create(&to).at("create", &to)?;
        bind(&from, &to)?;
        set_read_only(&to, false)?;
    }
    Ok(())
}

/// /etc/hosts and /etc/hostname.
fn write_names(boot: &HostBoot, root: &Path) -> Result<()> {
    let mut hosts = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for host in &boot.spec.hosts {
        hosts += &format!("{} {}\n", crate::spec::ipv4(&boot.spec.links[0], host.number), host.name);
    }
    fs::write(root.join("etc/hosts"), hosts).what(|| "write /etc/hosts".into())?;
    fs::write(root.join("etc/hostname"), format!("{}\n", boot.host)).what(|| "write /etc/hostname".into())
}

/// /dev, /proc, /sys as this host's namespaces see them.
fn kernel_views(boot: &HostBoot, root: &Path) -> Result<()> {
    for dir in ["dev", "proc", "sys"] {
        make_dir(&root.join(dir))?;
    }
    let dev = root.join("dev");
    bind(Path::new("/dev"), &dev)?;
    if dev.join("shm").is_dir() {
        tmpfs(&dev.join("shm"), "mode=1777")?;
    }
    set_read_only(&dev, false)?;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &root.join("proc"), Some("proc"), safe, None::<&str>)
        .what(|| "mount the host's /proc".into())?;
    let sysrq = root.join("proc/sysrq-trigger");
    if sysrq.exists() {
        bind(Path::new("/dev/null"), &sysrq)?;
    }
    let sys = root.join("sys");
    // A container may hide parts of /sys; then the kernel refuses a fresh one, and the machine's is shown.
    if mount(Some("sysfs"), &sys, Some("sysfs"), safe | MsFlags::MS_RDONLY, None::<&str>).is_err() {
        bind(Path::new("/sys"), &sys)?;
        set_read_only(&sys, true)?;
    }
    let groups = sys.join("fs/cgroup");
    match boot.cgroup {
        // The host's own group is the top of what it sees (cgroup namespace), writable.
        Some(_) => mount(Some("cgroup2"), &groups, Some("cgroup2"), safe, None::<&str>)
            .what(|| "mount the host's control groups".into()),
        None if groups.is_dir() => tmpfs(&groups, "mode=755"),
        None => Ok(()),
    }
}

fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).at("create", path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).at("set mode of", path)
}

fn tmpfs(path: &Path, mode: &str) -> Result<()> {
    let options = format!("{mode},{TMPFS_SIZE}");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(options.as_str())).at("mount tmpfs at", path)
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from), to, None::<&str>, flags, None::<&str>)
        .what(|| format!("bind {} to {}", from.display(), to.display()))
}

/// Makes a mount read-only, with everything mounted below it when `below` (mount_setattr, Linux 5.12).
fn set_read_only(path: &Path, below: bool) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let attr =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("paths hold no NUL");
    let flags = if below { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `name` and `attr` are valid for the call, and the size passed is that of `attr`.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            name.as_ptr(),
            flags,
            &attr,
            std::mem::size_of::<libc::mount_attr>(),
        )
    };
    if done < 0 { Err(std::io::Error::last_os_error()).at("make read-only", path) } else { Ok(()) }
}
