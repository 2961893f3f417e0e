//! What a good file becomes.

// Helpers of tests stand outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

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

fn codes(text: &str) -> Vec<&'static str> {
    match parse("cluster.toml", text) {
        Ok(parsed) => parsed.warnings.iter().map(|w| w.code.word()).collect(),
        Err(errors) => errors.items.iter().map(|item| item.code.word()).collect(),
    }
}

fn waiving(waiver: Waiver, text: &str) -> String {
    format!("waivers = [\"{}\"]\n{text}", waiver.word())
}

fn without_gamma() -> String {
    SHOP.replace("[[node]]\nname = \"gamma\"\nlinks = [\"10.0.0.13\", \"192.168.7.13\"]\n", "")
        .replace(", gamma = [\"3\"]", "")
}

#[test]
fn each_unsafe_thing_is_refused_without_its_waiver_and_accepted_with_it() {
    let second_vip = "[[resource]]\nname = \"vip2\"\nagent = \"vip\"\n\
                      options = { address = \"10.0.0.100/16\", interface = \"eth1\" }\n";
    let cases = [
        (Waiver::TwoMembersStopWhenOneIsLost, "two-members", without_gamma()),
        (Waiver::UnfencedMembersBlockRecovery, "no-fence-path", SHOP.replace(", gamma = [\"3\"]", "")),
        (Waiver::SharedOutletCutsBothNodes, "shared-outlet", SHOP.replace("[\"2\"]", "[\"1\"]")),
        (
            Waiver::EvenVoterListLosesItsLastVote,
            "even-voters",
            format!("voters = [\"gamma\", \"alpha\"]\n{SHOP}"),
        ),
        (Waiver::SharedObjectRunsOneResourceAtATime, "shared-object", with(second_vip)),
        (Waiver::UnsoundTimingsFenceHealthyNodes, "unsound-timing", with("[timing]\nbeat = \"400ms\"\n")),
    ];
    for (waiver, code, text) in cases {
        let refused = codes(&text);
        assert!(refused.contains(&code) && parse("f", &text).is_err(), "{code}: {refused:?}");
        let config = ok(&waiving(waiver, &text)).config;
        assert_eq!(config.waivers.keys().collect::<Vec<_>>(), [&waiver]);
        assert_eq!(config.waivers[&waiver], at(1, 12));
        assert_eq!(codes(&waiving(waiver, &text)), Vec::<&str>::new(), "{code}: the waiver is needed");
        for other in Waiver::ALL.into_iter().filter(|other| *other != waiver) {
            assert!(parse("f", &waiving(other, &text)).is_err(), "{code} is accepted with {}", other.word());
        }
    }
}

#[test]
fn the_bound_of_the_lease_is_never_waived() {
    let text = waiving(Waiver::UnsoundTimingsFenceHealthyNodes, &with("[timing]\nt_lease = \"801ms\"\n"));
    let Err(errors) = parse("cluster.toml", &text) else { panic!("two leaders could act at once") };
    assert_eq!(errors.items[0].code.word(), "unsound-timing");
}

#[test]
fn votes_are_odd_in_every_shape() {
    let two = waiving(Waiver::TwoMembersStopWhenOneIsLost, &without_gamma());
    assert_eq!(ok(&two).config.voters(), [NodeId::from("alpha")], "the first member votes alone");

    let forced =
        waiving(Waiver::EvenVoterListLosesItsLastVote, &format!("voters = [\"gamma\", \"alpha\"]\n{SHOP}"));
    assert_eq!(ok(&forced).config.voters(), [NodeId::from("gamma")], "the last one listed loses its vote");

    let one = "name = \"solo\"\n[[node]]\nname = \"only\"\nlinks = [\"10.0.0.1\"]\n\
               [[resource]]\nname = \"job\"\nagent = \"exec\"\noptions = { start = \"/bin/job\" }\n";
    let parsed = ok(one);
    assert_eq!(parsed.config.voters(), [NodeId::from("only")]);
    assert_eq!(parsed.warnings, vec![], "nobody takes over from a single member: it needs no fencing");

    let witness_votes_alone_never =
        format!("{one}[[node]]\nname = \"w\"\nrole = \"witness\"\nlinks = [\"10.0.0.2\"]\n");
    assert_eq!(ok(&witness_votes_alone_never).config.voters(), [NodeId::from("only")]);
}

#[test]
fn typed_levels_replace_the_default_order() {
    let second = "[[fence]]\nname = \"pdu-b\"\nagent = \"fence_pdu_snmp\"\noptions = { ip = \"10.0.9.2\" }\n\
                  outlets = { alpha = [\"1\"] }\n";
    let names = |text: &str| -> Vec<Vec<String>> {
        let levels = ok(text).config.levels[&NodeId::from("alpha")].clone();
        levels.iter().map(|level| level.devices.iter().map(ToString::to_string).collect()).collect()
    };
    assert_eq!(names(&with(second)), [["pdu-a"], ["pdu-b"]]);
    assert_eq!(codes(&with(second)), ["ambiguous-levels"]);
    let both = with(&format!("{second}[[level]]\nnode = \"alpha\"\ndevices = [\"pdu-b\", \"pdu-a\"]\n"));
    assert_eq!(names(&both), [["pdu-b", "pdu-a"]]);
    assert_eq!(codes(&both), Vec::<&str>::new());
    let beta = ok(&both).config.levels[&NodeId::from("beta")].len();
    assert_eq!(beta, 1, "other nodes keep theirs");
}

