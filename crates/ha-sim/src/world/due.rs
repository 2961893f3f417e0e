//! What happens next: the events of the world.

use ha_core::{BeatIn, Input, PeerMessage};
use ha_model::{EffectId, InstanceId, NodeId, SessionId, WatchdogState};

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    Message {
        to: NodeId,
        from: NodeId,
        epoch: u64,
        message: Box<PeerMessage>,
    },
    Stream {
        to: NodeId,
        input: Input,
    },
    /// The other end of a stream that broke notices it too.
    Broken {
        to: NodeId,
        from: NodeId,
        epoch: u64,
    },
    Beat {
        to: NodeId,
        keys: (SessionId, SessionId),
        beat: Box<BeatIn>,
    },
    SendBeats {
        node: NodeId,
        session: SessionId,
    },
    /// The heartbeats that wait are taken.
    Gathered {
        node: NodeId,
        session: SessionId,
    },
    Persisted {
        node: NodeId,
        session: SessionId,
    },
    Agent {
        node: NodeId,
        session: SessionId,
        id: EffectId,
    },
    /// What a fence agent asks reaches the switch.
    Switch {
        call: u64,
    },
    /// The fence agent's word reaches its daemon.
    Fence {
        node: NodeId,
        session: SessionId,
        call: u64,
    },
    Wake {
        node: NodeId,
        at: u64,
    },
    Boot {
        node: NodeId,
        boot: u128,
    },
    /// What a killed daemon's agent left behind does its work all the same.
    Survivor {
        node: NodeId,
        boot: u128,
        session: SessionId,
        instance: InstanceId,
    },
    /// The switch switches on what it has switched off.
    CycledOn {
        plug: String,
    },
    /// A supply has lost its charge.
    Discharged {
        node: NodeId,
        boot: u128,
    },
    /// The time of a watchdog may be over.
    Bite {
        node: NodeId,
        boot: u128,
        serial: u64,
    },
    /// What became of a watchdog reaches its daemon.
    WatchdogIs {
        node: NodeId,
        session: SessionId,
        state: WatchdogState,
    },
    /// An act whose moment has come.
    Sudden,
    Net,
}
