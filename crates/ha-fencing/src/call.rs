//! One call of a fence agent, and the plan of a level.

use ha_model::{BootNs, ClusterConfig, DeviceId, FenceVerdict, NodeId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Number of a call within its attempt or test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u32);

/// What an agent is asked. To fence, never anything but off; `reboot` is not in the list on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum CallAction {
    /// Cut.
    Off,
    /// Give back.
    On,
    /// Read.
    Status,
}

/// One call.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Call {
    /// Number.
    pub id: CallId,
    /// Device.
    pub device: DeviceId,
    /// As it was configured where the call was planned: elsewhere it may be another machine.
    pub path_hash: [u8; 32],
    /// Outlet.
    pub plug: String,
    /// Action.
    pub action: CallAction,
    /// The agent is killed at this age.
    pub timeout: Duration,
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CallOutcome {
    /// `off` or `on`: exit code 0.
    Done,
    /// `status`: 0 is on, 2 is off, all else unknown.
    Read(FenceVerdict),
    /// Anything else: the agent's last words or the operating system's.
    Failed {
        /// One sentence.
        why: String,
    },
    /// Killed at its time-out; what it was asked may have happened.
    TimedOut,
}

/// What an attempt or a test wants next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step<R> {
    /// Run this call and report its outcome.
    Call(Call),
    /// Nothing until then.
    WaitUntil(BootNs),
    /// Over.
    Done(R),
}

/// A device's part in fencing one node.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct DevicePlan {
    /// Device.
    pub device: DeviceId,
    /// As it was configured where this was planned.
    pub path_hash: [u8; 32],
    /// Every outlet of the node on it.
    pub plugs: Vec<String>,
    /// Longest run of one call.
    pub timeout: Duration,
    /// Distance of the readings.
    pub off_settle: Duration,
}

/// A level: every device must succeed.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct LevelPlan {
    /// From 1.
    pub level: u32,
    /// Devices in order.
    pub devices: Vec<DevicePlan>,
}

impl LevelPlan {
    /// In words: `pdu-a outlet 3`.
    #[must_use]
    pub fn path(&self) -> String {
        let each = |d: &DevicePlan| {
            let s = if d.plugs.len() == 1 { "" } else { "s" };
            format!("{} outlet{s} {}", d.device, d.plugs.join(", "))
        };
        self.devices.iter().map(each).collect::<Vec<_>>().join(" and ")
    }
}

/// The levels of a node as the configuration has them; devices without an outlet for the node are an error of
/// the configuration and were refused there.
#[must_use]
pub fn level_plans(config: &ClusterConfig, node: &NodeId) -> Vec<LevelPlan> {
    let levels = config.levels.get(node).map(Vec::as_slice).unwrap_or_default();
    levels
        .iter()
        .zip(1..)
        .map(|(level, number)| LevelPlan {
            level: number,
            devices: level
                .devices
                .iter()
                .filter_map(|id| {
                    let device = config.devices.get(id)?;
                    Some(DevicePlan {
                        device: id.clone(),
                        path_hash: device.path_hash,
                        plugs: device.outlets.get(node)?.clone(),
                        timeout: device.timeout,
                        off_settle: device.off_settle,
                    })
                })
                .collect(),
        })
        .collect()
}
