//! `ha-lab check`: what this machine permits a lab, in plain words, and what to do about the rest.
//!
//! Must not know: labs. Every line is tried, not guessed: in a child in namespaces of its own.

use crate::cgroup::{self, LabGroup};
use crate::tool::{NEEDED, PATH};
use std::process::{Command, Stdio};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was tried.
    pub what: String,
    /// It works.
    pub is_ok: bool,
    /// A lab cannot run without it.
    pub is_needed: bool,
    /// What it means, or what to do.
    pub text: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = match (self.is_ok, self.is_needed) {
            (true, _) => "ok     ",
            (false, true) => "MISSING",
            (false, false) => "without",
        };
        write!(f, "{mark} {}: {}", self.what, self.text)
    }
}

/// Tries everything.
pub fn check() -> Vec<Finding> {
    let mut out = Vec::new();
    let mut add = |what: &str, is_ok: bool, is_needed: bool, good: &str, bad: &str| {
        let text = if is_ok { good } else { bad }.to_string();
        out.push(Finding { what: what.into(), is_ok, is_needed, text });
    };
    for (program, package) in NEEDED {
        let found = PATH.split(':').any(|dir| std::path::Path::new(dir).join(program).is_file());
        add(program, found, true, "found", &format!("install it: apt install {package}"));
    }
    let is_root = nix::unistd::geteuid().is_root();
    let plain = is_root && in_namespaces(false, "true");
    let user = !plain && in_namespaces(true, "true");
    let good = if plain { "as root" } else { "in a user namespace of this user" };
    let bad = "run as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 \
               kernel.apparmor_restrict_unprivileged_userns=0; in a container: --privileged";
    add("namespaces", plain || user, true, good, bad);
    let within = |script: &str| (plain || user) && in_namespaces(user, script);
    add(
        "bridges and cables",
        within(
            "ip link add b0 type bridge && ip link add p0 type veth peer name p1 && ip link set p0 master b0",
        ),
        true,
        "bridge and veth work",
        "the kernel needs bridge and veth: modprobe bridge veth",
    );
    add(
        "cuts",
        within(
            "nft 'add table bridge t; add chain bridge t c { type filter hook forward priority 0; }; \
             add set bridge t s { type ifname . ifname; }; add rule bridge t c iifname . oifname @s drop'",
        ),
        true,
        "nftables works on bridges",
        "the kernel needs nftables with the bridge family: modprobe nf_tables",
    );
    add(
        "loss",
        within(
            "nft 'add table bridge t; add chain bridge t c; add rule bridge t c numgen random mod 100 < 5 drop'",
        ),
        false,
        "by nftables numgen",
        "no packet loss: the kernel lacks nft_numgen",
    );
    add(
        "delay",
        within("ip link add b0 type bridge && tc qdisc add dev b0 root netem delay 1ms"),
        false,
        "by netem",
        "no packet delay: the kernel lacks sch_netem (CONFIG_NET_SCH_NETEM)",
    );
    let group = LabGroup::create();
    let text = match (&group, cgroup::v2_mount()) {
        (Ok(group), _) => format!("at {}", group.path().display()),
        (Err(e), Some(mount)) => format!(
            "not writable at {} ({e}): hosts are frozen by SIGSTOP and killed by their init instead; run as root",
            mount.display()
        ),
        (Err(_), None) => {
            "version 2 is not mounted: hosts are frozen by SIGSTOP and killed by their init".into()
        }
    };
    add("control groups", group.is_ok(), false, &text, &text);
    if let Ok(group) = group {
        let _ = group.remove();
    }
    out
}

/// Runs a shell script in a fresh network, mount and pid namespace.
fn in_namespaces(in_user_namespace: bool, script: &str) -> bool {
    let mut command = Command::new("unshare");
    if in_user_namespace {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script]);
    command.env("PATH", PATH).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}
