//! What happened, for people and for programs. A failover is told in milliseconds since the loss.

mod group;
#[cfg(test)]
mod tests;

use crate::problems;
use crate::text::{hanging, sentence};
use crate::wall;
pub(crate) use group::last_heard;
use group::{End, Failover, Part, split};
use ha_model::{FenceMarks, Level, LostReason, NodeId, Notice, OwnView, TimelineEvent, WallMs};
use serde_json::{Value, json};

/// Column where the words of an event begin.
const WORDS: usize = 26;

/// A line of a failover.
struct Line {
    /// Milliseconds since the first event.
    offset: i64,
    subsystem: &'static str,
    text: String,
}

/// The timeline, failovers told as such.
pub(crate) fn render(events: &[TimelineEvent]) -> String {
    let mut out = String::new();
    let mut day = String::new();
    let mut was_failover = false;
    for part in split(events) {
        let at = match &part {
            Part::Event(event) => event.at,
            Part::Failover(failover) => failover.events[0].at,
        };
        let is_failover = matches!(part, Part::Failover(_));
        if (is_failover || was_failover) && !out.is_empty() {
            out.push('\n');
        }
        new_day(&mut out, &mut day, at);
        match part {
            Part::Event(event) => absolute(&mut out, event),
            Part::Failover(failover) => story(&mut out, &failover),
        }
        was_failover = is_failover;
    }
    if out.is_empty() { "nothing has happened yet\n".to_owned() } else { out }
}

/// The timeline line by line.
pub(crate) fn flat(events: &[TimelineEvent]) -> String {
    let mut out = String::new();
    let mut day = String::new();
    for event in events {
        new_day(&mut out, &mut day, event.at);
        absolute(&mut out, event);
    }
    out
}

/// The timeline for programs.
pub(crate) fn data(events: &[TimelineEvent], own_view: Option<&OwnView>) -> Value {
    let lines: Vec<Value> = events
        .iter()
        .map(|event| {
            let level = match event.notice.level() {
                Level::Info => "info",
                Level::Warning => "warning",
                Level::Alarm => "alarm",
            };
            json!({
                "index": event.index,
                "at": event.at,
                "level": level,
                "subsystem": event.notice.subsystem(),
                "text": event.notice.text(),
                "notice": event.notice,
            })
        })
        .collect();
    let failovers: Vec<Value> = split(events)
        .iter()
        .filter_map(|part| match part {
            Part::Event(_) => None,
            Part::Failover(failover) => Some(failover_data(failover)),
        })
        .collect();
    json!({ "events": lines, "failovers": failovers, "own_view": own_view })
}

fn failover_data(failover: &Failover<'_>) -> Value {
    let (outcome, end) = match &failover.end {
        End::Up { at, .. } => ("recovered", Some(*at)),
        End::HeldNothing { at } => ("held-nothing", Some(*at)),
        End::Back { at } => ("back", Some(*at)),
        End::Away => ("away", None),
        End::Unproven => ("unproven", None),
        End::Waiting { .. } => ("waiting", None),
    };
    json!({
        "node": failover.node,
        "last_heard": failover.since,
        "noticed": failover.events[0].at,
        "end": end,
        "outcome": outcome,
        "total_ms": end.map(|end| end.0 - failover.since.0),
    })
}

fn new_day(out: &mut String, day: &mut String, at: WallMs) {
    let (date, _) = wall::date_and_clock(at);
    if date != *day {
        out.push_str(&format!("{date} UTC\n"));
        *day = date;
    }
}

fn absolute(out: &mut String, event: &TimelineEvent) {
    let (_, clock) = wall::date_and_clock(event.at);
    line(out, &clock, event.notice.subsystem(), &event.notice.text());
}

fn line(out: &mut String, time: &str, subsystem: &str, text: &str) {
    hanging(out, &format!("{time:>12}  {subsystem:<10}  "), WORDS, text);
}

