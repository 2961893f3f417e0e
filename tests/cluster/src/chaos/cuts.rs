//! What passes no more between hosts, kept so that the end of one fault does not heal another's.
//!
//! Must not know: why it was cut. The lab heals everything at once; what is not over is put up again behind that.

use crate::cluster::Cluster;
use ha_lab::{Direction, Remote};

/// One cut.
#[derive(Debug, Clone)]
pub enum Cut {
    /// A host from everything.
    All(String),
    /// Two hosts, or what the first sends to the second.
    Pair(String, String, Direction),
    /// A cable of a host.
    Cable(String, &'static str),
    /// A share of what passes a link of a host, in percent.
    Loss(String, &'static str, u8),
}

/// All cuts in force, each fault's under a number.
#[derive(Debug, Default)]
pub struct Cuts {
    all: Vec<(usize, Vec<Cut>)>,
    next: usize,
}

impl Cuts {
    /// Cuts; the number under which it ends.
    pub fn begin(&mut self, lab: &Remote, cuts: Vec<Cut>) -> Result<usize, String> {
        cuts.iter().try_for_each(|cut| put_up(lab, cut))?;
        let number = self.next;
        self.next += 1;
        self.all.push((number, cuts));
        Ok(number)
    }

    /// Ends what was begun under this number.
    pub fn end(&mut self, lab: &Remote, number: usize) {
        self.all.retain(|(own, _)| *own != number);
        let _ = lab.heal();
        // What cannot be put up again (its host is dark) is healed early; the healing of the life ends all of it.
        self.all.iter().flat_map(|(_, cuts)| cuts).for_each(|cut| _ = put_up(lab, cut));
    }
}

/// Cuts of a host from every other node; `is_from` says whose frames are lost where it is one way.
pub fn from_nodes(cluster: &Cluster, host: &str, is_from: bool, direction: Direction) -> Vec<Cut> {
    let others = cluster.others(&[host]);
    let pair = |other: String| match is_from {
        true => Cut::Pair(host.into(), other, direction),
        false => Cut::Pair(other, host.into(), direction),
    };
    others.into_iter().map(pair).collect()
}

fn put_up(lab: &Remote, cut: &Cut) -> Result<(), String> {
    let done = match cut {
        Cut::All(host) => lab.cut_host(host),
        Cut::Pair(a, b, direction) => lab.cut(a, b, *direction, None),
        Cut::Cable(host, link) => lab.link_down(host, link),
        Cut::Loss(host, link, percent) => lab.impair(host, link, 0, *percent),
    };
    done.map_err(|e| e.to_string())
}
