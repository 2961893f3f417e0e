//! The heartbeat thread: small sealed datagrams on every link, from a thread that a loaded host still runs.
//!
//! It must not know what a body means, and it cannot vouch for a dead core: contents carry a time after which it
//! is silent, and each heartbeat carries the ages of the daemon's signs of life. The loss of a TLS stream does not
//! stop it: the keys of the last session stay valid until they are replaced.

mod ages;
mod handoff;
mod inbox;
mod realtime;
mod stats;
mod table;
mod thread;
mod wire;

pub use ages::Ages;
pub use inbox::{Beat, BeatReceiver, INBOX_MAX};
pub use realtime::{PRIORITY, Realtime};
pub use stats::BeatStats;
pub use table::LINKS_MAX;
pub use wire::{AgesMs, BEAT_VERSION, BODY_MAX, PACKET_MAX};

use crate::keys::KeyStep;
use crate::warning::Warning;
use ha_model::{BootNs, NodeId};
use handoff::{List, Stack};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use table::Table;
use thread::{Command, Shared, Thread};

/// Commands that may wait for the thread: far more than a reconnecting cluster gives at once.
const COMMANDS_MAX: usize = 4096;
/// DSCP CS6, network control: routers and queues let it pass first (RFC 4594 §3.1).
const TOS_CS6: i32 = 0xc0;

/// How the thread starts.
pub struct BeatsConfig {
    /// Our address and port on each link, at most [`LINKS_MAX`]; a link has the same index at every node.
    pub listen: Vec<SocketAddr>,
    /// The other nodes, each with its address on each link.
    pub peers: BTreeMap<NodeId, Vec<SocketAddr>>,
    /// Time from one heartbeat to the next: `T_lost / 10`.
    pub interval: Duration,
    /// Signs of life of the daemon.
    pub ages: Ages,
    /// What to ask of the kernel.
    pub realtime: Realtime,
    /// Called each period on the thread (the watchdog is petted here); must not block nor take a lock of the core. The
    /// thread owns it: it is dropped when the thread ends, however it ends.
    pub on_period: Option<Box<dyn FnMut(Period) + Send>>,
}

/// What a period's hook may judge by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    /// The present.
    pub now: BootNs,
    /// Signs of life at this moment.
    pub ages: AgesMs,
    /// Until when the core vouched for its contents.
    pub valid_until: BootNs,
}

/// What to say to whom, and for how long.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BeatContents {
    /// After this time nothing is sent any more.
    pub valid_until: BootNs,
    /// The body for each peer, at most [`BODY_MAX`] bytes; a peer that is not here, or has a longer one, is sent
    /// nothing.
    pub bodies: BTreeMap<NodeId, Vec<u8>>,
}

/// Why the thread does not start.
#[derive(Debug, thiserror::Error)]
pub enum BeatsError {
    /// A link's address cannot be used.
    #[error("heartbeats cannot use {at}: {source}; check the address of link {link} in the cluster file")]
    Bind {
        /// Index of the link.
        link: usize,
        /// The address.
        at: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// More links than a heartbeat can name.
    #[error("{0} links configured, at most {LINKS_MAX} are supported")]
    TooManyLinks(usize),
    /// The system gave no thread or descriptor.
    #[error("heartbeat thread: {0}")]
    System(#[from] io::Error),
}

/// The running thread; dropping it stops the heartbeats.
pub struct Beats {
    control: BeatsControl,
    thread: Option<JoinHandle<()>>,
}

/// Speaks to the thread. Clones are cheap; no call blocks.
#[derive(Clone)]
pub struct BeatsControl {
    shared: Arc<Shared>,
}

impl Beats {
    /// Starts the thread; it is silent until contents and keys are given. What the kernel refused is among the
    /// warnings.
    pub fn start(config: BeatsConfig) -> Result<(Beats, BeatReceiver, Vec<Warning>), BeatsError> {
        if config.listen.len() > LINKS_MAX {
            return Err(BeatsError::TooManyLinks(config.listen.len()));
        }
        let sockets = config
            .listen
            .iter()
            .enumerate()
            .map(|(link, at)| open_socket(*at).map_err(|source| BeatsError::Bind { link, at: *at, source }))
            .collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(Shared {
            commands: Stack::new(),
            waiting: AtomicUsize::new(0),
            contents: Stack::new(),
            spent: Stack::new(),
            extra: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
                .map_err(io::Error::from)?,
            counters: stats::Counters::default(),
        });
        let (filler, receiver) = inbox::inbox()?;
        let mut table = Table::default();
        table.set_peers(config.peers);
        let thread = Thread {
            shared: Arc::clone(&shared),
            sockets,
            interval: config.interval,
            ages: config.ages,
            inbox: filler,
            on_period: config.on_period,
            table,
            contents: BeatContents::default(),
        };
        let (warnings_in, warnings) = mpsc::channel();
        let thread = std::thread::Builder::new().name("heartbeat".into()).spawn(move || {
            // The receiver waits below, so the send cannot fail but by its panic.
            let _ = warnings_in.send(realtime::set_up(config.realtime));
            thread.run();
        })?;
        let warnings = warnings.recv().unwrap_or_default();
        Ok((Beats { control: BeatsControl { shared }, thread: Some(thread) }, receiver, warnings))
    }

    /// A handle to speak to the thread.
    #[must_use]
    pub fn control(&self) -> BeatsControl {
        self.control.clone()
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        self.control.shared.stop.store(true, Ordering::Release);
        self.control.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by the panic hook.
            let _ = thread.join();
        }
    }
}

impl BeatsControl {
    /// Replaces what is said; the newest counts.
    pub fn publish(&self, contents: BeatContents) {
        drop(self.shared.contents.replace(Command::Contents(contents)));
        drop(self.shared.spent.take());
    }

    /// Replaces the peers and their addresses; peers that stay keep their keys, the others' no longer count.
    pub fn set_peers(&self, peers: BTreeMap<NodeId, Vec<SocketAddr>>) {
        self.command(Command::Peers(peers));
    }

    /// Takes keys of a new stream into use; the `keys` of [`crate::streams::Config`].
    pub fn install(&self, step: KeyStep) {
        self.command(Command::Key(step));
    }

    /// Sends one heartbeat to everyone at once, beside the rhythm (the leader changed, say).
    pub fn beat_now(&self) {
        self.shared.extra.store(true, Ordering::Release);
        self.wake();
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> BeatStats {
        self.shared.counters.read()
    }

    fn command(&self, command: Command) {
        drop(self.shared.spent.take());
        if self.shared.waiting.fetch_add(1, Ordering::Relaxed) >= COMMANDS_MAX {
            // The thread has not run for very long: this host is lost to its peers anyway.
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("heartbeat thread does not run; a command to it was dropped");
            return;
        }
        let mut one = List::new();
        one.push_new(command);
        self.shared.commands.push(one);
        self.wake();
    }

    fn wake(&self) {
        // It fails only when the counter is full, and then the thread is awake.
        let _ = self.shared.wake.write(1);
    }
}

/// A socket on a link's address, also when the address is not there yet.
fn open_socket(at: SocketAddr) -> io::Result<UdpSocket> {
    let family = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    // IPPROTO_IP's FREEBIND serves both families (ip(7)); without it the address must exist.
    let _ = setsockopt(&fd, sockopt::IpFreebind, &true);
    if at.is_ipv4() {
        let _ = setsockopt(&fd, sockopt::Ipv4Tos, &TOS_CS6);
    }
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &SockaddrStorage::from(at))?;
    Ok(UdpSocket::from(fd))
}
