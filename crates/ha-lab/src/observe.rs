//! What outside observers recorded, as tests ask for it.
//!
//! Must not know: how it was measured. Everything is read from the observers' own files.

use crate::alive_watch::AliveRound;
use crate::arp_watch::ArpRound;
use crate::clock::boot_ns;
use crate::error::{LabError, Result};
use crate::json_log::{self, Tail};
use crate::lab::{Remote, wait_for};
use crate::outage::{Outage, ProbeRecord, outages};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What an outside client asks, and how often.
#[derive(Debug, Clone)]
pub struct ClientSpec {
    /// Whom.
    pub target: SocketAddr,
    /// By HTTP for this path; None: by a bare newline over TCP.
    pub http_path: Option<String>,
    /// How often, in milliseconds.
    pub every_ms: u64,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: u64,
}

impl ClientSpec {
    /// Every 5 ms by HTTP for `/`, 50 ms for an answer.
    pub fn http(target: SocketAddr) -> Self {
        Self { target, http_path: Some("/".into()), every_ms: 5, timeout_ms: 50 }
    }

    /// `http://ADDRESS:PORT/PATH` (addresses only: no name service in a lab), or `ADDRESS:PORT`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || LabError::Spec(format!("client `{text}`: http://ADDRESS:PORT/PATH or ADDRESS:PORT"));
        let Some(rest) = text.strip_prefix("http://") else {
            let target = text.parse().map_err(|_| bad())?;
            return Ok(Self { http_path: None, ..Self::http(target) });
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let target = host.parse().or_else(|_| format!("{host}:80").parse()).map_err(|_| bad())?;
        Ok(Self { http_path: Some(format!("/{path}")), ..Self::http(target) })
    }

    pub(crate) fn args(&self) -> Vec<String> {
        let mut args = vec!["probe".to_string(), "--target".into(), self.target.to_string()];
        for (option, value) in [("--every-ms", self.every_ms), ("--timeout-ms", self.timeout_ms)] {
            args.extend([option.into(), value.to_string()]);
        }
        if let Some(path) = &self.http_path {
            args.extend(["--http-path".into(), path.clone()]);
        }
        args
    }
}

/// An outside client that runs.
#[derive(Debug, Clone)]
pub struct Client {
    file: PathBuf,
}

impl Client {
    /// The client of that name in a lab, also one that was started by somebody else.
    pub fn of(lab: &Remote, name: &str) -> Self {
        Self { file: lab.record_file(name) }
    }

    /// Every probe so far.
    pub fn records(&self) -> Result<Vec<ProbeRecord>> {
        json_log::read(&self.file)
    }

    /// Every outage so far; a last one may still last.
    pub fn outages(&self) -> Result<Vec<Outage>> {
        Ok(outages(&self.records()?))
    }

    /// Waits for an answer to a probe sent from now on.
    pub fn wait_ok(&self, limit: Duration) -> Result<ProbeRecord> {
        self.wait_record("an answer", limit, |r| r.ok)
    }

    /// Waits for an answer, to a probe sent from now on, by that host.
    pub fn wait_ok_from(&self, host: &str, limit: Duration) -> Result<ProbeRecord> {
        self.wait_record(&format!("an answer of {host}"), limit, |r| r.host() == Some(host))
    }

    /// Waits for a probe sent from now on that fails.
    pub fn wait_fail(&self, limit: Duration) -> Result<ProbeRecord> {
        self.wait_record("a failing probe", limit, |r| !r.ok)
    }

    fn wait_record(
        &self,
        what: &str,
        limit: Duration,
        is_it: impl Fn(&ProbeRecord) -> bool,
    ) -> Result<ProbeRecord> {
        let since = boot_ns();
        let mut tail = Tail::new(&self.file)?;
        let mut found = None;
        wait_for(what, limit, || {
            found = tail.fresh::<ProbeRecord>()?.into_iter().find(|r| r.t_ns >= since && is_it(r));
            Ok(found.is_some())
        })?;
        Ok(found.expect("the wait ends with it"))
    }
}

/// A watch over who owns an address.
#[derive(Debug, Clone)]
pub struct ArpWatch {
    file: PathBuf,
}

impl ArpWatch {
    /// The watch of that name in a lab.
    pub fn of(lab: &Remote, name: &str) -> Self {
        Self { file: lab.record_file(name) }
    }

    /// Every round so far.
    pub fn rounds(&self) -> Result<Vec<ArpRound>> {
        json_log::read(&self.file)
    }

    /// Rounds in which more than one MAC answered: two owners.
    pub fn double_owners(&self) -> Result<Vec<ArpRound>> {
        Ok(self.rounds()?.into_iter().filter(|r| r.macs.len() > 1).collect())
    }

    /// Waits for a round, begun from now on, in which exactly these MACs answer.
    pub fn wait_macs(&self, macs: &[&str], limit: Duration) -> Result<ArpRound> {
        let since = boot_ns();
        let mut tail = Tail::new(&self.file)?;
        let mut found = None;
        wait_for(&format!("ARP answers of {macs:?}"), limit, || {
            let mut rounds = tail.fresh::<ArpRound>()?.into_iter();
            found = rounds
                .find(|r| r.t_ns >= since && r.macs.iter().map(String::as_str).eq(macs.iter().copied()));
            Ok(found.is_some())
        })?;
        Ok(found.expect("the wait ends with it"))
    }
}

/// A watch over which services live where.
#[derive(Debug, Clone)]
pub struct AliveWatch {
    file: PathBuf,
}

impl AliveWatch {
    /// The watch of that name in a lab.
    pub fn of(lab: &Remote, name: &str) -> Self {
        Self { file: lab.record_file(name) }
    }

    /// Every round so far.
    pub fn rounds(&self) -> Result<Vec<AliveRound>> {
        json_log::read(&self.file)
    }

    /// Waits for so many rounds begun from now on.
    pub fn wait_rounds(&self, count: usize, limit: Duration) -> Result<()> {
        let since = boot_ns();
        let mut tail = Tail::new(&self.file)?;
        let mut found = 0;
        wait_for("rounds of the watch over services", limit, || {
            found += tail.fresh::<AliveRound>()?.into_iter().filter(|r| r.t_ns >= since).count();
            Ok(found >= count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_words() {
        let spec = ClientSpec::parse("http://10.0.0.100/x").unwrap();
        assert_eq!(
            (spec.target.to_string(), spec.http_path.as_deref()),
            ("10.0.0.100:80".into(), Some("/x"))
        );
        assert_eq!(ClientSpec::parse("10.0.0.1:7").unwrap().http_path, None);
        assert!(ClientSpec::parse("http://name/").is_err());
    }
}
