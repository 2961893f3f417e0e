//! What a lab needs to run the real cluster: the cluster file, the secrets and certificates of each host, and the
//! daemon as a service. The one place that knows the daemon's command line and its files.
//!
//! Must not know: how a lab works inside; it writes into the hosts' directories before the lab starts.

use crate::error::{Context, LabError, Result};
use crate::host_init::{BIN, PROGRAM};
use crate::outer::host_dir;
use crate::spec::{LabSpec, ServiceSpec, ipv4};
use crate::switch::{HTTP_PASSWORD, HTTP_USER, WRITE_COMMUNITY};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The virtual address of the usual cluster.
pub const VIP: &str = "10.0.0.100";
/// The same by IPv6, in the network of the hosts' own (`spec::ipv6`).
pub const VIP6: &str = "fd00:4841::100";
/// Service name of the daemon.
pub const DAEMON: &str = "hanode";

/// The programs of the cluster.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The daemon.
    pub hanode: PathBuf,
    /// The command line.
    pub hactl: PathBuf,
    /// Directory with the fence agents (`fence_*`).
    pub agents: PathBuf,
}

/// The daemon as a host's init starts it.
pub fn daemon() -> ServiceSpec {
    let mut service =
        ServiceSpec::new(DAEMON, &["hanode", "--config", "/etc/ha/cluster.toml", "--node", "{host}"]);
    service.argv.extend(["--fence-agents".into(), BIN.into()]);
    service
}

/// By which face the switch is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchFace {
    /// `fence_pdu_snmp`, version 2c.
    Snmp,
    /// `fence_pdu_http`, Digital Loggers form with digest authentication.
    Http,
}

/// The usual cluster: every host a member, the first switch, an address and the tiny web service.
#[derive(Debug, Clone)]
pub struct ClusterPlan {
    /// `default` or `fast`.
    pub profile: String,
    /// How the switch is used.
    pub face: SwitchFace,
    /// The `[timing]` table. By default `off_settle` is 0: the lab's switch holds no charge.
    pub timing: BTreeMap<String, String>,
    /// The `[[resource]]` and `[[group]]` tables.
    pub resources: String,
    /// Further tables at the end of the cluster file (`[[level]]` …).
    pub more: String,
}

impl Default for ClusterPlan {
    fn default() -> Self {
        Self {
            profile: "default".into(),
            face: SwitchFace::Snmp,
            timing: BTreeMap::from([("off_settle".into(), "0ms".into())]),
            resources: usual_resources(),
            more: String::new(),
        }
    }
}

/// The virtual address on `eth0` and the tiny web service behind it, as group `front`.
pub fn usual_resources() -> String {
    let address = VIP.parse().expect("an address");
    let group = "\n[[group]]\nname = \"front\"\nmembers = [\"vip\", \"web\"]\n";
    vip_resource(address) + &web_resource(address) + group
}

/// The resource `vip`: this address on `eth0`.
pub fn vip_resource(address: IpAddr) -> String {
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    format!(
        "\n[[resource]]\nname = \"vip\"\nagent = \"vip\"\n\
         options = {{ address = \"{address}/{prefix}\", interface = \"eth0\" }}\n"
    )
}

/// The resource `web`: the tiny web service at this address.
pub fn web_resource(address: IpAddr) -> String {
    let listen = SocketAddr::new(address, 80);
    format!(
        "\n[[resource]]\nname = \"web\"\nagent = \"exec\"\n\
         options = {{ start = \"{PROGRAM} web --listen {listen}\", check = \"{PROGRAM} ask {listen}\" }}\n\
         monitor = {{ interval = \"1s\", timeout = \"3s\" }}\n"
    )
}

impl ClusterPlan {
    /// The text of the cluster file.
    pub fn toml(&self, spec: &LabSpec) -> String {
        let mut out = format!("name = \"lab\"\nprofile = \"{}\"\nstickiness = 1000\n", self.profile);
        if !self.timing.is_empty() {
            let times: Vec<_> =
                self.timing.iter().map(|(name, time)| format!("{name} = \"{time}\"\n")).collect();
            out += &format!("\n[timing]\n{}", times.concat());
        }
        // The management link is the switches'; heartbeats go over the others.
        let links = &spec.links[..spec.links.len() - 1];
        for host in &spec.hosts {
            let own: Vec<_> = links.iter().map(|l| format!("\"{}\"", ipv4(l, host.number))).collect();
            out += &format!("\n[[node]]\nname = \"{}\"\nlinks = [{}]\n", host.name, own.join(", "));
        }
        let management = spec.links.last().expect("a lab has a link");
        for pdu in spec.pdus.iter().filter(|p| !p.outlets.is_empty()) {
            let ip = ipv4(management, pdu.number);
            let secret = format!("/etc/ha/secrets/{}", pdu.name);
            let (agent, options) = match self.face {
                SwitchFace::Snmp => ("snmp", format!("snmp_version = \"2c\", community_file = \"{secret}\"")),
                SwitchFace::Http => {
                    let login = format!("username = \"{HTTP_USER}\", password_file = \"{secret}\"");
                    ("http", format!("model = \"dli\", {login}"))
                }
            };
            out += &format!("\n[[fence]]\nname = \"{}\"\nagent = \"fence_pdu_{agent}\"\n", pdu.name);
            out += &format!("options = {{ ip = \"{ip}\", {options} }}\n");
            let outlets: Vec<_> = pdu.outlets.iter().map(|(n, host)| format!("{host} = [\"{n}\"]")).collect();
            out += &format!("outlets = {{ {} }}\n", outlets.join(", "));
        }
        out + &self.resources + &self.more
    }
}

