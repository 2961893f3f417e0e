//! What the outside client's probes say: outages, and who answered.
//!
//! Must not know: sockets, files. Pure: records in, facts out.

use serde::{Deserialize, Serialize};

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// Boot-clock nanoseconds at which it was sent.
    pub t_ns: u64,
    /// Boot-clock nanoseconds at which it was answered or given up.
    pub end_ns: u64,
    /// Whether the application answered.
    pub ok: bool,
    /// First line of the body, bounded; the reason of the failure when not ok.
    pub line: String,
    /// MAC behind the address in the client's own neighbour table when the answer came (on the public link).
    pub mac: Option<String>,
}

impl ProbeRecord {
    /// Host that answered, by the web service's own word.
    pub fn host(&self) -> Option<&str> {
        self.ok.then(|| self.line.split(' ').next()).flatten()
    }
}

/// A time without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Boot-clock time of the last answer before it.
    pub last_ok_ns: u64,
    /// Boot-clock time of the first answer after it; None while it lasts.
    pub first_ok_ns: Option<u64>,
}

impl Outage {
    /// Its length in milliseconds, once it is over.
    pub fn length_ms(&self) -> Option<f64> {
        self.first_ok_ns.map(|end| end.saturating_sub(self.last_ok_ns) as f64 / 1e6)
    }
}

/// Every time between two answers in which a probe failed, from the last answer before the failed probe was sent to
/// the first answer of a probe sent after it. Failures before the first answer ever are no outage: the service was
/// not there yet. Probes overlap, so the order of the records does not matter.
pub fn outages(records: &[ProbeRecord]) -> Vec<Outage> {
    let mut sorted: Vec<&ProbeRecord> = records.iter().collect();
    sorted.sort_by_key(|r| r.t_ns);
    let mut out: Vec<Outage> = Vec::new();
    let mut last_ok: Option<u64> = None;
    let mut is_down = false;
    for r in sorted {
        match (r.ok, last_ok) {
            (true, _) => {
                if is_down && let Some(open) = out.last_mut() {
                    // The outage ends with an answer that came after its beginning.
                    open.first_ok_ns = Some(r.end_ns.max(open.last_ok_ns));
                }
                is_down = false;
                last_ok = Some(last_ok.map_or(r.end_ns, |l| l.max(r.end_ns)));
            }
            (false, Some(last_ok_ns)) if !is_down => {
                is_down = true;
                out.push(Outage { last_ok_ns, first_ok_ns: None });
            }
            (false, _) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(t: u64, end: u64, ok: bool) -> ProbeRecord {
        ProbeRecord { t_ns: t, end_ns: end, ok, line: "alpha x 1 1".into(), mac: None }
    }

    #[test]
    fn an_outage_runs_from_the_last_answer_to_the_next() {
        // Overlapping probes every 5, answered after 1, given up after 50; recorded as they end.
        let records = [
            probe(0, 1, true),
            probe(5, 6, true),
            probe(60, 61, true),
            probe(10, 60, false),
            probe(15, 65, false),
        ];
        assert_eq!(outages(&records), [Outage { last_ok_ns: 6, first_ok_ns: Some(61) }]);
    }

    #[test]
    fn failures_before_the_first_answer_are_none_and_an_open_one_has_no_end() {
        let records =
            [probe(0, 50, false), probe(60, 61, true), probe(70, 120, false), probe(80, 130, false)];
        assert_eq!(outages(&records), [Outage { last_ok_ns: 61, first_ok_ns: None }]);
        assert_eq!(outages(&records[..2]), []);
    }

    #[test]
    fn two_outages_are_two() {
        let r = [
            probe(0, 1, true),
            probe(5, 9, false),
            probe(10, 11, true),
            probe(15, 19, false),
            probe(20, 22, true),
        ];
        let found: Vec<_> = outages(&r).iter().map(|o| (o.last_ok_ns, o.first_ok_ns)).collect();
        assert_eq!(found, [(1, Some(11)), (11, Some(22))]);
    }
}
