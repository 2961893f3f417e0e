//! One stream while it is up: reads, writes and pings until something ends it.

use super::event::{Down, StreamEvent, Times};
use super::wire::{self, Message, ReadError};
use ha_codec::FRAME_MAX;
use ha_model::NodeId;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsStream;

/// Messages that may wait for a peer: far more than the core has outstanding.
pub const SEND_QUEUE_MAX: usize = 1024;
/// Bytes that may wait for a peer: a snapshot and what follows it.
pub const SEND_BYTES_MAX: usize = 3 * FRAME_MAX;
/// How long a goodbye may take; it is a courtesy.
const GOODBYE: Duration = Duration::from_millis(100);

/// The ends of a session that its owner holds.
pub(super) struct Live {
    pub link: usize,
    queue: mpsc::Sender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    stop: watch::Sender<Option<Down>>,
    /// Closed when the session is over and its `PeerDown` delivered.
    pub done: watch::Receiver<()>,
}

impl Live {
    /// Ends the session; the first reason counts.
    pub fn stop(&self, why: Down) {
        self.stop.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert(why);
            first
        });
    }

    /// Queues a message; false when there is no room.
    pub fn send(&self, bytes: Vec<u8>) -> bool {
        let len = bytes.len();
        if self.queued.fetch_add(len, Ordering::Relaxed) + len > SEND_BYTES_MAX {
            return false;
        }
        self.queue.try_send(bytes).is_ok()
    }
}

/// The other ends, run by the session's task.
pub(super) struct Session {
    pub node: NodeId,
    pub io: TlsStream<TcpStream>,
    pub times: Times,
    pub events: mpsc::Sender<StreamEvent>,
    queue: mpsc::Receiver<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    stop: watch::Receiver<Option<Down>>,
    _done: watch::Sender<()>,
}

/// Both halves of a session over `io`.
pub(super) fn session(
    node: NodeId,
    io: TlsStream<TcpStream>,
    link: usize,
    times: Times,
    events: mpsc::Sender<StreamEvent>,
) -> (Live, Session) {
    let (queue_in, queue) = mpsc::channel(SEND_QUEUE_MAX);
    let (stop_in, stop) = watch::channel(None);
    let (done_in, done) = watch::channel(());
    let queued = Arc::new(AtomicUsize::new(0));
    let live = Live { link, queue: queue_in, queued: Arc::clone(&queued), stop: stop_in, done };
    (live, Session { node, io, times, events, queue, queued, stop, _done: done_in })
}

impl Session {
    /// Runs until the stream ends; says why, after `PeerDown` is delivered.
    pub async fn run(mut self) -> Down {
        let (mut reading, mut writing) = tokio::io::split(self.io);
        let down = {
            let reader = read_all(&mut reading, &self.node, self.times, &self.events);
            tokio::pin!(reader);
            tokio::select! {
                down = &mut reader => down,
                error = write_all(&mut writing, &mut self.queue, &self.queued, self.times.ping) => {
                    // The reason may lie unread: a goodbye, then a close that broke our write.
                    timeout(GOODBYE, &mut reader).await.unwrap_or_else(|_| of_io(&error))
                }
                down = stopped(&mut self.stop) => down,
            }
        };
        say_goodbye(&down, &mut reading, &mut writing).await;
        let event = StreamEvent::PeerDown { node: self.node, why: down.clone() };
        let _ = self.events.send(event).await;
        down
    }
}

/// Ends a stream that never came up here, though the peer may think so.
pub(super) async fn turn_away(io: TlsStream<TcpStream>) {
    let (mut reading, mut writing) = tokio::io::split(io);
    say_goodbye(&Down::Removed, &mut reading, &mut writing).await;
}

/// Tells a living peer that the end is on purpose, then waits until it has closed: closing with its bytes unread would
/// reset the connection, and the goodbye with it.
async fn say_goodbye(
    down: &Down,
    reading: &mut (impl AsyncRead + Unpin),
    writing: &mut (impl AsyncWrite + Unpin),
) {
    let wait_for_close = match down {
        Down::Goodbye | Down::Ended(_) => return,
        // Nobody is there to hear it; a new stream may be waiting for this end.
        Down::Silent(_) | Down::Replaced => false,
        Down::Overflow | Down::Removed | Down::Protocol(_) | Down::Shutdown => true,
    };
    let goodbye = async {
        wire::write(writing, &Message::Bye).await?;
        if wait_for_close {
            writing.shutdown().await?;
            let mut rest = [0; 4096];
            while reading.read(&mut rest).await? > 0 {}
        }
        Ok::<(), io::Error>(())
    };
    // Best effort: a peer that does not hear it takes the end for that of the daemon, and asks our host.
    let _ = timeout(GOODBYE, goodbye).await;
}

async fn stopped(stop: &mut watch::Receiver<Option<Down>>) -> Down {
    match stop.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or(Down::Shutdown),
        Err(_) => Down::Shutdown,
    }
}

/// Reads until the stream ends. A core that takes no events stops the reading, and so, by TCP, the peer's sending.
async fn read_all(
    from: &mut (impl AsyncRead + Unpin),
    node: &NodeId,
    times: Times,
    events: &mpsc::Sender<StreamEvent>,
) -> Down {
    loop {
        match wire::read(from, FRAME_MAX, times.silence).await {
            Ok(Message::Ping) => {}
            Ok(Message::Data(bytes)) => {
                if events.send(StreamEvent::Frame { from: node.clone(), bytes }).await.is_err() {
                    return Down::Shutdown;
                }
            }
            Ok(Message::Bye) => return Down::Goodbye,
            Ok(Message::Hello(_) | Message::Start) => return Down::Protocol("a second hello".into()),
            Err(ReadError::Ended) => return Down::Ended("closed".into()),
            Err(e @ ReadError::Silent(_)) => return Down::Silent(e.to_string()),
            Err(ReadError::Io(e)) => return of_io(&e),
            Err(e @ (ReadError::Frame(_) | ReadError::Hello(_) | ReadError::Kind(_))) => {
                return Down::Protocol(e.to_string());
            }
        }
    }
}

/// What an I/O error says about the peer: a reset comes from a living host, everything else from the network.
fn of_io(e: &io::Error) -> Down {
    match e.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            Down::Ended(e.to_string())
        }
        io::ErrorKind::InvalidData => Down::Protocol(e.to_string()),
        _ => Down::Silent(e.to_string()),
    }
}

/// Writes what is queued, and a ping each period; ends only by an error.
async fn write_all(
    to: &mut (impl AsyncWrite + Unpin),
    queue: &mut mpsc::Receiver<Vec<u8>>,
    queued: &AtomicUsize,
    ping: Duration,
) -> io::Error {
    let mut pings = interval(ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            Some(bytes) = queue.recv() => Message::Data(bytes),
            _ = pings.tick() => Message::Ping,
        };
        if let Err(e) = wire::write(to, &message).await {
            return e;
        }
        if let Message::Data(bytes) = message {
            queued.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
    }
}
