//! Two hosts on one cable, as network namespaces: this thread is one (`eth0`), the peer the other (`eth0`).
//! Everything vanishes with the threads that hold it.
#![allow(dead_code, clippy::unwrap_used)]

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

pub struct Lan {
    peer: File,
}

/// Runs `ip` in the calling thread's namespace.
pub fn ip(arguments: &str) {
    let output =
        Command::new("ip").args(arguments.split_whitespace()).output().expect("`ip` (iproute2) is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What `ip` prints.
pub fn ip_says(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn own_namespace() -> File {
    unshare(CloneFlags::CLONE_NEWNET)
        .expect("these tests need permission to make network namespaces (run as root)");
    ip("link set lo up");
    File::open("/proc/thread-self/ns/net").unwrap()
}

impl Lan {
    /// Moves the calling thread into a namespace of its own and plugs it to the peer.
    pub fn new() -> Self {
        let peer = std::thread::spawn(own_namespace).join().unwrap();
        let _own = own_namespace();
        let path = format!("/proc/{}/fd/{}", std::process::id(), peer.as_raw_fd());
        ip(&format!("link add eth0 address 02:00:00:00:00:01 type veth peer name eth0 netns {path}"));
        ip("link set eth0 up");
        ip("addr add 10.0.0.11/24 dev eth0");
        let lan = Self { peer };
        lan.on_peer(|| {
            ip("link set eth0 address 02:00:00:00:00:02");
            ip("link set eth0 up");
            ip("addr add 10.0.0.12/24 dev eth0");
        });
        lan
    }

    /// Runs something on the peer.
    pub fn on_peer<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let run = || {
                setns(&self.peer, CloneFlags::CLONE_NEWNET).unwrap();
                f()
            };
            scope.spawn(run).join().unwrap()
        })
    }

    /// A socket that sees every frame which arrives at the peer from now on.
    pub fn sniff(&self) -> Sniffer {
        self.on_peer(Sniffer::open)
    }
}

pub struct Sniffer(OwnedFd);

impl Sniffer {
    fn open() -> Self {
        let protocol = i32::from((libc::ETH_P_ALL as u16).to_be());
        // SAFETY: plain integers; the new descriptor is owned here only.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
        assert!(fd >= 0, "a packet socket needs CAP_NET_RAW (run as root)");
        // SAFETY: as above.
        Self(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Frames from the other host that pass the filter, until there are `count` or the time is over.
    pub fn collect(
        &self,
        count: usize,
        within: Duration,
        filter: impl Fn(&[u8]) -> bool,
    ) -> Vec<(Instant, Vec<u8>)> {
        let end = Instant::now() + within;
        let mut found = vec![];
        while found.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            let mut polled = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd.
            if unsafe { libc::poll(&raw mut polled, 1, left.as_millis() as i32) } != 1 {
                break;
            }
            let mut frame = vec![0_u8; 2000];
            // SAFETY: the buffer is writable for its length.
            let n = unsafe { libc::recv(self.0.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), 0) };
            frame.truncate(usize::try_from(n).unwrap());
            if frame[6..12] == [2, 0, 0, 0, 0, 1] && filter(&frame) {
                found.push((Instant::now(), frame));
            }
        }
        found
    }
}
