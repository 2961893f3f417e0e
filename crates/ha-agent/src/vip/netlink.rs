//! Interfaces and addresses of this host, by rtnetlink.
//!
//! Must not know: resources. Invariant: what it reports was read from the kernel for this call; nothing is remembered.

use super::dump::dump;
use super::frame::Mac;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, CacheInfo};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One interface.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub index: u32,
    pub name: String,
    pub mac: Option<Mac>,
    pub is_up: bool,
    pub has_carrier: bool,
    /// Whether neighbours resolve addresses on it (not on loopback or point-to-point links).
    pub has_neighbours: bool,
}

/// One address on one interface.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub index: u32,
    pub address: IpAddr,
    pub prefix: u8,
    pub is_secondary: bool,
    pub is_duplicate: bool,
    pub is_tentative: bool,
    message: AddressMessage,
}

/// A netlink socket in the network namespace of the calling thread.
pub(crate) struct Netlink {
    handle: rtnetlink::Handle,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

type Result<T> = std::result::Result<T, String>;

fn words(doing: &str, error: rtnetlink::Error) -> String {
    match error {
        rtnetlink::Error::NetlinkError(message) => format!("{doing} failed: {}", message.to_io()),
        other => format!("{doing} failed: {other}"),
    }
}

impl Netlink {
    pub(crate) fn open() -> Result<Self> {
        let (mut connection, handle, _) =
            rtnetlink::new_connection().map_err(|e| format!("opening netlink failed: {e}"))?;
        connection.set_forward_done(true);
        Ok(Self { handle, connection: tokio::spawn(connection) })
    }

    /// Every interface, by name.
    pub(crate) async fn links(&self) -> Result<BTreeMap<String, Link>> {
        let question = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let all = dump(&self.handle, &question).await;
        let mut links = BTreeMap::new();
        for answer in all.map_err(|why| format!("reading the interfaces failed: {why}"))? {
            let RouteNetlinkMessage::NewLink(message) = answer else { continue };
            let flags = message.header.flags;
            let (mut name, mut mac) = (String::new(), None);
            for attribute in message.attributes {
                match attribute {
                    LinkAttribute::IfName(n) => name = n,
                    LinkAttribute::Address(bytes) => mac = <[u8; 6]>::try_from(bytes).ok().map(Mac),
                    _ => {}
                }
            }
            let link = Link {
                index: message.header.index,
                name: name.clone(),
                mac,
                is_up: flags.contains(LinkFlags::Up),
                has_carrier: flags.contains(LinkFlags::LowerUp),
                has_neighbours: mac.is_some()
                    && !flags.intersects(LinkFlags::Loopback | LinkFlags::Noarp | LinkFlags::Pointopoint),
            };
            links.insert(name, link);
        }
        Ok(links)
    }

    /// Every address of this host.
    pub(crate) async fn addresses(&self) -> Result<Vec<Held>> {
        let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let all = dump(&self.handle, &question).await;
        let all = all.map_err(|why| format!("reading the addresses failed: {why}"))?;
        let address = |answer| match answer {
            RouteNetlinkMessage::NewAddress(message) => held(message),
            _ => None,
        };
        Ok(all.into_iter().filter_map(address).collect())
    }

    /// Where this host has the address.
    pub(crate) async fn holders(&self, address: IpAddr) -> Result<Vec<Held>> {
        Ok(self.addresses().await?.into_iter().filter(|h| h.address == address).collect())
    }

    /// Adds an address. IPv6 is usable at once: the caller has checked that nobody else has it.
    pub(crate) async fn add(&self, link: &Link, address: IpAddr, prefix: u8) -> Result<()> {
        let mut request = self.handle.address().add(link.index, address, prefix);
        if address.is_ipv6() {
            let flags = AddressFlags::Nodad | AddressFlags::Permanent;
            let message = request.message_mut();
            message.attributes.retain(|a| !matches!(a, AddressAttribute::Flags(_)));
            message.attributes.push(AddressAttribute::Flags(flags));
            // Valid for ever, preferred never: the node's own connections take another source (RFC 6724 §5 rule 3).
            let mut lifetimes = CacheInfo::default();
            lifetimes.ifa_valid = u32::MAX;
            message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
        }
        let doing = format!("adding {address}/{prefix} to {}", link.name);
        request.execute().await.map_err(|e| words(&doing, e))
    }

    /// Removes an address from where it was found.
    pub(crate) async fn remove(&self, held: &Held) -> Result<()> {
        let doing = format!("removing {}/{}", held.address, held.prefix);
        self.handle.address().del(held.message.clone()).execute().await.map_err(|e| words(&doing, e))
    }
}

fn held(message: AddressMessage) -> Option<Held> {
    if !matches!(message.header.family, AddressFamily::Inet | AddressFamily::Inet6) {
        return None;
    }
    let (mut local, mut peer) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(a) => local = Some(*a),
            AddressAttribute::Address(a) => peer = Some(*a),
            AddressAttribute::Flags(f) => flags |= *f,
            _ => {}
        }
    }
    Some(Held {
        index: message.header.index,
        address: local.or(peer)?,
        prefix: message.header.prefix_len,
        is_secondary: flags.contains(AddressFlags::Secondary),
        is_duplicate: flags.contains(AddressFlags::Dadfailed),
        is_tentative: flags.contains(AddressFlags::Tentative),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::{CloneFlags, unshare};
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Runs `ip` with these lines in the calling thread's namespace.
    fn ip(lines: &str) {
        let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        ip.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(ip.wait().unwrap().success(), "{lines}");
    }

    /// S7: an answer that changes while it is read lacks what never changed.
    #[test]
    fn addresses_that_stay_are_seen_while_others_come_and_go() {
        unshare(CloneFlags::CLONE_NEWNET)
            .expect("this test needs permission to make network namespaces (run as root)");
        ip("link add veth0 type veth peer name veth1\nlink set veth0 up\n");
        // Too many for the first part of an answer.
        let stay: String = (1..=200).map(|n| format!("addr add 10.1.0.{n}/32 dev veth0\n")).collect();
        ip(&stay);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // It stands before the others, which move by one each time.
        let flicker =
            "addr add 10.2.0.1/32 dev veth0 scope link\naddr del 10.2.0.1/32 dev veth0\n".repeat(100);
        let others = std::thread::spawn(move || (0..100).for_each(|_| ip(&flicker)));
        while !others.is_finished() {
            let all = runtime.block_on(async { Netlink::open()?.addresses().await }).unwrap();
            let stayed = all.iter().filter(|h| h.address.to_string().starts_with("10.1.0.")).count();
            assert_eq!(stayed, 200);
        }
        others.join().unwrap();
    }
}
