//! A good file and the mistakes that people make in it.

// Each test program uses a part of it.
#![allow(dead_code)]

/// Three members, one power switch, an address and a program.
pub const BASE: &str = r#"name = "shop"
profile = "default"
stickiness = 10

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
options = { start = "/bin/web", check = "/bin/web --check" }
monitor = { interval = "1s", timeout = "3s" }

[[group]]
name = "front"
members = ["vip", "web"]
prefer = { alpha = 100 }
"#;

/// A mistake: texts of the base that are replaced (an empty one appends).
pub struct Mistake {
    /// Name of the expected file.
    pub name: &'static str,
    /// Replacements in order.
    pub edits: &'static [(&'static str, &'static str)],
    /// It must give one error and no more.
    pub is_single: bool,
}

const fn one(name: &'static str, edits: &'static [(&'static str, &'static str)]) -> Mistake {
    Mistake { name, edits, is_single: true }
}

const fn some(name: &'static str, edits: &'static [(&'static str, &'static str)]) -> Mistake {
    Mistake { name, edits, is_single: false }
}

const GAMMA: &str = "[[node]]\nname = \"gamma\"\nlinks = [\"10.0.0.13\", \"192.168.7.13\"]\n";

const FENCE: &str = r#"[[fence]]
name = "pdu-a"
agent = "fence_pdu_snmp"
options = { ip = "10.0.9.1", snmp_version = "2c", community_file = "/etc/ha/secrets/pdu-a" }
outlets = { alpha = ["1"], beta = ["2"], gamma = ["3"] }
"#;

const SNMP: &str = "agent = \"fence_pdu_snmp\"\noptions = { ip = \"10.0.9.1\", snmp_version = \"2c\", \
                    community_file = \"/etc/ha/secrets/pdu-a\" }";

const BETA: &str = "beta = [\"2\"], ";

