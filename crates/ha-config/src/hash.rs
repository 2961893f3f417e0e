//! Hashes of the configuration: of the source text, and of a fence path.
//!
//! Invariant: the canonical form is unambiguous (every part is preceded by its length) and independent of the
//! order, the layout and the comments of the file, so evidence lapses exactly when the path changes.

use ha_model::NodeId;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 over agent, options and outlets of a fence device.
#[must_use]
pub fn path_hash(
    agent: &str,
    options: &BTreeMap<String, String>,
    outlets: &BTreeMap<NodeId, Vec<String>>,
) -> [u8; 32] {
    let mut context = Sha256::new();
    part(&mut context, "fence path 1");
    part(&mut context, agent);
    count(&mut context, options.len());
    for (key, value) in options {
        part(&mut context, key);
        part(&mut context, value);
    }
    count(&mut context, outlets.len());
    for (node, list) in outlets {
        part(&mut context, node.as_str());
        count(&mut context, list.len());
        for outlet in list {
            part(&mut context, outlet);
        }
    }
    context.finalize().into()
}

fn count(context: &mut Sha256, count: usize) {
    context.update((count as u64).to_be_bytes());
}

fn part(context: &mut Sha256, text: &str) {
    count(context, text.len());
    context.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_the_standard_one() {
        // FIPS 180-4, the example "abc".
        assert_eq!(sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn a_path_differs_by_each_of_its_parts_and_by_nothing_else() {
        let options = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let outlets = |list: &[&str]| {
            BTreeMap::from([(NodeId::from("alpha"), list.iter().map(|o| (*o).to_owned()).collect())])
        };
        let base = path_hash("fence_x", &options("ip", "10.0.0.1"), &outlets(&["1", "2"]));
        assert_eq!(base, path_hash("fence_x", &options("ip", "10.0.0.1"), &outlets(&["1", "2"])));
        for other in [
            path_hash("fence_y", &options("ip", "10.0.0.1"), &outlets(&["1", "2"])),
            path_hash("fence_x", &options("ip", "10.0.0.2"), &outlets(&["1", "2"])),
            path_hash("fence_x", &options("ipport", "10.0.0.1"), &outlets(&["1", "2"])),
            path_hash("fence_x", &options("ip", "10.0.0.1"), &outlets(&["12"])),
            path_hash("fence_x", &options("ip", "10.0.0.1"), &outlets(&["2", "1"])),
            path_hash("fence_xi", &options("p", "10.0.0.1"), &outlets(&["1", "2"])),
        ] {
            assert_ne!(base, other);
        }
        let two = |first: (&str, &[&str]), second: (&str, &[&str])| {
            let owned = |list: &[&str]| list.iter().map(|o| (*o).to_owned()).collect();
            let outlets = BTreeMap::from([
                (NodeId::from(first.0), owned(first.1)),
                (NodeId::from(second.0), owned(second.1)),
            ]);
            path_hash("fence_x", &BTreeMap::new(), &outlets)
        };
        // The same words in the same order, of other nodes.
        assert_ne!(two(("a", &["b"]), ("c", &["d"])), two(("a", &["b", "c"]), ("d", &[])));
    }
}
