//! Every key of the cluster file: its type, range, default and meaning. The one list that the reader refuses
//! unknown keys by and that `docs/reference/cluster-file.md` is made from.
//!
//! Must not know how a key is read; the reader may ask only for keys that stand here.

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its word.
    pub name: &'static str,
    /// Its type in the words of the reference.
    pub kind: &'static str,
    /// What is accepted.
    pub range: &'static str,
    /// What holds when it is absent; `required` when it must be there.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// One kind of table.
#[derive(Debug)]
pub struct Section {
    /// As messages call it.
    pub title: &'static str,
    /// Its keys in the order of the reference.
    pub keys: &'static [Key],
}

impl Section {
    /// The names of its keys.
    pub fn names(&'static self) -> impl Iterator<Item = &'static str> + Clone {
        self.keys.iter().map(|key| key.name)
    }
}

const fn key(
    name: &'static str,
    kind: &'static str,
    range: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, kind, range, default, meaning }
}

/// The top of the file.
pub static TOP: Section = Section {
    title: "the top level of the file",
    keys: &[
        key("name", "name", "", "required", "the cluster's name"),
        key(
            "profile",
            "word",
            "`default`, `fast`",
            "`default`",
            "the pace: after which silence a node is lost (1 s, 150 ms); see [timing](timing.md)",
        ),
        key(
            "voters",
            "list of node names",
            "an odd number",
            "all members and witnesses; of an even number the last member follows without a vote",
            "who votes in a newly formed cluster",
        ),
        key(
            "stickiness",
            "score",
            "-1000000 to 1000000",
            "1",
            "how much a running resource wants to stay where it is; 1: a preference moves it back, 1000000: nothing does",
        ),
        key(
            "waivers",
            "list of words",
            "see [Waivers](#waivers)",
            "none",
            "unsafe things that are accepted; `hactl status` shows them for as long as they stand here",
        ),
        key("timing", "table", "", "the profile's", "single times, see `[timing]`"),
        key("node", "tables", "1 to 32", "required", "the nodes, see `[[node]]`"),
        key("fence", "tables", "0 to 64", "none", "the fence devices, see `[[fence]]`"),
        key(
            "level",
            "tables",
            "0 to 9 for each node",
            "each device with outlets for the node is a level, in order of the file",
            "fence levels, see `[[level]]`",
        ),
        key("resource", "tables", "0 to 1000", "none", "the resources, see `[[resource]]`"),
        key("group", "tables", "0 to 500", "none", "groups of resources, see `[[group]]`"),
    ],
};

/// `[[node]]`
pub static NODE: Section = Section {
    title: "[[node]]",
    keys: &[
        key("name", "name", "", "required", "the node's name"),
        key(
            "role",
            "word",
            "`member`, `witness`",
            "`member`",
            "a member runs resources and votes; a witness only votes",
        ),
        key(
            "links",
            "list of addresses",
            "1 to 4, without prefix",
            "required",
            "the node's address on each network, in the same order for every node",
        ),
        key(
            "watchdog",
            "path of a device",
            "`/dev/…`",
            "none",
            "resets the host where its daemon cannot end what it has no grant for; proves nothing to others",
        ),
    ],
};

/// `[[fence]]`
pub static FENCE: Section = Section {
    title: "[[fence]]",
    keys: &[
        key("name", "name", "", "required", "the device's name"),
        key("agent", "agent", "`fence_…` or an absolute path", "required", "the fence agent"),
        key(
            "options",
            "table of strings, whole numbers, booleans",
            "up to 64",
            "none",
            "passed to the agent; secrets only as names of files (`community_file`, `password_file`)",
        ),
        key(
            "outlets",
            "table: node = list of strings",
            "1 to 8 for each node",
            "required",
            "the outlets that feed each node; all of them must read off",
        ),
        key("timeout", "time", "100ms to 10m", "20s", "longest run of one call of the agent"),
        key(
            "off_settle",
            "time",
            "0s to 1m",
            "`timing.off_settle`",
            "distance of the two readings that prove power off; longer than a supply holds its charge",
        ),
    ],
};

/// `[[level]]`
pub static LEVEL: Section = Section {
    title: "[[level]]",
    keys: &[
        key("node", "node name", "", "required", "the node that is fenced"),
        key(
            "devices",
            "list of device names",
            "1 to 8",
            "required",
            "all of them must succeed, in this order; the next `[[level]]` of the node is tried when one fails",
        ),
    ],
};

