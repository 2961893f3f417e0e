//! The description of a lab: links, hosts, power switches. Plain data and its checks.
//!
//! Must not know: processes, files, namespaces.
//! Invariants: names are short enough for interface names, numbers are unique on a link, an outlet feeds at most
//! the hosts it names, and every address and MAC follows from (link, number) alone.

use crate::error::{LabError, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Longest station name: `NAME.LINK` is an interface name, and those end at 15 bytes.
pub const STATION_NAME_MAX: usize = 10;
/// Longest link name, for the same reason.
pub const LINK_NAME_MAX: usize = 4;
/// Most hosts in one lab: far above any test, far below what one bridge and one /24 carry.
pub const HOSTS_MAX: usize = 64;
/// Number of the outside observers' namespace on the public link.
pub const CLIENT_NUMBER: u8 = 200;
/// Number of the ledger server on the management link.
pub const LEDGER_NUMBER: u8 = 50;
/// TCP port of the ledger server.
pub const LEDGER_PORT: u16 = 7000;
/// Station name of the outside observers.
pub const CLIENT: &str = "client";
/// Station name of the ledger server.
pub const LEDGER: &str = "ledger";

/// One broadcast domain, a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSpec {
    /// Name of the bridge.
    pub name: String,
    /// First three bytes of its IPv4 /24.
    pub prefix: [u8; 3],
}

/// A program that the host's init starts and, like systemd with `Restart=always`, starts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Name, also of its log file.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Extra environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Pause between its death and its next start, in milliseconds.
    #[serde(default = "default_restart_ms")]
    pub restart_ms: u64,
}

fn default_restart_ms() -> u64 {
    // systemd's RestartSec default.
    100
}

impl ServiceSpec {
    /// A service without extra environment, restarted after 100 ms.
    pub fn new(name: &str, argv: &[&str]) -> Self {
        Self {
            name: name.into(),
            argv: argv.iter().map(|a| a.to_string()).collect(),
            env: BTreeMap::new(),
            restart_ms: default_restart_ms(),
        }
    }
}

/// One simulated host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Its name and host name.
    pub name: String,
    /// Last byte of its addresses, and part of its MACs.
    pub number: u8,
    /// What its init runs.
    #[serde(default)]
    pub services: Vec<ServiceSpec>,
    /// Whether it boots when the lab starts.
    #[serde(default = "yes")]
    pub powered: bool,
}

fn yes() -> bool {
    true
}

impl HostSpec {
    /// A host that boots with the lab and runs `services`.
    pub fn new(name: &str, number: u8, services: Vec<ServiceSpec>) -> Self {
        Self { name: name.into(), number, services, powered: true }
    }
}

/// One power switch on the management link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PduSpec {
    /// Station name.
    pub name: String,
    /// Last byte of its address on the management link.
    pub number: u8,
    /// Outlet number (from 1) to the host it feeds.
    pub outlets: BTreeMap<u32, String>,
}

/// A whole lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabSpec {
    /// Directory of sockets, logs, host data. Created; kept afterwards.
    pub dir: PathBuf,
    /// Links; the first is the public one (`eth0`), the last the management one.
    pub links: Vec<LinkSpec>,
    /// Hosts.
    pub hosts: Vec<HostSpec>,
    /// Power switches.
    pub pdus: Vec<PduSpec>,
    /// Programs that hosts find in their PATH under their own names, wherever on the machine they lie.
    #[serde(default)]
    pub tools: Vec<PathBuf>,
    /// The `ha-lab` program; found beside the running program when absent.
    #[serde(default)]
    pub program: Option<PathBuf>,
}

