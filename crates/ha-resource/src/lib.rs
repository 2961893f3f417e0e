//! One resource instance on one node: lifecycle, monitor, failures.
