//! Reads each kind of table into [`crate::raw`]: types, ranges and forms. What tables mean together is not
//! judged here.

mod address;
mod command;
mod fence;
mod fence_options;
mod group;
mod node;
mod options;
mod resource;
mod timing;

pub(crate) use fence::{read_device, read_level};
pub(crate) use group::read_group;
pub(crate) use node::read_node;
pub(crate) use resource::read_resource;
pub(crate) use timing::read_timing;

use crate::raw::RawPrefer;
use crate::report::{Report, Sp};
use crate::walk::{Table, in_file_order, int};
use ha_model::SCORE_INFINITY;
use std::ops::RangeInclusive;

/// The range of every score.
pub(crate) const SCORES: RangeInclusive<i64> = -SCORE_INFINITY..=SCORE_INFINITY;

/// Reads `prefer = { node = score, … }`.
fn read_prefer(table: &Table<'_>, report: &mut Report<'_>) -> RawPrefer {
    let Some((_, entries)) = table.inner("prefer", "prefer = { alpha = 100 }", report) else {
        return Vec::new();
    };
    in_file_order(entries)
        .into_iter()
        .filter_map(|(node, value)| {
            let score = int("prefer", value, SCORES, report)?;
            Some((Sp::new(node.value.to_owned(), node.at), score.value))
        })
        .collect()
}
