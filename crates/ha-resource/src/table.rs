//! The table of states as text, made by running every pair. For the reference and its test.

use crate::event::{Event, Op, OrderKind, Outcome, Output};
use crate::instance::{Instance, InstanceSpec, own_op};
use ha_model::{BootNs, InstanceId, InstanceState, MonitorConfig, PlanId, Term};
use std::fmt::Write;
use std::time::Duration;

/// Every state, in the order of the table.
pub(crate) const STATES: [InstanceState; 8] = [
    InstanceState::Unknown,
    InstanceState::Probing,
    InstanceState::Stopped,
    InstanceState::Starting,
    InstanceState::Running,
    InstanceState::Stopping,
    InstanceState::Failed,
    InstanceState::StopFailed,
];

/// A row: its name and what happens. None for an event that stands for the end of the state's own run.
pub(crate) fn rows() -> Vec<(&'static str, Row)> {
    let order = |order| Row::Event(Event::Order { order, key: (Term(1), PlanId(1)) });
    let why = || "…".to_owned();
    vec![
        ("order: probe", order(OrderKind::Probe)),
        ("order: start", order(OrderKind::Start)),
        ("order: stop", order(OrderKind::Stop)),
        ("agent: running", Row::Own(Outcome::Running)),
        ("agent: not running", Row::Own(Outcome::NotRunning)),
        ("agent: failed", Row::Own(Outcome::Failed { why: why() })),
        ("agent: never started", Row::Own(Outcome::NeverStarted { why: why() })),
        ("agent: grant lapsed", Row::Own(Outcome::GrantLapsed)),
        ("agent: cancelled", Row::Own(Outcome::Cancelled)),
        ("an overtaken run ends", Row::Leftover),
        ("process gone", Row::Event(Event::ProcessExited { how: why() })),
        ("check due", Row::Event(Event::MonitorDue)),
        ("grant lost", Row::Event(Event::GrantLost)),
    ]
}

/// What happens in a row.
#[derive(Clone)]
pub(crate) enum Row {
    /// The same event in every state.
    Event(Event),
    /// The state's own run ends; only where it has one.
    Own(Outcome),
    /// A run ends that is not the state's own.
    Leftover,
}

/// An exclusive instance in a state, with that state's run under way (a running one is not being checked).
pub(crate) fn instance_in(state: InstanceState, may_have_run: bool) -> Instance {
    let spec = InstanceSpec {
        monitor: MonitorConfig { interval: Duration::from_secs(10), timeout: Duration::from_secs(3) },
        start_timeout: Duration::from_secs(20),
        stop_timeout: Duration::from_secs(30),
        exclusive: true,
    };
    let id = InstanceId::from("web");
    let mut instance = if may_have_run {
        Instance::new(id, spec, BootNs(0))
    } else {
        Instance::never_permitted(id, spec, BootNs(0))
    };
    instance.state = state;
    instance.run = own_op(state).filter(|op| *op != Op::Monitor);
    instance
}

/// One cell: the state afterwards and what is asked for. None: the pair cannot occur.
pub(crate) fn cell(state: InstanceState, row: &Row, may_have_run: bool) -> Option<(Instance, Vec<Output>)> {
    let mut instance = instance_in(state, may_have_run);
    let mut now = BootNs(1);
    let event = match row {
        Row::Event(event) => event.clone(),
        Row::Own(outcome) => {
            let op = own_op(state)?;
            instance.run = Some(op);
            Event::AgentDone { op, outcome: outcome.clone() }
        }
        Row::Leftover => {
            let op = if state == InstanceState::Running { Op::Probe } else { Op::Monitor };
            instance.run = Some(op);
            Event::AgentDone { op, outcome: Outcome::Running }
        }
    };
    if event == Event::MonitorDue {
        instance.set_due(now);
        now = BootNs(2);
    }
    let out = instance.step(now, event);
    Some((instance, out))
}

/// The whole table as markdown, as it stands in `docs/reference/resource-states.md`.
#[must_use]
pub fn state_table() -> String {
    let mut out = String::from(HEAD);
    out.push_str("| |");
    for state in STATES {
        let _ = write!(out, " {state:?} |");
    }
    out.push_str("\n| --- |");
    out.push_str(&" --- |".repeat(STATES.len()));
    for (name, row) in rows() {
        let _ = write!(out, "\n| {name} |");
        for state in STATES {
            let _ = write!(out, " {} |", words(state, &row));
        }
    }
    out.push('\n');
    out
}

fn words(state: InstanceState, row: &Row) -> String {
    let Some((after, out)) = cell(state, row, true) else { return "–".to_owned() };
    let mut text = describe(state, &after, &out);
    if let Some((other, out)) = cell(state, row, false)
        && other.state != after.state
    {
        let _ = write!(text, "; if never permitted: {}", describe(state, &other, &out));
    }
    text
}

fn describe(before: InstanceState, after: &Instance, out: &[Output]) -> String {
    let mut parts: Vec<String> = Vec::new();
    if after.state != before {
        parts.push(format!("**{:?}**", after.state));
    }
    for output in out {
        match output {
            Output::RunAgent { op, .. } => parts.push(format!("run {op}")),
            Output::CancelAgent { op } => parts.push(format!("cancel {op}")),
            Output::SetMonitor(_) => parts.push("set timer".to_owned()),
            Output::ClearMonitor => parts.push("clear timer".to_owned()),
            Output::Changed if after.state == before => parts.push("report".to_owned()),
            Output::Changed => {}
        }
    }
    if after.observed().failures > 0 {
        parts.push("counts".to_owned());
    }
    if parts.is_empty() { "·".to_owned() } else { parts.join(", ") }
}

const HEAD: &str = "# States of a resource instance on a node

Generated from `crates/ha-resource` (`state_table`); a test compares. Rows are what happens, columns the state in
which it does. **Bold** is the state afterwards, where it changes; every change is reported to the leader. \"Counts\":
the failure counts towards the migration threshold. \"·\": nothing; \"–\": cannot occur. The instance shown is
exclusive; any other ignores a lost grant. \"If never permitted\": no permission for it was open in this boot.
\"An overtaken run ends\": a run that the state did not ask for, cancelled or outlived; its result says nothing.

";
