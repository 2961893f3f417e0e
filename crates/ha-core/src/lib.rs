//! The node: routes inputs through the pure crates and keeps the invariants.
