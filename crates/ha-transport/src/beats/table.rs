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
    /// The key under which it was last heard.
    in_use: [u8; KEY_TAG_LEN],
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
            // Not the one that it speaks under: it changes only when a handshake is complete at its end.
            let unused = peer.receive.iter().position(|key| key.tag != peer.in_use);
            peer.receive.remove(unused.unwrap_or(0));
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
        peer.in_use = known.tag;
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

#[cfg(test)]
mod tests {
    use super::*;
    use ha_codec::KEY_LEN;

    fn direction(n: u8) -> DirectionKey {
        DirectionKey { key: [n; KEY_LEN], tag: [n; KEY_TAG_LEN] }
    }

    /// Keys of handshake `n` with `session` of `peer`, seen from us; and the same from the peer.
    fn keys(n: u8, session: u128) -> (PairKeys, PairKeys) {
        let (there, back) = (direction(n), direction(n + 100));
        let ours = PairKeys {
            peer: "peer".into(),
            session: SessionId(session),
            send: there.clone(),
            receive: back.clone(),
        };
        let theirs = PairKeys { peer: "us".into(), session: SessionId(77), send: back, receive: there };
        (ours, theirs)
    }

    fn table(name: &str) -> Table {
        let mut table = Table::default();
        let at = SocketAddr::from(([127, 0, 0, 1], 1));
        table.set_peers(BTreeMap::from([(NodeId::from(name), vec![at, at])]));
        table
    }

    /// What the table sends now, for each link.
    fn sent(table: &mut Table, at: u64) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let ages = AgesMs::default();
        table.send(
            &mut Vec::new(),
            |_| Some(b"body".as_slice()),
            ages,
            || BootNs(at),
            |_, _, packet| {
                out.push(packet.to_vec());
            },
        );
        out
    }

    fn judge(
        table: &mut Table,
        packet: &[u8],
        link: usize,
        now: BootNs,
    ) -> Result<(SessionId, Fixed), Dropped> {
        table.receive(&mut packet.to_vec(), link, now).map(|heard| (heard.session, heard.fixed))
    }

    const NOW: BootNs = BootNs(1_000_000_000);

    fn connected() -> (Table, Table) {
        let (mut us, mut peer) = (table("peer"), table("us"));
        let (ours, theirs) = keys(1, 5);
        for (table, keys) in [(&mut us, ours), (&mut peer, theirs)] {
            table.install(&KeyStep::Accept(keys.clone()));
            table.install(&KeyStep::Use(keys));
        }
        (us, peer)
    }

    #[test]
    fn each_number_counts_once_and_only_on_its_link() {
        let (mut us, mut peer) = connected();
        let (first, second) = (sent(&mut peer, 10), sent(&mut peer, 20));
        assert_eq!(judge(&mut us, &first[0], 1, NOW), Err(Dropped::Replayed), "sent on the other link");
        assert!(judge(&mut us, &second[1], 1, NOW).is_ok());
        assert_eq!(judge(&mut us, &first[1], 1, NOW), Err(Dropped::Replayed), "older than one that came");
        assert!(judge(&mut us, &first[0], 0, NOW).is_ok(), "the other link has its own order");
        assert_eq!(judge(&mut us, &first[0], 0, NOW), Err(Dropped::Replayed));
        assert!(judge(&mut us, &second[0], 0, NOW).is_ok());
    }

    #[test]
    fn the_echo_is_the_newest_of_the_present_session() {
        let (mut us, mut peer) = connected();
        let (old, new) = (sent(&mut peer, 10), sent(&mut peer, 20));
        let echo = |us: &mut Table, peer: &mut Table| judge(peer, &sent(us, 99)[0], 0, NOW).unwrap().1.echo;
        assert_eq!(echo(&mut us, &mut peer), BootNs(0), "nothing heard yet");
        judge(&mut us, &new[1], 1, NOW).unwrap();
        judge(&mut us, &old[0], 0, NOW).unwrap();
        assert_eq!(echo(&mut us, &mut peer), BootNs(20), "a slower link does not set it back");
        let (ours, theirs) = keys(2, 6);
        us.install(&KeyStep::Accept(ours.clone()));
        us.install(&KeyStep::Use(ours));
        peer.install(&KeyStep::Accept(theirs));
        assert_eq!(echo(&mut us, &mut peer), BootNs(0), "a new session was not heard yet");
    }

    #[test]
    fn earlier_keys_of_a_session_fade_and_those_of_an_earlier_session_end_at_once() {
        let (mut us, mut peer) = connected();
        let delayed = sent(&mut peer, 10);
        let too_late = sent(&mut peer, 11);
        let (ours, theirs) = keys(2, 5);
        us.install(&KeyStep::Accept(ours));
        assert!(judge(&mut us, &sent(&mut peer, 12)[1], 1, NOW).is_ok(), "accepted, but not in use yet");
        peer.install(&KeyStep::Use(theirs));
        assert!(judge(&mut us, &sent(&mut peer, 13)[0], 0, NOW).is_ok());
        assert!(judge(&mut us, &delayed[0], 0, NOW + OLD_KEY_LIFE).is_ok());
        let after = NOW + OLD_KEY_LIFE + Duration::from_nanos(1);
        assert_eq!(judge(&mut us, &too_late[0], 0, after), Err(Dropped::UnknownKey));
        let (ours, _) = keys(3, 6);
        let last = sent(&mut peer, 14);
        us.install(&KeyStep::Accept(ours));
        assert_eq!(judge(&mut us, &last[0], 0, NOW), Err(Dropped::UnknownKey), "its daemon restarted");
    }

    #[test]
    fn handshakes_that_come_to_nothing_neither_accumulate_nor_push_out_the_key_in_use() {
        let (mut us, mut peer) = connected();
        judge(&mut us, &sent(&mut peer, 10)[0], 0, NOW).unwrap();
        for n in 2..50 {
            us.install(&KeyStep::Accept(keys(n, 5).0));
        }
        assert_eq!(us.peers[&NodeId::from("peer")].receive.len(), RECEIVE_KEYS_MAX);
        assert!(judge(&mut us, &sent(&mut peer, 20)[0], 0, NOW).is_ok(), "it knows of none of them");
        peer.install(&KeyStep::Use(keys(49, 5).1));
        assert!(judge(&mut us, &sent(&mut peer, 30)[0], 0, NOW).is_ok(), "the last one came about");
    }

    #[test]
    fn a_key_installed_twice_does_not_forget_what_it_saw() {
        let (mut us, mut peer) = connected();
        let beat = sent(&mut peer, 10);
        judge(&mut us, &beat[0], 0, NOW).unwrap();
        us.install(&KeyStep::Accept(keys(1, 5).0));
        assert_eq!(judge(&mut us, &beat[0], 0, NOW), Err(Dropped::Replayed));
    }
}
