//! Digital Loggers power switches by their REST interface.
//!
//! Source: digital-loggers.com/rest.html. Outlets are numbered from 0 there, from 1 here.
//!
//! Must not know: logins.
//!
//! Invariant: off means that the contact is open *and* the state that survives the switch's restart is off: a
//! transient off comes back by itself.

use ha_fence_agent::{DeviceError, Outlet, Power, Reading};
use reqwest::StatusCode;

use crate::web::{Body, Web};

/// Most outlets asked for when listing; the largest model has far fewer.
const MAX_OUTLETS: u32 = 64;
/// Every request: JSON answers, and the header without which the device takes no command.
const HEADERS: [(&str, &str); 2] = [("Accept", "application/json"), ("X-CSRF", "x")];

/// Reads one outlet.
pub(crate) async fn status(web: &mut Web, plug: &str) -> Result<Reading, DeviceError> {
    let contact = boolean(web, plug, "physical_state").await?;
    let persistent = boolean(web, plug, "state").await?;
    Ok(match (contact, persistent) {
        (Some(true), _) => Reading::On,
        (Some(false), Some(false)) => Reading::Off,
        // What the device documents for an outlet that waits for its turn to come on.
        (Some(false), Some(true)) => Reading::Changing("off for now, but set to come back on".into()),
        _ => Reading::Unknown("the device does not know the outlet's state".into()),
    })
}

async fn boolean(web: &mut Web, plug: &str, property: &str) -> Result<Option<bool>, DeviceError> {
    let path = path(plug, property)?;
    let answer = web.send("GET", &path, &HEADERS, None).await?;
    found(answer.status, plug)?;
    match answer.success(&format!("GET {path}"))?.trim() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Ok(None),
    }
}

/// Commands one outlet by its persistent state.
pub(crate) async fn set(web: &mut Web, plug: &str, power: Power) -> Result<(), DeviceError> {
    let path = path(plug, "state")?;
    let body = Body {
        content_type: "application/x-www-form-urlencoded".into(),
        text: format!("value={}", power == Power::On),
    };
    let answer = web.send("PUT", &path, &HEADERS, Some(body)).await?;
    found(answer.status, plug)?;
    answer.success(&format!("PUT {path}")).map(|_| ())
}

/// Lists the outlets: asks for each name until there is no more.
pub(crate) async fn list(web: &mut Web) -> Result<Vec<Outlet>, DeviceError> {
    let mut outlets = Vec::new();
    for number in 1..=MAX_OUTLETS {
        let plug = number.to_string();
        let path = path(&plug, "name")?;
        let answer = web.send("GET", &path, &HEADERS, None).await?;
        if answer.status == StatusCode::NOT_FOUND && number > 1 {
            break;
        }
        let text = answer.success(&format!("GET {path}"))?;
        let name = serde_json::from_str::<String>(&text).unwrap_or_else(|_| text.trim().to_owned());
        outlets.push(Outlet { plug, name });
    }
    Ok(outlets)
}

fn path(plug: &str, property: &str) -> Result<String, DeviceError> {
    let index = plug.parse::<u32>().ok().and_then(|number| number.checked_sub(1)).ok_or_else(|| {
        DeviceError::NoSuchOutlet { plug: plug.to_owned(), detail: "outlets are numbered from 1".into() }
    })?;
    Ok(format!("/restapi/relay/outlets/{index}/{property}/"))
}

fn found(status: StatusCode, plug: &str) -> Result<(), DeviceError> {
    if status == StatusCode::NOT_FOUND {
        return Err(DeviceError::NoSuchOutlet {
            plug: plug.to_owned(),
            detail: format!("HTTP status {status}"),
        });
    }
    Ok(())
}
