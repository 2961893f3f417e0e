//! The `vip` agent: an IPv4 or IPv6 address that moves between nodes.
//!
//! Must not know: who else may hold it by the cluster's rules. Invariants: the address is taken only after nobody
//! answered for it and while the gate is open; a stop has succeeded only when the address was read back absent, and a
//! start was never begun only when the address was not seen here and its adding was not asked for; it is announced only while it is
//! ours and the gate is open.

mod announce;
mod dump;
mod filter;
pub(crate) mod frame;
pub(crate) mod netlink;
pub(crate) mod wire;

use crate::gate::Gate;
use crate::job::{AddressCheck, Outcome};
use crate::nearest::nearest;
pub(crate) use announce::Announcements;
use netlink::{Held, Link, Netlink};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use wire::Wire;

/// The address as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// Length of its network's prefix in bits.
    pub prefix: u8,
    /// The interface's name.
    pub interface: String,
}

impl Vip {
    /// Reads the options `address` and `interface`.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to write.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let need = |key: &str| options.get(key).ok_or(format!("option `{key}` is missing"));
        let (written, interface) = (need("address")?, need("interface")?.clone());
        let (address, prefix) = written
            .split_once('/')
            .ok_or_else(|| format!("address `{written}` has no prefix length: write `{written}/24`"))?;
        let address: IpAddr =
            address.parse().map_err(|_| format!("address `{address}` is neither IPv4 nor IPv6"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix =
            prefix.parse().ok().filter(|p| (1..=longest).contains(p)).ok_or_else(|| {
                format!("prefix length `{prefix}` of {address} is not within 1 to {longest}")
            })?;
        if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(format!("{address} is not the address of one host"));
        }
        if let Some(unknown) = options.keys().find(|k| !matches!(k.as_str(), "address" | "interface")) {
            let near = nearest(unknown, ["address", "interface"])
                .map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            return Err(format!("option `{unknown}` is not known{near}"));
        }
        Ok(Self { address, prefix, interface })
    }

    fn link(&self, links: &BTreeMap<String, Link>) -> Result<Link, String> {
        links.get(&self.interface).cloned().ok_or_else(|| {
            let names = links.keys().map(String::as_str);
            match nearest(&self.interface, names) {
                Some(near) => {
                    format!("interface `{}` does not exist; did you mean `{near}`?", self.interface)
                }
                None => {
                    let all: Vec<&str> = links.keys().map(String::as_str).collect();
                    format!("interface `{}` does not exist; there are {}", self.interface, all.join(", "))
                }
            }
        })
    }
}

fn why_unusable(link: &Link) -> Option<String> {
    match (link.is_up, link.has_carrier) {
        (false, _) => Some(format!("interface {} is down (type `ip link set {} up`)", link.name, link.name)),
        (true, false) => Some(format!("interface {} has no carrier", link.name)),
        (true, true) => None,
    }
}

/// Takes the address and announces it once; `announcements` goes on with that.
pub(crate) async fn start(
    vip: &Vip,
    gate: &Gate,
    check: AddressCheck,
    announcements: &Announcements,
) -> Outcome {
    match try_start(vip, gate, check, announcements).await {
        Ok(outcome) => outcome,
        Err(why) => Outcome::never(why),
    }
}

