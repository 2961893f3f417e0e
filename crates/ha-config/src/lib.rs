//! Cluster file: text in, model and diagnostics out. Pure.
