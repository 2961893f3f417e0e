//! What each implementation must keep whatever the other does: one leader per term, one history, no loss.

use std::collections::BTreeMap;

/// A committed entry, as both implementations can tell it: its place, its term, its payload if it is a client's.
pub type Committed = (u64, u64, Option<u64>);

/// Sees every leader and every committed entry.
#[derive(Debug, Default)]
pub struct Watch {
    leaders: BTreeMap<u64, usize>,
    history: BTreeMap<u64, (u64, Option<u64>)>,
    /// Rules broken.
    pub broken: Vec<String>,
}

impl Watch {
    /// A node leads in a term.
    pub fn leads(&mut self, term: u64, node: usize) {
        let known = *self.leaders.entry(term).or_insert(node);
        if known != node {
            self.broken.push(format!("nodes {known} and {node} lead in term {term}"));
        }
    }

    /// A node commits an entry.
    pub fn committed(&mut self, node: usize, (index, term, payload): Committed) {
        let known = *self.history.entry(index).or_insert((term, payload));
        if known != (term, payload) {
            let what = format!("node {node} commits {:?} at {index}, where {known:?} was", (term, payload));
            self.broken.push(what);
        }
    }

    /// The payloads committed anywhere, in order.
    pub fn payloads(&self) -> Vec<u64> {
        self.history.values().filter_map(|(_, payload)| *payload).collect()
    }
}