/// Adds the programs to a description and the daemon to every host. The lab gets links of its own to them: whoever
/// builds them anew meanwhile does not pull them from under a running cluster.
pub fn with_daemon(mut spec: LabSpec, programs: &Programs) -> Result<LabSpec> {
    let mut tools = vec![programs.hanode.clone(), programs.hactl.clone()];
    let mut agents: Vec<PathBuf> = fs::read_dir(&programs.agents)
        .at("list the fence agents in", &programs.agents)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.extension().is_none())
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("fence_")))
        .collect();
    agents.sort();
    tools.extend(agents);
    let own = spec.dir.join("bin");
    fs::create_dir_all(&own).at("create", &own)?;
    for tool in tools {
        let name = tool.file_name().unwrap_or_default();
        let link = own.join(name);
        if link.exists() {
            fs::remove_file(&link).at("remove", &link)?;
        }
        if fs::hard_link(&tool, &link).is_err() {
            fs::copy(&tool, &link).at("copy to", &link)?;
        }
        spec.tools.push(link);
    }
    Ok(spec.with_service(&daemon()))
}

/// Writes cluster file, secrets and certificates into the hosts' /etc/ha. Before the lab starts.
pub fn install(spec: &LabSpec, hactl: &Path, plan: &ClusterPlan) -> Result<()> {
    let file = spec.dir.join("cluster.toml");
    fs::create_dir_all(&spec.dir).at("create", &spec.dir)?;
    fs::write(&file, plan.toml(spec)).at("write", &file)?;
    let keys = spec.dir.join("keys");
    let made = Command::new(hactl)
        .args(["cluster", "keys"])
        .arg(&file)
        .arg("--out")
        .arg(&keys)
        .output()
        .at("run", hactl)?;
    if !made.status.success() {
        let why = String::from_utf8_lossy(&made.stderr);
        return Err(LabError::Spec(format!("hactl cluster keys {}: {}", file.display(), why.trim())));
    }
    let secret = match plan.face {
        SwitchFace::Snmp => WRITE_COMMUNITY,
        SwitchFace::Http => HTTP_PASSWORD,
    };
    for host in &spec.hosts {
        let etc = host_dir(&spec.dir, &host.name).join("config");
        let secrets = etc.join("secrets");
        fs::create_dir_all(&secrets).at("create", &secrets)?;
        set_mode(&secrets, 0o700)?;
        copy(&file, &etc.join("cluster.toml"), 0o644)?;
        for pdu in &spec.pdus {
            let path = secrets.join(&pdu.name);
            fs::write(&path, format!("{secret}\n")).at("write", &path)?;
            set_mode(&path, 0o600)?;
        }
        let own_keys = etc.join("keys");
        fs::create_dir_all(&own_keys).at("create", &own_keys)?;
        set_mode(&own_keys, 0o700)?;
        let from = keys.join(&host.name);
        for entry in fs::read_dir(&from).at("list", &from)?.flatten() {
            copy(&entry.path(), &own_keys.join(entry.file_name()), 0o600)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::copy(from, to).at("copy to", to)?;
    set_mode(to, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).at("set mode of", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_file_names_what_the_lab_has() {
        let spec = LabSpec::usual("/x", &["alpha", "beta", "gamma"]);
        let text = ClusterPlan { profile: "fast".into(), ..ClusterPlan::default() }.toml(&spec);
        for part in [
            "profile = \"fast\"",
            "links = [\"10.0.0.13\", \"192.168.7.13\"]",
            "ip = \"10.0.9.1\"",
            "outlets = { alpha = [\"1\"], beta = [\"2\"], gamma = [\"3\"] }",
            "off_settle = \"0ms\"",
        ] {
            assert!(text.contains(part), "no `{part}` in:\n{text}");
        }
        assert!(!text.contains("pdu-b"), "a switch that feeds nobody is no fence device:\n{text}");
    }
}
