//! The rules of a resource instance, one test each.

use ha_model::{BootNs, FailedOp, InstanceId, InstanceState as S, MonitorConfig, PlanId, Term};
use ha_resource::{Event, Instance, InstanceSpec, Op, OrderKind, Outcome, Output};
use std::time::Duration;

const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(10);
const CHECK: Duration = Duration::from_secs(3);

struct Bench {
    instance: Instance,
    now: BootNs,
    plan: u64,
}

impl Bench {
    fn with(exclusive: bool, may_have_run: bool) -> Self {
        let monitor = MonitorConfig { interval: INTERVAL, timeout: CHECK };
        let spec = InstanceSpec { monitor, start_timeout: START, stop_timeout: STOP, exclusive };
        let (id, now) = (InstanceId::from("web"), BootNs::from_ms(1000));
        let instance = if may_have_run {
            Instance::new(id, spec, now)
        } else {
            Instance::never_permitted(id, spec, now)
        };
        Self { instance, now, plan: 0 }
    }

    fn new() -> Self {
        Self::with(true, true)
    }

    /// Probed and stopped.
    fn stopped() -> Self {
        let mut b = Self::new();
        b.order(OrderKind::Probe);
        b.done(Op::Probe, Outcome::NotRunning);
        assert_eq!(b.instance.state(), S::Stopped);
        b
    }

    fn running() -> Self {
        let mut b = Self::stopped();
        b.order(OrderKind::Start);
        b.done(Op::Start, Outcome::Running);
        assert_eq!(b.instance.state(), S::Running);
        b
    }

    fn event(&mut self, event: Event) -> Vec<Output> {
        self.now = self.now + Duration::from_millis(1);
        self.instance.step(self.now, event)
    }

    fn order(&mut self, order: OrderKind) -> Vec<Output> {
        self.plan += 1;
        self.event(Event::Order { order, key: (Term(1), PlanId(self.plan)) })
    }

    fn done(&mut self, op: Op, outcome: Outcome) -> Vec<Output> {
        self.event(Event::AgentDone { op, outcome })
    }

    fn due(&mut self) -> Vec<Output> {
        self.now = self.instance.next_deadline().expect("a check is planned");
        self.instance.step(self.now, Event::MonitorDue)
    }

    fn why(&self) -> String {
        self.instance.observation().why.unwrap_or_default()
    }

    fn failures(&self) -> (u32, Option<FailedOp>) {
        (self.instance.observed().failures, self.instance.observation().failed_op)
    }
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed { why: why.to_owned() }
}

fn never(why: &str) -> Outcome {
    Outcome::NeverStarted { why: why.to_owned() }
}

const RUN_STOP: Output = Output::RunAgent { op: Op::Stop, timeout: STOP };

#[test]
fn the_whole_life() {
    let mut b = Bench::new();
    assert_eq!(b.instance.state(), S::Unknown);
    let probe = Output::RunAgent { op: Op::Probe, timeout: START };
    assert_eq!(b.order(OrderKind::Probe), [probe, Output::Changed]);
    assert_eq!(b.done(Op::Probe, Outcome::NotRunning), [Output::Changed]);
    let start = Output::RunAgent { op: Op::Start, timeout: START };
    assert_eq!(b.order(OrderKind::Start), [start, Output::Changed]);
    assert_eq!(b.instance.state(), S::Starting);
    let out = b.done(Op::Start, Outcome::Running);
    assert_eq!(out, [Output::SetMonitor(b.now + INTERVAL), Output::Changed]);
    assert_eq!(b.order(OrderKind::Stop), [Output::ClearMonitor, RUN_STOP, Output::Changed]);
    assert_eq!(b.done(Op::Stop, Outcome::NotRunning), [Output::Changed]);
    assert_eq!(b.instance.state(), S::Stopped);
    assert_eq!(b.instance.observation().order, Some((Term(1), PlanId(3))));
    assert_eq!(b.failures(), (0, None));
}

#[test]
fn an_unknown_instance_is_probed_before_it_starts() {
    // S8
    let mut b = Bench::new();
    let out = b.order(OrderKind::Start);
    assert_eq!(out[0], Output::RunAgent { op: Op::Probe, timeout: START });
    assert_eq!(b.instance.state(), S::Probing);
}

#[test]
fn the_next_check_comes_an_interval_after_the_end_of_the_last() {
    let mut b = Bench::running();
    assert_eq!(b.due(), [Output::RunAgent { op: Op::Monitor, timeout: CHECK }]);
    assert_eq!(b.instance.next_deadline(), None);
    b.now = b.now + Duration::from_secs(2);
    let out = b.done(Op::Monitor, Outcome::Running);
    assert_eq!(out, [Output::SetMonitor(b.now + INTERVAL)]);
    assert_eq!(b.instance.next_deadline(), Some(b.now + INTERVAL));
}

#[test]
fn a_timer_that_comes_early_runs_nothing() {
    let mut b = Bench::running();
    let at = b.instance.next_deadline().expect("a check is planned");
    assert_eq!(b.event(Event::MonitorDue), [Output::SetMonitor(at)]);
}

