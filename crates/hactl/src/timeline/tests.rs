//! Golden failovers.

use super::*;
use ha_model::{Evidence, FenceReason, Index};

/// 2026-11-22 11:19:12.345 UTC.
const LOST: i64 = 1_795_346_352_345;

fn event(index: u64, ms: i64, notice: Notice) -> TimelineEvent {
    TimelineEvent { index: Index(index), at: WallMs(LOST + ms), notice }
}

fn lost(ms: i64) -> TimelineEvent {
    event(10, ms, Notice::NodeLost { node: "alpha".into(), why: LostReason::Silent { for_ms: 1003 } })
}

fn requested(ms: i64) -> TimelineEvent {
    event(11, ms, Notice::FenceRequested { node: "alpha".into(), reason: FenceReason::Lost })
}

fn proven(ms: i64, freed: &[&str]) -> TimelineEvent {
    let evidence = Evidence::ReadOff { level: 1, devices: vec!["pdu-a".into()], readings: 2 };
    let freed = freed.iter().map(|name| (*name).into()).collect();
    event(13, ms, Notice::FenceProven { node: "alpha".into(), evidence, freed })
}

fn running(ms: i64, instance: &str) -> TimelineEvent {
    event(15, ms, Notice::Running { instance: instance.into(), node: "beta".into() })
}

fn failover() -> Vec<TimelineEvent> {
    let path = "pdu-a outlet 1".to_owned();
    let marks = FenceMarks { off_done_ms: 12, first_off_ms: 20, settled_ms: 31 };
    vec![
        event(9, -86_400_000, Notice::Running { instance: "web".into(), node: "alpha".into() }),
        lost(0),
        requested(1),
        event(
            12,
            3,
            Notice::FenceAttempt { node: "alpha".into(), attempt: 1, executor: "beta".into(), path },
        ),
        event(12, 18, Notice::Asked { by: "anna@beta".into(), what: "status".into() }),
        event(13, 40, Notice::FenceReadOff { node: "alpha".into(), marks }),
        proven(40, &["vip", "web"]),
        event(14, 42, Notice::Starting { instance: "vip".into(), node: "beta".into() }),
        running(80, "vip"),
        event(14, 81, Notice::Starting { instance: "web".into(), node: "beta".into() }),
        running(181, "web"),
        event(16, 5_000, Notice::PowerOn { node: "alpha".into() }),
    ]
}

#[test]
fn failover_is_told_in_milliseconds() {
    let expected = "\
2026-11-21 UTC
11:19:12.345  resource    web running on alpha

2026-11-22 UTC
11:19:12.345  membership  alpha lost: no heartbeat for 1003 ms
       +1 ms  fencing     alpha must be fenced: it is lost and may still hold
                          resources
       +3 ms  fencing     alpha: off requested via pdu-a outlet 1 by beta
      +15 ms  fencing     alpha: off accepted
      +18 ms  config      status (asked by anna@beta)
      +23 ms  fencing     alpha: read off
      +34 ms  fencing     alpha: still off, settled
      +40 ms  fencing     alpha proven off by pdu-a (level 1, 2 readings);
                          freed: vip, web
      +42 ms  resource    vip starting on beta
      +80 ms  resource    vip running on beta
      +81 ms  resource    web starting on beta
     +181 ms  resource    web running on beta
  = 1184 ms from the last heartbeat of alpha to web running on beta (1003 ms to
  notice, 181 ms to recover)

11:19:17.345  fencing     alpha: power on requested
";
    assert_eq!(render(&failover()), expected);
}

#[test]
fn programs_get_the_same_words_and_figures() {
    let data = data(&failover(), None);
    assert_eq!(data["events"][1]["text"], "alpha lost: no heartbeat for 1003 ms");
    assert_eq!(data["events"][1]["level"], "warning");
    let expected = json!([{
        "node": "alpha", "last_heard": LOST - 1003, "noticed": LOST, "end": LOST + 181,
        "outcome": "recovered", "total_ms": 1184
    }]);
    assert_eq!(data["failovers"], expected);
}