#[test]
fn one_outlet_through_two_devices_is_still_one_outlet() {
    let again =
        "[[fence]]\nname = \"again\"\nagent = \"fence_pdu_snmp\"\noptions = { ipaddr = \"10.0.9.1\" }\n";
    assert!(codes(&with(&format!("{again}outlets = {{ beta = [\"1\"] }}\n"))).contains(&"shared-outlet"));
    assert!(!codes(&with(&format!("{again}outlets = {{ alpha = [\"1\"] }}\n"))).contains(&"shared-outlet"));
    let other_port = again.replace("\"10.0.9.1\"", "\"10.0.9.1\", ipport = 1161");
    assert!(
        !codes(&with(&format!("{other_port}outlets = {{ beta = [\"1\"] }}\n"))).contains(&"shared-outlet")
    );
}

/// Outlet 1 of 10.0.9.1 feeds alpha, through `fence_pdu_snmp`; a second device gives an outlet to beta.
#[test]
fn one_switch_is_one_however_it_is_reached() {
    const SNMP: &str = "fence_pdu_snmp";
    let cases = [
        (SNMP, "ip = '10.0.9.1'", "1", true),
        (SNMP, "ip = '10.0.9.1', ipport = 161", "1", true),
        (SNMP, "ip = '10.0.9.1', ipport = '0161'", "1", true),
        (SNMP, "ip = '10.0.9.1', ipport = 1161", "1", false),
        (SNMP, "ip = '10.0.9.2'", "1", false),
        (SNMP, "ip = '::ffff:10.0.9.1'", "1", true),
        (SNMP, "ip = '10.0.9.1'", "01", true),
        (SNMP, "ip = '10.0.9.1'", "7, 1", true),
        (SNMP, "ip = '10.0.9.1', plug_separator = ':'", "7:1", true),
        (SNMP, "ip = '10.0.9.1'", "7", false),
        ("fence_pdu_http", "model = 'dli', ip = '10.0.9.1'", "1", true),
        ("fence_pdu_http", "model = 'dli', ip = '10.0.9.1', ipport = 8080", "1", true),
        ("fence_pdu_http", "model = 'dli', ip = '10.0.9.1'", "7", false),
        ("fence_apc_snmp", "ip = '10.0.9.1'", "1", true),
        ("/opt/fence_pdu_snmp", "ip = '10.0.9.1', ipport = 161", "1", true),
        ("/opt/fence_pdu_snmp", "ip = '10.0.9.1', ipport = 1161", "1", false),
    ];
    for (agent, options, outlet, is_shared) in cases {
        let again = format!(
            "[[fence]]\nname = 'again'\nagent = '{agent}'\noptions = {{ {options} }}\noutlets = {{ beta = ['{outlet}'] }}\n"
        );
        let codes = codes(&with(&again));
        let expected = if is_shared { "shared-outlet" } else { "ambiguous-levels" };
        assert!(codes.contains(&expected), "{again}: {codes:?}");
        assert_eq!(codes.contains(&"shared-outlet"), is_shared, "{again}: {codes:?}");
    }
}

#[test]
fn one_switch_is_one_at_each_of_its_usual_ports_and_by_each_spelling_of_its_address() {
    let is_one = |first: &str, second: &str| {
        let device = |name: &str, options: &str, node: &str| {
            format!(
                "[[fence]]\nname = '{name}'\nagent = 'fence_pdu_http'\n\
                 options = {{ model = 'dli', {options} }}\noutlets = {{ {node} = ['1'] }}\n"
            )
        };
        let codes = codes(&with(&(device("one", first, "alpha") + &device("two", second, "beta"))));
        assert!(codes.contains(&"ambiguous-levels"), "{codes:?}");
        codes.contains(&"shared-outlet")
    };
    assert!(is_one("ip = '10.0.9.5'", "ip = '10.0.9.5', ssl = true"), "with and without TLS");
    assert!(is_one("ip = '10.0.9.5', ipport = 80", "ip = '10.0.9.5', ipport = 443"));
    assert!(!is_one("ip = '10.0.9.5', ipport = 80", "ip = '10.0.9.5', ipport = 8080"));
    assert!(is_one("ip = 'fd00:9::5'", "ip = '[FD00:9:0::5]'"));
    assert!(is_one("ip = 'pdu.example.org'", "ip = 'PDU.example.org.'"));
}