#[test]
fn only_not_running_makes_a_stop_a_success() {
    // S7
    let outcomes = [
        Outcome::Running,
        failed("umount: busy"),
        never("cannot fork"),
        Outcome::GrantLapsed,
        Outcome::Cancelled,
    ];
    for outcome in outcomes {
        let mut b = Bench::running();
        b.order(OrderKind::Stop);
        b.done(Op::Stop, outcome.clone());
        assert_eq!(b.instance.state(), S::StopFailed, "{outcome:?}");
        assert_eq!(b.failures(), (1, Some(FailedOp::Stop)), "{outcome:?}");
        assert!(!b.why().is_empty(), "{outcome:?}");
    }
}

#[test]
fn a_start_that_never_began_leaves_it_stopped_and_counts() {
    let mut b = Bench::stopped();
    b.order(OrderKind::Start);
    b.done(Op::Start, never("10.0.0.100 is answered by 02:00:00:00:00:07"));
    assert_eq!(b.instance.state(), S::Stopped);
    assert_eq!(b.why(), "10.0.0.100 is answered by 02:00:00:00:00:07");
    assert_eq!(b.failures(), (1, Some(FailedOp::Start)));
}

#[test]
fn a_lapsed_grant_is_no_failure_of_the_start_but_what_began_is_stopped() {
    let mut b = Bench::stopped();
    b.order(OrderKind::Start);
    assert_eq!(b.done(Op::Start, Outcome::GrantLapsed), [RUN_STOP, Output::Changed]);
    assert_eq!(b.failures(), (0, None));
    b.done(Op::Stop, Outcome::NotRunning);
    assert_eq!(b.instance.state(), S::Stopped);
}

#[test]
fn a_failed_start_must_be_stopped_before_it_starts_again() {
    for outcome in [failed("exit 1"), Outcome::NotRunning] {
        let mut b = Bench::stopped();
        b.order(OrderKind::Start);
        b.done(Op::Start, outcome);
        assert_eq!(b.instance.state(), S::Failed);
        assert_eq!(b.failures(), (1, Some(FailedOp::Start)));
        assert_eq!(b.order(OrderKind::Start), [Output::Changed], "a start is not taken up");
        assert_eq!(b.order(OrderKind::Stop), [RUN_STOP, Output::Changed]);
    }
}

#[test]
fn a_failed_check_and_a_dead_process_are_failures_counted_once() {
    let mut b = Bench::running();
    b.due();
    b.done(Op::Monitor, failed("http 503"));
    assert_eq!((b.instance.state(), b.why().as_str()), (S::Failed, "http 503"));
    b.event(Event::ProcessExited { how: "was killed by signal 9".to_owned() });
    assert_eq!(b.failures(), (1, Some(FailedOp::Monitor)), "its process follows it: the same failure");

    let mut b = Bench::running();
    let out = b.event(Event::ProcessExited { how: "was killed by signal 9".to_owned() });
    assert_eq!(out, [Output::ClearMonitor, Output::Changed]);
    assert_eq!(b.why(), "its process was killed by signal 9");
    assert_eq!(b.failures(), (1, Some(FailedOp::Monitor)));
}

#[test]
fn a_process_that_dies_during_its_start_fails_the_start() {
    let mut b = Bench::stopped();
    b.order(OrderKind::Start);
    b.event(Event::ProcessExited { how: "exited with code 3".to_owned() });
    assert_eq!(b.instance.state(), S::Starting, "the start itself has not ended");
    b.done(Op::Start, Outcome::Running);
    assert_eq!((b.instance.state(), b.why().as_str()), (S::Failed, "its process exited with code 3"));
    // Not remembered for the next start.
    b.order(OrderKind::Stop);
    b.done(Op::Stop, Outcome::NotRunning);
    b.order(OrderKind::Start);
    b.done(Op::Start, Outcome::Running);
    assert_eq!(b.instance.state(), S::Running);
}

#[test]
fn a_stop_during_a_start_cancels_it_and_then_stops() {
    let mut b = Bench::stopped();
    b.order(OrderKind::Start);
    assert_eq!(b.order(OrderKind::Stop), [Output::CancelAgent { op: Op::Start }, Output::Changed]);
    assert_eq!(b.order(OrderKind::Stop), [Output::Changed], "cancelled once");
    assert_eq!(b.done(Op::Start, Outcome::Running), [RUN_STOP], "its success came too late");
    b.done(Op::Stop, Outcome::NotRunning);
    assert_eq!(b.instance.state(), S::Stopped);
    assert_eq!(b.failures(), (0, None));
}

#[test]
fn the_result_of_a_check_after_a_stop_order_is_ignored() {
    let mut b = Bench::running();
    b.due();
    assert_eq!(b.order(OrderKind::Stop), [Output::CancelAgent { op: Op::Monitor }, Output::Changed]);
    assert_eq!(b.done(Op::Monitor, failed("late")), [RUN_STOP]);
    assert_eq!(b.instance.state(), S::Stopping);
    assert_eq!(b.failures(), (0, None));
}

