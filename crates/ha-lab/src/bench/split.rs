//! From the client's records to an outage, and from the timeline to its phases.
//!
//! Must not know: how records and timeline came about. Pure. Invariant: the phases of one measurement add up to its total; a
//! phase that the timeline does not show is missing, and the next one counts from the one before it.

use super::cluster_says::Event;
use crate::outage::ProbeRecord;

/// One phase and its length in milliseconds; the last may be negative, when the client was served before the log said so.
pub type Phase = (&'static str, Option<f64>);

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The figure itself, milliseconds.
    pub total_ms: f64,
    /// Where it went.
    pub phases: Vec<Phase>,
    /// Processor time that the hypervisor took meanwhile, percent.
    pub stolen_percent: f64,
}

impl Measured {
    /// The same, with what the hypervisor took meanwhile.
    pub fn while_stolen(self, stolen_percent: f64) -> Self {
        Self { stolen_percent, ..self }
    }
}

/// The change from one server to the next, as the client saw it, boot-clock nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    /// The last answer of the old one.
    pub last_old_ns: u64,
    /// The first answer of the new one.
    pub first_new_ns: u64,
}

/// Who answered: host, incarnation, process.
pub fn server(record: &ProbeRecord) -> Option<&str> {
    if !record.ok {
        return None;
    }
    // `HOST INCARNATION PID COUNTER`: all but the counter.
    record.line.rsplit_once(' ').map(|(server, _)| server)
}

/// The change from `old` to any other. An answer of the old one after the first of the new one is an error: two owners.
pub fn handover(records: &[ProbeRecord], old: &str) -> Result<Handover, String> {
    let end = |is_old: bool| {
        records.iter().filter(move |r| server(r).is_some_and(|s| (s == old) == is_old)).map(|r| r.end_ns)
    };
    let last_old_ns = end(true).max().ok_or("the old owner never answered")?;
    let first_new_ns = end(false).min().ok_or("no new owner answered")?;
    if first_new_ns < last_old_ns {
        return Err(format!(
            "TWO OWNERS: the old one answered {:.0} ms after the new one's first answer",
            (last_old_ns - first_new_ns) as f64 / 1e6
        ));
    }
    Ok(Handover { last_old_ns, first_new_ns })
}

/// What ends a phase.
pub struct Mark {
    /// Name of the phase that ends here.
    pub name: &'static str,
    /// Wall time in milliseconds, when the timeline shows it.
    pub at_ms: Option<f64>,
}

/// A mark.
pub fn mark(name: &'static str, at_ms: Option<f64>) -> Mark {
    Mark { name, at_ms }
}

/// When the first event of this kind with these fields happened.
pub fn first(events: &[Event], kind: &str, fields: &[(&str, &str)]) -> Option<f64> {
    events.iter().find(|e| e.is(kind, fields)).map(|e| e.at_ms)
}

/// Phases between the beginning, the marks, and the end.
pub fn measured(begin_ms: f64, marks: &[Mark], last: &'static str, end_ms: f64) -> Measured {
    let mut before = begin_ms;
    let mut phases: Vec<Phase> = Vec::new();
    for mark in marks {
        phases.push((mark.name, mark.at_ms.map(|at| at - before)));
        before = mark.at_ms.unwrap_or(before);
    }
    phases.push((last, Some(end_ms - before)));
    Measured { total_ms: end_ms - begin_ms, phases, stolen_percent: 0.0 }
}

/// The marks of a failover from `lost`: what the timeline says from the loss to the service.
pub fn failover_marks(events: &[Event], lost: &str, leads: bool) -> Vec<Mark> {
    let of_node = [("node", lost)];
    let attempt = first(events, "FenceAttempt", &of_node);
    let read = events.iter().find(|e| e.is("FenceReadOff", &of_node));
    let after = |field: &str| {
        let ms = read?.fields["marks"][field].as_f64()?;
        attempt.map(|at| at + ms)
    };
    let mut marks = Vec::new();
    if leads {
        marks.push(mark("elected", first(events, "LeaderElected", &[])));
    }
    marks.extend([
        mark("lost", first(events, "NodeLost", &of_node)),
        mark("off requested", attempt),
        mark("off accepted", after("off_done_ms")),
        mark("read off", after("first_off_ms")),
        mark("settled", after("settled_ms")),
        mark("proof committed", first(events, "FenceProven", &of_node)),
    ]);
    marks.extend(service_marks(events));
    marks
}

/// The marks of a start of the address and the service behind it.
pub fn service_marks(events: &[Event]) -> [Mark; 4] {
    let of = |instance| [("instance", instance)];
    [
        mark("address ordered", first(events, "Starting", &of("vip"))),
        mark("address up", first(events, "Running", &of("vip"))),
        mark("service ordered", first(events, "Starting", &of("web"))),
        mark("service up", first(events, "Running", &of("web"))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn probe(t: u64, line: &str) -> ProbeRecord {
        ProbeRecord { t_ns: t, end_ns: t + 1, ok: !line.is_empty(), line: line.into(), mac: None }
    }

    #[test]
    fn an_outage_is_between_the_owners_whatever_hiccups_there_were() {
        let records = [
            probe(0, "alpha i 7 1"),
            probe(5, ""),
            probe(10, "alpha i 7 2"),
            probe(15, ""),
            probe(40, "beta j 9 1"),
            probe(45, ""),
            probe(50, "beta j 9 2"),
        ];
        assert_eq!(handover(&records, "alpha i 7"), Ok(Handover { last_old_ns: 11, first_new_ns: 41 }));
        assert!(handover(&records[..4], "alpha i 7").is_err(), "nobody took over");
        let same_host = [probe(0, "alpha i 7 1"), probe(9, "alpha i 8 1")];
        assert!(handover(&same_host, "alpha i 7").is_ok(), "a new process is a new server");
        let mut both = records.to_vec();
        both.push(probe(60, "alpha i 7 3"));
        assert!(handover(&both, "alpha i 7").unwrap_err().starts_with("TWO OWNERS"));
    }

    #[test]
    fn phases_add_up_also_when_one_is_missing() {
        let data = json!({"events": [
            {"index": 1, "at": 1000, "notice": {"NodeLost": {"node": "alpha"}}},
            {"index": 2, "at": 1010, "notice": {"FenceAttempt": {"node": "alpha"}}},
            {"index": 3, "at": 1050, "notice": {"FenceReadOff": {"node": "alpha", "marks":
                {"off_done_ms": 20, "first_off_ms": 30, "settled_ms": 35}}}},
            {"index": 4, "at": 1060, "notice": {"Running": {"instance": "web", "node": "beta"}}},
        ]});
        let marks = failover_marks(&Event::all(&data), "alpha", false);
        let m = measured(0.0, &marks, "answered", 1055.0);
        let of = |name: &str| m.phases.iter().find(|(n, _)| *n == name).unwrap().1;
        assert_eq!(of("lost"), Some(1000.0));
        assert_eq!(of("off accepted"), Some(20.0));
        assert_eq!(of("proof committed"), None);
        assert_eq!(of("service up"), Some(15.0), "counted from the last mark there is");
        assert_eq!(of("answered"), Some(-5.0));
        let sum: f64 = m.phases.iter().filter_map(|(_, ms)| *ms).sum();
        assert_eq!((sum, m.total_ms), (1055.0, 1055.0));
    }
}
