//! Streams between nodes, the same for both: open, cut (what is sent is lost) or slow (what is sent waits).
//!
//! Must not know: what is sent. A round delivers all that was sent before it, in one order for both implementations.

use std::collections::BTreeMap;

/// What a link does, one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// Delivers in the next round.
    Open,
    /// Loses.
    Cut,
    /// Keeps until it is open again.
    Slow,
}

/// All links, and what is under way.
#[derive(Debug)]
pub struct Net<M> {
    links: BTreeMap<(usize, usize), Link>,
    under_way: Vec<(usize, usize, M)>,
    kept: Vec<(usize, usize, M)>,
}

impl<M> Default for Net<M> {
    fn default() -> Self {
        Self { links: BTreeMap::new(), under_way: Vec::new(), kept: Vec::new() }
    }
}

impl<M> Net<M> {
    /// The state of a link.
    pub fn link(&self, from: usize, to: usize) -> Link {
        self.links.get(&(from, to)).copied().unwrap_or(Link::Open)
    }

    /// Sets a link. What was under way on one that is cut is lost; what a slow one kept goes on when it opens.
    pub fn set(&mut self, from: usize, to: usize, link: Link) {
        self.links.insert((from, to), link);
        let on_it = |(f, t, _): &(usize, usize, M)| (*f, *t) == (from, to);
        match link {
            Link::Open => {
                let kept = std::mem::take(&mut self.kept);
                let (go, stay) = kept.into_iter().partition(on_it);
                self.kept = stay;
                self.under_way.extend::<Vec<_>>(go);
            }
            Link::Cut => {
                self.under_way.retain(|m| !on_it(m));
                self.kept.retain(|m| !on_it(m));
            }
            Link::Slow => {
                let under_way = std::mem::take(&mut self.under_way);
                let (wait, stay) = under_way.into_iter().partition(on_it);
                self.under_way = stay;
                self.kept.extend::<Vec<_>>(wait);
            }
        }
    }

    /// Loses some of what is under way on a link.
    pub fn lose(&mut self, from: usize, to: usize, what: impl Fn(&M) -> bool) {
        self.under_way.retain(|(f, t, m)| (*f, *t) != (from, to) || !what(m));
    }

    /// Whether a node's word arrives now.
    pub fn is_open(&self, from: usize, to: usize) -> bool {
        self.link(from, to) == Link::Open
    }

    /// Sends.
    pub fn send(&mut self, from: usize, to: usize, message: M) {
        match self.link(from, to) {
            Link::Open => self.under_way.push((from, to, message)),
            Link::Cut => {}
            Link::Slow => self.kept.push((from, to, message)),
        }
    }

    /// What arrives in this round: by receiver and sender, each stream in order.
    pub fn arrived(&mut self) -> Vec<(usize, usize, M)> {
        let mut arrived = std::mem::take(&mut self.under_way);
        arrived.sort_by_key(|(from, to, _)| (*to, *from));
        arrived
    }

    /// The streams of a node break: nothing that was under way arrives any more.
    pub fn broke(&mut self, node: usize) {
        self.under_way.retain(|(from, to, _)| *from != node && *to != node);
        self.kept.retain(|(from, to, _)| *from != node && *to != node);
    }

    /// All that is under way or waits on a slow link.
    pub fn all(&self) -> impl Iterator<Item = &(usize, usize, M)> {
        self.under_way.iter().chain(&self.kept)
    }

    /// Whether nothing is under way.
    pub fn is_quiet(&self) -> bool {
        self.under_way.is_empty()
    }
}
