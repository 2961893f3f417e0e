//! Small scopes, explored exhaustively.
pub mod cluster;
pub mod digest;
pub mod explore;
pub mod faults;
pub mod host;
pub mod judge;
pub mod milestones;
pub mod moves;
pub mod net;
pub mod power;
pub mod scopes;
pub mod start;
pub mod step;
pub mod world;
