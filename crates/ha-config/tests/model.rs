//! What a good file becomes.

use ha_config::{Parsed, parse};
use ha_model::*;
use std::time::Duration;

const SHOP: &str = r#"name = "shop"
[[node]]
name = "alpha"
links = ["10.0.0.11", "192.168.7.11"]
[[node]]
name = "beta"
links = ["10.0.0.12", "192.168.7.12"]
[[node]]
name = "gamma"
links = ["10.0.0.13", "192.168.7.13"]
[[fence]]
name = "pdu-a"
agent = "fence_pdu_snmp"
options = { ip = "10.0.9.1", snmp_version = "2c", community_file = "/etc/ha/secrets/pdu-a" }
outlets = { alpha = ["1"], beta = ["2"], gamma = ["3"] }
[[resource]]
name = "vip"
agent = "vip"
options = { address = "10.0.0.100/24", interface = "eth0" }
[[resource]]
name = "web"
agent = "exec"
options = { start = "/bin/web", stop = "/bin/web --stop", check = "/bin/web --check" }
monitor = { interval = "1s", timeout = "3s" }
[[group]]
name = "front"
members = ["vip", "web"]
prefer = { alpha = 100 }
"#;

fn ok(text: &str) -> Parsed {
    parse("cluster.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn with(addition: &str) -> String {
    format!("{SHOP}{addition}")
}

fn at(line: u32, column: u32) -> Origin {
    Origin::File { name: "cluster.toml".into(), line, column }
}

#[test]
fn the_first_example_becomes_the_model() {
    let parsed = ok(SHOP);
    assert_eq!(parsed.warnings, vec![]);
    let config = parsed.config;
    assert_eq!(config.name, "shop");
    assert_eq!(config.profile, Profile::Default);
    assert_eq!(config.timing, Timing::derive(Profile::Default));
    assert_eq!(config.voters(), ["alpha", "beta", "gamma"].map(NodeId::from));
    let beta = &config.nodes[&NodeId::from("beta")];
    assert_eq!(beta.role, Role::Member);
    assert_eq!(beta.links, ["10.0.0.12", "192.168.7.12"].map(|a| a.parse::<std::net::IpAddr>().unwrap()));
    assert_eq!((beta.position, &beta.origin), (1, &at(5, 1)));

    let pdu = &config.devices[&DeviceId::from("pdu-a")];
    assert_eq!(pdu.agent.as_str(), "fence_pdu_snmp");
    assert_eq!(pdu.options["snmp_version"], "2c");
    assert_eq!(pdu.outlets[&NodeId::from("gamma")], ["3"]);
    assert_eq!((pdu.timeout, pdu.off_settle), (Duration::from_secs(20), Duration::from_secs(1)));
    assert_eq!(pdu.origin, at(11, 1));
    let level = &config.levels[&NodeId::from("alpha")];
    assert_eq!(level.len(), 1);
    assert_eq!(level[0].devices, [DeviceId::from("pdu-a")]);

    let vip = &config.resources[&ResourceId::from("vip")];
    assert_eq!(vip.options["address"], "10.0.0.100/24");
    assert_eq!(vip.objects, [ObjectId::from("address/10.0.0.100")]);
    assert_eq!(vip.monitor.interval, Duration::from_secs(1));
    let web = &config.resources[&ResourceId::from("web")];
    assert_eq!(web.objects, [ObjectId::from("service/web")]);
    assert_eq!(web.monitor.timeout, Duration::from_secs(3));
    assert_eq!((web.migration_threshold, web.failure_timeout), (3, Duration::from_secs(600)));
    assert!(web.enabled);
    assert_eq!(web.position, 1);

    let front = &config.groups[&GroupId::from("front")];
    assert_eq!(front.members, ["vip", "web"].map(ResourceId::from));
    let alpha = &front.prefer[&NodeId::from("alpha")];
    assert_eq!((alpha.score, &alpha.origin), (100, &at(28, 12)));
    assert_eq!(config.sha256, ha_config::sha256(SHOP.as_bytes()));
}

#[test]
fn four_members_are_three_voters_and_a_learner_with_a_note() {
    let parsed = ok(&with("[[node]]\nname = \"delta\"\nlinks = [\"10.0.0.14\", \"192.168.7.14\"]\n")
        .replace("gamma = [\"3\"]", "gamma = [\"3\"], delta = [\"4\"]"));
    assert_eq!(parsed.config.voters(), ["alpha", "beta", "gamma"].map(NodeId::from));
    assert_eq!(parsed.config.learners(), [NodeId::from("delta")]);
    let words: Vec<_> = parsed.warnings.iter().map(|w| w.code.word()).collect();
    assert_eq!(words, ["learner"]);
}
