//! Which heartbeats count: keys, replay, echoes. Pure.
//!
//! Invariants: a datagram counts only under a key of the peer's present session, on the link it was sent on, with
//! a number above all earlier ones of that key and link. Keys replace one another without a gap; the last ones
//! stay valid when the stream is lost.

use super::wire::{self, AgesMs, Fixed, Header, Malformed};
use crate::keys::{DirectionKey, KEY_TAG_LEN, KeyStep, PairKeys};
use ha_codec::{SealError, SealKey};
use ha_model::{BootNs, NodeId, SessionId};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Links of a cluster; the index is one byte on the wire.
pub const LINKS_MAX: usize = 8;
/// Receiving keys kept for one peer: the present one, and those of handshakes that came to nothing.
const RECEIVE_KEYS_MAX: usize = 4;
/// How long an earlier key of the same session is still accepted after a newer one was first used: what the
/// network may hold back.
const OLD_KEY_LIFE: Duration = Duration::from_secs(2);

/// Why a datagram was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dropped {
    /// Not a heartbeat, or of an impossible size.
    Foreign,
    /// Of another version.
    Version,
    /// Under no key that is valid now: a stranger, or an earlier session.
    UnknownKey,
    /// Not sealed by that key.
    Forged,
    /// Seen before, or sent on another link.
    Replayed,
}

struct Receiving {
    tag: [u8; KEY_TAG_LEN],
    key: SealKey,
    session: SessionId,
    last_seq: [u64; LINKS_MAX],
    /// Not accepted after this time.
    until: Option<BootNs>,
}

struct Sending {
    tag: [u8; KEY_TAG_LEN],
    key: SealKey,
    next_seq: u64,
}

#[derive(Default)]
struct Peer {
    links: Vec<SocketAddr>,
    send: Option<Sending>,
    receive: VecDeque<Receiving>,
    session: Option<SessionId>,
    /// Newest `sent_at` heard from its present session.
    heard: BootNs,
}

impl Peer {
    /// A new session of the peer: nothing of the one before counts any more.
    fn enter(&mut self, session: SessionId) {
        if self.session != Some(session) {
            self.session = Some(session);
            self.heard = BootNs(0);
            self.receive.retain(|key| key.session == session);
        }
    }
}

/// An authenticated heartbeat; the body stays in the datagram's buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard<'a> {
    pub from: &'a NodeId,
    pub session: SessionId,
    pub fixed: Fixed,
    pub body: &'a [u8],
}

/// The peers as the heartbeat thread knows them.
#[derive(Default)]
pub(crate) struct Table {
    peers: BTreeMap<NodeId, Peer>,
}

impl Table {
    /// Replaces the peers; those that stay keep their keys.
    pub fn set_peers(&mut self, mut links: BTreeMap<NodeId, Vec<SocketAddr>>) {
        self.peers.retain(|node, _| links.contains_key(node));
        for (node, links) in std::mem::take(&mut links) {
            self.peers.entry(node).or_default().links = links;
        }
    }

    /// Takes a key into use.
    pub fn install(&mut self, step: &KeyStep) {
        match step {
            KeyStep::Accept(keys) => self.accept(keys),
            KeyStep::Use(keys) => {
                if let Some(peer) = self.peers.get_mut(&keys.peer) {
                    let DirectionKey { key, tag } = &keys.send;
                    peer.send = Some(Sending { tag: *tag, key: SealKey::new(key), next_seq: 1 });
                }
            }
        }
    }

    fn accept(&mut self, keys: &PairKeys) {
        let Some(peer) = self.peers.get_mut(&keys.peer) else { return };
        if peer.receive.iter().any(|known| known.tag == keys.receive.tag) {
            return;
        }
        peer.enter(keys.session);
        if peer.receive.len() == RECEIVE_KEYS_MAX {
            // The oldest is the least likely to be in use: each newer one came from a later handshake.
            peer.receive.pop_front();
        }
        let DirectionKey { key, tag } = &keys.receive;
        let key = SealKey::new(key);
        peer.receive.push_back(Receiving {
            tag: *tag,
            key,
            session: keys.session,
            last_seq: [0; LINKS_MAX],
            until: None,
        });
    }

    /// Calls `send` with each peer's address on each link and the datagram for it, built in `buffer`. A peer
    /// without a key or without a body is left out.
    pub fn send<'a>(
        &mut self,
        buffer: &mut Vec<u8>,
        body_for: impl Fn(&NodeId) -> Option<&'a [u8]>,
        ages: AgesMs,
        now: impl Fn() -> BootNs,
        mut send: impl FnMut(usize, SocketAddr, &[u8]),
    ) {
        for (node, peer) in &mut self.peers {
            let (Some(key), Some(body)) = (&mut peer.send, body_for(node)) else { continue };
            for (link, to) in peer.links.iter().enumerate().take(LINKS_MAX) {
                let header = Header { link: link as u8, tag: key.tag, seq: key.next_seq };
                // The number is used up whatever happens: a nonce never repeats.
                key.next_seq += 1;
                let fixed = Fixed { sent_at: now(), echo: peer.heard, ages };
                if wire::pack(buffer, &key.key, header, fixed, body).is_ok() {
                    send(link, *to, buffer);
                }
            }
        }
    }

    /// Judges a datagram that arrived on `link`.
    pub fn receive<'a>(
        &'a mut self,
        packet: &'a mut [u8],
        link: usize,
        now: BootNs,
    ) -> Result<Heard<'a>, Dropped> {
        let header = wire::parse(packet).map_err(|e| match e {
            Malformed::Size | Malformed::Foreign => Dropped::Foreign,
            Malformed::Version => Dropped::Version,
        })?;
        let (from, peer, at) = self.find(&header).ok_or(Dropped::UnknownKey)?;
        let known = &mut peer.receive[at];
        if known.until.is_some_and(|until| now > until) {
            return Err(Dropped::UnknownKey);
        }
        if usize::from(header.link) != link || link >= LINKS_MAX || header.seq <= known.last_seq[link] {
            return Err(Dropped::Replayed);
        }
        let (fixed, body) = wire::open(packet, &known.key, header).map_err(|e| match e {
            SealError::NotAuthentic | SealError::TooLong => Dropped::Forged,
        })?;
        known.last_seq[link] = header.seq;
        let session = known.session;
        for older in peer.receive.iter_mut().take(at) {
            older.until.get_or_insert(now + OLD_KEY_LIFE);
        }
        peer.heard = peer.heard.max(fixed.sent_at);
        Ok(Heard { from, session, fixed, body })
    }

    fn find(&mut self, header: &Header) -> Option<(&NodeId, &mut Peer, usize)> {
        self.peers.iter_mut().find_map(|(node, peer)| {
            let at = peer.receive.iter().position(|key| key.tag == header.tag)?;
            Some((node, peer, at))
        })
    }
}
