//! The hosts side by side: what a replay shows beside the journal.

use super::{Host, MS, World};
use ha_model::NodeId;

/// What a row says of a host.
type Says = fn(&World, &Host) -> String;

/// Rows of the table.
const ROWS: [(&str, Says); 8] = [
    ("power", |_, host| power(host).to_owned()),
    ("role", |_, host| of_node(host, |node| format!("{:?}", node.votes().role()))),
    ("term", |_, host| of_node(host, |node| node.votes().term().to_string())),
    ("leader", |_, host| of_node(host, |node| node.votes().leader().map_or("-".into(), NodeId::to_string))),
    ("log", |_, host| of_node(host, |node| node.votes().last_log().index.to_string())),
    ("applied", |_, host| of_node(host, |node| node.applied().to_string())),
    ("grant", World::grant_left),
    ("runs", |_, host| host.running.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
];

fn power(host: &Host) -> &'static str {
    match (host.is_on, host.is_frozen) {
        (false, _) => "off",
        (true, true) => "frozen",
        (true, false) => "on",
    }
}

fn of_node(host: &Host, say: impl Fn(&ha_core::Node) -> String) -> String {
    host.node().map_or("-".to_owned(), say)
}

impl World {
    fn grant_left(&self, host: &Host) -> String {
        let left = |grant: ha_model::BootNs| grant.0.saturating_sub(host.clock.at(self.t).0) / MS;
        let grant = host.daemon.as_ref().and_then(|d| d.grant);
        grant.map_or("-".to_owned(), |g| format!("{} ms", left(g)))
    }

    /// Lines of the table.
    pub(crate) fn side_by_side(&self) -> Vec<String> {
        let mut table: Vec<Vec<String>> = vec![vec![String::new()]];
        table[0].extend(self.hosts.keys().map(ToString::to_string));
        for (name, say) in ROWS {
            let mut row = vec![name.to_owned()];
            row.extend(self.hosts.values().map(|host| say(self, host)));
            table.push(row);
        }
        let widths: Vec<usize> = (0..=self.hosts.len())
            .map(|at| table.iter().map(|row| row[at].len()).max().unwrap_or(0))
            .collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
            format!("          {}", cells.join("  ").trim_end())
        };
        table.iter().map(line).collect()
    }
}
