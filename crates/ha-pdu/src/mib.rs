//! The objects that the SNMP face serves: system group, APC rPDU, rPDU2 and MasterSwitch outlet tables.
//!
//! Source: PowerNet-MIB 4.5.8. All tables show the same outlets.
//!
//! Must not know: SNMP messages.
//!
//! Invariant: each table keeps its own numbers; they differ on purpose of the vendor's, not ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_snmp::{Oid, Value};

use crate::journal::Protocol;
use crate::pdu::{Command, Contact, Delays, Pdu, Refusal, View};

/// `1.3.6.1.2.1.1`: the system group.
pub(crate) const SYSTEM: [u32; 7] = [1, 3, 6, 1, 2, 1, 1];
/// `1.3.6.1.4.1.318`: APC.
pub(crate) const APC: [u32; 7] = [1, 3, 6, 1, 4, 1, 318];

/// `rPDUOutletConfigPowerOnTime` and the like in seconds: -1 never, 0 at once, up to 7200.
const DELAY_RANGE: std::ops::RangeInclusive<i32> = -1..=7200;
/// `rPDUOutletConfigRebootDuration` in seconds.
const REBOOT_RANGE: std::ops::RangeInclusive<i32> = 5..=60;

/// What a writable object stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// A command to an outlet; with `true` it replaces what is pending.
    Command(u32, Command, bool),
    /// The delay of delayed on.
    OnDelay(u32, i32),
    /// The delay of delayed off.
    OffDelay(u32, i32),
    /// The off time of a reboot.
    Reboot(u32, i32),
}

/// Why an object cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// No such object, or a read-only one.
    NotWritable,
    /// Not an integer.
    WrongType,
    /// An integer that the object does not take.
    WrongValue,
}

/// All objects with their values, at this moment.
pub(crate) fn snapshot(pdu: &Pdu, object_id: &[u32]) -> Result<BTreeMap<Oid, Value>, Refusal> {
    let mut objects = BTreeMap::new();
    let mut put = |base: &[u32], tail: &[u32], value: Value| {
        objects.insert(Oid::from_slice(&[base, tail].concat()), value);
    };
    put(&SYSTEM, &[1, 0], text("simulated APC power switch"));
    put(&SYSTEM, &[2, 0], Value::ObjectIdentifier(Oid::from_slice(object_id)));
    put(&SYSTEM, &[5, 0], text("ha-pdu"));
    put(&APC, &[1, 1, 12, 1, 8, 0], Value::Integer(i32::try_from(pdu.outlets()).unwrap_or(i32::MAX)));
    for outlet in 1..=pdu.outlets() {
        let view = pdu.read(outlet)?;
        let delays = pdu.delays(outlet).ok_or(Refusal::NoSuchOutlet)?;
        let number = Value::Integer(i32::try_from(outlet).unwrap_or(i32::MAX));
        let name = text(&pdu.name(outlet));
        let mut row = |column: &[u32], value: Value| put(&APC, &[column, &[outlet]].concat(), value);
        let [on, off, reboot] = seconds(delays).map(Value::Integer);
        let pending = Value::Integer(if view.pending { 1 } else { 2 });
        let one = Value::Integer(1);

        // rPDUOutletControl, Config, Status
        for table in [3, 4, 5] {
            row(&[1, 1, 12, 3, table, 1, 1, 1], number.clone());
            row(&[1, 1, 12, 3, table, 1, 1, 2], name.clone());
            row(&[1, 1, 12, 3, table, 1, 1, 3], one.clone());
        }
        row(&[1, 1, 12, 3, 3, 1, 1, 4], on1_off2(view));
        row(&[1, 1, 12, 3, 4, 1, 1, 4], on.clone());
        row(&[1, 1, 12, 3, 4, 1, 1, 5], off.clone());
        row(&[1, 1, 12, 3, 4, 1, 1, 6], reboot.clone());
        row(&[1, 1, 12, 3, 5, 1, 1, 4], on1_off2(view));
        row(&[1, 1, 12, 3, 5, 1, 1, 5], pending.clone());
        row(&[1, 1, 12, 3, 5, 1, 1, 6], one.clone());

        // rPDU2OutletSwitchedConfig, Status, Control
        for table in [1, 3, 4] {
            row(&[1, 1, 26, 9, 2, table, 1, 1], number.clone());
            row(&[1, 1, 26, 9, 2, table, 1, 2], one.clone());
            row(&[1, 1, 26, 9, 2, table, 1, 3], name.clone());
            row(&[1, 1, 26, 9, 2, table, 1, 4], number.clone());
        }
        row(&[1, 1, 26, 9, 2, 1, 1, 5], on.clone());
        row(&[1, 1, 26, 9, 2, 1, 1, 6], off.clone());
        row(&[1, 1, 26, 9, 2, 1, 1, 7], reboot.clone());
        row(&[1, 1, 26, 9, 2, 3, 1, 5], off1_on2(view));
        row(&[1, 1, 26, 9, 2, 3, 1, 6], pending.clone());
        row(&[1, 1, 26, 9, 2, 4, 1, 5], on1_off2(view));

        // sPDUOutletControl
        row(&[1, 1, 4, 4, 2, 1, 1], number);
        row(&[1, 1, 4, 4, 2, 1, 2], pending);
        row(&[1, 1, 4, 4, 2, 1, 3], on1_off2(view));
        row(&[1, 1, 4, 4, 2, 1, 4], name);
    }
    Ok(objects)
}

