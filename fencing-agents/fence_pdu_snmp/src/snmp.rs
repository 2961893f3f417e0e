//! The SNMP client behind a small face: integers and texts by object identifier.
//!
//! The library (async-snmp) is young; nothing outside this file and `credentials` knows it, so that it can be
//! exchanged.
//!
//! Must not know: power switches.
//!
//! Invariant: an exception value (noSuchObject, noSuchInstance, endOfMibView), a missing or foreign binding, or a
//! value of another type is an error, never a value.

use std::time::{Duration, Instant};

use async_snmp::{Client, Error, ErrorStatus, MAX_RETRIES, Oid, Retry, Value};
use ha_fence_agent::{DeviceError, Timing};

use crate::credentials::Credentials;

/// Time after which an unanswered datagram is sent again. Every request here may safely be repeated.
const RESEND: Duration = Duration::from_millis(500);
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
    /// How long one answer may take.
    limit: Duration,
}

impl Session {
    /// Opens the local socket; nothing is sent yet.
    pub(crate) async fn open(
        host: &str,
        port: u16,
        credentials: Credentials,
        timing: &Timing,
    ) -> Result<Self, DeviceError> {
        // Where `shell_timeout` is longer than the library can repeat, `ask` begins again.
        let resends =
            u32::try_from(timing.shell_timeout.as_millis() / RESEND.as_millis()).unwrap_or(MAX_RETRIES);
        let retry = Retry::fixed(resends.min(MAX_RETRIES), Duration::ZERO)
            .map_err(|error| DeviceError::Config(error.to_string()))?;
        let mut builder = Client::builder((host, port), credentials.auth)
            .request_timeout(RESEND.min(timing.shell_timeout))
            .retry(retry)
            .construction_timeout(timing.login_timeout);
        if let Some(salt) = credentials.salt {
            builder = builder.des_salt_state(salt);
        }
        match builder.connect().await {
            Ok(client) => Ok(Self { client, limit: timing.shell_timeout }),
            Err(error) => Err(DeviceError::Unreachable {
                what: format!("{host} port {port}"),
                detail: error.to_string(),
            }),
        }
    }

    /// Asks until there is an answer of any kind or the time is over.
    async fn ask<T>(
        &self,
        what: &str,
        request: impl AsyncFn() -> Result<T, Box<Error>>,
    ) -> Result<T, SnmpError> {
        let start = Instant::now();
        loop {
            match request().await {
                Err(error) if lost(&error) && start.elapsed() < self.limit => {}
                result => return result.map_err(|error| classify(what, &error, start.elapsed())),
            }
        }
    }

    /// Reads integers.
    pub(crate) async fn integers(&self, oids: &[Vec<u32>]) -> Result<Vec<i32>, SnmpError> {
        let oids: Vec<Oid> = oids.iter().map(|oid| Oid::from_slice(oid)).collect();
        let response = self.ask("read", async || self.client.get_many(&oids).await).await?;
        if !response.anomalies.is_empty() || response.varbinds.len() != oids.len() {
            return Err(failed("read", "the answer does not match the question"));
        }
        response.varbinds.iter().map(|binding| integer(&binding.oid, &binding.value)).collect()
    }

    /// Reads an object identifier, such as sysObjectID.
    pub(crate) async fn object_id(&self, oid: &[u32]) -> Result<Vec<u32>, SnmpError> {
        let oid = Oid::from_slice(oid);
        let response = self.ask("read", async || self.client.get(&oid).await).await?;
        match response.single().map(|binding| &binding.value) {
            Some(Value::ObjectIdentifier(value)) => Ok(value.arcs().to_vec()),
            Some(value) if value.is_exception() => Err(SnmpError::NoSuch(format!("{oid} is {value:?}"))),
            _ => Err(failed("read", "the answer does not match the question")),
        }
    }

    /// Writes an integer. Success means that the device answered without an error.
    pub(crate) async fn set(&self, oid: &[u32], value: i32) -> Result<(), SnmpError> {
        let oid = Oid::from_slice(oid);
        self.ask("write", async || self.client.set(&oid, Value::Integer(value)).await).await.map(|_| ())
    }

    /// Reads a column of texts with their row numbers.
    pub(crate) async fn texts(&self, column: &[u32]) -> Result<Vec<(u32, String)>, SnmpError> {
        let column = Oid::from_slice(column);
        let mut rows = Vec::new();
        let mut cursor = column.clone();
        while rows.len() < MAX_ROWS {
            let response = match self.ask("read", async || self.client.get_next(&cursor).await).await {
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

/// Whether no answer came.
fn lost(error: &Error) -> bool {
    matches!(error.exchange_source(), Error::Timeout { .. })
}

fn classify(what: &str, error: &Error, waited: Duration) -> SnmpError {
    let what = format!("SNMP {what}");
    let detail = error.exchange_source().to_string();
    let refused = |hint: &str| {
        SnmpError::Other(DeviceError::Refused { what: what.clone(), detail: format!("{detail}{hint}") })
    };
    match error.exchange_source() {
        Error::Timeout { target, .. } => {
            let detail = format!(
                "timed out: no answer from {target} in {:.1} s (unreachable, or community, user or pass phrase are not \
                 the ones it knows)",
                waited.as_secs_f64()
            );
            SnmpError::Other(DeviceError::Unreachable { what, detail })
        }
        Error::Network { .. } | Error::Closed { .. } | Error::ConstructionTimeout { .. } => {
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
