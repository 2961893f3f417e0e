//! From an address to an authenticated stream whose ends have said hello.
//!
//! Order of a handshake, which the keys of the heartbeats follow (see [`KeyStep`]): TLS; the dialler's hello; the
//! acceptor's hello; the dialler's start. An attempt that the dialler gave up never gets as far as its start, so it
//! replaces nothing.

use super::Inner;
use super::event::StreamEvent;
use super::wire::{self, HELLO_MAX, Message, ReadError};
use crate::hello::{Hello, HelloError};
use crate::keys::{KeyStep, PairKeys};
use crate::pki::PkiError;
use crate::tls;
use ha_model::NodeId;
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// Connections that may wait to be accepted; a cluster has tens of nodes.
const BACKLOG: u32 = 64;

/// Refusals are reported this often at most.
const REFUSAL_EVERY: Duration = Duration::from_millis(500);

/// A stream that is up.
pub(super) struct Established {
    pub io: TlsStream<TcpStream>,
    pub hello: Hello,
    pub link: usize,
}

/// Why no stream came about.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("refused: the host is up, no daemon listens")]
    Refused,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer within {}", ha_model::length(*.0))]
    TimedOut(Duration),
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("{0}")]
    Hello(#[from] HelloError),
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Name(#[from] PkiError),
    #[error("peer spoke out of turn")]
    OutOfTurn,
    #[error("certificate names no member of the cluster")]
    NotAMember,
}

impl ConnectError {
    /// Whether somebody spoke and was turned away, as opposed to nobody being there.
    pub fn is_refusal(&self) -> bool {
        match self {
            ConnectError::Hello(_) | ConnectError::Tls(_) | ConnectError::NotAMember => true,
            ConnectError::Io(e) => e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()),
            ConnectError::Refused
            | ConnectError::TimedOut(_)
            | ConnectError::Read(_)
            | ConnectError::Name(_)
            | ConnectError::OutOfTurn => false,
        }
    }
}

fn socket_for(at: SocketAddr) -> io::Result<TcpSocket> {
    if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

/// Listens on a link's address, also when the address is not there yet.
pub(super) fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(at)?;
    socket.set_reuseaddr(true)?;
    // IPPROTO_IP's FREEBIND serves both families (ip(7)); without it the address must exist.
    let _ = setsockopt(&socket, sockopt::IpFreebind, &true);
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

fn tune(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let ms = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, sockopt::TcpUserTimeout, &ms)?;
    Ok(())
}

/// A TCP connection from our address of a link to the peer's.
pub(super) async fn tcp(
    from: Option<SocketAddr>,
    to: SocketAddr,
    limit: Duration,
) -> Result<TcpStream, ConnectError> {
    let socket = socket_for(to)?;
    if let Some(from) = from.filter(|from| from.is_ipv4() == to.is_ipv4()) {
        socket.bind(SocketAddr::new(from.ip(), 0))?;
    }
    match timeout(limit, socket.connect(to)).await {
        Err(_) => Err(ConnectError::TimedOut(limit)),
        Ok(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => Err(ConnectError::Refused),
        Ok(other) => Ok(other?),
    }
}

/// Dials a peer over one link, up to the start.
pub(super) async fn dial(
    inner: &Inner,
    peer: &NodeId,
    link: usize,
    to: SocketAddr,
) -> Result<Established, ConnectError> {
    let times = inner.times;
    let stream = tcp(inner.listen.get(link).copied(), to, times.connect).await?;
    tune(&stream, times.silence)?;
    within(times.handshake, async {
        let name = tls::name_of(peer)?;
        let mut io = TlsConnector::from(inner.tls.client.clone()).connect(name, stream).await?;
        wire::write(&mut io, &Message::Hello(inner.hello())).await?;
        let hello = read_hello(&mut io, inner, peer).await?;
        let keys = PairKeys::export(io.get_ref().1, &inner.me, peer, hello.session)?;
        (inner.keys)(KeyStep::Accept(keys.clone()));
        // Its hello says that it accepts ours.
        (inner.keys)(KeyStep::Use(keys));
        wire::write(&mut io, &Message::Start).await?;
        Ok(Established { io: io.into(), hello, link })
    })
    .await
}

/// Takes a connection up to the dialler's start.
pub(super) async fn accept(
    inner: &Inner,
    stream: TcpStream,
    link: usize,
) -> Result<Established, ConnectError> {
    let times = inner.times;
    tune(&stream, times.silence)?;
    within(times.handshake, async {
        let mut io = TlsAcceptor::from(inner.tls.server.clone()).accept(stream).await?;
        let certificate = io.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = certificate
            .and_then(|certificate| inner.allowed.named_by(certificate))
            .ok_or(ConnectError::NotAMember)?;
        let hello = read_hello(&mut io, inner, &peer).await?;
        let keys = PairKeys::export(io.get_ref().1, &inner.me, &peer, hello.session)?;
        (inner.keys)(KeyStep::Accept(keys.clone()));
        wire::write(&mut io, &Message::Hello(inner.hello())).await?;
        match wire::read(&mut io, HELLO_MAX, times.handshake).await? {
            Message::Start => {}
            _ => return Err(ConnectError::OutOfTurn),
        }
        (inner.keys)(KeyStep::Use(keys));
        Ok(Established { io: io.into(), hello, link })
    })
    .await
}

async fn within<T>(
    limit: Duration,
    handshake: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    timeout(limit, handshake).await.unwrap_or(Err(ConnectError::TimedOut(limit)))
}

async fn read_hello(
    io: &mut (impl tokio::io::AsyncRead + Unpin),
    inner: &Inner,
    certified: &NodeId,
) -> Result<Hello, ConnectError> {
    match wire::read(io, HELLO_MAX, inner.times.handshake).await? {
        Message::Hello(hello) => {
            inner.hello().check(&hello, certified)?;
            Ok(hello)
        }
        _ => Err(ConnectError::OutOfTurn),
    }
}

/// Tells the core of somebody who was turned away, now and then: a peer that was removed tries again and again, and
/// anybody can knock.
pub(super) fn report(inner: &Inner, at: SocketAddr, error: &ConnectError) {
    tracing::debug!(%at, %error, "no stream");
    if !error.is_refusal() {
        return;
    }
    let now = Instant::now();
    let mut last = inner.refusal_said.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| now.duration_since(last) >= REFUSAL_EVERY) {
        *last = Some(now);
        // A full channel drops it.
        let _ = inner.events.try_send(StreamEvent::Refused { at, why: error.to_string() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_round_figures() {
        let limit = Duration::from_nanos(1_449_959_310);
        assert_eq!(ConnectError::TimedOut(limit).to_string(), "no answer within 1.4 s");
        let silent = ConnectError::Read(ReadError::Silent(limit));
        assert_eq!(silent.to_string(), "nothing heard for 1.4 s");
    }
}