/// An error means that nothing was begun; the address, as far as it could be read, is not here.
async fn try_start(
    vip: &Vip,
    gate: &Gate,
    check: AddressCheck,
    announcements: &Announcements,
) -> Result<Outcome, String> {
    let netlink = Netlink::open()?;
    let links = netlink.links().await?;
    let holders = netlink.holders(vip.address).await?;
    if !holders.is_empty() {
        return Ok(match judge(vip, &links, &holders) {
            Outcome::Running => as_configured(vip, &links, &holders),
            other => other,
        });
    }
    let link = vip.link(&links)?;
    if let Some(why) = why_unusable(&link) {
        return Err(why);
    }
    if link.has_neighbours
        && let Some(own) = link.mac
    {
        let wire = Wire::open(link.index, vip.address);
        let wire = wire.map_err(|e| format!("opening a packet socket on {} failed: {e}", link.name))?;
        let other = wire.other_owner(own, vip.address, check).await;
        let other = other.map_err(|e| format!("checking {} on {} failed: {e}", vip.address, link.name))?;
        if let Some(mac) = other {
            return Err(format!(
                "{} is in use by another host: {mac} answers for it on {}",
                vip.address, link.name
            ));
        }
    }
    if !gate.is_open() {
        return Err(format!("the grant to take {} had lapsed", vip.address));
    }
    if let Err(why) = netlink.add(&link, vip.address, vip.prefix).await {
        // S7: an answer that was lost, or that another process has added it meanwhile, leaves it here. A failed start is
        // stopped, and a stop reads back.
        return Ok(Outcome::failed(why));
    }
    if !gate.is_open() {
        let undone = stop(vip, announcements).await;
        return Ok(Outcome::failed(format!(
            "the grant to take {} lapsed while it was added; removed again: {undone}",
            vip.address
        )));
    }
    announcements.begin(vip, &link, gate);
    Ok(monitor(vip).await)
}

/// Gives the address up, wherever on this host it is.
pub(crate) async fn stop(vip: &Vip, announcements: &Announcements) -> Outcome {
    announcements.end();
    let result = async {
        let netlink = Netlink::open()?;
        let all = netlink.addresses().await?;
        let mut refused = None;
        for held in all.iter().filter(|h| h.address == vip.address) {
            if has_secondaries(held, &all) {
                keep_secondaries(held, &netlink.links().await?);
            }
            // One that vanished meanwhile is what was wanted; the reading below decides.
            refused = netlink.remove(held).await.err().or(refused);
        }
        match (netlink.holders(vip.address).await?.first(), refused) {
            (None, _) => Ok(Outcome::NotRunning),
            (Some(_), Some(why)) => Err(why),
            (Some(_), None) => Err(format!("{} is still there after it was removed", vip.address)),
        }
    };
    result.await.unwrap_or_else(Outcome::failed)
}

/// Whether other IPv4 addresses of the same network depend on this one.
fn has_secondaries(held: &Held, all: &[Held]) -> bool {
    let network = |a: IpAddr| match a {
        IpAddr::V4(v4) => u32::from(v4).checked_shr(32 - u32::from(held.prefix)),
        IpAddr::V6(_) => None,
    };
    let depends = |h: &Held| {
        h.is_secondary
            && h.index == held.index
            && h.prefix == held.prefix
            && network(h.address) == network(held.address)
    };
    held.address.is_ipv4() && !held.is_secondary && all.iter().any(depends)
}

/// Removing the first IPv4 address of a network removes the later ones with it, unless the interface promotes them
/// (ip-sysctl: promote_secondaries). They are not ours to remove.
fn keep_secondaries(held: &Held, links: &BTreeMap<String, Link>) {
    let Some(link) = links.values().find(|l| l.index == held.index) else { return };
    let path = format!("/proc/sys/net/ipv4/conf/{}/promote_secondaries", link.name);
    if let Err(error) = std::fs::write(&path, "1") {
        tracing::warn!(%path, %error, "other addresses of the network may go with {}", held.address);
    }
}

/// Whether the address is here, on an interface that can be reached.
pub(crate) async fn monitor(vip: &Vip) -> Outcome {
    let result = async {
        let netlink = Netlink::open()?;
        let links = netlink.links().await?;
        let holders = netlink.holders(vip.address).await?;
        Ok::<_, String>(judge(vip, &links, &holders))
    };
    result.await.unwrap_or_else(Outcome::failed)
}

