//! The crash test's disk, its lives, and its judge.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

pub mod disk;
pub mod judge;
pub mod life;
pub mod medium;
pub mod rng;
