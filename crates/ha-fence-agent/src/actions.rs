//! What each action does with a device.
//!
//! Must not know: protocols, option texts, how output reaches anybody.
//!
//! Invariants (`// S7`):
//! * Off and on are believed only by an explicit reading after an accepted command.
//! * A call that took too long, or any reading but the explicit value, is not success.
//! * Off is commanded to every outlet named, even when one of them fails.

use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::device::{Device, DeviceError, Outlet, Power, Reading};
use crate::patience::Patience;
use crate::settings::Settings;

/// First pause between two readings; doubled up to `stonith_status_sleep`. Short, because a relay needs
/// milliseconds and an outage lasts as long as we wait.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Pause before a command that got no answer, or the device's error, is sent again.
const RESEND_PAUSE: Duration = Duration::from_millis(250);

/// The actions of the fence-agent contract that talk to a device, and those that do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Take the power away, proven.
    Off,
    /// Give power, proven.
    On,
    /// Off, proven; then on, tried.
    Reboot,
    /// Read the outlets.
    Status,
    /// Prove that the device answers.
    Monitor,
    /// Print the outlets.
    List,
    /// Print the outlets and their readings.
    ListStatus,
    /// Print the metadata.
    Metadata,
    /// Print the manual page.
    Manpage,
    /// Check the options.
    ValidateAll,
}

impl Action {
    /// All actions with their names, as the metadata lists them.
    pub(crate) const ALL: [(Self, &'static str); 10] = [
        (Self::On, "on"),
        (Self::Off, "off"),
        (Self::Reboot, "reboot"),
        (Self::Status, "status"),
        (Self::List, "list"),
        (Self::ListStatus, "list-status"),
        (Self::Monitor, "monitor"),
        (Self::Metadata, "metadata"),
        (Self::Manpage, "manpage"),
        (Self::ValidateAll, "validate-all"),
    ];

    /// Reads an action's name; `-` and `_` are the same, `meta-data` and `metadata` too.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = match name.replace('_', "-").as_str() {
            "meta-data" => "metadata".to_owned(),
            other => other.to_owned(),
        };
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(action, _)| *action)
    }

    /// Whether the action is about outlets that must be named.
    pub(crate) fn needs_plug(self) -> bool {
        matches!(self, Self::Off | Self::On | Self::Reboot | Self::Status)
    }
}

/// What an action came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Exit code of the process.
    pub(crate) code: u8,
    /// For standard output.
    pub(crate) text: String,
}

impl Outcome {
    fn ok(text: impl Into<String>) -> Self {
        Self { code: 0, text: text.into() }
    }
}

/// Performs an action that needs the device; an error means exit code 1.
pub(crate) async fn perform<D: Device>(
    action: Action,
    device: &mut D,
    settings: &Settings,
) -> Result<Outcome, DeviceError> {
    let mut run = Run { device, settings };
    if matches!(action, Action::Off | Action::Reboot) {
        sleep(settings.timing().delay).await;
    }
    match action {
        Action::Off => run.switch(Power::Off).await.map(|()| Outcome::ok("Success: Powered OFF\n")),
        Action::On => run.switch_on().await.map(|()| Outcome::ok("Success: Powered ON\n")),
        Action::Reboot => {
            run.switch(Power::Off).await?;
            // The fencing is done; a node that stays off is no failure of it.
            if let Err(error) = run.switch_on().await {
                settings.log().warn(&format!("power is off, but switching it on again failed: {error}"));
            }
            Ok(Outcome::ok("Success: Rebooted\n"))
        }
        Action::Status => run.status().await,
        Action::Monitor => {
            let plugs = run.plugs().await?;
            let limit = settings.timing().call_limit();
            bounded("monitor", limit, run.device.monitor(&plugs)).await?;
            Ok(Outcome::ok(""))
        }
        Action::List | Action::ListStatus => run.list(action == Action::ListStatus).await,
        Action::ValidateAll | Action::Metadata | Action::Manpage => Ok(Outcome::ok("")),
    }
}

