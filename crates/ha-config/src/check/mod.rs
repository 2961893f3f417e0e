//! Judges what the tables mean together. Each check reports and goes on; one that builds on a section that is
//! itself broken is skipped, so that one mistake gives one message.

pub(crate) mod fencing;
pub(crate) mod nodes;
pub(crate) mod objects;
mod outlets;
pub(crate) mod timing;
pub(crate) mod votes;
pub(crate) mod waivers;
