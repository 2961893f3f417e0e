//! The name of an OCF resource agent, and where its program lies.
//!
//! Source: Open Cluster Framework, Resource Agent API 1.1, "Installation paths": below `$OCF_ROOT/resource.d`, a directory for
//! each provider.

use std::path::{Path, PathBuf};

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

    /// Its program below the root of OCF (`/usr/lib/ocf`).
    #[must_use]
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join("resource.d").join(&self.provider).join(&self.kind)
    }
}

impl std::fmt::Display for OcfName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ocf:{}:{}", self.provider, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_provider_and_stays_below_the_root() {
        let path = |name| OcfName::parse(name).map(|n| n.path(Path::new("/ocf")).display().to_string());
        assert_eq!(path("ocf:pacemaker:Stateful").as_deref(), Some("/ocf/resource.d/pacemaker/Stateful"));
        assert_eq!(path("ocf:Dummy").as_deref(), Some("/ocf/resource.d/heartbeat/Dummy"));
        for wrong in ["Dummy", "ocf:", "ocf:a:", "ocf::b", "ocf:..:x", "ocf:a:b/c", "ocf:a:b:c", "lsb:x"] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }
}