impl LabSpec {
    /// The usual laboratory: links `net0` (10.0.0.0/24), `net1` (192.168.7.0/24), `mgmt` (10.0.9.0/24), the given
    /// hosts numbered from 11, and two switches: `pdu-a` (10.0.9.1) feeds every host from outlet 1 on; `pdu-b`
    /// (10.0.9.2) feeds nobody until a test says so.
    pub fn usual(dir: impl Into<PathBuf>, hosts: &[&str]) -> Self {
        let link = |name: &str, prefix| LinkSpec { name: name.into(), prefix };
        let outlets = |names: &[&str]| (1u32..).zip(names.iter().map(|n| n.to_string())).collect();
        Self {
            dir: dir.into(),
            links: vec![link("net0", [10, 0, 0]), link("net1", [192, 168, 7]), link("mgmt", [10, 0, 9])],
            hosts: (11u8..).zip(hosts).map(|(n, name)| HostSpec::new(name, n, Vec::new())).collect(),
            pdus: vec![
                PduSpec { name: "pdu-a".into(), number: 1, outlets: outlets(hosts) },
                PduSpec { name: "pdu-b".into(), number: 2, outlets: outlets(&[]) },
            ],
            tools: Vec::new(),
            program: None,
        }
    }

    /// Gives every host the same services (`{host}` and `{number}` in arguments are replaced).
    pub fn with_service(mut self, service: &ServiceSpec) -> Self {
        for host in &mut self.hosts {
            let mut own = service.clone();
            for arg in own.argv.iter_mut().chain(own.env.values_mut()) {
                *arg = arg.replace("{host}", &host.name).replace("{number}", &host.number.to_string());
            }
            host.services.push(own);
        }
        self
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Result<&HostSpec> {
        self.hosts.iter().find(|h| h.name == name).ok_or_else(|| {
            let known: Vec<_> = self.hosts.iter().map(|h| h.name.as_str()).collect();
            LabError::Spec(format!("no host `{name}`; the hosts are {}", known.join(", ")))
        })
    }

    /// Position of the link of that name; also the number of its `ethN`.
    pub fn link_index(&self, name: &str) -> Result<usize> {
        self.links.iter().position(|l| l.name == name).ok_or_else(|| {
            let known: Vec<_> = self.links.iter().map(|l| l.name.as_str()).collect();
            LabError::Spec(format!("no link `{name}`; the links are {}", known.join(", ")))
        })
    }

    /// Every station (host, switch, observer, ledger) with the links it has a port on.
    pub fn stations(&self) -> Vec<Station> {
        let all: Vec<usize> = (0..self.links.len()).collect();
        let last = self.links.len() - 1;
        let mut out: Vec<Station> = Vec::new();
        let mut add = |name: &str, number, links: Vec<usize>, kind| {
            out.push(Station { name: name.into(), number, links, kind });
        };
        for h in &self.hosts {
            add(&h.name, h.number, all.clone(), StationKind::Host);
        }
        for p in &self.pdus {
            add(&p.name, p.number, vec![last], StationKind::Pdu);
        }
        add(CLIENT, CLIENT_NUMBER, vec![0], StationKind::Observer);
        add(LEDGER, LEDGER_NUMBER, vec![last], StationKind::Observer);
        out
    }

    /// Checks everything that would otherwise fail half-way through building.
    pub fn validate(&self) -> Result<()> {
        let fail = |text: String| Err(LabError::Spec(text));
        if self.links.is_empty() || self.links.len() > 8 {
            return fail(format!("{} links; 1 to 8 are possible", self.links.len()));
        }
        if self.hosts.is_empty() || self.hosts.len() > HOSTS_MAX {
            return fail(format!("{} hosts; 1 to {HOSTS_MAX} are possible", self.hosts.len()));
        }
        let word = |s: &str| {
            s.starts_with(|c: char| c.is_ascii_lowercase())
                && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        let mut names = BTreeSet::new();
        for link in &self.links {
            if !word(&link.name) || link.name.len() > LINK_NAME_MAX || !names.insert(link.name.clone()) {
                return fail(format!(
                    "link name `{}`: 1 to {LINK_NAME_MAX} of a-z 0-9 -, each once",
                    link.name
                ));
            }
        }
        let mut numbers = BTreeSet::new();
        for s in self.stations() {
            if !word(&s.name) || s.name.len() > STATION_NAME_MAX || !names.insert(s.name.clone()) {
                return fail(format!("name `{}`: 1 to {STATION_NAME_MAX} of a-z 0-9 -, each once", s.name));
            }
            for link in s.links {
                if s.number == 0 || s.number == 255 || !numbers.insert((link, s.number)) {
                    return fail(format!("number {} of `{}` is taken or not an address", s.number, s.name));
                }
            }
        }
        for pdu in &self.pdus {
            for (outlet, host) in &pdu.outlets {
                self.host(host)?;
                if !(1..=64).contains(outlet) {
                    return fail(format!("outlet {outlet} of {}: outlets are 1 to 64", pdu.name));
                }
            }
        }
        let mut tools = BTreeSet::from(["ha-lab".into()]);
        for tool in &self.tools {
            if !tool.is_file() || !tool.file_name().is_some_and(|name| tools.insert(name.to_os_string())) {
                return fail(format!("tool {}: no such file, or its name is taken", tool.display()));
            }
        }
        for host in &self.hosts {
            let mut seen = BTreeSet::new();
            for service in &host.services {
                if !word(&service.name) || !seen.insert(&service.name) || service.argv.is_empty() {
                    return fail(format!("service `{}` of {}: bad name or no argv", service.name, host.name));
                }
            }
        }
        Ok(())
    }
}

/// What a station is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StationKind {
    /// A host that can be powered.
    Host,
    /// A power switch.
    Pdu,
    /// The client namespace or the ledger.
    Observer,
}

/// Anything with a port on a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// Name.
    pub name: String,
    /// Last byte of its addresses.
    pub number: u8,
    /// Indices of its links; the interface on link `i` is `eth{i}`.
    pub links: Vec<usize>,
    /// What it is.
    pub kind: StationKind,
}

