//! Heartbeats between the core's types and the transport's bytes.

use ha_core::{BeatBody, BeatIn};
use ha_membership::Ages;
use ha_model::{BootNs, NodeId};
use ha_transport::beats::{Beat, BeatContents};
use std::time::Duration;

/// A body is at most this long when decoded: names, numbers, no lists.
const BODY_LIMIT: usize = 4096;

/// For the heartbeat thread.
pub fn contents(valid_until: BootNs, bodies: &[(NodeId, BeatBody)]) -> BeatContents {
    let encode = |(node, body): &(NodeId, BeatBody)| (node.clone(), ha_codec::encode(body));
    BeatContents { valid_until, bodies: bodies.iter().map(encode).collect() }
}

/// For the core; `None` where the body does not decode (a peer of another version).
pub fn received(beat: Beat) -> Option<BeatIn> {
    let body: BeatBody = ha_codec::decode(&beat.body, BODY_LIMIT).ok()?;
    let ms = |n: u32| Duration::from_millis(u64::from(n));
    Some(BeatIn {
        from: beat.from,
        link: u8::try_from(beat.link).ok()?,
        received_at: beat.received_at,
        sent_at: beat.sent_at,
        echo: (beat.echo.0 != 0).then_some(beat.echo),
        ages: Ages {
            core: ms(beat.ages.core_step),
            write: ms(beat.ages.durable_write),
            spawn: ms(beat.ages.spawn),
        },
        body,
    })
}
