//! S20: a planner's failure, also its panic, changes nothing that runs. It is told, and its input is kept: a saved
//! snapshot is a test.

use super::Node;
use crate::effect::{Effect, PlannerInput};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{FenceReason, InstanceState, Now};
use ha_scheduler::{Action, ActionKind, History, Plan, Snapshot};

impl Node {
    /// The leader's plan. Where none can be made, everything stays as it is and status shows why; what must be fenced is
    /// fenced all the same, wherever as much can be told.
    pub(super) fn plan_guarded(&mut self, now: Now, snapshot: &Snapshot, history: &History) -> Option<Plan> {
        match guarded(|| ha_scheduler::plan_with(snapshot, history)).and_then(executable) {
            Ok(plan) => {
                if let Some(lead) = &mut self.lead {
                    lead.hold = None;
                }
                Some(plan)
            }
            Err(why) => {
                self.hold(now, &why, snapshot, history);
                None
            }
        }
    }

    /// Only where S20 is broken on purpose.
    fn stop_all(&mut self, now: Now, snapshot: &Snapshot) {
        for (instance, by_node) in &snapshot.observed {
            for (node, _) in by_node.iter().filter(|(_, view)| view.state == InstanceState::Running) {
                let (node, instance) = (node.clone(), Some(instance.clone()));
                self.issue(now, &Action { kind: ActionKind::Stop, node, instance, why: String::new() });
            }
        }
    }

    /// Each failure keeps its input once, however often it is met.
    pub(super) fn hold(&mut self, now: Now, why: &str, snapshot: &Snapshot, history: &History) {
        for need in guarded(|| ha_scheduler::fence_needs(snapshot, history)).unwrap_or_default() {
            // A node that lives and cannot stop something is cut to recover that elsewhere: nothing is recovered now.
            if !matches!(need.reason, FenceReason::StopFailed { .. }) {
                self.request_fence(now, &need.node, need.reason);
            }
        }
        if sabotage::is(Sabotage::PanicStops) {
            self.stop_all(now, snapshot);
        }
        let me = &self.setup.me;
        let text = format!(
            "planner failed: {why}; resources stay as they are; what it was given is kept in the data directory of {me}, \
             report it"
        );
        let Some(lead) = &mut self.lead else { return };
        if lead.hold.as_ref() == Some(&text) {
            return;
        }
        lead.hold = Some(text);
        let input = PlannerInput { why: why.into(), snapshot: snapshot.clone(), history: history.clone() };
        self.out.push(Effect::KeepPlannerInput(Box::new(input)));
    }
}

fn guarded<T, E: std::fmt::Display>(
    plan: impl FnOnce() -> Result<T, E> + std::panic::UnwindSafe,
) -> Result<T, String> {
    match std::panic::catch_unwind(plan) {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it panicked".to_owned()),
    }
}

/// No configuration asks for what cannot be carried out yet: a plan that does is a planner's failure.
fn executable(plan: Plan) -> Result<Plan, String> {
    match plan.actions.iter().find(|a| !is_executable(&a.kind)) {
        None => Ok(plan),
        Some(action) => Err(format!("{} on {} cannot be executed", action.kind, action.node)),
    }
}

fn is_executable(kind: &ActionKind) -> bool {
    match kind {
        ActionKind::Probe | ActionKind::Start | ActionKind::Stop | ActionKind::Fence { .. } => true,
        ActionKind::Promote
        | ActionKind::Demote
        | ActionKind::MigrateTo { .. }
        | ActionKind::MigrateFrom { .. }
        | ActionKind::Notify
        | ActionKind::Reload
        | ActionKind::Monitor
        | ActionKind::Unfence => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_errors_and_panics_of_the_planner_are_caught() {
        assert_eq!(guarded(|| Ok::<_, String>(Plan::default())), Ok(Plan::default()));
        assert_eq!(guarded(|| Err::<Plan, _>("a cycle".to_owned())), Err("a cycle".to_owned()));
        assert_eq!(guarded::<Plan, String>(|| panic!("a bug")), Err("it panicked".to_owned()));
    }
}
