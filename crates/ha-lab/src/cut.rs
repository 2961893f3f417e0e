//! Which frames the bridges drop: a set of (from port, to port) pairs, and its text for nft.
//!
//! Must not know: processes or how nft is run. Invariant: one-way is exactly one ordered pair a link; the rules
//! see every frame on the bridge (ARP, IPv6 and established flows included), since they match ports alone.

use crate::error::{LabError, Result};
use crate::proto::Direction;
use crate::spec::{LabSpec, Station, StationKind};
use std::collections::{BTreeMap, BTreeSet};

/// The rules in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Frames from the first port to the second are dropped.
    pairs: BTreeSet<(String, String)>,
    /// Share of frames lost, in percent, by port and each way.
    loss: BTreeMap<String, u8>,
}

impl Cuts {
    /// Cuts two stations, on one link or all that they share.
    pub fn cut(
        &mut self,
        spec: &LabSpec,
        a: &str,
        b: &str,
        way: Direction,
        link: Option<&str>,
    ) -> Result<()> {
        let only = link.map(|name| spec.link_index(name)).transpose()?;
        let (a, b) = (station(spec, a)?, station(spec, b)?);
        if a == b {
            return Err(LabError::Spec(format!("`{}` cannot be cut from itself", a.name)));
        }
        let shared: Vec<usize> = a
            .links
            .iter()
            .copied()
            .filter(|i| b.links.contains(i) && only.is_none_or(|only| only == *i))
            .collect();
        if shared.is_empty() {
            return Err(LabError::Spec(format!("`{}` and `{}` share no such link", a.name, b.name)));
        }
        for i in shared {
            let (pa, pb) = (a.port(&spec.links[i]), b.port(&spec.links[i]));
            self.pairs.insert((pa.clone(), pb.clone()));
            if way == Direction::Both {
                self.pairs.insert((pb, pa));
            }
        }
        Ok(())
    }

    /// Cuts a station from every other; from the power switches only if not `keep_pdu`.
    pub fn cut_station(&mut self, spec: &LabSpec, name: &str, keep_pdu: bool) -> Result<()> {
        let own = station(spec, name)?;
        for other in spec.stations() {
            let shares = own.links.iter().any(|i| other.links.contains(i));
            if other != own && shares && !(keep_pdu && other.kind == StationKind::Pdu) {
                self.cut(spec, name, &other.name, Direction::Both, None)?;
            }
        }
        Ok(())
    }

    /// Loses a share of what passes a port, each way; 0 ends it.
    pub fn set_loss(&mut self, port: &str, percent: u8) {
        self.loss.remove(port);
        if percent > 0 {
            self.loss.insert(port.into(), percent.min(100));
        }
    }

    /// The whole rule set as one atomic nft script.
    pub fn nft(&self) -> String {
        // `table; flush` creates the table when it is not there yet, and empties it otherwise.
        let mut out =
            String::from("table bridge ha_lab\ndelete table bridge ha_lab\ntable bridge ha_lab {\n");
        out += " set cut { type ifname . ifname;";
        if !self.pairs.is_empty() {
            let pairs: Vec<_> = self.pairs.iter().map(|(a, b)| format!("\"{a}\" . \"{b}\"")).collect();
            out += &format!(" elements = {{ {} }};", pairs.join(", "));
        }
        out += " }\n chain forward { type filter hook forward priority 0; policy accept;\n";
        out += "  iifname . oifname @cut drop\n";
        for (port, percent) in &self.loss {
            // nft refuses a comparison that is always true.
            let dice = match percent {
                100.. => String::new(),
                _ => format!("numgen random mod 100 < {percent} "),
            };
            out += &format!("  iifname \"{port}\" {dice}drop\n  oifname \"{port}\" {dice}drop\n");
        }
        out + " }\n}\n"
    }
}

fn station(spec: &LabSpec, name: &str) -> Result<Station> {
    let all = spec.stations();
    all.iter().find(|s| s.name == name).cloned().ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|s| s.name.as_str()).collect();
        LabError::Spec(format!("no station `{name}`; there are {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> LabSpec {
        LabSpec::usual("/x", &["alpha", "beta", "gamma"])
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.into(), b.into())
    }

    #[test]
    fn one_way_is_one_ordered_pair() {
        let mut cuts = Cuts::default();
        cuts.cut(&spec(), "alpha", "beta", Direction::AToB, Some("net1")).unwrap();
        assert_eq!(cuts.pairs, BTreeSet::from([pair("alpha.net1", "beta.net1")]));
    }

    #[test]
    fn a_host_is_cut_from_all_but_may_keep_its_switches() {
        let (mut kept, mut all) = (Cuts::default(), Cuts::default());
        kept.cut_station(&spec(), "alpha", true).unwrap();
        all.cut_station(&spec(), "alpha", false).unwrap();
        let switch = pair("alpha.mgmt", "pdu-a.mgmt");
        assert!(!kept.pairs.contains(&switch) && all.pairs.contains(&switch));
        assert!(kept.pairs.contains(&pair("client.net0", "alpha.net0")));
        assert!(all.pairs.iter().all(|(a, b)| a.starts_with("alpha.") || b.starts_with("alpha.")));
        // Two hosts on three links, the client, the ledger: both ways each.
        assert_eq!(kept.pairs.len(), (2 * 3 + 1 + 1) * 2);
    }

    #[test]
    fn impossible_cuts_are_refused() {
        let mut cuts = Cuts::default();
        for (a, b, link) in [
            ("alpha", "alpha", None),
            ("alpha", "nobody", None),
            ("client", "pdu-a", None),
            ("alpha", "beta", Some("x")),
        ] {
            assert!(cuts.cut(&spec(), a, b, Direction::Both, link).is_err(), "{a} {b}");
        }
        assert_eq!(cuts, Cuts::default());
    }
}
