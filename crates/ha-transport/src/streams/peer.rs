//! One peer: its live stream, and the loop that makes it.
//!
//! Invariant: at most one live stream for a peer. The node with the lower name dials; a new stream waits until the
//! old one has ended and said so.

use super::Inner;
use super::connect::{self, ConnectError, Established};
use super::event::{Down, StreamEvent};
use super::session::{Live, session, turn_away};
use ha_model::NodeId;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

/// State of a peer; shared by its tasks.
pub(super) struct Peer {
    pub node: NodeId,
    links: Mutex<Vec<SocketAddr>>,
    live: Mutex<Slot>,
    /// One stream at a time comes up.
    turn: tokio::sync::Mutex<()>,
    /// Wakes the dialling loop from its pause.
    wake: Notify,
}

#[derive(Default)]
struct Slot {
    live: Option<Live>,
    removed: bool,
}

impl Peer {
    pub fn new(node: NodeId, links: Vec<SocketAddr>) -> Arc<Self> {
        Arc::new(Self {
            node,
            links: Mutex::new(links),
            live: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            wake: Notify::new(),
        })
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> Vec<SocketAddr> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_links(&self, links: Vec<SocketAddr>) {
        *self.links.lock().unwrap_or_else(PoisonError::into_inner) = links;
        self.wake.notify_one();
    }

    /// Ends the peer for good.
    pub fn remove(&self, why: Down) {
        let mut slot = self.slot();
        slot.removed = true;
        if let Some(live) = &slot.live {
            live.stop(why);
        }
        self.wake.notify_one();
    }

    /// Link of the live stream.
    pub fn link(&self) -> Option<usize> {
        self.slot().live.as_ref().filter(|live| live.done.has_changed().is_ok()).map(|live| live.link)
    }

    /// Queues a message; `None` without a stream, false when the stream had no room and is being dropped.
    pub fn send(&self, bytes: Vec<u8>) -> Option<bool> {
        let slot = self.slot();
        let live = slot.live.as_ref().filter(|live| live.done.has_changed().is_ok())?;
        let sent = live.send(bytes);
        if !sent {
            live.stop(Down::Overflow);
        }
        Some(sent)
    }

    /// Waits for the end of the live stream and of one that is coming up.
    pub async fn ended(&self) {
        let _turn = self.turn.lock().await;
        let done = self.slot().live.as_ref().map(|live| live.done.clone());
        if let Some(mut done) = done {
            wait(&mut done).await;
        }
    }

    /// Makes an established stream the live one, after the old one has ended; returns why the stream ended, or
    /// `None` when the peer was removed meanwhile.
    async fn adopt(&self, inner: &Arc<Inner>, established: Established) -> Option<Down> {
        let turn = self.turn.lock().await;
        let old = self.slot().live.as_ref().map(|live| {
            live.stop(Down::Replaced);
            live.done.clone()
        });
        if let Some(mut done) = old {
            wait(&mut done).await;
        }
        let Established { io, hello, link } = established;
        if self.is_removed() {
            turn_away(io).await;
            return None;
        }
        let (live, session) = session(self.node.clone(), io, link, inner.times, inner.events.clone());
        {
            let mut slot = self.slot();
            if slot.removed {
                live.stop(Down::Removed);
            }
            slot.live = Some(live);
        }
        let up = StreamEvent::PeerUp { node: self.node.clone(), hello, link };
        inner.events.send(up).await.ok()?;
        drop(turn);
        Some(session.run().await)
    }

    async fn say_reset(&self, inner: &Inner) {
        let _ = inner.events.send(StreamEvent::PeerReset { node: self.node.clone() }).await;
    }

    fn is_removed(&self) -> bool {
        self.slot().removed
    }
}

async fn wait(done: &mut watch::Receiver<()>) {
    // Nothing is ever sent: it ends when the session drops its end.
    while done.changed().await.is_ok() {}
}

/// Keeps the stream to a peer up until the peer is removed: each link in turn, then a pause that doubles.
pub(super) async fn keep_dialling(inner: Arc<Inner>, peer: Arc<Peer>) {
    let mut link = 0;
    let mut pause = inner.times.retry_min;
    while !peer.is_removed() {
        let links = peer.links();
        let mut was_up = false;
        for _ in 0..links.len() {
            link %= links.len();
            match connect::dial(&inner, &peer.node, link, links[link]).await {
                Ok(established) => {
                    let since = Instant::now();
                    let down = peer.adopt(&inner, established).await;
                    was_up = since.elapsed() > inner.times.retry_max;
                    if !matches!(down, Some(Down::Goodbye | Down::Ended(_) | Down::Replaced)) {
                        link += 1; // The link may be the reason.
                    }
                    break;
                }
                Err(e) => {
                    connect::report(&inner, links[link], &e);
                    if matches!(e, ConnectError::Refused) {
                        peer.say_reset(&inner).await;
                    }
                    link += 1;
                }
            }
        }
        if was_up {
            pause = inner.times.retry_min;
        } else {
            let _ = tokio::time::timeout(pause, peer.wake.notified()).await;
            pause = (pause * 2).min(inner.times.retry_max);
        }
    }
}

/// Runs an accepted stream; when its peer's daemon ended, with a word (SIGTERM) or without, asks its host whether a
/// daemon is there.
pub(super) async fn run_accepted(inner: Arc<Inner>, peer: Arc<Peer>, established: Established) {
    let down = peer.adopt(&inner, established).await;
    if matches!(down, Some(Down::Ended(_) | Down::Goodbye)) {
        probe(&inner, &peer).await;
    }
}

/// The dialler has to come back by itself; this only finds out whether its daemon is there. It looks until the peer is
/// back or silent for so long that its beats decide: a daemon that says goodbye listens for another moment, and a killed
/// one takes its time to be torn down.
async fn probe(inner: &Inner, peer: &Peer) {
    let end = Instant::now() + inner.times.silence;
    let mut pause = inner.times.retry_min;
    while !peer.is_removed() && peer.link().is_none() && Instant::now() < end {
        for (link, to) in peer.links().into_iter().enumerate() {
            let from = inner.listen.get(link).copied();
            if let Err(ConnectError::Refused) = connect::tcp(from, to, inner.times.connect).await {
                // No stream comes up between the look and the word: its `PeerUp` would be told before this older news.
                let _turn = peer.turn.lock().await;
                if peer.link().is_none() {
                    peer.say_reset(inner).await;
                }
                return;
            }
        }
        sleep(pause).await;
        pause *= 2;
    }
}
