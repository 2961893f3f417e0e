//! The name of an OCF resource agent.
//!
//! Source: Open Cluster Framework, Resource Agent API 1.1, "Installation paths": a directory for each provider.

use std::fmt;

/// The provider of an agent that is named without one, as the incumbents have it.
const DEFAULT_PROVIDER: &str = "heartbeat";
/// Longest part of a name.
const PART_MAX: usize = 64;

/// `ocf:PROVIDER:TYPE`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OcfName {
    /// Who made it: `heartbeat`, `pacemaker`, `linbit`, …
    pub provider: String,
    /// The agent.
    pub kind: String,
}

impl OcfName {
    /// `ocf:heartbeat:Dummy`, or `ocf:Dummy` for the same. `None` for anything else.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("ocf:")?;
        let (provider, kind) = rest.split_once(':').unwrap_or((DEFAULT_PROVIDER, rest));
        let is_part = |part: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
            !part.is_empty() && part.len() <= PART_MAX && !part.starts_with('.') && part.chars().all(is_plain)
        };
        (is_part(provider) && is_part(kind))
            .then(|| Self { provider: provider.to_owned(), kind: kind.to_owned() })
    }
}

impl fmt::Display for OcfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ocf:{}:{}", self.provider, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_provider_and_cannot_lead_elsewhere() {
        let full = |name| OcfName::parse(name).map(|n| n.to_string());
        assert_eq!(full("ocf:pacemaker:Stateful").as_deref(), Some("ocf:pacemaker:Stateful"));
        assert_eq!(full("ocf:Dummy").as_deref(), Some("ocf:heartbeat:Dummy"));
        for wrong in ["Dummy", "ocf:", "ocf:a:", "ocf::b", "ocf:..:x", "ocf:a:b/c", "ocf:a:b:c", "lsb:x"] {
            assert_eq!(full(wrong), None, "{wrong}");
        }
    }
}