/// `[[resource]]`
pub static RESOURCE: Section = Section {
    title: "[[resource]]",
    keys: &[
        key("name", "name", "", "required", "the resource's name"),
        key("agent", "word", "`vip`, `exec`", "required", "what runs it: a virtual address, or a program"),
        key("options", "table of strings", "see the agent", "none", "the agent's options"),
        key(
            "monitor",
            "table",
            "see `monitor`",
            "`vip`: 1s/5s, `exec`: 10s/20s",
            "the periodic check of the running resource",
        ),
        key("start_timeout", "time", "100ms to 24h", "20s", "longest start; a longer one has failed"),
        key(
            "stop_timeout",
            "time",
            "100ms to 24h",
            "20s",
            "longest stop; a stop that fails or takes longer fences the node",
        ),
        key(
            "exclusive",
            "boolean",
            "",
            "true",
            "`false` lets an `exec` resource run without being the only one of its name",
        ),
        key(
            "locks",
            "list of names",
            "up to 16",
            "none",
            "things of which there is one in the cluster: no two resources with the same lock",
        ),
        key(
            "prefer",
            "table: node = score",
            "-1000000 to 1000000",
            "none",
            "where it should run; -1000000: never there",
        ),
        key(
            "stickiness",
            "score",
            "-1000000 to 1000000",
            "the cluster's",
            "how much it wants to stay where it runs",
        ),
        key(
            "migration_threshold",
            "whole number",
            "0 to 1000",
            "3",
            "failures on a node after which it moves; 0: never",
        ),
        key("failure_timeout", "time", "1s to 720h", "10m", "age at which a failure is forgotten"),
        key("priority", "score", "-1000000 to 1000000", "0", "higher is placed first"),
        key("enabled", "boolean", "", "true", "whether it should run"),
    ],
};

/// `monitor = { … }`
pub static MONITOR: Section = Section {
    title: "monitor",
    keys: &[
        key("interval", "time", "100ms to 24h", "`vip`: 1s, `exec`: 10s", "pause between two checks"),
        key(
            "timeout",
            "time",
            "100ms to 24h",
            "`vip`: 5s, `exec`: 20s",
            "longest check; a longer one has failed",
        ),
    ],
};

/// `options` of a `vip`
pub static VIP: Section = Section {
    title: "the options of agent vip",
    keys: &[
        key(
            "address",
            "string",
            "address/prefix, IPv4 or IPv6",
            "required",
            "the virtual address; it is the exclusive object, whatever its prefix",
        ),
        key("interface", "string", "up to 15 bytes", "required", "the network interface that gets it"),
    ],
};

/// `options` of an `exec`
pub static EXEC: Section = Section {
    title: "the options of agent exec",
    keys: &[
        key(
            "start",
            "string",
            "a command line",
            "required",
            "the service: it stays in the foreground, or exits with 0 and leaves it in the background; the death of its process is noticed at once",
        ),
        key(
            "stop",
            "string",
            "a command line",
            "SIGTERM",
            "how to stop it; the stop has succeeded when this has exited with 0 and none of its processes is left",
        ),
        key(
            "check",
            "string",
            "a command line",
            "only its process",
            "the check of `monitor`; exit code 0: it is healthy on this node",
        ),
        key(
            "pidfile",
            "string",
            "an absolute path",
            "found by itself",
            "where a service that goes to the background writes the id of its main process",
        ),
    ],
};

/// `[[group]]`
pub static GROUP: Section = Section {
    title: "[[group]]",
    keys: &[
        key("name", "name", "", "required", "the group's name; no resource may have it"),
        key(
            "members",
            "list of resource names",
            "at least 1",
            "required",
            "run on one node; start in this order, stop in the reverse",
        ),
        key(
            "prefer",
            "table: node = score",
            "-1000000 to 1000000",
            "none",
            "where the group should run; -1000000: never there",
        ),
        key(
            "stickiness",
            "score",
            "-1000000 to 1000000",
            "the cluster's",
            "how much it wants to stay where it runs",
        ),
    ],
};

/// `[timing]`: one key for each time of the table, see `timing_fields`.
pub static TIMING: Section = Section {
    title: "[timing]",
    keys: &[
        key(
            "t_lost",
            "time",
            "100ms to 1m",
            "the profile's",
            "sets every derived time anew; see [timing](timing.md) for each",
        ),
        key("beat", "time", "5ms to 1h", "derived", "see [timing](timing.md)"),
        key("t_lease", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("t_grant", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("handover_after", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("rank_delay", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("election_retry", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("core_age_max", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("write_age_max", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("spawn_age_max", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("startup_wait", "time", "0s to 1h", "20s", "see [timing](timing.md)"),
        key("daemon_grace", "time", "1ms to 1h", "5s", "see [timing](timing.md)"),
        key("t_watchdog", "time", "1ms to 1h", "derived", "see [timing](timing.md)"),
        key("off_settle", "time", "0s to 1m", "1s", "see [timing](timing.md)"),
        key("off_dwell", "time", "0s to 1h", "5s", "see [timing](timing.md)"),
        key("fence_retry_min", "time", "1ms to 1h", "1s", "see [timing](timing.md)"),
        key("fence_retry_max", "time", "1ms to 1h", "30s", "see [timing](timing.md)"),
        key("path_test", "time", "1ms to 1h", "2m", "see [timing](timing.md)"),
        key("path_fresh", "time", "1ms to 1h", "5m", "see [timing](timing.md)"),
    ],
};

/// Every kind of table, in the order of the reference.
pub static SECTIONS: [&Section; 10] =
    [&TOP, &NODE, &FENCE, &LEVEL, &RESOURCE, &MONITOR, &VIP, &EXEC, &GROUP, &TIMING];