#[test]
fn losing_the_grant_stops_what_is_exclusive_at_once() {
    // S4
    let mut b = Bench::running();
    assert_eq!(b.event(Event::GrantLost), [Output::ClearMonitor, RUN_STOP, Output::Changed]);
    assert!(b.why().contains("grant"), "{}", b.why());
    let mut b = Bench::stopped();
    b.order(OrderKind::Start);
    assert_eq!(b.event(Event::GrantLost), [Output::CancelAgent { op: Op::Start }, Output::Changed]);
    // A new session does not know, an earlier one may have started it.
    assert_eq!(Bench::new().event(Event::GrantLost), [RUN_STOP, Output::Changed]);
    assert_eq!(Bench::with(true, false).event(Event::GrantLost), []);
}

#[test]
fn losing_the_grant_leaves_the_rest_alone() {
    let mut b = Bench::with(false, true);
    b.order(OrderKind::Probe);
    b.done(Op::Probe, Outcome::Running);
    assert_eq!(b.event(Event::GrantLost), []);
    assert_eq!(b.instance.state(), S::Running);
}

#[test]
fn a_missing_program_ends_in_a_failed_stop_only_where_it_may_have_run() {
    let mut b = Bench::with(true, false);
    b.order(OrderKind::Probe);
    b.done(Op::Probe, never("/usr/bin/nothing: no such file"));
    assert_eq!((b.instance.state(), b.why().as_str()), (S::Stopped, "/usr/bin/nothing: no such file"));
    let mut b = Bench::with(true, false);
    b.order(OrderKind::Stop);
    b.done(Op::Stop, never("/usr/bin/nothing: no such file"));
    assert_eq!(b.instance.state(), S::Stopped);

    // S1: an earlier session may have started it; saying "stopped" would hand its objects to another node.
    let mut b = Bench::new();
    b.order(OrderKind::Probe);
    b.done(Op::Probe, never("cannot fork"));
    assert_eq!(b.instance.state(), S::Failed);
    b.order(OrderKind::Stop);
    b.done(Op::Stop, never("cannot fork"));
    assert_eq!(b.instance.state(), S::StopFailed);
}

#[test]
fn what_a_probe_found_running_is_not_stopped_by_a_stop_that_never_ran() {
    // S1
    let mut b = Bench::with(true, false);
    b.order(OrderKind::Probe);
    b.done(Op::Probe, Outcome::Running);
    b.order(OrderKind::Stop);
    b.done(Op::Stop, never("cannot fork"));
    assert_eq!(b.instance.state(), S::StopFailed);
}

#[test]
fn the_end_of_a_run_that_is_not_under_way_changes_nothing() {
    let mut b = Bench::running();
    let before = b.instance.clone();
    assert_eq!(b.done(Op::Stop, Outcome::NotRunning), []);
    assert_eq!(b.instance, before);
}

#[test]
fn new_times_count_from_now_on_without_an_order() {
    let mut b = Bench::running();
    let times = |interval, check, stop| InstanceSpec {
        monitor: MonitorConfig { interval, timeout: check },
        start_timeout: START,
        stop_timeout: stop,
        exclusive: true,
    };
    let at = b.now + 2 * INTERVAL;
    assert_eq!(b.instance.set_times(b.now, times(2 * INTERVAL, CHECK, STOP)), [Output::SetMonitor(at)]);
    assert_eq!(b.instance.next_deadline(), Some(at));
    // The same interval once more: the check that is due is not put off by it.
    b.now = b.now + INTERVAL;
    assert_eq!(b.instance.set_times(b.now, times(2 * INTERVAL, 2 * CHECK, 2 * STOP)), []);
    assert_eq!(b.instance.next_deadline(), Some(at));
    assert_eq!(b.due(), [Output::RunAgent { op: Op::Monitor, timeout: 2 * CHECK }]);
    // A check under way is left alone; its end begins the new interval.
    assert_eq!(b.instance.set_times(b.now, times(INTERVAL, CHECK, 2 * STOP)), []);
    b.done(Op::Monitor, Outcome::Running);
    assert_eq!(b.instance.next_deadline(), Some(b.now + INTERVAL));
    // Checks end and begin with the interval.
    assert_eq!(b.instance.set_times(b.now, times(Duration::ZERO, CHECK, 2 * STOP)), [Output::ClearMonitor]);
    assert_eq!(b.instance.next_deadline(), None);
    b.instance.set_times(b.now, times(INTERVAL, CHECK, 2 * STOP));
    assert_eq!(b.instance.next_deadline(), Some(b.now + INTERVAL));
    let stops = b.order(OrderKind::Stop);
    assert!(stops.contains(&Output::RunAgent { op: Op::Stop, timeout: 2 * STOP }), "{stops:?}");
    assert_eq!(b.instance.state(), S::Stopping);
}
