//! Whose link is silent: ours, or a peer's.
//!
//! Must not know: how a link is heard. Whoever pulls one cable of a node should read of one link, not of one for
//! each other node.

use ha_model::{NodeId, NodeRow};

/// From so many peers on it is our own link that is silent when we hear none of them over it. One that is silent
/// may be silent by itself.
const PEERS_MIN: usize = 2;

/// Marks the links of `me` over which nobody is heard, though several are heard over others.
pub(super) fn mark_own_links(nodes: &mut [NodeRow], me: &NodeId) {
    let is_heard = |row: &&NodeRow| row.name != *me && row.links.iter().any(|(_, is_heard)| *is_heard);
    let peers: Vec<Vec<bool>> = nodes
        .iter()
        .filter(is_heard)
        .map(|row| row.links.iter().map(|(_, is_heard)| *is_heard).collect())
        .collect();
    let Some(own) = nodes.iter_mut().find(|row| row.name == *me) else { return };
    for (n, (_, is_up)) in own.links.iter_mut().enumerate() {
        let on_it: Vec<bool> = peers.iter().filter_map(|links| links.get(n).copied()).collect();
        if on_it.len() >= PEERS_MIN && !on_it.contains(&true) {
            *is_up = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(heard: &[(&str, [bool; 2])]) -> Vec<NodeRow> {
        heard
            .iter()
            .enumerate()
            .map(|(n, (name, links))| NodeRow {
                name: (*name).into(),
                role: "member".into(),
                vote: "voter".into(),
                state: "online".into(),
                boot: None,
                links: vec![
                    (format!("10.0.0.{n}").parse().unwrap(), links[0]),
                    (format!("10.0.1.{n}").parse().unwrap(), links[1]),
                ],
                why: None,
            })
            .collect()
    }

    fn own_after(heard: &[(&str, [bool; 2])]) -> Vec<bool> {
        let mut rows = rows(heard);
        mark_own_links(&mut rows, &"alpha".into());
        rows[0].links.iter().map(|(_, is_up)| *is_up).collect()
    }

    #[test]
    fn a_link_over_which_nobody_is_heard_is_ours() {
        let up = [true, true];
        let second = [true, false];
        assert_eq!(own_after(&[("alpha", up), ("beta", second), ("gamma", second)]), [true, false]);
        assert_eq!(own_after(&[("alpha", up), ("beta", up), ("gamma", second)]), up, "it is gamma's");
        assert_eq!(own_after(&[("alpha", up), ("beta", up), ("gamma", up)]), up);
    }

    #[test]
    fn silent_nodes_say_nothing_of_our_links() {
        let (up, off, second) = ([true, true], [false, false], [true, false]);
        assert_eq!(own_after(&[("alpha", up), ("beta", off), ("gamma", off)]), up, "they may be down");
        assert_eq!(
            own_after(&[("alpha", up), ("beta", second), ("gamma", off)]),
            up,
            "one peer alone: either"
        );
        assert_eq!(own_after(&[("alpha", up), ("beta", up), ("gamma", off)]), up);
    }
}
