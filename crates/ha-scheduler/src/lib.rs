//! Immutable snapshot to plan and report, in ten pure phases.