/// What those say that hold the address on this host.
fn judge(vip: &Vip, links: &BTreeMap<String, Link>, holders: &[Held]) -> Outcome {
    let Some(held) = holders.first() else { return Outcome::NotRunning };
    let link = match vip.link(links) {
        Ok(link) => link,
        Err(why) => return Outcome::failed(why),
    };
    if let Some(here) = holders.iter().find(|h| h.index == link.index) {
        return verdict(vip, &link, here);
    }
    let name = links.values().find(|l| l.index == held.index).map_or("?", |l| &l.name);
    Outcome::failed(format!("{} is on interface {name}, not on {}", vip.address, link.name))
}

/// Whether a start may leave it at that.
fn as_configured(vip: &Vip, links: &BTreeMap<String, Link>, holders: &[Held]) -> Outcome {
    let name = |h: &Held| links.values().find(|l| l.index == h.index).map_or("?", |l| &l.name);
    if let Some(elsewhere) = holders.iter().find(|h| name(h) != vip.interface) {
        return Outcome::failed(format!(
            "{} is on interface {} of this node too",
            vip.address,
            name(elsewhere)
        ));
    }
    match holders.first() {
        Some(held) if holders.iter().all(|h| h.prefix != vip.prefix) => Outcome::failed(format!(
            "{} is on {} with prefix length {}, not {}",
            vip.address, vip.interface, held.prefix, vip.prefix
        )),
        _ => Outcome::Running,
    }
}

fn verdict(vip: &Vip, link: &Link, held: &Held) -> Outcome {
    if let Some(why) = why_unusable(link) {
        return Outcome::failed(format!("{} is there, but {why}", vip.address));
    }
    if held.is_duplicate {
        return Outcome::failed(format!(
            "the kernel found {} in use by another host on {}",
            vip.address, link.name
        ));
    }
    if held.is_tentative {
        return Outcome::failed(format!("{} on {} is not usable yet (tentative)", vip.address, link.name));
    }
    Outcome::Running
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str) -> Result<Vip, String> {
        let pairs = [("address", address), ("interface", "eth0")];
        Vip::from_options(&pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into())
    }

    #[test]
    fn addresses_of_both_families() {
        let vip = read("10.0.0.100/24");
        assert!(vip.is_ok_and(|v| v.prefix == 24 && v.address.is_ipv4() && v.interface == "eth0"));
        assert!(read("fd00::100/128").is_ok_and(|v| v.prefix == 128));
    }

    #[test]
    fn bad_addresses_say_what_to_write() {
        for (bad, says) in [
            ("10.0.0.100", "write `10.0.0.100/24`"),
            ("10.0.0/24", "neither IPv4 nor IPv6"),
            ("10.0.0.1/33", "1 to 32"),
            ("fd00::1/0", "1 to 128"),
            ("224.0.0.1/24", "not the address of one host"),
        ] {
            let why = read(bad).unwrap_err();
            assert!(why.contains(says), "{bad}: {why}");
        }
    }

    #[test]
    fn an_unknown_option_or_interface_names_the_nearest() {
        let pairs = [("address", "10.0.0.1/8"), ("interface", "eth0"), ("adress", "x")];
        let why = Vip::from_options(&pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()).unwrap_err();
        assert!(why.contains("did you mean `address`"), "{why}");
        let link = |name: &str| Link {
            index: 1,
            name: name.into(),
            mac: None,
            is_up: true,
            has_carrier: true,
            has_neighbours: true,
        };
        let links = ["lo", "ens3"].map(|n| (n.to_owned(), link(n))).into();
        let why = Vip { interface: "esn3".into(), ..read("10.0.0.1/8").unwrap() }.link(&links).unwrap_err();
        assert_eq!(why, "interface `esn3` does not exist; did you mean `ens3`?");
        let why = read("10.0.0.1/8").unwrap().link(&links).unwrap_err();
        assert_eq!(why, "interface `eth0` does not exist; there are ens3, lo");
    }
}
