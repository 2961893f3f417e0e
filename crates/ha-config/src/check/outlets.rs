//! One outlet, one node: which fence devices are one switch, and whether they give one of its outlets to two nodes.
//!
//! Must not know: levels and paths.
//!
//! Invariant: where two devices may be one switch, they are taken for one. To cut a healthy node is worse than a line
//! more in the file.

use crate::code::Code;
use crate::raw::RawDevice;
use crate::report::{Bytes, Report};
use ha_model::Waiver;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The ports at which one switch answers an agent of ours: the agent's defaults, without and with TLS.
const USUAL_PORTS: [(&str, &[u16]); 2] = [("fence_pdu_http", &[80, 443]), ("fence_pdu_snmp", &[161])];
/// What separates several outlets in one text where option `plug_separator` says nothing else.
const SEPARATOR: &str = ",";

/// Where a switch is found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Its address, in one spelling.
    Address(String),
    /// There is no address: the agent and all options say which switch it is.
    Options(String, BTreeMap<String, String>),
}

/// At which port an agent asks.
#[derive(Clone, PartialEq, Eq)]
enum Port {
    /// A usual one of the agent.
    Usual,
    /// Another, as typed.
    Typed(String),
    /// None was typed, and the agent's default is not known.
    Unknown,
}

impl Port {
    fn may_be(&self, other: &Port) -> bool {
        *self == Port::Unknown || *other == Port::Unknown || self == other
    }
}

/// An outlet that a device gives to a node.
struct Claim<'a> {
    device: &'a RawDevice,
    agent: &'a str,
    port: Port,
    node: &'a str,
    at: Bytes,
}

impl Claim<'_> {
    /// Whether both speak of one switch, given that the address is the same. A switch has an interface for each
    /// agent that can drive it; behind one address there are two switches only where one agent asks at two ports.
    fn may_be_of_the_switch_of(&self, other: &Claim<'_>) -> bool {
        self.agent != other.agent || self.port.may_be(&other.port)
    }
}

/// The name of the agent's program, wherever it lies.
fn program(agent: &str) -> &str {
    agent.rsplit('/').next().unwrap_or(agent)
}

fn option<'a>(device: &'a RawDevice, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| device.options.get(*name)).map(String::as_str)
}

fn place(device: &RawDevice) -> Place {
    // The agent takes the old name for the same option, and comes to it last.
    let Some(typed) = option(device, &["ipaddr", "ip"]) else {
        return Place::Options(device.agent.clone(), device.options.clone());
    };
    let typed = typed.trim();
    let bare = typed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(typed);
    Place::Address(match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        // Host names: letters without case, with or without the root's dot (RFC 1034 §3.1).
        Err(_) => bare.trim_end_matches('.').to_lowercase(),
    })
}

fn port(device: &RawDevice) -> Port {
    let agent = program(&device.agent);
    let usual = USUAL_PORTS.iter().find(|(name, _)| *name == agent).map(|(_, ports)| *ports);
    let Some(typed) = option(device, &["ipport"]).map(str::trim) else {
        return if usual.is_some() { Port::Usual } else { Port::Unknown };
    };
    match typed.parse::<u16>() {
        Ok(port) if usual.is_some_and(|usual| usual.contains(&port)) => Port::Usual,
        Ok(port) => Port::Typed(port.to_string()),
        Err(_) => Port::Typed(typed.to_owned()),
    }
}

/// The outlets in one text, numbers in one spelling.
fn each_outlet(device: &RawDevice, text: &str) -> Vec<String> {
    let separator = option(device, &["plug_separator", "plug-separator"]).unwrap_or(SEPARATOR);
    let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse::<u32>().map_or_else(|_| part.to_owned(), |n| n.to_string())).collect()
}

/// Reports each outlet that is given to two nodes.
pub(super) fn check_shared_outlets(devices: &[RawDevice], report: &mut Report<'_>) {
    // For each device of a switch the first claim is enough to find the others by.
    let mut claims: BTreeMap<(Place, String), Vec<Claim<'_>>> = BTreeMap::new();
    for device in devices {
        let (place, port, agent) = (place(device), port(device), program(&device.agent));
        for (node, outlets) in &device.outlets {
            for typed in outlets {
                for outlet in each_outlet(device, &typed.value) {
                    let (node, at, port) = (node.value.as_str(), typed.at.clone(), port.clone());
                    let claim = Claim { device, agent, port, node, at };
                    let earlier = claims.entry((place.clone(), outlet.clone())).or_default();
                    let is_other =
                        |first: &&Claim<'_>| first.node != claim.node && claim.may_be_of_the_switch_of(first);
                    if let Some(first) = earlier.iter().find(is_other) {
                        refuse(&claim, first, &outlet, &place, report);
                    }
                    if !earlier.iter().any(|first| first.agent == claim.agent && first.port == claim.port) {
                        earlier.push(claim);
                    }
                }
            }
        }
    }
}

fn refuse(claim: &Claim<'_>, first: &Claim<'_>, outlet: &str, place: &Place, report: &mut Report<'_>) {
    if report.waived(Waiver::SharedOutletCutsBothNodes) {
        return;
    }
    let (here, there) = (&claim.device.name.value, &first.device.name.value);
    let message = format!("outlet {outlet} of {here} feeds both {} and {}", first.node, claim.node);
    let mut more = report
        .error(Code::SharedOutlet, &claim.at, message)
        .see(&first.at, format!("here for {}", first.node))
        .help("fencing one of them would cut the other too, perhaps the one that takes over");
    if let (true, Place::Address(address)) = (here != there, place) {
        more = more.help(format!("{there} and {here} are one switch, at {address}"));
        if claim.agent == first.agent && claim.port != first.port {
            more = more.help("if they are two switches behind one address, give each its `ipport`");
        }
    }
    more.waiver(Waiver::SharedOutletCutsBothNodes);
}
