//! NETIO power switches by their JSON interface.
//!
//! Source: NETIO application note AN21: action 0 off, 1 on. Short and toggling actions are never used.
//!
//! Must not know: logins.
//!
//! Invariant: only `State` 0 of the very output is off.

use ha_fence_agent::{DeviceError, Outlet, Power, Reading};
use serde_json::{Value, json};

use crate::web::{Body, Web};

const PATH: &str = "/netio.json";

/// Reads one outlet.
pub(crate) async fn status(web: &mut Web, plug: &str) -> Result<Reading, DeviceError> {
    decode(&outputs(web).await?, number(plug)?)
}

/// Commands one outlet; tells what it read as before.
pub(crate) async fn set(web: &mut Web, plug: &str, power: Power) -> Result<Reading, DeviceError> {
    let id = number(plug)?;
    // The device may ignore an output that it does not have.
    let before = decode(&outputs(web).await?, id)?;
    let order = json!({"Outputs": [{"ID": id, "Action": u8::from(power == Power::On)}]});
    let body = Body { content_type: "application/json".into(), text: order.to_string() };
    web.send("POST", PATH, &[], Some(body)).await?.success(&format!("POST {PATH}")).map(|_| before)
}

/// Lists the outlets.
pub(crate) async fn list(web: &mut Web) -> Result<Vec<Outlet>, DeviceError> {
    let outlets = outputs(web).await?;
    Ok(outlets
        .iter()
        .filter_map(|output| {
            let plug = output["ID"].as_u64()?.to_string();
            Some(Outlet { plug, name: output["Name"].as_str().unwrap_or_default().to_owned() })
        })
        .collect())
}

async fn outputs(web: &mut Web) -> Result<Vec<Value>, DeviceError> {
    let what = format!("GET {PATH}");
    let text = web.send("GET", PATH, &[], None).await?.success(&what)?;
    let parsed = serde_json::from_str::<Value>(&text).ok();
    match parsed.and_then(|mut document| document.get_mut("Outputs").map(Value::take)) {
        Some(Value::Array(outputs)) => Ok(outputs),
        _ => Err(DeviceError::Failed { what, detail: "the answer has no list of Outputs".into() }),
    }
}

fn decode(outputs: &[Value], id: u64) -> Result<Reading, DeviceError> {
    let mut matching = outputs.iter().filter(|output| output["ID"].as_u64() == Some(id));
    let (Some(output), None) = (matching.next(), matching.next()) else {
        return Err(DeviceError::NoSuchOutlet {
            plug: id.to_string(),
            detail: "not among the Outputs".into(),
        });
    };
    Ok(match output["State"].as_i64() {
        Some(0) => Reading::Off,
        Some(1) => Reading::On,
        _ => Reading::Unknown(format!("State is {}", output["State"])),
    })
}

fn number(plug: &str) -> Result<u64, DeviceError> {
    plug.parse().ok().filter(|id| *id > 0).ok_or_else(|| DeviceError::NoSuchOutlet {
        plug: plug.to_owned(),
        detail: "outlets are numbered from 1".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the maker's application note AN21, a NETIO 4All, shortened.
    const RECORDED: &str = r#"[
        {"ID":1,"Name":"Power output 1","State":1,"Action":6,"Delay":2020,"Current":10,"PowerFactor":0.72,"Load":1},
        {"ID":2,"Name":"Power output 2","State":0,"Action":6,"Delay":2020,"Current":0,"PowerFactor":0,"Load":0},
        {"ID":3,"Name":"Power output 3","Action":6,"Delay":2020},
        {"ID":4,"Name":"Power output 4","State":"0","Action":6},
        {"ID":5,"Name":"twice","State":0},{"ID":5,"Name":"twice","State":0}]"#;

    #[test]
    fn recorded_answer() {
        let outputs: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
        assert_eq!(decode(&outputs, 1), Ok(Reading::On));
        assert_eq!(decode(&outputs, 2), Ok(Reading::Off));
        assert!(matches!(decode(&outputs, 3), Ok(Reading::Unknown(_))), "no State");
        assert!(matches!(decode(&outputs, 4), Ok(Reading::Unknown(_))), "State of another type");
        assert!(matches!(decode(&outputs, 5), Err(DeviceError::NoSuchOutlet { .. })), "ambiguous");
        assert!(matches!(decode(&outputs, 9), Err(DeviceError::NoSuchOutlet { .. })));
    }
}
