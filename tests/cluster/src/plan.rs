//! What a scenario wants to be put up.
//!
//! Must not know: how it is put up.

use ha_lab::LabSpec;
use ha_lab::cluster::{SwitchFace, VIP, VIP6, vip_resource, web_resource};
use ha_lab::spec::{LEDGER_NUMBER, LEDGER_PORT, ipv4};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// What `pdu-b` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondPdu {
    /// It feeds nobody and is no fence device.
    Unused,
    /// Each host has two supplies, one on each switch: only both together cut its power.
    Redundant,
}

/// Whether the numbered-block writer runs as a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// Last member of group `front`, with the lock of the disk.
    InFront,
    /// First member: the disk is taken before the address, whose own check (who answers for it?) would show a living
    /// old owner that the switch said to be off.
    First,
    /// Not at all.
    None,
}

/// A cluster to put up. The default: three hosts, profile `default`, SNMP, address, web service and writer as group
/// `front`.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Names of the hosts, all members.
    pub hosts: Vec<String>,
    /// `default` or `fast`.
    pub profile: String,
    /// How the switch is used.
    pub face: SwitchFace,
    /// The second switch.
    pub second_pdu: SecondPdu,
    /// Single times, by their name in `[timing]`; `off_settle` and `startup_wait` among them.
    pub timing: BTreeMap<String, String>,
    /// The address that is asked and watched from outside; the one of `front`.
    pub address: IpAddr,
    /// The `[[resource]]` tables of the members of group `front`, in order, with their names.
    pub front: Vec<(String, String)>,
    /// The writer, among those.
    pub writer: Writer,
    /// Where group `front` should run.
    pub prefer: BTreeMap<String, i64>,
    /// Further tables at the end of the cluster file.
    pub more_toml: String,
    /// Last changes of the laboratory's description (outlets, powered hosts).
    pub adjust: fn(&mut LabSpec),
    /// Last changes of the files of the hosts (`ha_lab::outer::host_dir`, below `config`) and of the daemons' services,
    /// before anything runs.
    pub prepare: fn(&mut LabSpec),
    /// Where its directory is made; None: in memory.
    pub within: Option<PathBuf>,
    /// Whether the process table is watched as well.
    pub watches_processes: bool,
    /// Whether the cluster tells all about itself when its test panics.
    pub tells_failures: bool,
    /// Whether to wait until the client gets an answer and the cluster is quiet.
    pub wait_for_service: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            hosts: ["alpha", "beta", "gamma"].map(String::from).to_vec(),
            profile: "default".into(),
            face: SwitchFace::Snmp,
            second_pdu: SecondPdu::Unused,
            timing: BTreeMap::new(),
            address: VIP.parse().expect("an address"),
            front: vip_and_web(VIP.parse().expect("an address")),
            writer: Writer::InFront,
            prefer: BTreeMap::new(),
            more_toml: String::new(),
            adjust: |_| {},
            prepare: |_| {},
            within: None,
            watches_processes: false,
            tells_failures: true,
            wait_for_service: true,
        }
    }
}

impl Plan {
    /// The same with an IPv6 address, which an outside client asks for by neighbour discovery.
    pub fn ipv6(self) -> Self {
        let address = VIP6.parse().expect("an address");
        Self { address, front: vip_and_web(address), ..self }
    }

    /// The same with profile `fast`.
    pub fn fast(self) -> Self {
        Self { profile: "fast".into(), ..self }
    }

    /// The same without a stop by the owner itself when its grant lapses. For controls: the cut of power is to prevent
    /// the harm, not the daemon's goodwill. And where a voter is away on purpose for seconds: a virtual machine that
    /// stands still meanwhile would cost the others their lease, and the owner its services, as it should.
    pub fn long_grants(self) -> Self {
        self.time("t_grant", "50s")
    }

    /// The same with one time changed.
    pub fn time(mut self, name: &str, value: &str) -> Self {
        self.timing.insert(name.into(), value.into());
        self
    }

    /// The same with one more member of group `front`, before the writer.
    pub fn also(mut self, name: &str, toml: String) -> Self {
        self.front.push((name.into(), toml));
        self
    }

    /// `off_settle` is 0 in the lab: its switch holds no charge.
    pub(crate) fn times(&self) -> BTreeMap<String, String> {
        let mut times = BTreeMap::from([("off_settle".to_string(), "0ms".to_string())]);
        times.extend(self.timing.clone());
        times
    }

    pub(crate) fn resources(&self, spec: &LabSpec) -> String {
        let mut front = self.front.clone();
        let writer = ("writer".to_string(), writer_resource(spec));
        match self.writer {
            Writer::InFront => front.push(writer),
            Writer::First => front.insert(0, writer),
            Writer::None => {}
        }
        let mut out: String = front.iter().map(|(_, toml)| toml.as_str()).collect();
        let members: Vec<_> = front.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        out += &format!("\n[[group]]\nname = \"front\"\nmembers = [{}]\n", members.join(", "));
        if !self.prefer.is_empty() {
            let scores: Vec<_> =
                self.prefer.iter().map(|(node, score)| format!("{node} = {score}")).collect();
            out += &format!("prefer = {{ {} }}\n", scores.join(", "));
        }
        out
    }
}

/// The usual address and web service of the lab, one table each.
pub fn vip_and_web(address: IpAddr) -> Vec<(String, String)> {
    vec![("vip".into(), vip_resource(address)), ("web".into(), web_resource(address))]
}

/// An `exec` resource; `more` are further lines of its table.
pub fn exec_resource(name: &str, options: &[(&str, &str)], more: &str) -> String {
    let options: Vec<_> =
        options.iter().map(|(key, value)| format!("{key} = {}", toml_string(value))).collect();
    let options = options.join(", ");
    format!("\n[[resource]]\nname = \"{name}\"\nagent = \"exec\"\noptions = {{ {options} }}\n{more}\n")
}

/// A basic string of TOML; JSON's escapes are among its own.
fn toml_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

fn writer_resource(spec: &LabSpec) -> String {
    let management = spec.links.last().expect("a lab has a link");
    let ledger = ipv4(management, LEDGER_NUMBER);
    let start = format!("{} writer --ledger {ledger}:{LEDGER_PORT}", ha_lab::PROGRAM);
    exec_resource("writer", &[("start", &start)], "locks = [\"disk\"]")
}
