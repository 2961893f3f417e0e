//! A cluster file instead of a drawn cluster: who votes, what feeds whom and what runs, as the file says.
//!
//! Must not know: where files lie; it is given the text. Invariant: an outlet is known by its device and its number together.

use super::{NodeShape, Shape};
use ha_model::{ClusterConfig, Role};
use std::collections::{BTreeMap, BTreeSet};

/// What the world must know of a cluster file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterFile {
    pub(super) text: String,
    /// The node that each outlet feeds, by position in the shape.
    pub(super) outlets: BTreeMap<String, usize>,
    /// Outlets of each level of each node: without those of one level it has no power.
    levels: BTreeMap<String, Vec<BTreeSet<String>>>,
    pub(super) instances: Vec<String>,
    /// What starts before it in its group.
    pub(super) before: BTreeMap<String, String>,
}

/// One outlet's name.
pub(super) fn outlet(device: &str, plug: &str) -> String {
    format!("{device} {plug}")
}

impl ClusterFile {
    fn new(text: &str, config: &ClusterConfig) -> Self {
        let mut outlets = BTreeMap::new();
        for (at, node) in config.nodes.keys().enumerate() {
            for (device, of_device) in &config.devices {
                let plugs = of_device.outlets.get(node).into_iter().flatten();
                outlets.extend(plugs.map(|plug| (outlet(device.as_str(), plug), at)));
            }
        }
        let levels = config.levels.iter().map(|(node, levels)| {
            let of_level = |devices: &Vec<ha_model::DeviceId>| {
                let plugs = devices.iter().flat_map(|d| {
                    let plugs = config.devices.get(d).and_then(|c| c.outlets.get(node));
                    plugs.into_iter().flatten().map(move |plug| outlet(d.as_str(), plug))
                });
                plugs.collect()
            };
            (node.to_string(), levels.iter().map(|l| of_level(&l.devices)).collect())
        });
        let pairs = config.groups.values().flat_map(|g| g.members.windows(2));
        Self {
            text: text.to_owned(),
            outlets,
            levels: levels.collect(),
            instances: config.resources.keys().map(ToString::to_string).collect(),
            before: pairs.map(|pair| (pair[1].to_string(), pair[0].to_string())).collect(),
        }
    }
}

impl Shape {
    /// The cluster of a file.
    ///
    /// # Errors
    /// What the reader of cluster files says against it.
    pub fn of_file(name: &str, text: &str) -> Result<Self, String> {
        let config = ha_config::parse(name, text).map_err(|d| d.render(false))?.config;
        let node = |(id, n): (&ha_model::NodeId, &ha_model::NodeConfig)| NodeShape {
            name: id.to_string(),
            is_witness: n.role == Role::Witness,
        };
        let links = config.nodes.values().map(|n| n.links.len()).max().unwrap_or(1);
        Ok(Self {
            nodes: config.nodes.iter().map(node).collect(),
            links: u8::try_from(links).unwrap_or(u8::MAX),
            is_fast: config.profile == ha_model::Profile::Fast,
            has_second_level: false,
            is_supply_shared: false,
            holds_charge: false,
            has_two_outlets: false,
            singles: 0,
            gather_ms: 0,
            has_watchdogs: false,
            lacks_watchdog: None,
            file: Some(std::sync::Arc::new(ClusterFile::new(text, &config))),
        })
    }

    /// Whether a node with more than one outlet is without power while these are off.
    #[must_use]
    pub fn is_dark(&self, node: &str, off: &BTreeSet<String>) -> bool {
        let Some(file) = &self.file else {
            return off.iter().filter(|o| self.at_outlet(o).is_some_and(|n| n.name == node)).count() == 2;
        };
        let levels = file.levels.get(node);
        levels.is_some_and(|levels| levels.iter().any(|l| !l.is_empty() && l.is_subset(off)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_SUPPLIES: &str =
        include_str!("../../../../examples/clusters/two-members-witness-database.toml");

    #[test]
    fn a_host_with_two_supplies_is_dark_without_both_or_without_their_feed() {
        let shape = Shape::of_file("cluster.toml", TWO_SUPPLIES).expect("an example is valid");
        let dark = |off: &[&str]| shape.is_dark("north", &off.iter().map(ToString::to_string).collect());
        assert!(!dark(&[]));
        assert!(!dark(&["pdu-left 1"]));
        assert!(!dark(&["pdu-left 1", "pdu-right 2"]));
        assert!(dark(&["pdu-left 1", "pdu-right 1"]));
        assert!(!dark(&["feed 11", "pdu-left 1"]));
        assert!(dark(&["feed 11", "feed 12"]));
        assert_eq!(shape.at_outlet("feed 22").map(|n| n.name.as_str()), Some("south"));
        assert_eq!(shape.at_outlet("feed 23"), None);
        assert_eq!(shape.after_outlet("pdu-left 1"), "pdu-left 2");
        assert_eq!(shape.after_outlet("pdu-left 2"), "pdu-left 1");
    }

    #[test]
    fn a_group_starts_in_the_order_of_its_file() {
        let shape = Shape::of_file("cluster.toml", TWO_SUPPLIES).expect("an example is valid");
        assert_eq!(shape.before("database"), Some("disk"));
        assert_eq!(shape.before("disk"), None);
    }
}
