//! One mutually authenticated TLS 1.3 stream for each pair of nodes, on whichever link is up.
//!
//! The node whose name is lower dials. Between two nodes at most one stream is live; a new one (a restarted peer)
//! takes the old one's place at once. It must not know what messages mean.

mod connect;
mod event;
mod peer;
mod session;
mod wire;

pub use event::{Down, StreamEvent, Times};
pub use session::{SEND_BYTES_MAX, SEND_QUEUE_MAX};

use crate::allowed::Allowed;
use crate::hello::Hello;
use crate::keys::KeyStep;
use crate::pki::{NodeIdentity, PkiError};
use crate::tls::Tls;
use crate::warning::Warning;
use ha_codec::FRAME_MAX;
use ha_model::NodeId;
use peer::Peer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

/// Handshakes at one time, so that strangers cannot occupy the daemon.
const HANDSHAKES_MAX: usize = 32;
/// Longest wait for the goodbyes at the end.
const SHUTDOWN: Duration = Duration::from_secs(1);
/// Pause before a link's address is tried again.
const REBIND: Duration = Duration::from_secs(1);

/// How the streams start.
pub struct Config {
    /// This node; never among the peers.
    pub me: NodeId,
    /// Our address and port on each link. A link has the same index at every node.
    pub listen: Vec<SocketAddr>,
    /// The other nodes, each with its address and port on each link. Only these may speak.
    pub peers: BTreeMap<NodeId, Vec<SocketAddr>>,
    /// Certificate and key of this node.
    pub identity: NodeIdentity,
    /// What we say about ourselves.
    pub hello: Hello,
    /// Time-outs.
    pub times: Times,
    /// Where the heartbeat keys of each new stream go; must not block.
    pub keys: Box<dyn Fn(KeyStep) + Send + Sync>,
}

/// Why a message was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no stream to this node now.
    #[error("no stream to the node")]
    NotConnected,
    /// Longer than a frame.
    #[error("message of {len} bytes exceeds {FRAME_MAX}")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// The queue was full: the stream is dropped with all that waited.
    #[error("the node does not keep up; its stream is dropped")]
    Overflow,
}

/// What the tasks share.
struct Inner {
    me: NodeId,
    listen: Vec<SocketAddr>,
    times: Times,
    tls: Tls,
    allowed: Allowed,
    hello: RwLock<Hello>,
    keys: Box<dyn Fn(KeyStep) + Send + Sync>,
    events: mpsc::Sender<StreamEvent>,
    peers: Mutex<BTreeMap<NodeId, Arc<Peer>>>,
    /// When a refusal was last reported.
    refusal_said: Mutex<Option<Instant>>,
}

