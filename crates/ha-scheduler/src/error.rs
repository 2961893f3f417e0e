//! Why no plan could be made. Resources stay as they are then (S20); the caller shows the error as a hold.

use std::fmt;

/// The phases of planning, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PlanPhase {
    /// The snapshot is complete and its names resolve.
    Validate,
    /// Resources become instances and constraints.
    Expand,
    /// What runs where.
    Observe,
    /// Which nodes must be fenced.
    FenceNeed,
    /// Instance × node, each term with its reason.
    Score,
    /// Where each instance should run.
    Place,
    /// The difference between that and what runs.
    Actions,
    /// What must happen before what.
    Order,
    /// No cycle; what cannot be ordered yet is set apart.
    Graph,
    /// Why.
    Report,
}

impl fmt::Display for PlanPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlanPhase::Validate => "validate",
            PlanPhase::Expand => "expand",
            PlanPhase::Observe => "observe",
            PlanPhase::FenceNeed => "fence need",
            PlanPhase::Score => "score",
            PlanPhase::Place => "place",
            PlanPhase::Actions => "actions",
            PlanPhase::Order => "order",
            PlanPhase::Graph => "graph",
            PlanPhase::Report => "report",
        })
    }
}

/// No plan can be made from this snapshot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// A configured node is missing from the snapshot.
    #[error("planning failed in {}: the snapshot does not say where node {node} stands", self.phase())]
    NodeMissing {
        /// The node.
        node: String,
    },
    /// A group names a resource that does not exist.
    #[error(
        "planning failed in {}: group {group} names {member}, which is no resource; correct its members",
        self.phase()
    )]
    UnknownMember {
        /// The group.
        group: String,
        /// The name.
        member: String,
    },
    /// A resource stands in two groups, or twice in one.
    #[error(
        "planning failed in {}: resource {member} stands twice in groups (again in {group}); keep one",
        self.phase()
    )]
    MemberTwice {
        /// The group that names it again.
        group: String,
        /// The resource.
        member: String,
    },
    /// More than the planner is made for.
    #[error("planning failed in {}: {count} {what}, the limit is {limit}", self.phase())]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many at most.
        limit: usize,
    },
    /// Actions wait for each other.
    #[error("planning failed in {}: these wait for each other: {}", self.phase(), actions.join(", "))]
    Cycle {
        /// Some of the actions of the cycle.
        actions: Vec<String>,
    },
}

impl PlanError {
    /// The phase that failed.
    #[must_use]
    pub fn phase(&self) -> PlanPhase {
        match self {
            PlanError::NodeMissing { .. }
            | PlanError::UnknownMember { .. }
            | PlanError::MemberTwice { .. }
            | PlanError::TooMany { .. } => PlanPhase::Validate,
            PlanError::Cycle { .. } => PlanPhase::Graph,
        }
    }
}
