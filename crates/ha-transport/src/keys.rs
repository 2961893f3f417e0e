//! Heartbeat keys of a pair, exported from its TLS session (RFC 8446 §7.5).
//!
//! One key for each direction, fresh for each session of each end, known to no third node: so a nonce counted from
//! zero never repeats, and what was recorded before a restart opens under no key of after it.

use ha_codec::KEY_LEN;
use ha_model::{NodeId, SessionId};
use rustls::ConnectionCommon;
use rustls::SideData;

/// Length of the clear tag that says which key a heartbeat is under.
pub const KEY_TAG_LEN: usize = 8;

const LABEL: &[u8] = b"EXPORTER-ha-heartbeat";

/// A key and its tag.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DirectionKey {
    pub key: [u8; KEY_LEN],
    pub tag: [u8; KEY_TAG_LEN],
}

/// Both directions between this node and a peer.
#[derive(Clone, PartialEq, Eq)]
pub struct PairKeys {
    pub(crate) peer: NodeId,
    pub(crate) session: SessionId,
    pub(crate) send: DirectionKey,
    pub(crate) receive: DirectionKey,
}

impl std::fmt::Debug for PairKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PairKeys({} {})", self.peer, self.session)
    }
}

impl PairKeys {
    /// The keys of this TLS session for `me` and the session `session` of `peer`.
    pub(crate) fn export<D: SideData>(
        tls: &ConnectionCommon<D>,
        me: &NodeId,
        peer: &NodeId,
        session: SessionId,
    ) -> Result<PairKeys, rustls::Error> {
        let direction = |from: &NodeId, to: &NodeId| {
            // Names hold no NUL (RFC 1035), so the context is unambiguous.
            let context = [from.as_str(), "\0", to.as_str()].concat();
            let bytes =
                tls.export_keying_material([0; KEY_LEN + KEY_TAG_LEN], LABEL, Some(context.as_bytes()))?;
            let (key, tag) = bytes.split_at(KEY_LEN);
            Ok::<_, rustls::Error>(DirectionKey {
                key: key.try_into().expect("split at the length of a key"),
                tag: tag.try_into().expect("the rest is the tag"),
            })
        };
        Ok(PairKeys {
            peer: peer.clone(),
            session,
            send: direction(me, peer)?,
            receive: direction(peer, me)?,
        })
    }
}

/// How new keys come into use without a gap: each end accepts a key before the other one sends under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyStep {
    /// Accept heartbeats under the receiving key from now on.
    Accept(PairKeys),
    /// The peer accepts them too: send under the sending key from now on.
    Use(PairKeys),
}
