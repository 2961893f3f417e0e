//! What a seed decides before anything happens: how large the cluster is, who votes, how power is wired, what runs.

mod file;

use crate::rng::Rng;
use crate::world::NO_DEVICE;
pub use file::ClusterFile;
use std::fmt::{self, Write};
use std::sync::Arc;

/// A node of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeShape {
    /// Its name.
    pub name: String,
    /// It votes and runs nothing, and has no outlet.
    pub is_witness: bool,
}

/// A cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Nodes in order of their names; outlet `n` of each switch feeds the n-th.
    pub nodes: Vec<NodeShape>,
    /// Links of each node.
    pub links: u8,
    /// `fast`, or `default`.
    pub is_fast: bool,
    /// A second switch as the second level.
    pub has_second_level: bool,
    /// The outlets of the first two members hang on one supply: who cuts one cuts both.
    pub is_supply_shared: bool,
    /// Supplies hold their charge for most of a second, and the cluster file says so (`off_settle`).
    pub holds_charge: bool,
    /// Each member has two supplies, on two outlets.
    pub has_two_outlets: bool,
    /// Single resources beside the group.
    pub singles: u8,
    /// A busy core takes the heartbeats of so long at once.
    pub gather_ms: u64,
    /// Every node has a watchdog.
    pub has_watchdogs: bool,
    /// But this one's, by its position, cannot be had.
    pub lacks_watchdog: Option<usize>,
    /// A cluster file says it all, instead of what was drawn.
    pub file: Option<Arc<ClusterFile>>,
}

/// Members and witnesses, and of 40 clusters how many are so large: most are small, the large ones take long.
const SIZES: [((usize, usize), usize); 10] = [
    ((1, 0), 2),
    ((2, 1), 5),
    ((3, 0), 14),
    ((4, 0), 5),
    ((4, 1), 3),
    ((5, 0), 5),
    ((6, 0), 2),
    ((4, 3), 1),
    ((7, 0), 2),
    ((9, 0), 1),
];

/// Of a hundred, those clusters in which each node has a watchdog: it takes some rare lives away from other rules.
const WATCHDOGS: std::ops::Range<u64> = 10..26;

/// Address of the group, until an operator changes it.
pub const ADDRESS: u8 = 100;

/// What the second outlet of a host is called, after the number of its first.
const SECOND: char = 'b';

/// The group's members, in their order.
pub const GROUP: [&str; 2] = ["vip", "web"];

impl Shape {
    /// The shape of a seed.
    #[must_use]
    pub fn of_seed(rng: &mut Rng) -> Self {
        let sizes: Vec<_> = SIZES.iter().flat_map(|(size, of)| std::iter::repeat_n(*size, *of)).collect();
        let (members, witnesses) = *rng.pick(&sizes);
        let is_fast = rng.percent(8);
        let is_supply_shared = members > 2 && rng.percent(5);
        let drawn = Self {
            nodes: nodes(members, witnesses),
            links: if rng.percent(30) { 2 } else { 1 },
            is_fast,
            has_second_level: rng.percent(20),
            is_supply_shared,
            holds_charge: rng.percent(20),
            has_two_outlets: !is_supply_shared && rng.percent(15),
            singles: rng.range(1, 3) as u8,
            gather_ms: if rng.percent(30) { 0 } else { rng.range(1, if is_fast { 3 } else { 20 }) },
            has_watchdogs: false,
            lacks_watchdog: None,
            file: None,
        };
        let lacks_watchdog = rng.percent(15).then(|| rng.range(0, members as u64 - 1) as usize);
        Self { has_watchdogs: WATCHDOGS.contains(&rng.range(0, 99)), lacks_watchdog, ..drawn }
    }

    /// Three members on one link: what most stories are told about.
    #[must_use]
    pub fn three() -> Self {
        Self {
            nodes: nodes(3, 0),
            links: 1,
            is_fast: false,
            has_second_level: false,
            is_supply_shared: false,
            holds_charge: false,
            has_two_outlets: false,
            singles: 1,
            gather_ms: 0,
            has_watchdogs: false,
            lacks_watchdog: None,
            file: None,
        }
    }

