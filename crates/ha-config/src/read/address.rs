//! Reads addresses of links and of virtual addresses, and refuses those that no host can have.

use crate::code::Code;
use crate::report::{Report, Sp};
use crate::walk::shown;
use std::net::{IpAddr, Ipv4Addr};

/// Why no host can have this address; `None` when one can.
fn unusable(address: IpAddr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("stands for no host");
    }
    if address.is_multicast() {
        return Some("is a multicast address");
    }
    match address {
        IpAddr::V4(v4) if v4 == Ipv4Addr::BROADCAST => Some("is the broadcast address"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("belongs to the network 0.0.0.0/8"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Some("is an IPv4 address in IPv6 clothes: write it as IPv4")
        }
        _ => None,
    }
}

/// Reads the address of a link.
pub(super) fn link_address(typed: &Sp<String>, report: &mut Report<'_>) -> Option<Sp<IpAddr>> {
    let text = typed.value.trim();
    let address: IpAddr = match text.parse() {
        Ok(address) => address,
        Err(_) => {
            let message = format!("\"{}\" is no IP address", shown(text));
            let more = report.error(Code::BadAddress, &typed.at, message);
            match text.split_once('/').or_else(|| text.rsplit_once(':')) {
                Some((host, _)) if host.parse::<IpAddr>().is_ok() => {
                    more.help(format!("a link is an address alone: \"{host}\""));
                }
                _ if text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(':') => {
                    more.help(
                        "a link is an address, not a host name: a cluster must not depend on name service",
                    );
                }
                _ => {}
            }
            return None;
        }
    };
    let is_scoped = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let why = is_scoped.then_some("is link-local: it means another network on each interface");
    if let Some(why) = unusable(address).or(why) {
        report.error(Code::BadAddress, &typed.at, format!("{address} cannot be a link: it {why}"));
        return None;
    }
    Some(Sp::new(address, typed.at.clone()))
}

/// Reads `address/prefix` of a virtual address; returns the address and the normalised text.
pub(super) fn virtual_address(typed: &Sp<String>, report: &mut Report<'_>) -> Option<(Sp<IpAddr>, String)> {
    let text = typed.value.trim();
    let (host, prefix) = match text.split_once('/') {
        Some((host, prefix)) => (host, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = host.parse::<IpAddr>() else {
        let message = format!("\"{}\" is no IP address", shown(host));
        report
            .error(Code::BadAddress, &typed.at, message)
            .help("such as: address = \"10.0.0.100/24\" or \"2001:db8::100/64\"");
        return None;
    };
    let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
    let Some(prefix) = prefix else {
        let usual = if address.is_ipv4() { 24 } else { 64 };
        report
            .error(Code::BadAddress, &typed.at, format!("address {address} has no prefix"))
            .help(format!("add the prefix of its network: address = \"{address}/{usual}\""));
        return None;
    };
    let Some(prefix) = prefix.parse::<u8>().ok().filter(|p| (1..=bits).contains(p)) else {
        let message = format!("the prefix of {address} must be between 1 and {bits}");
        report.error(Code::BadAddress, &typed.at, message);
        return None;
    };
    let why = unusable(address).or_else(|| network_end(address, prefix));
    if let Some(why) = why {
        report.error(Code::BadAddress, &typed.at, format!("{address} cannot be a virtual address: it {why}"));
        return None;
    }
    if address.is_loopback() {
        report.warning(Code::Suspicious, &typed.at, format!("{address} is reachable on its own host only"));
    }
    Some((Sp::new(address, typed.at.clone()), format!("{address}/{prefix}")))
}

/// Whether an IPv4 address is the first or the last of its network (RFC 3021 excepts /31).
fn network_end(address: IpAddr, prefix: u8) -> Option<&'static str> {
    let IpAddr::V4(v4) = address else { return None };
    if prefix >= 31 {
        return None;
    }
    let host_bits = u32::MAX >> prefix;
    match v4.to_bits() & host_bits {
        0 => Some("is the address of its network, not of a host in it"),
        bits if bits == host_bits => Some("is the broadcast address of its network"),
        _ => None,
    }
}