impl Station {
    /// Name of its port on the bridge (in the lab's root namespace).
    pub fn port(&self, link: &LinkSpec) -> String {
        port(&self.name, &link.name)
    }
    /// Its fixed MAC on link `index`: locally administered, readable as (link, number).
    pub fn mac(&self, index: usize) -> String {
        mac(index, self.number)
    }
}

/// Name of the bridge-side interface of `station` on `link`.
pub fn port(station: &str, link: &str) -> String {
    format!("{station}.{link}")
}

/// The MAC of the station with `number` on link `index`.
pub fn mac(index: usize, number: u8) -> String {
    format!("02:00:48:41:{index:02x}:{number:02x}")
}

/// The IPv4 address of `number` on `link`.
pub fn ipv4(link: &LinkSpec, number: u8) -> String {
    let [a, b, c] = link.prefix;
    format!("{a}.{b}.{c}.{number}")
}

/// The IPv6 address of `number` on link `index`: `fd00:4841::/48` ("HA"), the number readable as in IPv4.
pub fn ipv6(index: usize, number: u8) -> String {
    format!("fd00:4841:0:{index}::{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_lab_is_valid_and_has_the_documented_addresses() {
        let spec = LabSpec::usual("/x", &["alpha", "beta", "gamma"]);
        spec.validate().unwrap();
        assert_eq!(ipv4(&spec.links[0], spec.hosts[1].number), "10.0.0.12");
        assert_eq!(ipv4(&spec.links[1], spec.hosts[0].number), "192.168.7.11");
        assert_eq!(ipv4(&spec.links[2], spec.pdus[0].number), "10.0.9.1");
        assert_eq!(spec.pdus[0].outlets[&3], "gamma");
    }

    #[test]
    fn clashes_and_unknown_hosts_are_refused() {
        let good = LabSpec::usual("/x", &["alpha", "beta"]);
        let broken: [&dyn Fn(&mut LabSpec); 6] = [
            &|s| s.hosts[1].name = "alpha".into(),
            &|s| s.hosts[1].number = 11,
            &|s| s.hosts[0].number = CLIENT_NUMBER,
            &|s| s.hosts[0].name = "much-too-long".into(),
            &|s| _ = s.pdus[0].outlets.insert(9, "delta".into()),
            &|s| _ = s.pdus[0].outlets.insert(0, "alpha".into()),
        ];
        for (i, change) in broken.iter().enumerate() {
            let mut spec = good.clone();
            change(&mut spec);
            assert!(spec.validate().is_err(), "case {i} was accepted");
        }
    }

    #[test]
    fn service_arguments_name_their_host() {
        let spec = LabSpec::usual("/x", &["alpha", "beta"])
            .with_service(&ServiceSpec::new("web", &["web", "--id", "{host}", "10.0.0.{number}:80"]));
        assert_eq!(spec.hosts[1].services[0].argv[2..], ["beta", "10.0.0.12:80"]);
    }
}