    /// Every instance.
    #[must_use]
    pub fn instances(&self) -> Vec<String> {
        if let Some(file) = &self.file {
            return file.instances.clone();
        }
        GROUP.iter().map(ToString::to_string).chain((1..=self.singles).map(|n| format!("db{n}"))).collect()
    }

    /// The node at an outlet, where it feeds one.
    #[must_use]
    pub fn at_outlet(&self, plug: &str) -> Option<&NodeShape> {
        if let Some(file) = &self.file {
            return file.outlets.get(plug).and_then(|at| self.nodes.get(*at));
        }
        let at: usize = plug.strip_suffix(SECOND).unwrap_or(plug).parse().ok()?;
        self.nodes.get(at.checked_sub(1)?).filter(|n| !n.is_witness)
    }

    /// Who votes when the cluster is formed: witnesses too, and of an even number one less.
    #[must_use]
    pub fn voters(&self) -> Vec<String> {
        let parsed = ha_config::parse("cluster.toml", &self.text(ADDRESS));
        let voters = parsed.map(|p| p.config.voters()).unwrap_or_default();
        voters.iter().map(ToString::to_string).collect()
    }

    /// What starts right before an instance, where its group has such.
    #[must_use]
    pub fn before(&self, instance: &str) -> Option<&str> {
        match &self.file {
            Some(file) => file.before.get(instance).map(String::as_str),
            None => (instance == GROUP[1]).then_some(GROUP[0]),
        }
    }

    /// What starts right after an instance, where its group has such.
    #[must_use]
    pub fn after(&self, instance: &str) -> Option<&str> {
        match &self.file {
            Some(file) => {
                file.before.iter().find(|(_, first)| *first == instance).map(|(next, _)| next.as_str())
            }
            None => (instance == GROUP[0]).then_some(GROUP[1]),
        }
    }

    /// How the world calls an outlet: the numbers of a drawn cluster are the same on each of its switches.
    #[must_use]
    pub fn outlet(&self, device: &str, plug: &str) -> String {
        if self.file.is_some() { file::outlet(device, plug) } else { plug.to_owned() }
    }

    /// The outlet that one is mistaken for.
    #[must_use]
    pub fn after_outlet(&self, plug: &str) -> String {
        if let Some(file) = &self.file {
            let device = plug.split(' ').next().unwrap_or_default();
            let mut row = file.outlets.keys().filter(|o| o.split(' ').next() == Some(device)).cycle();
            return row.by_ref().find(|o| *o == plug).and_then(|_| row.next()).cloned().unwrap_or_default();
        }
        let first = plug.strip_suffix(SECOND);
        let at: usize = first.unwrap_or(plug).parse().unwrap_or(0);
        let next = at % self.nodes.len() + 1;
        first.map_or_else(|| next.to_string(), |_| format!("{next}{SECOND}"))
    }

    /// The cluster file.
    #[must_use]
    pub fn text(&self, address: u8) -> String {
        if let Some(file) = &self.file {
            return file.text.clone();
        }
        let names: Vec<&str> = self.nodes.iter().map(|n| n.name.as_str()).collect();
        self.text_of(address, &names)
    }

    /// The cluster file with another way to the first switch.
    #[must_use]
    pub fn text_by(&self, ip: u8) -> String {
        self.text(ADDRESS).replace("\"10.9.0.1\"", &format!("\"10.9.0.{ip}\""))
    }

