//! What can be done to a running demonstration by hand.
//!
//! Must not know: more of the cluster than its daemon's service name.

use super::CLIENT;
use super::tell::say;
use crate::clock::boot_ns;
use crate::cluster::DAEMON;
use crate::error::{LabError, Result};
use crate::lab::{Remote, wait_for};
use crate::observe::Client;
use std::time::Duration;

/// How long the effect on the outside client is watched.
const WATCH: Duration = Duration::from_secs(15);

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Play {
    /// Power off a host by its button.
    Fail(String),
    /// Power it on.
    On(String),
    /// Freeze every process of a host.
    Freeze(String),
    /// Thaw it.
    Thaw(String),
    /// Cut a host from everything, the power switches included.
    Cut(String),
    /// End every cut.
    Heal,
    /// Kill the daemon of a host; its init starts it again.
    KillDaemon(String),
    /// Any command of `hactl`, in the first host that can run it.
    Hactl(Vec<String>),
}

impl Play {
    /// The words of the command line.
    pub const WORDS: [&'static str; 7] = ["fail", "on", "freeze", "thaw", "cut", "heal", "kill-daemon"];

    /// From the command line's words.
    pub fn parse(words: &[String]) -> Result<Self> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let node = |n: &str| n.to_string();
        Ok(match words.as_slice() {
            ["fail", n] => Self::Fail(node(n)),
            ["on", n] => Self::On(node(n)),
            ["freeze", n] => Self::Freeze(node(n)),
            ["thaw", n] => Self::Thaw(node(n)),
            ["cut", n] => Self::Cut(node(n)),
            ["heal"] | ["heal", _] => Self::Heal,
            ["kill-daemon", n] => Self::KillDaemon(node(n)),
            ["hactl", args @ ..] => Self::Hactl(args.iter().map(|a| a.to_string()).collect()),
            _ => {
                let known = Self::WORDS.join("|");
                return Err(LabError::Refused(format!("`{}`: {known} NODE, or hactl …", words.join(" "))));
            }
        })
    }

    /// Whether the outside client may notice it, so that it is worth watching for.
    fn is_disturbing(&self) -> bool {
        matches!(self, Self::Fail(_) | Self::Freeze(_) | Self::Cut(_))
    }
}

/// Does it, and says what the outside client saw of it. The exit code: that of `hactl`, else 0.
pub fn play(lab: &Remote, what: &Play) -> Result<u8> {
    let since = boot_ns();
    match what {
        Play::Fail(host) => lab.power_off(host)?,
        Play::On(host) => lab.power_on(host)?,
        Play::Freeze(host) => lab.freeze(host)?,
        Play::Thaw(host) => lab.thaw(host)?,
        Play::Cut(host) => lab.cut_host(host)?,
        Play::Heal => lab.heal()?,
        Play::KillDaemon(host) => lab.kill_service(host, DAEMON, libc::SIGKILL)?,
        Play::Hactl(args) => {
            let states = lab.hosts()?;
            let able = states.iter().find(|s| s.is_on && !s.is_frozen && s.services.contains_key(DAEMON));
            let host = able.ok_or_else(|| LabError::Refused("no host with a daemon is up".into()))?;
            let argv = std::iter::once("hactl").chain(args.iter().map(String::as_str)).map(String::from);
            let code = lab.exec_here(&host.name, argv.collect())?;
            return Ok(code.clamp(0, 255) as u8);
        }
    }
    say("done");
    if what.is_disturbing() {
        watch(&Client::of(lab, CLIENT), since)?;
    }
    Ok(0)
}

/// Says what the client saw since then: the outage, once it is over, or that there was none.
fn watch(client: &Client, since: u64) -> Result<()> {
    // What the client is not served for a second is no longer a matter of one late answer.
    let is_hit = wait_for("an outage", Duration::from_secs(3), || {
        Ok(client.outages()?.iter().any(|o| o.first_ok_ns.is_none_or(|end| end > since)))
    });
    if is_hit.is_err() {
        say("the client saw nothing of it");
        return Ok(());
    }
    let over = wait_for("its end", WATCH, || Ok(client.outages()?.iter().all(|o| o.first_ok_ns.is_some())));
    let all = client.outages()?;
    let longest = all
        .iter()
        .filter(|o| o.first_ok_ns.is_none_or(|end| end > since))
        .max_by_key(|o| o.first_ok_ns.unwrap_or(u64::MAX) - o.last_ok_ns);
    match (over, longest.and_then(|o| o.length_ms())) {
        (Ok(()), Some(ms)) => say(&format!("the client had no answer for {ms:.0} ms")),
        _ => say(&format!("the client has had no answer for {} s, and waits on", WATCH.as_secs())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let parse = |text: &str| Play::parse(&text.split(' ').map(String::from).collect::<Vec<_>>());
        assert_eq!(parse("fail alpha").unwrap(), Play::Fail("alpha".into()));
        assert_eq!(parse("heal").unwrap(), Play::Heal);
        assert_eq!(
            parse("hactl status --watch").unwrap(),
            Play::Hactl(vec!["status".into(), "--watch".into()])
        );
        for bad in ["fail", "explode alpha", "cut alpha beta"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
