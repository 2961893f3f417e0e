//! The watchdog device of this host, as Linux has it (Documentation/watchdog/watchdog-api.rst): opened it counts down, a write
//! begins the count anew, and the letter `V` before it is closed disarms it where the driver allows that.
//!
//! Must not know: why. Invariants: it is written to by the heartbeat thread, up to the limit that the core gave and no longer;
//! a daemon that dies leaves it counting.

use ha_core::Input;
use ha_model::{ArmedWatchdog, BootNs, Level, WatchdogPlan, WatchdogState};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// `struct watchdog_info` of linux/watchdog.h.
#[repr(C)]
#[derive(Default)]
struct Info {
    options: u32,
    firmware_version: u32,
    identity: [u8; 32],
}

/// `WDIOF_MAGICCLOSE`: the letter disarms it.
const MAGIC_CLOSE: u32 = 0x0100;

nix::ioctl_read!(get_support, b'W', 0, Info);
nix::ioctl_readwrite!(set_timeout, b'W', 6, i32);

struct Device {
    file: File,
    path: String,
    identity: String,
    can_disarm: bool,
    timeout_ms: u64,
}

impl Device {
    /// From here on the host is reset where nobody writes.
    fn open(path: &str) -> Result<Self, String> {
        let opened = OpenOptions::new().write(true).custom_flags(nix::libc::O_CLOEXEC).open(path);
        let file = opened.map_err(|e| format!("{path}: {e}"))?;
        let mut info = Info::default();
        // SAFETY: the descriptor is open, and `Info` is what the call writes.
        unsafe { get_support(file.as_raw_fd(), &raw mut info) }
            .map_err(|e| format!("{path} is no watchdog: {}", io::Error::from(e)))?;
        let end = info.identity.iter().position(|b| *b == 0).unwrap_or(info.identity.len());
        let identity = String::from_utf8_lossy(&info.identity[..end]).into_owned();
        Ok(Self {
            file,
            path: path.to_owned(),
            identity,
            can_disarm: info.options & MAGIC_CLOSE != 0,
            timeout_ms: 0,
        })
    }

    /// The time that the driver took, at least what was wanted.
    fn set_timeout(&self, wanted: Duration) -> Result<u64, String> {
        let seconds = i32::try_from(wanted.as_secs()).unwrap_or(i32::MAX);
        let mut taken = seconds;
        // SAFETY: the descriptor is open, and the call reads and writes one int.
        unsafe { set_timeout(self.file.as_raw_fd(), &raw mut taken) }
            .map_err(|e| format!("{} takes no time of {seconds} s: {}", self.path, io::Error::from(e)))?;
        if taken < seconds {
            return Err(format!(
                "{} ({}) counts from {taken} s at most, {seconds} s are needed",
                self.path, self.identity
            ));
        }
        Ok(u64::try_from(taken).unwrap_or(0) * 1000)
    }
}

/// What the core's thread and the heartbeat's share.
#[derive(Clone, Default)]
pub struct Watchdog {
    device: Arc<Mutex<Option<Device>>>,
    limit: Arc<AtomicU64>,
}

impl Watchdog {
    /// Until when it may be written to.
    pub fn set_limit(&self, until: BootNs) {
        self.limit.store(until.0, Ordering::Release);
    }

    /// Each period of the heartbeats. Passed over while the device is being opened or set.
    pub fn pet(&self, now: BootNs) {
        if now.0 >= self.limit.load(Ordering::Acquire) {
            return;
        }
        if let Ok(device) = self.device.try_lock()
            && let Some(device) = &*device
        {
            // A driver that fails goes on counting: nothing better can be done than to try again.
            let _ = (&device.file).write(&[0]);
        }
    }

    /// Carries a plan out where it may wait, and tells the core what became of it.
    pub fn carry_out(&self, plan: WatchdogPlan, inputs: mpsc::Sender<Input>) {
        let own = self.clone();
        tokio::task::spawn_blocking(move || {
            let (state, warning) = own.state_after(plan);
            // The engine is gone only when the daemon ends.
            let _ = inputs.blocking_send(Input::Watchdog(state));
            if let Some(text) = warning {
                let _ = inputs.blocking_send(Input::Warning { level: Level::Alarm, text });
            }
        });
    }

    fn state_after(&self, plan: WatchdogPlan) -> (WatchdogState, Option<String>) {
        let mut held = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        match plan {
            WatchdogPlan::Arm { device, timeout } => {
                let state = match arm(held.take().filter(|d| d.path == device), &device, timeout) {
                    Ok((opened, armed)) => {
                        *held = Some(opened);
                        WatchdogState::Armed(armed)
                    }
                    Err(why) => WatchdogState::Missing(why),
                };
                (state, None)
            }
            WatchdogPlan::Disarm => {
                let Some(device) = held.take() else { return (WatchdogState::Off, None) };
                let Err(why) = disarm(&device) else { return (WatchdogState::Off, None) };
                let identity = device.identity.clone();
                let armed =
                    ArmedWatchdog { device: device.path.clone(), identity, timeout_ms: device.timeout_ms };
                // Closed it would reset the host: it is kept, and written to as before.
                *held = Some(device);
                (
                    WatchdogState::Armed(armed),
                    Some(format!("{why}: it goes on until the host is started anew")),
                )
            }
        }
    }
}

fn arm(open: Option<Device>, path: &str, timeout: Duration) -> Result<(Device, ArmedWatchdog), String> {
    let mut device = open.map_or_else(|| Device::open(path), Ok)?;
    let timeout_ms = device.set_timeout(timeout).inspect_err(|_| {
        // What cannot be had as wanted shall not reset the host either.
        let _ = disarm(&device);
    })?;
    device.timeout_ms = timeout_ms;
    let armed = ArmedWatchdog { device: path.to_owned(), identity: device.identity.clone(), timeout_ms };
    Ok((device, armed))
}

fn disarm(device: &Device) -> Result<(), String> {
    if !device.can_disarm {
        return Err(format!("{} ({}) cannot be disarmed once it is open", device.path, device.identity));
    }
    (&device.file).write_all(b"V").map_err(|e| format!("{}: {e}", device.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(path: &str) -> WatchdogState {
        let timeout = Duration::from_secs(10);
        Watchdog::default().state_after(WatchdogPlan::Arm { device: path.to_owned(), timeout }).0
    }

    #[test]
    fn what_is_not_there_or_is_no_watchdog_is_told_with_its_name() {
        let WatchdogState::Missing(why) = arm("/dev/none") else { panic!("there is none") };
        assert!(why.contains("/dev/none: No such file"), "{why}");
        let WatchdogState::Missing(why) = arm("/dev/null") else { panic!("it is none") };
        assert!(why.contains("/dev/null is no watchdog"), "{why}");
    }
}
