//! The SNMP client behind a small face: integers and texts by object identifier.
//!
//! The library (async-snmp) is young; nothing outside this file and `credentials` knows it, so that it can be
//! exchanged.
//!
//! Must not know: power switches.
//!
//! Invariant: an exception value (noSuchObject, noSuchInstance, endOfMibView), a missing or foreign binding, or a
//! value of another type is an error, never a value.

use std::time::Duration;

use async_snmp::{Client, Error, ErrorStatus, Oid, Retry, Value};
use ha_fence_agent::{DeviceError, Timing};

use crate::credentials::Credentials;

/// Time after which an unanswered datagram is sent again. Every request here may safely be repeated.
const RESEND: Duration = Duration::from_millis(500);
/// Most datagrams for one request: bounds the traffic when time-outs are disabled.
const MAX_SENDS: u128 = 7200;
/// Longest walk; no power switch has as many outlets.
const MAX_ROWS: usize = 512;

/// Why an object could not be read or written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SnmpError {
    /// The device has no such object or instance.
    NoSuch(String),
    /// Anything else.
    Other(DeviceError),
}

/// A session with one device.
pub(crate) struct Session {
    client: Client,
}

impl Session {
    /// Opens the local socket; nothing is sent yet.
    pub(crate) async fn open(
        host: &str,
        port: u16,
        credentials: Credentials,
        timing: &Timing,
    ) -> Result<Self, DeviceError> {
        let resends = (timing.shell_timeout.as_millis() / RESEND.as_millis()).min(MAX_SENDS);
        let retry = Retry::fixed(u32::try_from(resends).expect("bounded above"), Duration::ZERO)
            .map_err(|error| DeviceError::Config(error.to_string()))?;
        let mut builder = Client::builder((host, port), credentials.auth)
            .request_timeout(RESEND.min(timing.shell_timeout))
            .retry(retry)
            .construction_timeout(timing.login_timeout);
        if let Some(salt) = credentials.salt {
            builder = builder.des_salt_state(salt);
        }
        match builder.connect().await {
            Ok(client) => Ok(Self { client }),
            Err(error) => Err(DeviceError::Unreachable {
                what: format!("{host} port {port}"),
                detail: error.to_string(),
            }),
        }
    }

    /// Reads integers.
    pub(crate) async fn integers(&self, oids: &[Vec<u32>]) -> Result<Vec<i32>, SnmpError> {
        let oids: Vec<Oid> = oids.iter().map(|oid| Oid::from_slice(oid)).collect();
        let response = self.client.get_many(&oids).await.map_err(|error| classify("read", &error))?;
        if !response.anomalies.is_empty() || response.varbinds.len() != oids.len() {
            return Err(failed("read", "the answer does not match the question"));
        }
        response.varbinds.iter().map(|binding| integer(&binding.oid, &binding.value)).collect()
    }

    /// Reads an object identifier, such as sysObjectID.
    pub(crate) async fn object_id(&self, oid: &[u32]) -> Result<Vec<u32>, SnmpError> {
        let oid = Oid::from_slice(oid);
        let response = self.client.get(&oid).await.map_err(|error| classify("read", &error))?;
        match response.single().map(|binding| &binding.value) {
            Some(Value::ObjectIdentifier(value)) => Ok(value.arcs().to_vec()),
            Some(value) if value.is_exception() => Err(SnmpError::NoSuch(format!("{oid} is {value:?}"))),
            _ => Err(failed("read", "the answer does not match the question")),
        }
    }

    /// Writes an integer. Success means that the device answered without an error.
    pub(crate) async fn set(&self, oid: &[u32], value: i32) -> Result<(), SnmpError> {
        let oid = Oid::from_slice(oid);
        self.client
            .set(&oid, Value::Integer(value))
            .await
            .map(|_| ())
            .map_err(|error| classify("write", &error))
    }

    /// Reads a column of texts with their row numbers.
    pub(crate) async fn texts(&self, column: &[u32]) -> Result<Vec<(u32, String)>, SnmpError> {
        let column = Oid::from_slice(column);
        let mut rows = Vec::new();
        let mut cursor = column.clone();
        while rows.len() < MAX_ROWS {
            let response = match self.client.get_next(&cursor).await.map_err(|error| classify("read", &error))
            {
                // The end of everything, as v1 says it.
                Err(SnmpError::NoSuch(_)) => break,
                other => other?,
            };
            let Some(binding) = response.single() else {
                return Err(failed("read", "the answer does not match the question"));
            };
            let row = match binding.oid.strip_prefix(&column) {
                Some(row) if !binding.value.is_exception() => row,
                _ => break,
            };
            let [index] = row.arcs() else {
                return Err(failed("read", "a table with more than one index"));
            };
            let Value::OctetString(bytes) = &binding.value else {
                return Err(failed("read", "a name that is no text"));
            };
            rows.push((*index, String::from_utf8_lossy(bytes).into_owned()));
            cursor = binding.oid.clone();
        }
        if rows.is_empty() {
            return Err(SnmpError::NoSuch(format!("nothing below {column}")));
        }
        Ok(rows)
    }
}

fn integer(oid: &Oid, value: &Value) -> Result<i32, SnmpError> {
    match value {
        Value::Integer(number) => Ok(*number),
        Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => {
            Err(SnmpError::NoSuch(format!("{oid} is {value:?}")))
        }
        other => Err(failed("read", &format!("{oid} is no integer but {:?}", other.kind()))),
    }
}

fn failed(what: &str, detail: &str) -> SnmpError {
    SnmpError::Other(DeviceError::Failed { what: format!("SNMP {what}"), detail: detail.to_owned() })
}

fn classify(what: &str, error: &Error) -> SnmpError {
    let what = format!("SNMP {what}");
    let detail = error.exchange_source().to_string();
    let refused = |hint: &str| {
        SnmpError::Other(DeviceError::Refused { what: what.clone(), detail: format!("{detail}{hint}") })
    };
    match error.exchange_source() {
        Error::Timeout { .. }
        | Error::Network { .. }
        | Error::Closed { .. }
        | Error::ConstructionTimeout { .. } => {
            let detail = format!(
                "{detail} (unreachable, or community, user or pass phrase are not the ones it knows)"
            );
            SnmpError::Other(DeviceError::Unreachable { what, detail })
        }
        Error::Snmp { status, .. } => match status {
            ErrorStatus::NoSuchName | ErrorStatus::NoCreation | ErrorStatus::InconsistentName => {
                SnmpError::NoSuch(detail)
            }
            ErrorStatus::ReadOnly
            | ErrorStatus::NoAccess
            | ErrorStatus::NotWritable
            | ErrorStatus::AuthorizationError => refused(" (is the community or user allowed to write?)"),
            // The value or its form: the device would say so again.
            ErrorStatus::BadValue
            | ErrorStatus::WrongType
            | ErrorStatus::WrongLength
            | ErrorStatus::WrongEncoding
            | ErrorStatus::WrongValue => refused(" (is this the device that option 'model' names?)"),
            _ => SnmpError::Other(DeviceError::Failed { what, detail }),
        },
        Error::Auth { .. } => refused(" (user or pass phrase)"),
        Error::Report { .. } => refused(" (user, pass phrase or security level)"),
        _ => SnmpError::Other(DeviceError::Failed { what, detail }),
    }
}
