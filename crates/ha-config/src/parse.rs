//! From text to a checked model: the order in which a file is read and judged.

use crate::build::{Parts, build};
use crate::check::{fencing, nodes, objects, timing, votes, waivers};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::limits::{DEVICES_MAX, FILE_BYTES_MAX, GROUPS_MAX, LEVELS_MAX, NODES_MAX, RESOURCES_MAX};
use crate::raw::{RawDevice, RawGroup, RawLevel, RawNode, RawResource, RawTiming};
use crate::read::{SCORES, read_device, read_group, read_level, read_node, read_resource, read_timing};
use crate::report::{Report, Sp};
use crate::schema::{FENCE, GROUP, LEVEL, NODE, RESOURCE, TOP};
use crate::syntax;
use crate::walk::Table;
use ha_model::{ClusterConfig, Score};

/// An accepted file.
#[derive(Clone, PartialEq, Debug)]
pub struct Parsed {
    /// The model.
    pub config: ClusterConfig,
    /// Warnings and notes; [`crate::render`] shows them.
    pub warnings: Vec<Diagnostic>,
}

/// Everything that was typed, each table for itself.
struct Raw {
    name: Option<Sp<String>>,
    timing: RawTiming,
    stickiness: Option<Score>,
    forced_voters: Option<Sp<Vec<Sp<String>>>>,
    nodes: Vec<RawNode>,
    devices: Vec<RawDevice>,
    levels: Vec<RawLevel>,
    resources: Vec<RawResource>,
    groups: Vec<RawGroup>,
    /// Which kinds of tables were read without an error; a check of what a broken one lacks would mislead.
    nodes_are_whole: bool,
    fences_are_whole: bool,
    resources_are_whole: bool,
}

/// Reads a cluster file. `file_name` is used for places only; no file is opened.
///
/// # Errors
/// All mistakes at once, each with its place; warnings and notes are among them.
pub fn parse(file_name: &str, text: &str) -> Result<Parsed, Diagnostics> {
    let mut report = Report::new(file_name, text);
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, more than {FILE_BYTES_MAX}", text.len());
        report.error(Code::FileTooLarge, &(0..0), message);
        return Err(Diagnostics::new(file_name, text, report.into_items()));
    }
    let config = syntax::tables(text, &mut report).and_then(|tables| {
        let top = Table::open(&TOP, 0..0, tables.get_ref(), &mut report);
        let raw = read(&top, &mut report);
        judge(raw, text, &mut report)
    });
    match config {
        Some(config) => Ok(Parsed { config, warnings: report.into_items() }),
        None => Err(Diagnostics::new(file_name, text, report.into_items())),
    }
}

fn read(top: &Table<'_>, report: &mut Report<'_>) -> Raw {
    let name = top.name("name", report);
    if top.get("name").is_none() {
        top.missing("name", "name = \"shop\", before the first [[…]]", report);
    }
    waivers::read_waivers(top, report);
    let timing = read_timing(top, report);
    let stickiness = top.int("stickiness", SCORES, report).map(|score| score.value);
    let forced_voters = votes::read_voters(top, report);

    let before_nodes = report.errors();
    let nodes: Vec<_> =
        top.tables("node", &NODE, NODES_MAX, report).iter().filter_map(|t| read_node(t, report)).collect();
    if top.get("node").is_none() {
        top.missing("node", "[[node]], with name and links", report);
    }
    let before_fences = report.errors();
    let devices: Vec<_> = top
        .tables("fence", &FENCE, DEVICES_MAX, report)
        .iter()
        .filter_map(|t| read_device(t, report))
        .collect();
    let levels_max = LEVELS_MAX * NODES_MAX;
    let levels: Vec<_> = top
        .tables("level", &LEVEL, levels_max, report)
        .iter()
        .filter_map(|t| read_level(t, report))
        .collect();
    let before_resources = report.errors();
    let resources: Vec<_> = top
        .tables("resource", &RESOURCE, RESOURCES_MAX, report)
        .iter()
        .filter_map(|t| read_resource(t, report))
        .collect();
    let after_resources = report.errors();
    let groups: Vec<_> = top
        .tables("group", &GROUP, GROUPS_MAX, report)
        .iter()
        .filter_map(|t| read_group(t, report))
        .collect();
    Raw {
        name,
        timing,
        stickiness,
        forced_voters,
        nodes,
        devices,
        levels,
        resources,
        groups,
        nodes_are_whole: before_nodes == before_fences,
        fences_are_whole: before_fences == before_resources,
        resources_are_whole: before_resources == after_resources,
    }
}

fn judge(raw: Raw, text: &str, report: &mut Report<'_>) -> Option<ClusterConfig> {
    timing::check_timing(&raw.timing, report);
    let before_nodes = report.errors();
    let node_names = nodes::check_nodes(&raw.nodes, report);
    let nodes_are_sound = raw.nodes_are_whole && report.errors() == before_nodes;
    if nodes_are_sound {
        nodes::check_links(&raw.nodes, report);
    }
    let voters = votes::choose_voters(&raw.nodes, &node_names, raw.forced_voters.as_ref(), report);
    let before_devices = report.errors();
    let device_names = fencing::check_devices(&raw.devices, &raw.nodes, &node_names, report);
    let levels = fencing::resolve_levels(&raw.levels, &raw.devices, &node_names, &device_names, report);
    let fences_are_sound = raw.fences_are_whole && report.errors() == before_devices;
    let resource_names = objects::define_resources(&raw.resources, report);
    for prefer in raw.resources.iter().map(|r| &r.prefer).chain(raw.groups.iter().map(|g| &g.prefer)) {
        objects::check_prefer(prefer, &raw.nodes, &node_names, report);
    }
    objects::check_groups(&raw.groups, &resource_names, report);
    objects::check_objects(&raw.resources, &raw.nodes, report);
    if nodes_are_sound && fences_are_sound && raw.resources_are_whole {
        fencing::check_paths(&raw.nodes, &raw.resources, &raw.groups, &raw.devices, &levels, report);
    }
    let name = raw.name.filter(|_| report.errors() == 0)?;
    waivers::check_needless(report);
    let parts = Parts {
        name: name.value,
        text,
        nodes: raw.nodes,
        voters,
        devices: raw.devices,
        levels,
        resources: raw.resources,
        groups: raw.groups,
        stickiness: raw.stickiness,
        timing: raw.timing,
    };
    Some(build(parts, report))
}
