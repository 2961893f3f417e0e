//! Watchdogs: a host is reset when nobody writes to its device for too long. It counts by its host's clock, and stands where
//! that stands: it is a software watchdog.

use super::{Due, MS, World};
use ha_model::{ArmedWatchdog, BootNs, NodeId, SessionId, WatchdogPlan, WatchdogState};

/// No host has this device.
pub(crate) const NO_DEVICE: &str = "/dev/none";

/// A device that counts down.
pub(crate) struct Watchdog {
    pub timeout: u64,
    pub petted_at: BootNs,
    /// Armed anew, or with another time, it is another one.
    serial: u64,
}

impl World {
    /// A daemon wants something of its device; a device that is told a time counts anew.
    pub(super) fn watchdog_plan(&mut self, id: &NodeId, session: SessionId, plan: WatchdogPlan) {
        let node = id.clone();
        let state = match plan {
            WatchdogPlan::Arm { device, .. } if device == NO_DEVICE => {
                self.tally.fault("watchdog missing");
                WatchdogState::Missing("no such device".to_owned())
            }
            WatchdogPlan::Arm { device, timeout } => {
                let (petted_at, timeout) = (self.now(id).boot, timeout.as_nanos() as u64);
                let host = self.host(id);
                let serial = host.watchdog.as_ref().map_or(0, |w| w.serial) + 1;
                let boot = host.boots;
                host.watchdog = Some(Watchdog { timeout, petted_at, serial });
                self.at(timeout, Due::Bite { node: node.clone(), boot, serial });
                let armed =
                    ArmedWatchdog { device, identity: "softdog".to_owned(), timeout_ms: timeout / MS };
                WatchdogState::Armed(armed)
            }
            WatchdogPlan::Disarm => {
                self.judge_disarm(id);
                self.host(id).watchdog = None;
                WatchdogState::Off
            }
        };
        self.at(MS, Due::WatchdogIs { node, session, state });
    }

    /// The heartbeat thread writes to it, each period, up to the limit.
    pub(super) fn pet(&mut self, id: &NodeId) {
        let now = self.now(id).boot;
        let host = self.host(id);
        let limit = host.daemon.as_ref().and_then(|d| d.pet_until);
        if let Some(watchdog) = host.watchdog.as_mut().filter(|_| limit.is_some_and(|until| now < until)) {
            watchdog.petted_at = now;
        }
    }

    /// The time of a device may be over.
    pub(super) fn watchdog_is_due(&mut self, id: &NodeId, boot: u128, serial: u64) {
        let (t, now) = (self.t, self.now(id).boot);
        let host = &self.hosts[id];
        let Some(watchdog) = host.watchdog.as_ref().filter(|w| w.serial == serial) else { return };
        if !host.is_on || host.boots != boot {
            return;
        }
        let over = BootNs(watchdog.petted_at.0 + watchdog.timeout);
        if now < over {
            // A clock that stands still may go on at any time.
            let at = host.clock.when(over).max(t + 100 * MS);
            return self.at(at - t, Due::Bite { node: id.clone(), boot, serial });
        }
        self.judge_bite(id);
        self.tally.sequence("watchdog ends a host");
        self.tell(format!("WATCHDOG resets {id}"));
        self.record_reset(id);
        self.power_off(id);
        self.power_on(id);
    }
}
