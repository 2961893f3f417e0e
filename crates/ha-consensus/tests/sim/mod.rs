//! A deterministic network of cores: the same seed gives the same run.

mod bars;
pub mod chaos;
pub mod host;
pub mod ledger;
mod pairs;
pub mod rng;
mod scenarios;
mod stores;
pub mod world;
