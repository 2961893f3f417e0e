//! The power switch's process: the machine room behind the lab's own socket and behind the simulated PDUs.
//!
//! Must not know: networks between hosts, cuts, observers.

use crate::error::{LabError, Result};
use crate::proto::Request;
use crate::room::Room;
use crate::rpc;
use crate::switch::Switch;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Its socket in a lab's directory.
pub fn socket(dir: &Path) -> PathBuf {
    dir.join("power.sock")
}

/// Runs the switch for ever: boots the hosts, then serves.
pub fn run(dir: &Path, cgroup: Option<&Path>) -> Result<()> {
    let spec = crate::outer::load(dir)?;
    let listener = rpc::listen(&socket(dir))?;
    let room = Room::new(spec, cgroup)?;
    let mut switches = BTreeMap::new();
    for pdu in &room.spec().pdus {
        switches.insert(pdu.name.clone(), Switch::start(&room, pdu)?);
    }
    room.start()?;
    // Served only now: the first connection that succeeds finds every host up.
    rpc::serve(&listener, move |request| handle(&room, &switches, request))
}

fn handle(room: &Arc<Room>, switches: &BTreeMap<String, Switch>, request: Request) -> Result<Value> {
    let done = match request {
        Request::Hosts => return Ok(json!(room.states())),
        Request::PowerOn { host } => room.button_on(&host),
        Request::PowerOff { host } => room.button_off(&host),
        Request::Freeze { host } => room.host(&host)?.freeze(true),
        Request::Thaw { host } => room.host(&host)?.freeze(false),
        Request::Cable { host, link, up } => room.host(&host)?.cable(&link, up),
        Request::Signal { host, service, signal } => room.host(&host)?.signal(&service, signal),
        Request::Hold { host, service, held } => room.host(&host)?.hold(&service, held),
        Request::Heal => room.plug_all(),
        Request::PduFault { pdu, fault } => match switches.get(&pdu) {
            Some(switch) => switch.set_faults(fault),
            None => Err(LabError::Refused(format!("no switch `{pdu}`, but {:?}", switches.keys()))),
        },
        Request::Exec { .. }
        | Request::Cut { .. }
        | Request::CutHost { .. }
        | Request::Impair { .. }
        | Request::Watch { .. }
        | Request::Unwatch { .. } => {
            Err(LabError::Refused("that is the supervisor's, not the switch's".into()))
        }
    };
    done.map(|()| Value::Null)
}
