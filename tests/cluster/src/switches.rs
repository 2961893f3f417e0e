//! What the power switches did with their outlets, by their own journals: also what changed no host, because it was dark
//! already.
//!
//! Must not know: who asked, and what the switch answered. A lie is in the journal as not done, so it opens nothing.

use crate::cluster::Cluster;
use serde::Deserialize;

/// An outlet of a host that a switch truly opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Boot-clock time at which it was done, before the switch answered.
    pub t_ns: u64,
    /// The host on it.
    pub host: String,
}

/// A line of a switch's journal, as far as it is needed.
#[derive(Deserialize)]
struct Line {
    boot_ns: u64,
    effect: Effect,
}

#[derive(Deserialize)]
struct Effect {
    kind: String,
    outlet: Option<u32>,
    on: Option<bool>,
}

impl Cluster {
    /// Every outlet of a host that was opened, in order of time.
    pub(crate) fn opened_outlets(&self) -> Vec<Opened> {
        let mut all = Vec::new();
        for pdu in &self.lab().spec().pdus {
            let path = self.dir().join(format!("{}.jsonl", pdu.name));
            let text = std::fs::read_to_string(path).expect("a switch's journal is there from its start");
            // A line without its end is still being written.
            let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            for line in lines {
                let Line { boot_ns, effect } =
                    serde_json::from_str(line).expect("a line of a switch's journal");
                if (effect.kind.as_str(), effect.on) != ("relay", Some(false)) {
                    continue;
                }
                let host = effect.outlet.and_then(|outlet| pdu.outlets.get(&outlet));
                all.extend(host.map(|host| Opened { t_ns: boot_ns, host: host.clone() }));
            }
        }
        all.sort_by_key(|o| o.t_ns);
        all
    }
}