/// Agents that are not ours have options of their own.
#[test]
fn options_of_other_agents_are_free() {
    let device = |agent: &str, options: &str| {
        let text = SHOP.replace("\"fence_pdu_snmp\"", &format!("\"{agent}\""));
        codes(&text.replace("ip = \"10.0.9.1\"", options))
    };
    assert_eq!(device("fence_apc_snmp", "ip = \"10.0.9.1\", speed = 9600"), Vec::<&str>::new());
    assert_eq!(device("/opt/fence_pdu_snmp", "speed = 9600"), Vec::<&str>::new());
    assert_eq!(device("fence_pdu_snmp", "speed = 9600"), ["missing-key", "unknown-key"]);
    assert_eq!(device("fence_apc_snmp", "usernmae = \"ha\""), ["unknown-key"]);
}

/// Every option of an agent of ours can be written, a secret as the name of its file.
#[test]
fn an_option_may_be_read_from_a_file_on_each_node() {
    let options = |options: &str| codes(&SHOP.replace("snmp_version = \"2c\"", options));
    assert_eq!(
        options("snmp-version = \"2c\", username_file = \"/etc/ha/secrets/user\""),
        Vec::<&str>::new()
    );
    assert_eq!(options("passwd_file = \"/etc/ha/secrets/x\", verbose = true"), Vec::<&str>::new());
    assert_eq!(options("plug_file = \"/etc/ha/plug\""), ["unknown-key"]);
}

#[test]
fn objects_are_the_things_and_not_their_spelling() {
    let text = SHOP
        .replace("10.0.0.100/24", "2001:DB8:0:0::64/64")
        .replace("agent = \"exec\"", "agent = \"exec\"\nlocks = [\"spool\"]");
    let config = ok(&text).config;
    assert_eq!(config.resources[&ResourceId::from("vip")].objects, [ObjectId::from("address/2001:db8::64")]);
    assert_eq!(config.resources[&ResourceId::from("vip")].options["address"], "2001:db8::64/64");
    let web = &config.resources[&ResourceId::from("web")].objects;
    assert_eq!(*web, [ObjectId::from("service/web"), ObjectId::from("lock/spool")]);

    let free = ok(&SHOP.replace("agent = \"exec\"", "agent = \"exec\"\nexclusive = false")).config;
    assert_eq!(free.resources[&ResourceId::from("web")].objects, []);
}

#[test]
fn a_member_that_never_runs_anything_exclusive_needs_no_fence_path() {
    let text = SHOP.replace(", gamma = [\"3\"]", "").replace("alpha = 100", "alpha = 100, gamma = -1000000");
    assert_eq!(codes(&text), Vec::<&str>::new());
    let almost = SHOP.replace(", gamma = [\"3\"]", "").replace("alpha = 100", "alpha = 100, gamma = -999999");
    assert_eq!(codes(&almost), ["no-fence-path"]);
}

#[test]
fn a_typed_t_lost_derives_the_others_anew_and_single_times_stay() {
    let timing =
        ok(&with("[timing]\nbeat = \"20ms\"\nt_lost = \"500ms\"\noff_settle = \"0s\"\n")).config.timing;
    let ms = Duration::from_millis;
    assert_eq!((timing.t_lost, timing.t_lease, timing.t_grant), (ms(500), ms(350), ms(1500)));
    assert_eq!((timing.beat, timing.off_settle), (ms(20), ms(0)));
    let text = with("[timing]\noff_settle = \"3s\"\n")
        .replace("[[resource]]\nname = \"vip\"", "off_settle = \"2s\"\n[[resource]]\nname = \"vip\"");
    assert_eq!(ok(&text).config.devices[&DeviceId::from("pdu-a")].off_settle, ms(2000));
    let fast = ok(&format!("profile = \"fast\"\n{SHOP}")).config;
    assert_eq!(fast.timing, Timing::derive(Profile::Fast));
}

#[test]
fn every_time_of_the_table_can_be_set() {
    let base = Timing::derive(Profile::Default);
    for key in ha_config::schema::TIMING.names().filter(|name| *name != "t_lost") {
        let text = waiving(
            Waiver::UnsoundTimingsFenceHealthyNodes,
            &with(&format!("[timing]\n{key} = \"777ms\"\n")),
        );
        let timing = ok(&text).config.timing;
        assert_ne!(timing, base, "{key}");
        assert!(format!("{timing:?}").contains(&format!("{key}: 777ms")), "{key}: {timing:?}");
    }
}

#[test]
fn a_fence_path_is_another_when_its_settings_are_and_not_when_the_layout_is() {
    let hash = |text: &str| ok(text).config.devices[&DeviceId::from("pdu-a")].path_hash;
    let base = hash(SHOP);
    assert_eq!(
        base,
        hash(
            &SHOP.replace("ip = \"10.0.9.1\", snmp_version = \"2c\"", "snmp_version = '2c', ip = '10.0.9.1'")
        )
    );
    assert_eq!(
        base,
        hash(&SHOP.replace("agent = \"fence_pdu_snmp\"", "agent = \"fence_pdu_snmp\"\ntimeout = \"9s\""))
    );
    assert_ne!(base, hash(&SHOP.replace("10.0.9.1", "10.0.9.2")));
    assert_ne!(base, hash(&SHOP.replace("[\"2\"]", "[\"7\"]")));
}
