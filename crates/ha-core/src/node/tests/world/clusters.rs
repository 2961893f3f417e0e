//! The clusters that the stories begin with.

use super::World;

const CLUSTER: &str = r#"
name = "test"
stickiness = 100
[timing]
off_settle = "0ms"
[[node]]
name = "alpha"
links = ["10.0.0.11"]
[[node]]
name = "beta"
links = ["10.0.0.12"]
[[node]]
name = "gamma"
links = ["10.0.0.13"]
[[fence]]
name = "pdu"
agent = "fence_pdu_snmp"
options = { ip = "10.0.9.1" }
outlets = { alpha = ["1"], beta = ["2"], gamma = ["3"] }
[[resource]]
name = "vip"
agent = "vip"
options = { address = "10.0.0.100/24", interface = "eth0" }
[[resource]]
name = "web"
agent = "exec"
options = { start = "/bin/web" }
monitor = { interval = "1s", timeout = "3s" }
[[group]]
name = "front"
members = ["vip", "web"]
prefer = { alpha = 10 }
"#;

impl World {
    pub fn three() -> Self {
        Self::of(CLUSTER.to_owned())
    }

    pub fn three_text() -> String {
        CLUSTER.to_owned()
    }

    /// The same three nodes without a fence path, as somebody accepted.
    pub fn without_fencing() -> Self {
        let (before, rest) = CLUSTER.split_once("[[fence]]").expect("it has one");
        let (_, after) = rest.split_once("\n[[resource]]").expect("resources follow");
        let waiver = "waivers = [\"i-accept-that-unfenced-members-block-recovery\"]";
        Self::of(format!("{waiver}{before}\n[[resource]]{after}"))
    }

    /// The same three nodes, each with a watchdog; beta's cannot be had where it is none.
    pub fn with_watchdogs(betas: &str) -> Self {
        let text = CLUSTER.replace("links = ", "watchdog = \"/dev/watchdog\"\nlinks = ");
        let beta = "name = \"beta\"\nwatchdog = \"/dev/";
        Self::of(text.replacen(&format!("{beta}watchdog"), &format!("{beta}{betas}"), 1))
    }

    /// Four members: three voters, and delta without a vote.
    pub fn four() -> Self {
        let delta = "links = [\"10.0.0.13\"]\n[[node]]\nname = \"delta\"\nlinks = [\"10.0.0.14\"]";
        let text = CLUSTER.replacen("links = [\"10.0.0.13\"]", delta, 1);
        Self::of(text.replacen("gamma = [\"3\"] }", "gamma = [\"3\"], delta = [\"4\"] }", 1))
    }

    /// Only beta votes: it commits whatever the others have got of it.
    pub fn with_one_voter() -> Self {
        Self::of(CLUSTER.replacen("stickiness", "voters = [\"beta\"]\nstickiness", 1))
    }

    /// The service stays where it fails.
    pub fn without_migration() -> Self {
        Self::of(CLUSTER.replacen("monitor =", "migration_threshold = 0\nmonitor =", 1))
    }

    /// Another first level of alpha: its outlet feeds nothing, it has read off ever since.
    pub fn with_a_useless_first_level() -> Self {
        let level = "[[fence]]\nname = \"blind\"\nagent = \"fence_pdu_snmp\"\noptions = { ip = \"10.0.9.2\" }\n\
                     outlets = { alpha = [\"99\"] }\n[[fence]]";
        let text = CLUSTER.replacen("[[fence]]", level, 1);
        Self::of(format!(
            "{text}[[level]]\nnode = \"alpha\"\ndevices = [\"blind\"]\n[[level]]\nnode = \"alpha\"\ndevices = [\"pdu\"]\n"
        ))
    }

    /// One failure moves the service, and is forgotten after a minute.
    pub fn that_forgets() -> Self {
        let settings = "migration_threshold = 1\nfailure_timeout = \"1m\"\nmonitor =";
        Self::of(CLUSTER.replacen("monitor =", settings, 1))
    }
}
