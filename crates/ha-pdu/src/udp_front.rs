//! A datagram relay in front of the SNMP agent, so that a switch can fall silent or slow for every SNMP version.
//!
//! Must not know: what is in a datagram.
//!
//! Invariants: at most [`MAX_PEERS`] peers and [`MAX_IN_FLIGHT`] datagrams are kept; what arrives while the
//! switch is unreachable is dropped, and so are answers that are due then.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::pdu::Pdu;

/// Peers that can be talked to at a time; the oldest is forgotten first.
const MAX_PEERS: usize = 64;
/// Datagrams held back at a time (a slow switch); more are dropped, as a full queue does.
const MAX_IN_FLIGHT: usize = 256;
/// Largest datagram of UDP over IPv4.
const MAX_DATAGRAM: usize = 65_507;

/// Relays between `outer` and the agent at `agent` until dropped.
pub(crate) async fn relay(pdu: Arc<Pdu>, outer: UdpSocket, agent: SocketAddr) -> io::Result<()> {
    let outer = Arc::new(outer);
    let slots = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let mut peers: VecDeque<(SocketAddr, Arc<UdpSocket>, tokio::task::AbortHandle)> = VecDeque::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let (length, peer) = match outer.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An ICMP error about an earlier answer, not about this socket.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        while tasks.try_join_next().is_some() {}
        let inner = match peers.iter().find(|(known, ..)| *known == peer) {
            Some((_, inner, _)) => Arc::clone(inner),
            None => {
                if peers.len() == MAX_PEERS
                    && let Some((_, _, back)) = peers.pop_front()
                {
                    back.abort();
                }
                let inner = match connected(agent).await {
                    Ok(inner) => Arc::new(inner),
                    Err(error) => {
                        // As a lost datagram: the peer asks again, and a descriptor may be free by then.
                        tracing::warn!(%error, %peer, "datagram dropped");
                        continue;
                    }
                };
                let back =
                    tasks.spawn(answers(Arc::clone(&pdu), Arc::clone(&inner), Arc::clone(&outer), peer));
                peers.push_back((peer, Arc::clone(&inner), back));
                inner
            }
        };
        if pdu.faults().unreachable {
            continue;
        }
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (pdu, datagram) = (Arc::clone(&pdu), buffer[..length].to_vec());
        tasks.spawn(async move {
            if pdu.admit().await {
                let _ = inner.send(&datagram).await;
            }
            drop(slot);
        });
    }
}

async fn connected(agent: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(agent).await?;
    Ok(socket)
}

async fn answers(pdu: Arc<Pdu>, inner: Arc<UdpSocket>, outer: Arc<UdpSocket>, peer: SocketAddr) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        match inner.recv(&mut buffer).await {
            Ok(length) if !pdu.faults().unreachable => {
                let _ = outer.send_to(&buffer[..length], peer).await;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => return,
        }
    }
}
