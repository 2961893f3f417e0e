//! Received heartbeats on their way to the core: a fixed number of places, the newest kept.
//!
//! The heartbeat thread fills places and never waits; when the core does not read, the older half is given up.

use super::handoff::{List, Stack};
use super::wire::{AgesMs, BODY_MAX};
use ha_model::{BootNs, NodeId, SessionId};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// Heartbeats that may wait for the core: seconds of them in a large cluster with the fast profile.
pub const INBOX_MAX: usize = 1024;

/// An authenticated, fresh heartbeat of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The peer.
    pub from: NodeId,
    /// Its daemon's start, as its hello said.
    pub session: SessionId,
    /// The link it came over.
    pub link: usize,
    /// Our boot time when it arrived.
    pub received_at: BootNs,
    /// Its boot time when it was sent. Comparable only with other times of the same peer.
    pub sent_at: BootNs,
    /// Our own `sent_at` of the newest heartbeat of ours that it had heard; zero before the first.
    pub echo: BootNs,
    /// How well the peer is.
    pub ages: AgesMs,
    /// What its core put in.
    pub body: Vec<u8>,
}

impl Beat {
    /// Whether the peer had heard us within `bound` before this arrived: both directions of the link work, and the
    /// beat is no recording. Measured on our own clock.
    #[must_use]
    pub fn echoes_within(&self, bound: Duration) -> bool {
        self.echo.0 != 0 && self.echo <= self.received_at && self.received_at.since(self.echo) <= bound
    }
}

/// One place: a beat whose body keeps its memory.
type Place = Option<Beat>;

pub(super) struct Shared {
    ready: Stack<Place>,
    spare: Stack<Place>,
    wake: EventFd,
    given_up: AtomicU64,
}

/// The thread's end.
pub(super) struct Filler {
    shared: Arc<Shared>,
    spare: List<Place>,
}

/// The core's end: heartbeats, oldest first.
pub struct BeatReceiver {
    shared: Arc<Shared>,
    wake: Option<AsyncFd<OwnedFd>>,
}

pub(super) fn inbox() -> io::Result<(Filler, BeatReceiver)> {
    let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    let shared =
        Arc::new(Shared { ready: Stack::new(), spare: Stack::new(), wake, given_up: AtomicU64::new(0) });
    let mut spare = List::new();
    for _ in 0..INBOX_MAX {
        spare.push_new(Some(Beat {
            from: NodeId::from(""),
            session: SessionId(0),
            link: 0,
            received_at: BootNs(0),
            sent_at: BootNs(0),
            echo: BootNs(0),
            ages: AgesMs::default(),
            body: Vec::with_capacity(BODY_MAX),
        }));
    }
    Ok((Filler { shared: Arc::clone(&shared), spare }, BeatReceiver { shared, wake: None }))
}

impl Filler {
    /// Delivers a beat written by `fill`; allocates nothing as long as the body fits its place.
    pub fn deliver(&mut self, fill: impl FnOnce(&mut Beat)) {
        if self.spare.is_empty() {
            self.spare = self.shared.spare.take();
        }
        if self.spare.is_empty() {
            self.give_up_half();
        }
        let mut one = List::new();
        if !self.spare.move_first_to(&mut one) {
            return; // The core holds every place at this moment; it reads.
        }
        if let Some(Some(beat)) = one.first_mut() {
            fill(beat);
        }
        self.shared.ready.push(one);
        // A full counter is readable all the same.
        let _ = self.shared.wake.write(1);
    }

    fn give_up_half(&mut self) {
        let mut oldest_first = self.shared.ready.take().reversed();
        for _ in 0..INBOX_MAX / 2 {
            if !oldest_first.move_first_to(&mut self.spare) {
                break;
            }
            self.shared.given_up.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.ready.push(oldest_first.reversed());
    }
}

impl BeatReceiver {
    /// What has arrived, oldest first; empty when nothing has.
    pub fn try_recv(&mut self) -> Vec<Beat> {
        let _ = self.shared.wake.read();
        let places = self.shared.ready.take().reversed();
        let beats = places.iter().flatten().cloned().collect();
        self.shared.spare.push(places);
        beats
    }

    /// Waits until something arrives; returns it, oldest first. To be called on a tokio runtime; may be dropped at
    /// any time without losing a heartbeat.
    pub async fn recv(&mut self) -> io::Result<Vec<Beat>> {
        loop {
            let beats = self.try_recv();
            if !beats.is_empty() {
                return Ok(beats);
            }
            if self.wake.is_none() {
                let fd = self.shared.wake.as_fd().try_clone_to_owned()?;
                // SAFETY: the descriptor is owned by the AsyncFd, open and the same until it is dropped.
                self.wake = Some(unsafe { AsyncFd::register(fd)? });
            }
            if let Some(wake) = &self.wake {
                let mut guard = wake.readable().await?;
                if self.shared.wake.read() == Err(Errno::EAGAIN) {
                    guard.clear_ready();
                }
            }
        }
    }

    /// Heartbeats given up because the core did not read.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.shared.given_up.load(Ordering::Relaxed)
    }
}