fn story(out: &mut String, failover: &Failover<'_>) {
    let mut lines = lines(failover.events).into_iter();
    if let Some(first) = lines.next() {
        let (_, clock) = wall::date_and_clock(failover.events[0].at);
        line(out, &clock, first.subsystem, &first.text);
    }
    for next in lines {
        line(out, &format!("{:+} ms", next.offset), next.subsystem, &next.text);
    }
    sentence(out, 2, &summary(failover));
}

/// The lines of a failover; the times of a fence attempt become lines of their own, in their place.
fn lines(events: &[TimelineEvent]) -> Vec<Line> {
    let start = events.first().map_or(0, |event| event.at.0);
    let mut lines: Vec<Line> = Vec::new();
    let mut attempts: Vec<(&NodeId, i64, usize)> = Vec::new();
    for event in events {
        let offset = event.at.0 - start;
        match &event.notice {
            Notice::FenceReadOff { node, marks } => {
                let attempt = attempts.iter().rev().find(|(of, ..)| *of == node);
                let (base, after) = attempt.map_or_else(
                    || (offset - signed(marks.settled_ms), lines.len()),
                    |(_, base, after)| (*base, *after),
                );
                for (offset, words) in mark_words(base, *marks) {
                    let later = lines[after..].iter().position(|line| line.offset > offset);
                    let place = later.map_or(lines.len(), |position| after + position);
                    lines.insert(
                        place,
                        Line { offset, subsystem: "fencing", text: format!("{node}: {words}") },
                    );
                }
            }
            notice => {
                let text = notice.text();
                lines.push(Line { offset, subsystem: notice.subsystem(), text });
                if let Notice::FenceAttempt { node, .. } = notice {
                    attempts.push((node, offset, lines.len()));
                }
            }
        }
    }
    lines
}

fn mark_words(base: i64, marks: FenceMarks) -> [(i64, &'static str); 3] {
    [
        (base + signed(marks.off_done_ms), "off accepted"),
        (base + signed(marks.first_off_ms), "read off"),
        (base + signed(marks.settled_ms), "still off, settled"),
    ]
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX / 4)
}

/// The last line: how long it took, or what it still waits for.
fn summary(failover: &Failover<'_>) -> String {
    let node = failover.node;
    let first = &failover.events[0];
    let took = |at: WallMs| at.0 - failover.since.0;
    let noticed = first.at.0 - failover.since.0;
    let since = match &first.notice {
        Notice::NodeLost { why: LostReason::Silent { .. }, .. } => format!("the last heartbeat of {node}"),
        Notice::NodeLost { .. } => format!("the loss of {node}"),
        _ => format!("the decision to fence {node}"),
    };
    match &failover.end {
        End::Up { instance, node: to, at } => {
            let split = if noticed > 0 {
                format!(" ({noticed} ms to notice, {} ms to recover)", took(*at) - noticed)
            } else {
                String::new()
            };
            format!("= {} ms from {since} to {instance} running on {to}{split}", took(*at))
        }
        End::HeldNothing { at } => {
            format!("= {} ms from {since} to its proof of being off; it held nothing", took(*at))
        }
        End::Back { at } => {
            let has_gone = |e: &TimelineEvent| matches!(e.notice, Notice::NodeLost { .. });
            let what =
                if failover.events.iter().any(has_gone) { "it was back" } else { "the reason was gone" };
            format!("= {} ms from {since} until {what}; nothing was cut", took(*at))
        }
        End::Away => format!("= {node} is not back yet; it held nothing, so nobody fences it"),
        End::Unproven => format!("= still open: {node} is not proven off, so nothing is recovered from it"),
        End::Waiting { instances } => {
            let names: Vec<_> = instances.iter().collect();
            let does = if names.len() == 1 { "does" } else { "do" };
            format!(
                "= still open: {} {does} not run yet; the reason is in: hactl status",
                problems::list(&names)
            )
        }
    }
}