    /// The cluster file with other names, or without some (an empty name).
    #[must_use]
    pub fn text_of(&self, address: u8, names: &[&str]) -> String {
        let profile = if self.is_fast { "fast" } else { "default" };
        let settle = if self.holds_charge { "1s" } else { "0ms" };
        let mut text = format!(
            "name = \"sim\"\nprofile = \"{profile}\"\nstickiness = 100\n[timing]\noff_settle = \"{settle}\"\n"
        );
        let mut outlets = vec![];
        for (at, (node, name)) in (1..).zip(self.nodes.iter().zip(names)).filter(|(_, (_, n))| !n.is_empty())
        {
            let role = if node.is_witness { "witness" } else { "member" };
            let links: Vec<_> = (0..self.links).map(|l| format!("\"10.{l}.0.{}\"", 10 + at)).collect();
            let links = links.join(", ");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "[[node]]\nname = \"{name}\"\nrole = \"{role}\"\nlinks = [{links}]");
            // Who gives the group another address may take the watchdogs out with it.
            if self.has_watchdogs && address.is_multiple_of(2) {
                let device = if self.lacks_watchdog == Some(at - 1) { NO_DEVICE } else { "/dev/watchdog" };
                let _ = writeln!(text, "watchdog = \"{device}\"");
            }
            if !node.is_witness {
                let second = if self.has_two_outlets { format!(", \"{at}{SECOND}\"") } else { String::new() };
                outlets.push((name, format!("{name} = [\"{at}\"{second}]")));
            }
        }
        let plugs = outlets.iter().map(|(_, o)| o.as_str()).collect::<Vec<_>>().join(", ");
        let devices: &[&str] = if self.has_second_level { &["pdu-a", "pdu-b"] } else { &["pdu-a"] };
        for (device, ip) in devices.iter().zip(["10.9.0.1", "10.9.0.2"]) {
            let _ = writeln!(
                text,
                "[[fence]]\nname = \"{device}\"\nagent = \"fence_pdu_snmp\"\ntimeout = \"2s\"\noptions = {{ ip = \"{ip}\" }}\n\
                 outlets = {{ {plugs} }}"
            );
        }
        if self.has_second_level {
            for ((name, _), device) in outlets.iter().flat_map(|o| devices.iter().map(move |d| (o, d))) {
                let _ = writeln!(text, "[[level]]\nnode = \"{name}\"\ndevices = [\"{device}\"]");
            }
        }
        let _ = writeln!(
            text,
            "[[resource]]\nname = \"vip\"\nagent = \"vip\"\n\
             options = {{ address = \"10.0.0.{address}/24\", interface = \"eth0\" }}"
        );
        // The sooner a watchdog is what is left, the more often it is seen.
        let stop = if self.has_watchdogs { "stop_timeout = \"3s\"\n" } else { "" };
        for name in self.instances().iter().skip(1) {
            let _ = writeln!(
                text,
                "[[resource]]\nname = \"{name}\"\nagent = \"exec\"\noptions = {{ start = \"/bin/{name}\" }}\n\
                 {stop}monitor = {{ interval = \"1s\", timeout = \"3s\" }}"
            );
        }
        let first = names.iter().find(|n| !n.is_empty()).copied().unwrap_or_default();
        text + &format!(
            "[[group]]\nname = \"front\"\nmembers = [\"vip\", \"web\"]\nprefer = {{ {first} = 10 }}\n"
        )
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let witnesses = self.nodes.iter().filter(|n| n.is_witness).count();
        write!(f, "{} members, {witnesses} witnesses, {} links", self.nodes.len() - witnesses, self.links)?;
        let words = [
            (self.is_fast, "fast"),
            (self.has_second_level, "second level"),
            (self.is_supply_shared, "n1 and n2 share a supply"),
            (self.holds_charge, "supplies hold their charge"),
            (self.has_two_outlets, "two outlets each"),
            (self.has_watchdogs, "watchdogs"),
        ];
        words.iter().filter(|(is, _)| *is).try_for_each(|(_, word)| write!(f, ", {word}"))?;
        write!(f, ", {} single resources, heartbeats of {} ms at once", self.singles, self.gather_ms)
    }
}

fn nodes(members: usize, witnesses: usize) -> Vec<NodeShape> {
    let node = |(n, is_witness): (usize, bool)| NodeShape { name: format!("n{n}"), is_witness };
    let kinds = std::iter::repeat_n(false, members).chain(std::iter::repeat_n(true, witnesses));
    (1..).zip(kinds).map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_a_cluster_that_is_accepted_with_an_odd_number_of_voters() {
        let mut voters = std::collections::BTreeSet::new();
        for seed in 0..400 {
            let shape = Shape::of_seed(&mut Rng::new(seed, 0));
            let parsed = ha_config::parse("cluster.toml", &shape.text(ADDRESS));
            let config =
                parsed.unwrap_or_else(|d| panic!("{}\n{}", d.render(false), shape.text(ADDRESS))).config;
            assert_eq!(config.voters().len() % 2, 1, "{shape:?}");
            voters.insert(config.voters().len());
        }
        assert_eq!(voters, [1, 3, 5, 7, 9].into());
    }
}
