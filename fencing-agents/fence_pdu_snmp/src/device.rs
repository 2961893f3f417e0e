//! A power switch with an outlet table, as the contract wants it.
//!
//! Must not know: numbers of a table, or the SNMP library.
//!
//! Invariant: before a command, an outlet must be readable and any pending command is cancelled.

use ha_fence_agent::{Device, DeviceError, Outlet, Power, Reading, Settings};

use crate::credentials;
use crate::snmp::{Session, SnmpError};
use crate::tables::Table;

/// sysObjectID.0
const SYS_OBJECT_ID: [u32; 9] = [1, 3, 6, 1, 2, 1, 1, 2, 0];

/// The device of this agent.
pub(crate) struct PduSnmp {
    session: Session,
    table: Option<Table>,
    log: ha_fence_agent::Log,
}

impl PduSnmp {
    /// Makes the device from the options, without asking it anything.
    pub(crate) async fn build(settings: &Settings) -> Result<Self, DeviceError> {
        let host = settings.required("ip", "the address of the power switch")?;
        let credentials = credentials::read(settings)?;
        let session = Session::open(host, settings.port_or(161), credentials, settings.timing()).await?;
        let table = Table::from_model(settings.get("model").unwrap_or("auto"));
        Ok(Self { session, table, log: settings.log().clone() })
    }

    async fn table(&mut self) -> Result<Table, DeviceError> {
        if let Some(table) = self.table {
            return Ok(table);
        }
        let id = self.session.object_id(&SYS_OBJECT_ID).await.map_err(|error| match error {
            SnmpError::NoSuch(detail) => DeviceError::Config(format!(
                "the device does not say what it is ({detail}): set option 'model'"
            )),
            SnmpError::Other(error) => error,
        })?;
        let table = Table::from_object_id(&id).ok_or_else(|| {
            let id = id.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
            DeviceError::Config(format!("unknown device (sysObjectID {id}): set option 'model'"))
        })?;
        self.log.debug(|| format!("the device is an {}", table.name()));
        self.table = Some(table);
        Ok(table)
    }

    async fn read(&mut self, table: Table, plug: &str) -> Result<Vec<i32>, DeviceError> {
        let row = row(plug)?;
        let oids: Vec<_> = table.status_columns().into_iter().map(|column| instance(column, row)).collect();
        self.session.integers(&oids).await.map_err(|error| named(error, plug, table))
    }
}

impl Device for PduSnmp {
    async fn status(&mut self, plug: &str) -> Result<Reading, DeviceError> {
        let table = self.table().await?;
        Ok(table.decode(&self.read(table, plug).await?))
    }

    async fn set(&mut self, plug: &str, power: Power) -> Result<Option<Reading>, DeviceError> {
        let table = self.table().await?;
        let oid = instance(table.command_column(), row(plug)?);
        let values = self.read(table, plug).await?;
        let pending = values.first().is_none_or(|pending| !table.nothing_pending(*pending));
        if let Some(cancel) = table.cancel().filter(|_| pending) {
            self.log.debug(|| format!("outlet {plug}: cancelling the pending command"));
            // A refusal here is no reason to leave the power on: the reading afterwards decides.
            if let Err(SnmpError::Other(error)) = self.session.set(&oid, cancel).await {
                self.log.debug(|| format!("outlet {plug}: cancelling failed: {error}"));
            }
        }
        self.session.set(&oid, table.command(power)).await.map_err(|error| named(error, plug, table))?;
        Ok(Some(table.decode(&values)))
    }

    async fn list(&mut self) -> Result<Vec<Outlet>, DeviceError> {
        let table = self.table().await?;
        let rows = self.session.texts(&table.name_column()).await.map_err(|error| match error {
            SnmpError::NoSuch(detail) => DeviceError::Config(format!(
                "the device has no {} outlet table ({detail}): a metered-only unit, or another 'model'",
                table.name()
            )),
            SnmpError::Other(error) => error,
        })?;
        Ok(rows.into_iter().map(|(index, name)| Outlet { plug: index.to_string(), name }).collect())
    }

    async fn monitor(&mut self, plugs: &[String]) -> Result<(), DeviceError> {
        let table = self.table().await?;
        for plug in plugs {
            self.read(table, plug).await?;
        }
        if plugs.is_empty() {
            self.list().await?;
        }
        Ok(())
    }
}

fn row(plug: &str) -> Result<u32, DeviceError> {
    plug.parse().ok().filter(|row| *row > 0).ok_or_else(|| DeviceError::NoSuchOutlet {
        plug: plug.to_owned(),
        detail: "outlets are numbered from 1".into(),
    })
}

fn instance(mut column: Vec<u32>, row: u32) -> Vec<u32> {
    column.push(row);
    column
}

fn named(error: SnmpError, plug: &str, table: Table) -> DeviceError {
    match error {
        SnmpError::NoSuch(detail) => DeviceError::NoSuchOutlet {
            plug: plug.to_owned(),
            detail: format!("{} table: {detail}", table.name()),
        },
        SnmpError::Other(error) => error,
    }
}