/// What writing `value` to `oid` would do.
pub(crate) fn decode_write(oid: &Oid, value: &Value) -> Result<Write, WriteError> {
    let [column @ .., outlet] = oid.arcs().strip_prefix(APC.as_slice()).ok_or(WriteError::NotWritable)?
    else {
        return Err(WriteError::NotWritable);
    };
    let number = match value {
        Value::Integer(number) => *number,
        _ => return Err(WriteError::WrongType),
    };
    let command = |known: &[(i32, Command)], replaces| {
        let found = known.iter().find(|(code, _)| *code == number);
        found.map(|(_, command)| Write::Command(*outlet, *command, replaces)).ok_or(WriteError::WrongValue)
    };
    let within = |range: std::ops::RangeInclusive<i32>, write| {
        if range.contains(&number) { Ok(write) } else { Err(WriteError::WrongValue) }
    };
    use Command::{CancelPending, DelayedOff, DelayedOn, DelayedReboot, Off, On, Reboot};
    match column {
        [1, 1, 12, 3, 3, 1, 1, 4] => command(
            &[
                (1, On),
                (2, Off),
                (3, Reboot),
                (4, DelayedOn),
                (5, DelayedOff),
                (6, DelayedReboot),
                (7, CancelPending),
            ],
            false,
        ),
        [1, 1, 26, 9, 2, 4, 1, 5] => command(
            &[
                (1, On),
                (2, Off),
                (3, Reboot),
                (5, DelayedOn),
                (6, DelayedOff),
                (7, DelayedReboot),
                (8, CancelPending),
            ],
            false,
        ),
        // This table has no verb to cancel: an immediate command replaces what is pending.
        [1, 1, 4, 4, 2, 1, 3] => command(
            &[(1, On), (2, Off), (3, Reboot), (5, DelayedOn), (6, DelayedOff), (7, DelayedReboot)],
            true,
        ),
        [1, 1, 12, 3, 4, 1, 1, 4] | [1, 1, 26, 9, 2, 1, 1, 5] => {
            within(DELAY_RANGE, Write::OnDelay(*outlet, number))
        }
        [1, 1, 12, 3, 4, 1, 1, 5] | [1, 1, 26, 9, 2, 1, 1, 6] => {
            within(DELAY_RANGE, Write::OffDelay(*outlet, number))
        }
        [1, 1, 12, 3, 4, 1, 1, 6] | [1, 1, 26, 9, 2, 1, 1, 7] => {
            within(REBOOT_RANGE, Write::Reboot(*outlet, number))
        }
        _ => Err(WriteError::NotWritable),
    }
}

/// Does what was decoded.
pub(crate) fn apply(pdu: &Arc<Pdu>, protocol: Protocol, write: Write) -> Result<(), Refusal> {
    match write {
        Write::Command(outlet, command, replaces) => return pdu.command(protocol, outlet, command, replaces),
        Write::OnDelay(outlet, seconds) => pdu.set_delays(outlet, |delays| delays.on = delay(seconds)),
        Write::OffDelay(outlet, seconds) => pdu.set_delays(outlet, |delays| delays.off = delay(seconds)),
        Write::Reboot(outlet, seconds) => {
            pdu.set_delays(outlet, |delays| delays.reboot = delay(seconds).unwrap_or_default());
        }
    }
    Ok(())
}

fn on1_off2(view: View) -> Value {
    Value::Integer(match view.contact {
        Contact::On => 1,
        Contact::Off => 2,
        Contact::Unknown => 4,
    })
}

fn off1_on2(view: View) -> Value {
    Value::Integer(match view.contact {
        Contact::Off => 1,
        Contact::On => 2,
        // The table documents no number for this; an undocumented one is what an agent must survive.
        Contact::Unknown => 4,
    })
}

fn seconds(delays: Delays) -> [i32; 3] {
    let whole =
        |delay: Option<Duration>| delay.map_or(-1, |delay| i32::try_from(delay.as_secs()).unwrap_or(7200));
    [whole(delays.on), whole(delays.off), whole(Some(delays.reboot))]
}

fn delay(seconds: i32) -> Option<Duration> {
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

fn text(text: &str) -> Value {
    Value::OctetString(text.to_owned().into_bytes().into())
}
