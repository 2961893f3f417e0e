//! The switch itself: outlets, delays, pending commands, faults.
//!
//! Must not know: how commands arrive.
//!
//! Invariants: a command on an outlet that does not exist touches nothing; a timer whose command was cancelled or
//! replaced does nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::faults::PduFaults;
use crate::journal::{Effect, Journal, Protocol, Record};
use crate::relay::Relay;

/// Delay of delayed on and off when none is configured.
const DEFAULT_DELAY: Duration = Duration::from_secs(1);
/// Off time of a reboot when none is configured (APC: 5 to 60 s).
const DEFAULT_REBOOT: Duration = Duration::from_secs(5);

/// What an outlet can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// On now.
    On,
    /// Off now.
    Off,
    /// Off now, on after the reboot time.
    Reboot,
    /// On after the outlet's on delay.
    DelayedOn,
    /// Off after the outlet's off delay.
    DelayedOff,
    /// Off after the off delay, then on after the reboot time.
    DelayedReboot,
    /// Drop what is pending.
    CancelPending,
    /// Off now, on after this many milliseconds.
    ShortOff(u64),
    /// On now, off after this many milliseconds.
    ShortOn(u64),
    /// Off now, without changing the state that survives the switch's restart.
    TransientOff,
    /// On now, without changing the state that survives the switch's restart.
    TransientOn,
}

/// What the switch says of an outlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// On.
    On,
    /// Off.
    Off,
    /// The switch does not know.
    Unknown,
}

/// The switch's view of one outlet; not necessarily the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Its contact.
    pub contact: Contact,
    /// Whether a command waits to be done.
    pub pending: bool,
    /// The state that survives the switch's restart.
    pub persistent: bool,
}

/// Why nothing was done or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such outlet.
    NoSuchOutlet,
    /// The device is out of order.
    Failing,
    /// The device takes the command for a wrong one.
    Rejected,
}

/// Delays of one outlet; `None` means never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delays {
    pub(crate) on: Option<Duration>,
    pub(crate) off: Option<Duration>,
    pub(crate) reboot: Duration,
}

struct Outlet {
    /// What is shown instead of the relay's truth: a lie, or off while a supply holds up.
    shown: Option<bool>,
    /// The state that survives a restart, when it differs from the contact's.
    persistent: Option<bool>,
    pending: bool,
    /// Grows with each new or cancelled schedule: an older timer does nothing.
    generation: u64,
    /// The same for a relay whose supply holds up.
    hold_up: u64,
    delays: Delays,
}

/// A switch. Its timers need a tokio runtime, in which commands must be given.
pub struct Pdu {
    relay: Arc<dyn Relay>,
    outlets: Mutex<BTreeMap<u32, Outlet>>,
    faults: watch::Sender<PduFaults>,
    journal: Journal,
}

impl Pdu {
    /// A sound switch over the caller's relays.
    #[must_use]
    pub fn new(relay: Arc<dyn Relay>) -> Arc<Self> {
        let delays = Delays { on: Some(DEFAULT_DELAY), off: Some(DEFAULT_DELAY), reboot: DEFAULT_REBOOT };
        let fresh =
            || Outlet { shown: None, persistent: None, pending: false, generation: 0, hold_up: 0, delays };
        let outlets = (1..=relay.outlets()).map(|outlet| (outlet, fresh())).collect();
        Arc::new(Self {
            relay,
            outlets: Mutex::new(outlets),
            faults: watch::Sender::new(PduFaults::default()),
            journal: Journal::default(),
        })
    }

    /// Calls `listener` for each record, from the switch's runtime. It must not command the switch or replace
    /// itself: it is called while the journal waits for it.
    pub fn on_record(&self, listener: impl Fn(&Record) + Send + Sync + 'static) {
        self.journal.listen(Box::new(listener));
    }