/// All of them.
pub const MISTAKES: &[Mistake] = &[
    // Words.
    one("unknown-key-top", &[("stickiness", "stickyness")]),
    one("unknown-key-node", &[("name = \"beta\"", "name = \"beta\"\nroles = \"member\"")]),
    one("unknown-key-far", &[("stickiness = 10", "quorum_policy = \"stop\"")]),
    one("unknown-option-vip", &[("interface = \"eth0\"", "interface = \"eth0\", nic = \"eth0\"")]),
    one("mistyped-option-exec", &[("check = \"/bin/web --check\"", "chek = \"/bin/web --check\"")]),
    one("mistyped-option-fence", &[("snmp_version", "snmp_verison")]),
    one("unknown-option-fence", &[("snmp_version = \"2c\"", "speed = 9600")]),
    one(
        "option-of-another-fence-agent",
        &[(
            SNMP,
            "agent = \"fence_pdu_http\"\noptions = { model = \"dli\", ip = \"10.0.9.1\", snmp_version = \"2c\" }",
        )],
    ),
    one("mistyped-secret-option", &[("community_file = \"/etc/ha/secrets/pdu-a\"", "comunity = \"s3cr3t\"")]),
    one("option-that-only-prints", &[("snmp_version = \"2c\"", "version = true")]),
    one(
        "mistyped-required-option",
        &[("start = \"/bin/web\"", "strat = \"/bin/web\", start = \"/bin/web\"")],
    ),
    one("unknown-profile", &[("\"default\"", "\"fats\"")]),
    one("unknown-role", &[("name = \"beta\"", "name = \"beta\"\nrole = \"wittness\"")]),
    one("unknown-agent-nearest", &[("agent = \"exec\"", "agent = \"exce\"")]),
    one("ocf-agent-not-yet", &[("agent = \"vip\"", "agent = \"ocf:heartbeat:IPaddr2\"")]),
    one("unknown-fence-agent", &[("fence_pdu_snmp", "fence_pdu_snpm")]),
    // Missing.
    some("missing-everything", &[(BASE, "# nothing yet\n")]),
    one("missing-start", &[("start = \"/bin/web\", ", "")]),
    one("missing-interface", &[(", interface = \"eth0\"", "")]),
    one("missing-ip", &[("ip = \"10.0.9.1\", ", "")]),
    one("mistyped-ip", &[("ip = \"10.0.9.1\"", "pi = \"10.0.9.1\"")]),
    one("missing-model", &[(SNMP, "agent = \"fence_pdu_http\"\noptions = { ip = \"10.0.9.1\" }")]),
    some("missing-options-fence", &[(SNMP, "agent = \"fence_pdu_http\"")]),
    one(
        "missing-links",
        &[("name = \"beta\"\nlinks = [\"10.0.0.12\", \"192.168.7.12\"]", "name = \"beta\"")],
    ),
    // Types.
    one("mistyped-required-key", &[("name = \"beta\"\nlinks", "name = \"beta\"\nlinsk")]),
    one("bare-number-as-time", &[("interval = \"1s\"", "interval = 1")]),
    one("time-without-unit", &[("interval = \"1s\"", "interval = \"1\"")]),
    one("time-with-fraction", &[("interval = \"1s\"", "interval = \"1.5s\"")]),
    one("time-out-of-range", &[("interval = \"1s\"", "interval = \"1ms\"")]),
    one("list-expected", &[("links = [\"10.0.0.12\", \"192.168.7.12\"]", "links = \"10.0.0.12\"")]),
    one("outlet-as-number", &[("beta = [\"2\"]", "beta = [2]")]),
    one("boolean-in-quotes", &[("agent = \"exec\"", "agent = \"exec\"\nenabled = \"false\"")]),
    one("single-brackets", &[("[[group]]", "[group]")]),
    one("score-out-of-range", &[("alpha = 100", "alpha = 2000000")]),
    one("shell-words", &[("\"/bin/web --check\"", "\"/bin/web --check | grep ok\"")]),
    // Names.
    one("dangling-member", &[("members = [\"vip\", \"web\"]", "members = [\"vip\", \"wbe\"]")]),
    one("dangling-prefer", &[("alpha = 100", "alhpa = 100")]),
    one("dangling-outlet", &[("gamma = [\"3\"]", "gamma = [\"3\"], gama = [\"4\"]")]),
    one("dangling-level-device", &[("", "[[level]]\nnode = \"alpha\"\ndevices = [\"pdu-b\"]\n")]),
    one("bad-name", &[("name = \"shop\"", "name = \"my shop\"")]),
    one(
        "duplicate-node",
        &[
            (GAMMA, "[[node]]\nname = \"Beta\"\nlinks = [\"10.0.0.13\", \"192.168.7.13\"]\n"),
            (", gamma = [\"3\"]", ""),
        ],
    ),
    one("duplicate-key", &[("stickiness = 10", "stickiness = 10\nstickiness = 20")]),
    one("group-named-like-resource", &[("name = \"front\"", "name = \"web\"")]),
    one("resource-in-two-groups", &[("", "[[group]]\nname = \"back\"\nmembers = [\"web\"]\n")]),
    // Addresses.
    one("link-with-prefix", &[("\"10.0.0.12\"", "\"10.0.0.12/24\"")]),
    one("link-is-host-name", &[("\"10.0.0.12\"", "\"beta.example.org\"")]),
    one("links-differ-in-number", &[(", \"192.168.7.12\"", "")]),
    one("links-differ-in-family", &[("\"192.168.7.12\"", "\"2001:db8::12\"")]),
    one("link-twice", &[("\"10.0.0.13\"", "\"10.0.0.12\"")]),
    one("vip-without-prefix", &[("10.0.0.100/24", "10.0.0.100")]),
    one("vip-is-a-link", &[("10.0.0.100/24", "10.0.0.12/24")]),
    one("vip-is-broadcast", &[("10.0.0.100/24", "10.0.0.255/24")]),
    // Syntax and bounds.
    one("syntax-unquoted", &[("agent = \"vip\"", "agent = vip")]),
    one("syntax-missing-value", &[("stickiness = 10", "stickiness =")]),
    one(
        "too-many-links",
        &[(
            "\"10.0.0.12\", \"192.168.7.12\"",
            "\"10.0.0.12\", \"10.1.0.12\", \"10.2.0.12\", \"10.3.0.12\", \"10.4.0.12\"",
        )],
    ),
    // Secrets and contradictions.
    one("secret-in-file", &[("community_file = \"/etc/ha/secrets/pdu-a\"", "community = \"s3cr3t\"")]),
    one(
        "secret-at-wrong-place",
        &[("agent = \"fence_pdu_snmp\"", "agent = \"fence_pdu_snmp\"\npassword = \"s3cr3t\"")],
    ),
    one("option-set-by-cluster", &[("ip = \"10.0.9.1\"", "ip = \"10.0.9.1\", plug = \"1\"")]),
    one("vip-not-exclusive", &[("agent = \"vip\"", "agent = \"vip\"\nexclusive = false")]),
    // Unsafe.
    one("two-members", &[(GAMMA, ""), (", gamma = [\"3\"]", "")]),
    one("even-voters", &[("stickiness = 10", "voters = [\"alpha\", \"beta\"]")]),
    one("no-fence-path", &[(", gamma = [\"3\"]", "")]),
    one("no-fence-device", &[(FENCE, "")]),
    one("shared-outlet", &[("beta = [\"2\"]", "beta = [\"1\"]")]),
    one(
        "shared-outlet-by-two-agents",
        &[
            (BETA, ""),
            (
                "",
                "[[fence]]\nname = \"pdu-b\"\nagent = \"fence_pdu_http\"\n\
                 options = { model = \"dli\", ip = \"10.0.9.1\" }\noutlets = { beta = [\"1\"] }\n",
            ),
        ],
    ),
    one(
        "shared-outlet-and-a-default-port",
        &[
            (BETA, ""),
            ("ip = \"10.0.9.1\"", "ip = \"10.0.9.1\", ipport = 161"),
            (
                "",
                "[[fence]]\nname = \"pdu-b\"\nagent = \"fence_pdu_snmp\"\n\
                 options = { ip = \"10.0.9.1\" }\noutlets = { beta = [\"1\"] }\n",
            ),
        ],
    ),
    one(
        "shared-outlet-and-an-unknown-port",
        &[
            (BETA, ""),
            (SNMP, "agent = \"fence_apc_snmp\"\noptions = { ip = \"10.0.9.1\" }"),
            (
                "",
                "[[fence]]\nname = \"pdu-b\"\nagent = \"fence_apc_snmp\"\n\
                 options = { ip = \"10.0.9.1\", ipport = 1161 }\noutlets = { beta = [\"1\"] }\n",
            ),
        ],
    ),
    one(
        "shared-object",
        &[(
            "",
            "[[resource]]\nname = \"vip2\"\nagent = \"vip\"\noptions = { address = \"10.0.0.100/16\", interface = \"eth1\" }\n",
        )],
    ),
    one("unsound-lease", &[("", "[timing]\nt_lease = \"1s\"\n")]),
    one("unsound-grant", &[("", "[timing]\nt_grant = \"1500ms\"\n")]),
    one("unsound-election-retry", &[("", "[timing]\nelection_retry = \"1h\"\n")]),
    one("unsound-write-age", &[("", "[timing]\nwrite_age_max = \"1ms\"\n")]),
    one("unsound-spawn-age", &[("", "[timing]\nspawn_age_max = \"1s\"\n")]),
    one("unsound-t-lost", &[("", "[timing]\nt_lost = \"70ms\"\n")]),
    one("unknown-waiver", &[("stickiness = 10", "waivers = [\"i-accept-that-two-members-stop\"]")]),
    // Accepted, with a word.
    some("one-voter-of-three", &[("stickiness = 10", "voters = [\"beta\"]")]),
    some(
        "needless-waiver",
        &[("stickiness = 10", "waivers = [\"i-accept-that-two-members-stop-when-one-is-lost\"]")],
    ),
    some(
        "two-supplies-or-two-ways",
        &[(
            "",
            "[[fence]]\nname = \"pdu-b\"\nagent = \"fence_pdu_snmp\"\noptions = { ip = \"10.0.9.2\" }\noutlets = { alpha = [\"1\"] }\n",
        )],
    ),
    some(
        "four-members-note",
        &[
            (
                "[[fence]]",
                "[[node]]\nname = \"delta\"\nlinks = [\"10.0.0.14\", \"192.168.7.14\"]\n\n[[fence]]",
            ),
            ("gamma = [\"3\"]", "gamma = [\"3\"], delta = [\"4\"]"),
        ],
    ),
    some("start-leaves-no-process", &[("start = \"/bin/web\"", "start = \"/bin/mount /dev/sdb1 /srv\"")]),
    some("witness-is-fenced", &[("name = \"gamma\"\n", "name = \"gamma\"\nrole = \"witness\"\n")]),
    // Everything at once.
    some(
        "many-mistakes",
        &[
            ("name = \"alpha\"\nlinks", "name = \"alpha\"\nlink"),
            ("profile = \"default\"", "profile = \"slow\""),
            ("beta = [\"2\"]", "betta = [\"2\"]"),
            ("10.0.0.100/24", "10.0.0.300/24"),
            ("interval = \"1s\"", "interval = 1"),
            ("\"vip\", \"web\"", "\"vip\", \"webb\""),
        ],
    ),
];