fn last_line(events: &[TimelineEvent]) -> String {
    let text = render(events);
    text.lines().skip_while(|line| !line.starts_with("  =")).map(str::trim).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_end_is_told() {
    assert_eq!(last_line(&[lost(0)]), "= alpha is not back yet; it held nothing, so nobody fences it");
    assert_eq!(
        last_line(&[lost(0), requested(1)]),
        "= still open: alpha is not proven off, so nothing is recovered from it"
    );
    assert_eq!(
        last_line(&[lost(0), requested(1), proven(40, &["vip", "web"]), running(80, "vip")]),
        "= still open: web does not run yet; the reason is in: hactl status"
    );
    assert_eq!(
        last_line(&[lost(0), requested(1), proven(40, &[])]),
        "= 1043 ms from the last heartbeat of alpha to its proof of being off; it held nothing"
    );
    let back = event(12, 300, Notice::NodeReturned { node: "alpha".into() });
    let withdrawn = event(12, 300, Notice::FenceWithdrawn { node: "alpha".into() });
    assert_eq!(
        last_line(&[lost(0), requested(1), withdrawn, back]),
        "= 1303 ms from the last heartbeat of alpha until it was back; nothing was cut"
    );
    let stop = FenceReason::StopFailed { what: "web".into() };
    let begin = event(11, 0, Notice::FenceRequested { node: "alpha".into(), reason: stop });
    let moot = event(12, 300, Notice::FenceWithdrawn { node: "alpha".into() });
    assert_eq!(
        last_line(&[begin.clone(), moot]),
        "= 300 ms from the decision to fence alpha until the reason was gone; nothing was cut"
    );
    assert_eq!(
        last_line(&[begin, proven(40, &["web"]), running(90, "web")]),
        "= 90 ms from the decision to fence alpha to web running on beta"
    );
}

/// A fence that is retried for minutes is one story; a service that never starts does not swallow the next day.
#[test]
fn a_long_pause_ends_a_story_only_after_the_proof() {
    let retried = [lost(0), requested(1), proven(600_000, &["web"]), running(600_050, "web")];
    assert!(matches!(&split(&retried)[..], [Part::Failover(f)] if f.events.len() == 4));
    let stuck =
        [lost(0), requested(1), proven(40, &["web"]), running(90_000, "other"), running(90_001, "web")];
    let parts = split(&stuck);
    assert!(matches!(&parts[..], [Part::Failover(f), Part::Event(_), Part::Event(_)] if f.events.len() == 3));
    assert!(matches!(&parts[0], Part::Failover(Failover { end: End::Waiting { .. }, .. })));
}

/// Whoever pulls the plug and puts it back before the switch answers: the new boot is the proof.
#[test]
fn new_boot_ends_a_story_by_its_proof() {
    let incarnation = ha_model::Incarnation(7);
    let joined = Notice::NodeJoined { node: "alpha".into(), incarnation, is_same_boot: false };
    let evidence = Evidence::NewBoot { incarnation };
    let over = Notice::FenceProven { node: "alpha".into(), evidence, freed: vec!["web".into()] };
    let story = [lost(0), requested(1), event(12, 900, joined), event(12, 900, over), running(990, "web")];
    assert!(
        last_line(&story).starts_with("= 1993 ms from the last heartbeat of alpha to web running on beta")
    );
}

/// Two nodes lost together are one failover, over when both are proven and all runs.
#[test]
fn two_losses_at_once_are_one_story() {
    let also = Notice::NodeLost { node: "gamma".into(), why: LostReason::Silent { for_ms: 1000 } };
    let evidence = Evidence::Confirmed { by: "anna@beta".into() };
    let gamma = Notice::FenceProven { node: "gamma".into(), evidence, freed: vec!["db".into()] };
    let events = [lost(0), event(11, 1, also), proven(40, &[]), event(14, 50, gamma), running(99, "db")];
    let parts = split(&events);
    assert!(
        matches!(&parts[..], [Part::Failover(f)] if matches!(f.end, End::Up { at: WallMs(at), .. } if at == LOST + 99))
    );
}

#[test]
fn nothing_happened_is_said() {
    assert_eq!(render(&[]), "nothing has happened yet\n");
}
