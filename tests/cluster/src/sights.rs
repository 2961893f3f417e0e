//! What the outside client sees: who answers, in which incarnation, by which process, from which MAC.
//!
//! Must not know: the cluster.

use crate::cluster::Cluster;
use ha_lab::outage::ProbeRecord;
use ha_lab::spec::mac;
use std::time::Duration;

/// An answer of the web service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Boot-clock time at which it was asked.
    pub t_ns: u64,
    /// Boot-clock time of the answer.
    pub end_ns: u64,
    /// The host, by its own words.
    pub host: String,
    /// Its incarnation.
    pub incarnation: String,
    /// The process in the host.
    pub pid: u32,
    /// The MAC behind the address when the answer came.
    pub mac: Option<String>,
}

impl Answer {
    /// From a probe that was answered in the service's form.
    pub fn of(record: &ProbeRecord) -> Option<Self> {
        let words: Vec<&str> = record.line.split(' ').collect();
        let [host, incarnation, pid, _] = words[..] else { return None };
        record.ok.then_some(())?;
        Some(Self {
            t_ns: record.t_ns,
            end_ns: record.end_ns,
            host: host.into(),
            incarnation: incarnation.into(),
            pid: pid.parse().ok()?,
            mac: record.mac.clone(),
        })
    }
}

impl Cluster {
    /// The present owner: the host that answers a question asked from now on, proven by its MAC.
    #[track_caller]
    pub fn owner(&self) -> String {
        self.answer().host
    }

    /// An answer to a question asked from now on, by the host that its MAC belongs to.
    #[track_caller]
    pub fn answer(&self) -> Answer {
        let record = self.client().wait_ok(crate::LONG).expect("the service answers");
        self.checked(&record)
    }

    /// Waits until another host than this one answers.
    #[track_caller]
    pub fn wait_owner_other_than(&self, host: &str, limit: Duration) -> Answer {
        let mut found = None;
        let since = ha_lab::clock::boot_ns();
        self.wait(&format!("another owner than {host}"), limit, || {
            found = self.answers_since(since).into_iter().find(|a| a.host != host);
            found.is_some()
        });
        found.expect("the wait ends with it")
    }

    /// Waits until this host answers a question asked from now on.
    #[track_caller]
    pub fn wait_owner(&self, host: &str, limit: Duration) -> Answer {
        let record = self.client().wait_ok_from(host, limit);
        self.checked(&record.unwrap_or_else(|e| panic!("{host} answers: {e}")))
    }

    /// Every answer to a question asked since then.
    pub fn answers_since(&self, since_ns: u64) -> Vec<Answer> {
        let records = self.client().records().expect("the client's records");
        let mut answers: Vec<Answer> =
            records.iter().filter(|r| r.t_ns >= since_ns).filter_map(Answer::of).collect();
        answers.sort_by_key(|a| a.t_ns);
        answers
    }

    /// The MAC of a host on the public link.
    #[track_caller]
    pub fn mac_of(&self, host: &str) -> String {
        mac(0, self.lab().spec().host(host).expect("a host of the lab").number)
    }

    /// Length in milliseconds of the longest time without an answer since then; None while one lasts.
    pub fn longest_outage_ms(&self, since_ns: u64) -> Option<f64> {
        let all = self.client().outages().expect("the client's records");
        let since: Vec<_> = all.iter().filter(|o| o.first_ok_ns.is_none_or(|end| end >= since_ns)).collect();
        since.iter().map(|o| o.length_ms()).try_fold(0.0, |longest: f64, ms| Some(longest.max(ms?)))
    }

    #[track_caller]
    fn checked(&self, record: &ProbeRecord) -> Answer {
        let answer = Answer::of(record).unwrap_or_else(|| panic!("not the service: {record:?}"));
        assert_eq!(answer.mac.as_deref(), Some(self.mac_of(&answer.host).as_str()), "{answer:?}");
        answer
    }
}
