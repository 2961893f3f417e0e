//! Bridges, ports and network namespaces of the lab, made with `ip`.
//!
//! Must not know: hosts' processes or power. Invariant: a port's name and MAC follow from (station, link) alone, so
//! that cuts survive a power cycle.

use crate::error::{Context, LabError, Result};
use crate::spec::{LabSpec, Station, ipv4, ipv6};
use crate::tool::ip_batch;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Makes the bridges in the present (the lab's root) network namespace.
pub fn make_bridges(spec: &LabSpec) -> Result<()> {
    quiet_ipv6(true)?;
    let mut script = String::from("link set lo up\n");
    for link in &spec.links {
        // Snooping would hold back neighbour solicitations until a querier is elected; nobody is.
        script +=
            &format!("link add {0} type bridge stp_state 0 mcast_snooping 0\nlink set {0} up\n", link.name);
    }
    ip_batch(&script)
}

/// Settings that new interfaces of the present network namespace inherit: no duplicate address detection (it would
/// delay every boot by a second), and on the bridges themselves no IPv6 at all.
pub fn quiet_ipv6(is_bridge_side: bool) -> Result<()> {
    let dir = Path::new("/proc/sys/net/ipv6/conf");
    if !dir.exists() {
        return Ok(());
    }
    let (file, value) = if is_bridge_side { ("disable_ipv6", "1") } else { ("accept_dad", "0") };
    for scope in ["default", "all"] {
        let path = dir.join(scope).join(file);
        fs::write(&path, value).at("write", &path)?;
    }
    Ok(())
}

/// The `ip` commands, in the lab's root namespace, that give a namespace its cables.
/// `netns` is a process id or a path. Pulled cables (bridge ports that stay down) are given by link index.
pub fn cable_script(spec: &LabSpec, station: &Station, netns: &str, pulled: &[usize]) -> String {
    let mut script = String::new();
    for &i in &station.links {
        let link = &spec.links[i];
        let port = station.port(link);
        script +=
            &format!("link add {port} type veth peer name eth{i} address {} netns {netns}\n", station.mac(i));
        script += &format!("link set {port} master {}\n", link.name);
        if !pulled.contains(&i) {
            script += &format!("link set {port} up\n");
        }
    }
    script
}

/// The `ip` commands, inside the namespace, that bring its addresses up.
pub fn address_script(spec: &LabSpec, station: &Station) -> String {
    let has_ipv6 = Path::new("/proc/sys/net/ipv6").exists();
    let mut script = String::from("link set lo up\n");
    for &i in &station.links {
        let link = &spec.links[i];
        script += &format!("addr add {}/24 brd + dev eth{i}\n", ipv4(link, station.number));
        if has_ipv6 {
            script += &format!("addr add {}/64 dev eth{i} nodad\n", ipv6(i, station.number));
        }
        script += &format!("link set eth{i} up\n");
    }
    script
}

/// The commands that remove a station's cables from the lab's side.
pub fn uncable_script(spec: &LabSpec, station: &Station) -> String {
    station.links.iter().map(|&i| format!("link del {}\n", station.port(&spec.links[i]))).collect()
}

/// Where the namespace of a station that is not a host can be entered.
pub fn netns_path(dir: &Path, station: &str) -> PathBuf {
    dir.join("ns").join(station)
}

/// Makes the network namespace of an observer or a switch, with its cable and addresses. It lives as long as the
/// lab's mount namespace, where it is pinned.
pub fn make_station(spec: &LabSpec, station: &Station) -> Result<()> {
    let path = netns_path(&spec.dir, &station.name);
    File::create(&path).at("create", &path)?;
    let pinned = path.clone();
    in_thread(move || {
        unshare(CloneFlags::CLONE_NEWNET).what(|| "make a network namespace".into())?;
        quiet_ipv6(false)?;
        mount(Some("/proc/thread-self/ns/net"), &pinned, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .at("pin a network namespace at", &pinned)
    })?;
    let cables = cable_script(spec, station, &path.display().to_string(), &[]);
    ip_batch(&cables)?;
    let script = address_script(spec, station);
    in_thread(move || {
        enter(&path)?;
        ip_batch(&script)
    })
}

/// Moves the present thread into a pinned network namespace.
pub fn enter(path: &Path) -> Result<()> {
    let file = File::open(path).at("open namespace", path)?;
    setns(file, CloneFlags::CLONE_NEWNET).at("enter namespace", path)
}

/// Runs `work` in a thread of its own, whose namespace changes end with it.
pub fn in_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    std::thread::spawn(work).join().unwrap_or_else(|_| Err(LabError::Gone("a helper thread panicked".into())))
}

/// Sets an interface of the present network namespace up or down by ioctl: it takes microseconds, which the moment
/// of a power-off needs. A missing interface is an error.
pub fn set_link(name: &str, is_up: bool) -> Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    use std::os::fd::AsRawFd;
    let fail = |e: std::io::Error| LabError::Io { what: format!("set link {name} up={is_up}"), source: e };
    let sock = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|e| fail(e.into()))?;
    // SAFETY: ifreq is plain old data for which all zeroes is a valid value.
    let mut req: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= libc::IFNAMSIZ {
        return Err(fail(std::io::Error::from_raw_os_error(libc::ENAMETOOLONG)));
    }
    for (to, from) in req.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: the descriptor is an open socket and `req` a valid ifreq that outlives both calls; the kernel writes
    // the flags member in the first call, so that reading it is defined.
    let done = unsafe {
        if libc::ioctl(sock.as_raw_fd(), libc::SIOCGIFFLAGS, &mut req) < 0 {
            return Err(fail(std::io::Error::last_os_error()));
        }
        let up = libc::IFF_UP as libc::c_short;
        req.ifr_ifru.ifru_flags =
            if is_up { req.ifr_ifru.ifru_flags | up } else { req.ifr_ifru.ifru_flags & !up };
        libc::ioctl(sock.as_raw_fd(), libc::SIOCSIFFLAGS, &req)
    };
    if done < 0 { Err(fail(std::io::Error::last_os_error())) } else { Ok(()) }
}