struct Run<'a, D> {
    device: &'a mut D,
    settings: &'a Settings,
}

impl<D: Device> Run<'_, D> {
    /// The outlets of this call; a name is looked up in the device's list and must be there exactly once.
    async fn plugs(&mut self) -> Result<Vec<String>, DeviceError> {
        let mut plugs = Vec::new();
        let mut outlets: Option<Vec<Outlet>> = None;
        for plug in self.settings.plugs() {
            if plug.bytes().all(|byte| byte.is_ascii_digit()) {
                plugs.push(plug.clone());
                continue;
            }
            if outlets.is_none() {
                let limit = self.settings.timing().call_limit();
                outlets = match bounded("list of outlets", limit, self.device.list()).await {
                    Ok(list) => Some(list),
                    // A device without a list takes the name as it is.
                    Err(DeviceError::NotSupported(_)) => Some(Vec::new()),
                    Err(error) => return Err(error),
                };
            }
            plugs.push(resolve(plug, outlets.as_deref().unwrap_or_default())?);
        }
        Ok(plugs)
    }

    async fn status(&mut self) -> Result<Outcome, DeviceError> {
        let mut text = String::new();
        let (mut on, mut unknown) = (false, None);
        for plug in self.plugs().await? {
            let reading = self.read(&plug, self.settings.timing().call_limit()).await?;
            let _ = writeln!(text, "outlet {plug}: {}", reading.word());
            match reading {
                Reading::On => on = true,
                Reading::Off => {}
                Reading::Changing(why) | Reading::Unknown(why) => unknown = Some((plug, why)),
            }
        }
        match unknown {
            _ if on => Ok(Outcome { code: 0, text: "Status: ON\n".into() }),
            None => Ok(Outcome { code: 2, text: "Status: OFF\n".into() }),
            Some((plug, why)) => Err(DeviceError::Failed {
                what: format!("status of outlet {plug}"),
                detail: format!("unknown: {why}"),
            }),
        }
    }

    async fn list(&mut self, with_status: bool) -> Result<Outcome, DeviceError> {
        let limit = self.settings.timing().call_limit();
        let outlets = bounded("list of outlets", limit, self.device.list()).await?;
        let mut text = String::new();
        for Outlet { plug, name } in outlets {
            // One line an outlet, whatever the device calls it.
            let name: String = name.chars().filter(|c| !c.is_control()).collect();
            let _ = if with_status {
                let word = self.read(&plug, limit).await.map_or("UNKNOWN", |reading| reading.word());
                writeln!(text, "{plug},{name},{word}")
            } else {
                writeln!(text, "{plug},{name}")
            };
        }
        Ok(Outcome::ok(text))
    }

    async fn switch_on(&mut self) -> Result<(), DeviceError> {
        let mut result = self.switch(Power::On).await;
        for _ in 1..self.settings.timing().retry_on {
            match &result {
                Err(error) if error.is_transient() => result = self.switch(Power::On).await,
                _ => break,
            }
        }
        result
    }

    /// Commands every outlet, then reads each until it explicitly is as commanded.
    async fn switch(&mut self, power: Power) -> Result<(), DeviceError> {
        let timing = *self.settings.timing();
        let deadline = Instant::now() + timing.power_timeout;
        let plugs = self.plugs().await?;
        let mut first_error = None;
        let mut commanded = Vec::new();
        for plug in &plugs {
            match self.command(plug, power, deadline).await {
                Ok(before) => {
                    commanded.push((plug, Patience::new(matches!(before, Some(Reading::Unknown(_))))))
                }
                Err(error) => {
                    self.settings.log().debug(|| format!("outlet {plug}: {error}"));
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first_error {
            return Err(error);
        }
        sleep(timing.power_wait).await;
        for (plug, patience) in commanded {
            self.await_reading(plug, power, deadline + timing.power_wait, patience).await?;
        }
        Ok(())
    }

    /// Until the command is accepted: one that got no answer is sent again for `power_timeout`, one that the device
    /// answers with an error of its own only for a moment.
    async fn command(
        &mut self,
        plug: &str,
        power: Power,
        deadline: Instant,
    ) -> Result<Option<Reading>, DeviceError> {
        let mut patience = Patience::new(false);
        loop {
            self.settings.log().debug(|| format!("outlet {plug}: commanding {power:?}"));
            let limit = self.settings.timing().call_limit().min(deadline - Instant::now());
            let what = format!("command to outlet {plug}");
            match bounded(&what, limit, self.device.set(plug, power)).await {
                Err(error) if error.is_transient() && Instant::now() + RESEND_PAUSE < deadline => {
                    if matches!(error, DeviceError::Failed { .. }) && patience.indefinite().is_some() {
                        return Err(error);
                    }
                    self.settings.log().debug(|| format!("outlet {plug}: {error}; trying again"));
                    sleep(RESEND_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn await_reading(
        &mut self,
        plug: &str,
        power: Power,
        deadline: Instant,
        mut patience: Patience,
    ) -> Result<(), DeviceError> {
        let timing = *self.settings.timing();
        let mut pause = FIRST_PAUSE.min(timing.status_sleep);
        loop {
            let limit = timing.call_limit().min(deadline - Instant::now());
            let mut over = None;
            let seen = match self.read(plug, limit).await {
                Ok(reading) if reading.is(power) => return Ok(()),
                Ok(Reading::Unknown(why)) => {
                    over = patience.indefinite();
                    format!("reads as unknown: {why}")
                }
                Ok(Reading::Changing(why)) => {
                    patience.definite();
                    format!("reads as unknown: {why}")
                }
                Ok(other) => {
                    patience.definite();
                    format!("still reads {}", other.word())
                }
                Err(error) if error.is_transient() => {
                    // A lost answer says nothing about the device.
                    if matches!(error, DeviceError::Failed { .. }) {
                        over = patience.indefinite();
                    }
                    format!("cannot be read: {error}")
                }
                Err(error) => return Err(error),
            };
            self.settings.log().debug(|| format!("outlet {plug}: {seen}"));
            if Instant::now() + pause >= deadline {
                over.get_or_insert(format!("power_timeout {} s", timing.power_timeout.as_secs_f64()));
            }
            if let Some(over) = over {
                let wanted = if power == Power::Off { "off" } else { "on" };
                return Err(DeviceError::Failed {
                    what: format!("outlet {plug} is not proven {wanted}"),
                    detail: format!("{seen} ({over})"),
                });
            }
            sleep(pause).await;
            pause = (pause * 2).min(timing.status_sleep);
        }
    }

    async fn read(&mut self, plug: &str, limit: Duration) -> Result<Reading, DeviceError> {
        bounded(&format!("status of outlet {plug}"), limit, self.device.status(plug)).await
    }
}

fn resolve(plug: &str, outlets: &[Outlet]) -> Result<String, DeviceError> {
    let named: Vec<_> = outlets.iter().filter(|outlet| outlet.name == plug || outlet.plug == plug).collect();
    match named.as_slice() {
        [only] => Ok(only.plug.clone()),
        [] if outlets.is_empty() => Ok(plug.to_owned()),
        [] => Err(DeviceError::NoSuchOutlet { plug: plug.to_owned(), detail: "none has that name".into() }),
        several => Err(DeviceError::NoSuchOutlet {
            plug: plug.to_owned(),
            detail: format!("{} outlets have that name: give the number", several.len()),
        }),
    }
}

async fn bounded<T>(
    what: &str,
    limit: Duration,
    call: impl Future<Output = Result<T, DeviceError>>,
) -> Result<T, DeviceError> {
    match timeout(limit, call).await {
        Ok(result) => result,
        Err(_) => Err(DeviceError::Unreachable {
            what: what.to_owned(),
            detail: format!("no answer: timed out after {} s", limit.as_secs_f64()),
        }),
    }
}
