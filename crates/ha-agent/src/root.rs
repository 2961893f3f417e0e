//! Where leashes are made, and the note by which a later session of the daemon finds them again.
//!
//! Must not know: agents and their meaning. Invariants: the daemon's own cgroup, and whether it may make cgroups at all,
//! change from session to session (another login, systemd), so what a session began is looked for where its note says;
//! a note that cannot be followed is an error, never an empty place.

use crate::cgroup;
use crate::leash::Leash;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where leashes are made.
#[derive(Clone, Debug)]
pub struct CgroupRoot(Arc<Root>);

#[derive(Debug)]
struct Root {
    kind: Kind,
    note: String,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// Below this directory.
    Cgroup(PathBuf),
    /// By session, and by a variable in the environment that begins with this tag.
    Marked { tag: String, why: String },
}

impl CgroupRoot {
    /// A root below the daemon's own cgroup (v2 alone, or beside v1), proven by starting a process in it; otherwise
    /// marks. Below its own, so that what holds the daemon (a delegation, a container) holds its services too. `tag`
    /// tells several daemons of one machine apart and must be the same after a restart of the daemon.
    #[must_use]
    pub fn detect(tag: &str) -> Self {
        match cgroup::own() {
            Ok(own) => Self::at(&own.join(format!("hanode.{}", escape(tag))), tag),
            Err(why) => Self::marked(tag, why),
        }
    }

    /// A root at a given cgroup v2 directory (made if missing).
    #[must_use]
    pub fn at(dir: &Path, tag: &str) -> Self {
        match cgroup::prove(dir).and_then(|()| note_of_cgroup(dir)) {
            Ok(note) => Self(Arc::new(Root { kind: Kind::Cgroup(dir.to_path_buf()), note })),
            Err(why) => Self::marked(tag, why),
        }
    }

    /// A root without cgroups: processes are found by session and by a variable in their environment.
    #[must_use]
    pub fn marked(tag: &str, why: impl fmt::Display) -> Self {
        // Without /proc no process is found at all; a namespace that is not known is none that can be found again.
        let namespace = namespace("pid").unwrap_or_default();
        let note = format!("marked {tag}\nin {namespace}\nby {}\n", nix::unistd::geteuid());
        Self(Arc::new(Root { kind: Kind::Marked { tag: tag.into(), why: why.to_string() }, note }))
    }

    /// Lines by which [`Self::noted`] finds this root again, in this boot and from another cgroup.
    pub(crate) fn note(&self) -> &str {
        &self.0.note
    }

    /// The root of a note.
    ///
    /// # Errors
    /// One clause: why what is held there cannot be seen from here.
    pub(crate) fn noted(note: &str) -> Result<Self, String> {
        let field = |key: &str| note.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' '));
        let is_here = |kind: &str, what: &str| match (field("in"), namespace(kind)) {
            (Some(noted), Ok(here)) if noted == here => Ok(()),
            (Some(noted), Ok(here)) => Err(format!("{what} is of {noted}, and this daemon is in {here}")),
            (None, _) => Err("the note is cut short".to_owned()),
            (_, Err(why)) => Err(why),
        };
        let kind = if let Some(path) = field("cgroup") {
            is_here("cgroup", &format!("cgroup {path}"))?;
            Kind::Cgroup(cgroup::shown_at(path)?)
        } else if let Some(tag) = field("marked") {
            is_here("pid", "the process table")?;
            let me = nix::unistd::geteuid();
            match field("by") {
                Some(by) if me.is_root() || by == me.to_string() => {}
                Some(by) => return Err(format!("user {me} does not see the processes of user {by}")),
                None => return Err("the note is cut short".into()),
            }
            Kind::Marked { tag: tag.into(), why: "so noted".into() }
        } else {
            return Err("the note does not say where".into());
        };
        Ok(Self(Arc::new(Root { kind, note: note.to_owned() })))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The cgroup directory, where there is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self.kind() {
            Kind::Cgroup(dir) => Some(dir),
            Kind::Marked { .. } => None,
        }
    }

    /// What an operator must know: `None` when processes are held by cgroups, else what may go wrong and what to do.
    #[must_use]
    pub fn limitation(&self) -> Option<String> {
        match self.kind() {
            Kind::Cgroup(_) => None,
            Kind::Marked { why, .. } => Some(format!(
                "no cgroup for services ({why}): a process that leaves its service's session and environment is not found, so a stop may be taken for done while it runs; run hanode as root on a host with cgroup v2, or give it a cgroup of its own (systemd: Delegate=yes)"
            )),
        }
    }

    /// The leash of that name: path segments, outermost first.
    #[must_use]
    pub fn leash(&self, segments: &[&str]) -> Leash {
        Leash::new(self.clone(), segments.iter().map(|s| escape(s)).collect())
    }
}

/// `cgroup:[4026531835]`.
fn namespace(kind: &str) -> Result<String, String> {
    let path = format!("/proc/self/ns/{kind}");
    let target = std::fs::read_link(&path).map_err(|e| format!("{path}: {e}"))?;
    Ok(target.display().to_string())
}

fn note_of_cgroup(dir: &Path) -> Result<String, String> {
    Ok(format!("cgroup {}\nin {}\n", cgroup::path_of(dir)?.display(), namespace("cgroup")?))
}

/// A name as one path segment that cannot collide with the kernel's own files (`cgroup.procs`, `memory.max`).
pub(crate) fn escape(name: &str) -> String {
    let mut out = String::from("ha-");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_root_is_found_again_by_its_note() {
        let root = CgroupRoot::marked("a b", "test");
        let again = CgroupRoot::noted(root.note()).unwrap();
        assert!(matches!(again.kind(), Kind::Marked { tag, .. } if tag == "a b"));
        assert_eq!(again.note(), root.note());
    }

    #[test]
    fn a_note_that_cannot_be_followed_says_why() {
        let here = namespace("cgroup").unwrap();
        for (note, says) in [
            (String::new(), "does not say where"),
            ("cgroup /session-3.scope/hanode.ha-a\n".into(), "cut short"),
            ("cgroup /session-3.scope/hanode.ha-a\nin cgroup:[1]\n".into(), "cgroup:[1]"),
            (format!("cgroup ../hanode.ha-a\nin {here}\n"), "no cgroup v2 mount shows"),
            ("marked a\nin pid:[1]\nby 0\n".into(), "pid:[1]"),
            (format!("marked a\nin {}\n", namespace("pid").unwrap()), "cut short"),
        ] {
            let why = CgroupRoot::noted(&note).unwrap_err();
            assert!(why.contains(says), "{note:?}: {why}");
        }
    }
}
