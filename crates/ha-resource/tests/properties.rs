//! Whatever comes in whatever order: the invariants of an instance.

use ha_model::{BootNs, InstanceId, InstanceState as S, MonitorConfig, PlanId, Term};
use ha_resource::{Event, Instance, InstanceSpec, Op, OrderKind, Outcome, Output};
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Stimulus {
    Order(OrderKind),
    /// The run under way ends.
    Done(Outcome),
    Exited,
    Due,
    GrantLost,
}

fn stimulus() -> impl Strategy<Value = Stimulus> {
    let order = prop_oneof![Just(OrderKind::Probe), Just(OrderKind::Start), Just(OrderKind::Stop)];
    let outcome = prop_oneof![
        3 => Just(Outcome::Running),
        3 => Just(Outcome::NotRunning),
        1 => Just(Outcome::Failed { why: "f".to_owned() }),
        1 => Just(Outcome::NeverStarted { why: "n".to_owned() }),
        1 => Just(Outcome::GrantLapsed),
        1 => Just(Outcome::Cancelled),
    ];
    prop_oneof![
        4 => order.prop_map(Stimulus::Order),
        6 => outcome.prop_map(Stimulus::Done),
        1 => Just(Stimulus::Exited),
        2 => Just(Stimulus::Due),
        1 => Just(Stimulus::GrantLost),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_agent_at_a_time_and_stopped_is_true(
        exclusive in any::<bool>(),
        stimuli in prop::collection::vec(stimulus(), 1..60),
    ) {
        let spec = InstanceSpec {
            monitor: MonitorConfig { interval: Duration::from_secs(1), timeout: Duration::from_secs(3) },
            start_timeout: Duration::from_secs(20),
            stop_timeout: Duration::from_secs(30),
            exclusive,
        };
        let mut now = BootNs::from_ms(1);
        let mut instance = Instance::new(InstanceId::from("web"), spec, now);
        let (mut run, mut timer, mut plan, mut failures) = (None::<Op>, None, 0, 0);
        // The truth that `Stopped` must agree with: it may be active until an agent said that it is not.
        let mut may_be_active = true;
        for s in stimuli {
            now = now + Duration::from_millis(10);
            let event = match s {
                Stimulus::Order(order) => {
                    plan += 1;
                    Event::Order { order, key: (Term(1), PlanId(plan)) }
                }
                Stimulus::Done(outcome) => {
                    let Some(op) = run.take() else { continue };
                    match (op, &outcome) {
                        (_, Outcome::NotRunning) => may_be_active = false,
                        (Op::Start, Outcome::NeverStarted { .. }) => may_be_active = false,
                        _ => {}
                    }
                    if op != Op::Stop && outcome == Outcome::Running {
                        may_be_active = true;
                    }
                    Event::AgentDone { op, outcome }
                }
                Stimulus::Exited => Event::ProcessExited { how: "exited".to_owned() },
                Stimulus::Due => {
                    let Some(at) = timer.take() else { continue };
                    now = at;
                    Event::MonitorDue
                }
                Stimulus::GrantLost => Event::GrantLost,
            };
            let (before, was_lost) = (instance.clone(), event == Event::GrantLost);
            let out = instance.step(now, event);
            for o in &out {
                match o {
                    Output::RunAgent { op, .. } => {
                        prop_assert_eq!(run, None, "two agents at once");
                        run = Some(*op);
                        may_be_active |= *op == Op::Start;
                    }
                    Output::CancelAgent { op } => prop_assert_eq!(run, Some(*op)),
                    Output::SetMonitor(at) => timer = Some(*at),
                    Output::ClearMonitor => timer = None,
                    Output::Changed => {}
                }
            }
            let state = instance.state();
            prop_assert_eq!(instance.running_agent(), run);
            prop_assert_eq!(instance.next_deadline(), timer);
            if state == S::Stopped {
                prop_assert!(!may_be_active, "stopped without being told so");
            }
            if matches!(state, S::Probing | S::Starting | S::Stopping) {
                prop_assert!(run.is_some(), "{state:?} waits for nothing");
            }
            if state == S::Running {
                prop_assert!(timer.is_some() || run == Some(Op::Monitor), "running unwatched");
            } else {
                prop_assert_eq!(timer, None);
            }
            let said = instance.observed();
            if said != before.observed() {
                prop_assert!(out.contains(&Output::Changed), "the leader is not told of {said:?}");
            }
            prop_assert!(said.failures <= failures + 1, "one event, one failure");
            failures = said.failures;
            if was_lost && exclusive {
                prop_assert!(!matches!(state, S::Running | S::Starting | S::Failed), "S4: {state:?}");
            }
        }
    }
}
