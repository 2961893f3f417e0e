//! Who asks, as the kernel knows him.

use crate::names;
use tokio::net::unix::UCred;

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Effective user when he connected.
    pub uid: u32,
    /// Effective group when he connected.
    pub gid: u32,
    /// Process; `None` where the kernel does not say (another pid namespace).
    pub pid: Option<i32>,
    /// The user's name, or `uid 1234` where he has none.
    pub user: String,
    /// The user who logged in, where that is somebody else (`sudo`), from the kernel's audit identity.
    pub login: Option<String>,
}

/// The audit identity of a process that nobody logged in for (audit(7)).
const NO_LOGIN: u32 = u32::MAX;

impl Caller {
    pub(crate) fn of(credentials: UCred) -> Caller {
        let uid = credentials.uid();
        let pid = credentials.pid();
        let login = pid
            .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok())
            .and_then(|text| text.trim().parse().ok())
            .filter(|login| *login != NO_LOGIN && *login != uid)
            .map(name);
        Caller { uid, gid: credentials.gid(), pid, user: name(uid), login }
    }

    /// For the audit: `anna`, or `root (anna)` for somebody who became root. The core adds the node.
    #[must_use]
    pub fn who(&self) -> String {
        match &self.login {
            Some(login) => format!("{} ({login})", self.user),
            None => self.user.clone(),
        }
    }
}

fn name(uid: u32) -> String {
    names::user(uid).unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_name_keeps_who_logged_in() {
        let mut caller = Caller { uid: 0, gid: 0, pid: None, user: name(0), login: None };
        assert_eq!(caller.who(), "root");
        caller.login = Some("anna".to_owned());
        assert_eq!(caller.who(), "root (anna)");
        assert_eq!(name(4_000_000_001), "uid 4000000001");
    }
}