impl Inner {
    fn hello(&self) -> Hello {
        self.hello.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn peers(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All streams of this node. Dropping it closes them.
pub struct Streams {
    inner: Arc<Inner>,
    shutdown: watch::Sender<bool>,
}

impl Streams {
    /// Listens and dials, on the tokio runtime it is called in. Events wait for room in `events`: a core that does
    /// not read stops the streams, not the heartbeats.
    pub fn start(config: Config, events: mpsc::Sender<StreamEvent>) -> Result<Streams, PkiError> {
        let allowed = Allowed::default();
        let inner = Arc::new(Inner {
            tls: Tls::new(&config.identity, &allowed)?,
            me: config.me,
            listen: config.listen,
            times: config.times,
            allowed,
            hello: RwLock::new(config.hello),
            keys: config.keys,
            events,
            peers: Mutex::default(),
            refusal_said: Mutex::default(),
        });
        let (shutdown, _) = watch::channel(false);
        let streams = Streams { inner, shutdown };
        streams.set_peers(config.peers);
        for (link, at) in streams.inner.listen.iter().copied().enumerate() {
            streams.spawn(serve(Arc::clone(&streams.inner), link, at, streams.shutdown.subscribe()));
        }
        Ok(streams)
    }

    /// Spawns a task that ends with the streams.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut shutdown = self.shutdown.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = shutdown.wait_for(|down| *down) => {}
            }
        });
    }

    /// Replaces the set of peers and their addresses. A node that is no longer in it loses its stream at once, and
    /// its certificate no longer counts.
    pub fn set_peers(&self, peers: BTreeMap<NodeId, Vec<SocketAddr>>) {
        let mut known = self.inner.peers();
        self.inner.allowed.set(peers.keys().filter(|node| **node != self.inner.me).cloned());
        known.retain(|node, peer| {
            let stays = peers.contains_key(node);
            if !stays {
                peer.remove(Down::Removed);
            }
            stays
        });
        for (node, links) in peers {
            if node == self.inner.me {
                continue;
            }
            if let Some(peer) = known.get(&node) {
                peer.set_links(links);
                continue;
            }
            let peer = Peer::new(node.clone(), links);
            if self.inner.me < node {
                tokio::spawn(peer::keep_dialling(Arc::clone(&self.inner), Arc::clone(&peer)));
            }
            known.insert(node, peer);
        }
    }

    /// Replaces the configuration's hash in what new streams say about us.
    pub fn set_config_sha256(&self, sha256: [u8; 32]) {
        self.inner.hello.write().unwrap_or_else(PoisonError::into_inner).config_sha256 = sha256;
    }

    /// Queues a message for a node; it arrives in order, or its stream ends. Never blocks.
    pub fn send(&self, to: &NodeId, bytes: Vec<u8>) -> Result<(), SendError> {
        if bytes.len() > FRAME_MAX {
            return Err(SendError::TooLong { len: bytes.len() });
        }
        let peer = self.inner.peers().get(to).cloned().ok_or(SendError::NotConnected)?;
        match peer.send(bytes) {
            None => Err(SendError::NotConnected),
            Some(true) => Ok(()),
            Some(false) => Err(SendError::Overflow),
        }
    }

    /// The nodes with a live stream, each with the link it runs over.
    #[must_use]
    pub fn connected(&self) -> BTreeMap<NodeId, usize> {
        let peers = self.inner.peers();
        peers.iter().filter_map(|(node, peer)| peer.link().map(|link| (node.clone(), link))).collect()
    }

    /// Says goodbye to every peer and waits until all streams have ended; not for ever, since an end waits for room
    /// in the core's channel.
    pub async fn shutdown(&self) {
        let peers = self.close();
        let ended = async {
            for peer in peers.into_values() {
                peer.ended().await;
            }
        };
        let _ = tokio::time::timeout(SHUTDOWN, ended).await;
    }

    fn close(&self) -> BTreeMap<NodeId, Arc<Peer>> {
        self.shutdown.send_replace(true);
        let peers = std::mem::take(&mut *self.inner.peers());
        for peer in peers.values() {
            peer.remove(Down::Shutdown);
        }
        peers
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.close();
    }
}

/// Listens on one link for ever.
async fn serve(inner: Arc<Inner>, link: usize, at: SocketAddr, shutdown: watch::Receiver<bool>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let mut warned = false;
    loop {
        match connect::listen(at) {
            Ok(listener) => {
                warned = false;
                accept_all(&inner, link, &listener, &handshakes, &shutdown).await;
            }
            Err(e) if !warned => {
                warned = true;
                let warning = Warning::LinkNotBound { link, at, why: e.to_string() };
                let _ = inner.events.send(StreamEvent::Warning(warning)).await;
            }
            Err(_) => {}
        }
        tokio::time::sleep(REBIND).await;
    }
}

/// Accepts until accepting fails (no file descriptors, say).
async fn accept_all(
    inner: &Arc<Inner>,
    link: usize,
    listener: &TcpListener,
    handshakes: &Arc<Semaphore>,
    shutdown: &watch::Receiver<bool>,
) {
    while let Ok((stream, from)) = listener.accept().await {
        let Ok(permit) = Arc::clone(handshakes).acquire_owned().await else { return };
        let inner = Arc::clone(inner);
        let mut shutdown = shutdown.clone();
        tokio::spawn(async move {
            let established = tokio::select! {
                established = connect::accept(&inner, stream, link) => established,
                _ = shutdown.wait_for(|down| *down) => return,
            };
            drop(permit);
            match established {
                Err(e) => connect::report(&inner, from, &e),
                Ok(established) => {
                    let peer = inner.peers().get(&established.hello.node).cloned();
                    match peer {
                        Some(peer) => peer::run_accepted(inner, peer, established).await,
                        None => session::turn_away(established.io).await,
                    }
                }
            }
        });
    }
}
