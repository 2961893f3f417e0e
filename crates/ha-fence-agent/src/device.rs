//! The seam between the contract and a device: three-valued readings, commands, a list of outlets.
//!
//! Must not know: options, output, exit codes, retries.
//!
//! Invariant: an implementation answers [`Reading::Off`] only for an explicit off value of that very outlet;
//! everything it cannot tell is [`Reading::Changing`], [`Reading::Unknown`] or an error.

use std::future::Future;

/// What an outlet is told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Powered.
    On,
    /// Without power.
    Off,
}

/// What a device says about one outlet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Explicitly on.
    On,
    /// Explicitly off, with nothing pending that would change it.
    Off,
    /// A documented state between the two: a command waits or is being done. Worth waiting for as long as the options
    /// allow.
    Changing(String),
    /// Anything else, and why. A device that goes on saying so is soon given up.
    Unknown(String),
}

impl Reading {
    /// Whether the outlet explicitly reads as `power`.
    #[must_use]
    pub fn is(&self, power: Power) -> bool {
        matches!((self, power), (Self::On, Power::On) | (Self::Off, Power::Off))
    }

    /// The word of `list-status`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Off => "OFF",
            Self::Changing(_) | Self::Unknown(_) => "UNKNOWN",
        }
    }
}

/// An outlet as the device lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlet {
    /// What `plug` takes.
    pub plug: String,
    /// The device's own name for it; may be empty.
    pub name: String,
}

/// Why a device could not be read or commanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The options do not describe a usable device.
    #[error("configuration: {0}")]
    Config(String),
    /// The device has no such outlet.
    #[error("no outlet {plug} on this device: {detail}")]
    NoSuchOutlet {
        /// The outlet asked for.
        plug: String,
        /// What the device said.
        detail: String,
    },
    /// No answer, or no connection: trying again may help.
    #[error("{what}: {detail}")]
    Unreachable {
        /// What was asked.
        what: String,
        /// What went wrong.
        detail: String,
    },
    /// The device refuses us (login, rights) or the request itself: it would refuse it again.
    #[error("{what}: refused: {detail}")]
    Refused {
        /// What was asked.
        what: String,
        /// What the device said.
        detail: String,
    },
    /// The device answered with an error of its own, or something not understood: it may pass, and is soon given up
    /// when it does not.
    #[error("{what}: {detail}")]
    Failed {
        /// What was asked.
        what: String,
        /// What the device said.
        detail: String,
    },
    /// The device or this description of it cannot do that.
    #[error("not supported: {0}")]
    NotSupported(String),
}

impl DeviceError {
    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Failed { .. })
    }
}

/// A power switch, or whatever else answers for outlets.
///
/// No method needs a time limit of its own: the caller ends a call that takes longer than the options allow.
pub trait Device {
    /// Reads one outlet.
    fn status(&mut self, plug: &str) -> impl Future<Output = Result<Reading, DeviceError>>;

    /// Commands one outlet, at once and for good: pending commands are cancelled first, delayed or cycling
    /// verbs are never used. `Ok` means that the device accepted the command, not that it is done; in it is what the
    /// outlet read as just before, where the device had to be asked anyway.
    fn set(&mut self, plug: &str, power: Power)
    -> impl Future<Output = Result<Option<Reading>, DeviceError>>;

    /// Lists the outlets.
    fn list(&mut self) -> impl Future<Output = Result<Vec<Outlet>, DeviceError>>;

    /// Proves that the device answers us; `plugs` are those that the call named, possibly none.
    fn monitor(&mut self, plugs: &[String]) -> impl Future<Output = Result<(), DeviceError>>;
}
