//! Log disks that fail: a small one that is full, and one whose syncs fail by order.
//!
//! Must not know: what a daemon writes.

use crate::cluster::{Cluster, SOON};
use ha_lab::LabSpec;
use ha_lab::cluster::DAEMON;
use std::path::Path;
use std::process::Command;

/// While this file exists in a host, its daemon's syncs fail.
pub(crate) const FLAG: &str = "/run/ha-lab/disk-fails";
/// Name of the library that makes them.
const LIBRARY: &str = "failing-disk.so";
/// It stands before libc: EIO while the flag is there, else libc's own.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>
static int failing(void) { int e = errno; int r = access(FLAG, F_OK) == 0; errno = e; return r; }
#define WRAP(name) \
    int name(int fd) { \
        static int (*real)(int); \
        if (failing()) { errno = EIO; return -1; } \
        if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, #name); \
        return real(fd); \
    }
WRAP(fsync)
WRAP(fdatasync)
"#;

/// Puts the library before the daemon of every host (`Plan::prepare`).
pub fn make_disks_breakable(spec: &mut LabSpec) {
    let dir = spec.dir.parent().expect("the lab is in the test's directory").to_path_buf();
    let library = dir.join(LIBRARY);
    compile(&dir, &library);
    spec.tools.push(library);
    for host in &mut spec.hosts {
        let daemon = host.services.iter_mut().find(|s| s.name == DAEMON).expect("every host has a daemon");
        daemon.env.insert("LD_PRELOAD".into(), format!("{}/{LIBRARY}", ha_lab::host_init::BIN));
    }
}

fn compile(dir: &Path, library: &Path) {
    let source = dir.join("failing-disk.c");
    std::fs::write(&source, SOURCE).expect("the test's directory is writable");
    // The compiler that links Rust's programs.
    let out = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", &format!("-DFLAG=\"{FLAG}\""), "-o"])
        .args([library, &source])
        .arg("-ldl")
        .output()
        .expect("cc is installed: it links Rust's programs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

impl Cluster {
    /// From now on every sync of this host's daemon fails.
    pub fn break_disk(&self, host: &str) {
        self.sh(host, &format!("touch {FLAG}"));
    }

    /// Gives a host that is off a data directory of its own on a small memory disk, which lives as long as the lab.
    pub fn put_data_on_small_disk(&self, host: &str, megabytes: u32) {
        let data = self.lab().host_dir(host).join("data");
        std::fs::create_dir_all(&data).expect("the lab's directory is writable");
        let (size, data) = (format!("size={megabytes}m"), data.display().to_string());
        let mount = ["mount", "-t", "tmpfs", "-o", &size, "log-disk", &data];
        let out = self.lab().exec_lab(&mount, SOON).expect("the lab answers");
        assert!(out.is_success(), "{out:?}");
    }

    /// Fills the disk under a host's data directory to the last byte.
    pub fn fill_disk(&self, host: &str) {
        let fill = "cat /dev/zero > /var/lib/ha/fill 2>/dev/null; df --output=avail -k /var/lib/ha | tail -1";
        let left = self.sh(host, fill);
        assert_eq!(left.trim(), "0", "KiB left");
    }
}