    /// The newest records (at most 4096), oldest first.
    #[must_use]
    pub fn journal(&self) -> Vec<Record> {
        self.journal.records()
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> PduFaults {
        self.faults.borrow().clone()
    }

    /// Replaces the faults. Lies told and commands stuck end with their fault.
    pub fn set_faults(&self, faults: PduFaults) {
        let before = self.faults();
        for outlet in self.lock().values_mut() {
            if before.lying && !faults.lying {
                outlet.shown = None;
            }
            if before.stuck_pending && !faults.stuck_pending {
                outlet.pending = false;
            }
        }
        self.faults.send_replace(faults);
    }

    /// How many outlets there are.
    #[must_use]
    pub fn outlets(&self) -> u32 {
        self.relay.outlets()
    }

    pub(crate) fn name(&self, outlet: u32) -> String {
        self.relay.name(outlet)
    }

    /// Waits out `slow`. False when the request must be dropped: the switch is or was unreachable. A dropped
    /// request is held until the fault is lifted, as silence holds its sender.
    pub(crate) async fn admit(&self) -> bool {
        let mut faults = self.faults.subscribe();
        let unreachable = faults.borrow_and_update().unreachable;
        if unreachable {
            while faults.borrow().unreachable && faults.changed().await.is_ok() {}
            return false;
        }
        tokio::time::sleep(Duration::from_millis(self.faults().slow_ms)).await;
        true
    }

    /// Waits as long as the answer to a command is late.
    pub(crate) async fn late(&self) {
        tokio::time::sleep(Duration::from_millis(self.faults().answers_late_ms)).await;
    }

    /// What the switch says of an outlet.
    ///
    /// # Errors
    /// When the outlet does not exist or the device is out of order.
    pub fn read(&self, outlet: u32) -> Result<View, Refusal> {
        let faults = self.faults();
        if faults.failing {
            return Err(Refusal::Failing);
        }
        let (shown, pending, persistent) = {
            let outlets = self.lock();
            let state = outlets.get(&outlet).ok_or(Refusal::NoSuchOutlet)?;
            (state.shown, state.pending, state.persistent)
        };
        let on = shown.unwrap_or_else(|| self.relay.get(outlet));
        let contact = match on {
            _ if faults.unknown.contains(&outlet) => Contact::Unknown,
            true => Contact::On,
            false => Contact::Off,
        };
        Ok(View { contact, pending, persistent: persistent.unwrap_or(on) })
    }

    pub(crate) fn delays(&self, outlet: u32) -> Option<Delays> {
        self.lock().get(&outlet).map(|state| state.delays)
    }

    pub(crate) fn set_delays(&self, outlet: u32, change: impl FnOnce(&mut Delays)) {
        if let Some(state) = self.lock().get_mut(&outlet) {
            change(&mut state.delays);
        }
    }

    /// Does a command. An immediate command leaves a pending one in force (the worst that a switch can do) unless
    /// `replaces`: faces that have no verb to cancel.
    ///
    /// # Errors
    /// When the outlet does not exist, the device is out of order or rejects all commands.
    pub fn command(
        self: &Arc<Self>,
        protocol: Protocol,
        outlet: u32,
        command: Command,
        replaces: bool,
    ) -> Result<(), Refusal> {
        let faults = self.faults();
        let note = |effect| self.journal.write(protocol, outlet, command, effect);
        if faults.failing {
            note(Effect::Refused { why: "device failure" });
            return Err(Refusal::Failing);
        }
        if faults.rejecting {
            note(Effect::Refused { why: "rejected" });
            return Err(Refusal::Rejected);
        }
        let Some(delays) = self.delays(outlet) else {
            note(Effect::Refused { why: "no such outlet" });
            return Err(Refusal::NoSuchOutlet);
        };
        if faults.stuck_pending {
            self.with(outlet, |state| state.pending = true);
            note(Effect::NotDone { fault: "stuck pending" });
            return Ok(());
        }
        if replaces || command == Command::CancelPending {
            self.with(outlet, |state| {
                state.pending = false;
                state.generation += 1;
            });
        }
        if command == Command::CancelPending {
            note(Effect::Cancelled);
            return Ok(());
        }
        let target = if faults.wrong_outlet { outlet % self.outlets() + 1 } else { outlet };
        let mut later = Vec::new();
        for (delay, on) in steps(command, delays) {
            match delay {
                Some(Duration::ZERO) => self.contact(protocol, outlet, target, command, on),
                Some(delay) => later.push((delay, on)),
                None => note(Effect::Scheduled { in_ms: None }),
            }
        }
        if let Some((delay, _)) = later.first() {
            note(Effect::Scheduled { in_ms: Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)) });
            self.schedule(outlet, target, command, later);
        }
        Ok(())
    }

    fn schedule(self: &Arc<Self>, outlet: u32, target: u32, command: Command, steps: Vec<(Duration, bool)>) {
        let generation = self.with(outlet, |state| {
            state.pending = true;
            state.generation += 1;
            state.generation
        });
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            let last = steps.len() - 1;
            for (number, (delay, on)) in steps.into_iter().enumerate() {
                tokio::time::sleep(delay).await;
                let Some(pdu) = weak.upgrade() else { return };
                let current = pdu.with(outlet, |state| {
                    let current = state.generation == generation;
                    if current && number == last {
                        state.pending = false;
                    }
                    current
                });
                if !current {
                    return;
                }
                pdu.contact(Protocol::Timer, outlet, target, command, on);
            }
        });
    }

    /// Moves the contact of `target`, as far as the faults let it.
    fn contact(self: &Arc<Self>, protocol: Protocol, outlet: u32, target: u32, command: Command, on: bool) {
        let faults = self.faults();
        let transient = matches!(command, Command::TransientOff | Command::TransientOn);
        let persistent = self.read(target).map_or(on, |view| view.persistent);
        let hold_up = self.with(target, |state| {
            state.persistent = transient.then_some(persistent);
            state.hold_up += 1;
            state.shown = (faults.lying || (faults.hold_up_ms > 0 && !on)).then_some(on);
            state.hold_up
        });
        if faults.lying {
            self.journal.write(protocol, outlet, command, Effect::NotDone { fault: "lying" });
        } else if faults.hold_up_ms > 0 && !on {
            self.journal.write(
                protocol,
                outlet,
                command,
                Effect::Scheduled { in_ms: Some(faults.hold_up_ms) },
            );
            let weak = Arc::downgrade(self);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(faults.hold_up_ms)).await;
                let Some(pdu) = weak.upgrade() else { return };
                if pdu.with(target, |state| state.hold_up == hold_up) {
                    pdu.relay.set(target, false);
                    pdu.with(target, |state| state.shown = None);
                    pdu.journal.write(protocol, outlet, command, Effect::Relay { outlet: target, on: false });
                }
            });
        } else {
            self.relay.set(target, on);
            self.journal.write(protocol, outlet, command, Effect::Relay { outlet: target, on });
        }
    }

    fn with<T>(&self, outlet: u32, change: impl FnOnce(&mut Outlet) -> T) -> T {
        change(self.lock().get_mut(&outlet).expect("the outlet's existence was checked"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Outlet>> {
        self.outlets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a command does, and when after the step before; `None`: never.
fn steps(command: Command, delays: Delays) -> Vec<(Option<Duration>, bool)> {
    let now = Some(Duration::ZERO);
    match command {
        Command::On | Command::TransientOn => vec![(now, true)],
        Command::Off | Command::TransientOff => vec![(now, false)],
        Command::Reboot => vec![(now, false), (Some(delays.reboot), true)],
        Command::DelayedOn => vec![(delays.on, true)],
        Command::DelayedOff => vec![(delays.off, false)],
        Command::DelayedReboot => vec![(delays.off, false), (Some(delays.reboot), true)],
        Command::ShortOff(ms) => vec![(now, false), (Some(Duration::from_millis(ms)), true)],
        Command::ShortOn(ms) => vec![(now, true), (Some(Duration::from_millis(ms)), false)],
        Command::CancelPending => Vec::new(),
    }
}
