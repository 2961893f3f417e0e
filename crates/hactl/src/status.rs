//! Status for people, in 80 columns: what is not as wished has its sentence on the next line.

use crate::paint::{Tone, paint};
use crate::problems;
use crate::text::{Cell, hanging, row, sentence};
use crate::wall;
use ha_model::{Level, NodeRow, OwnView, Phase, ResourceRow, StatusView};
use std::collections::BTreeSet;

/// Widest column of names; longer names push the rest aside.
const NAME_WIDTH_MAX: usize = 24;
/// Indentation of sentences below a row.
const INDENT: usize = 6;

/// Columns of the table of resources.
struct Widths {
    name: usize,
    agent: usize,
    state: usize,
}

/// The whole status.
pub(crate) fn render(view: &StatusView, color: bool) -> String {
    let mut out = String::new();
    head(&mut out, view, color);
    nodes(&mut out, view, color);
    resources(&mut out, view, color);
    fencing(&mut out, view, color);
    if !view.waivers.is_empty() {
        out.push_str("\nwaivers in force\n");
        for (word, place) in &view.waivers {
            row(&mut out, 2, &[Cell::new(word, 0).tone(Tone::Attention), Cell::new(place, 0)], color);
        }
    }
    if !view.warnings.is_empty() {
        out.push_str("\nwarnings\n");
        for (node, level, text) in &view.warnings {
            let word = match level {
                Level::Info => "note",
                Level::Warning => "warning",
                Level::Alarm => "alarm",
            };
            hanging(&mut out, &format!("  {node} "), INDENT, &format!("{word}: {text}"));
        }
    }
    out
}

fn head(out: &mut String, view: &StatusView, color: bool) {
    let found = problems::all(view);
    let phase = problems::phase(view);
    let own = view.own_view.as_ref().map(OwnView::text).filter(|own| phase.as_ref() != Some(own));
    let (words, tone) = match (phase, found.len()) {
        (Some(why), _) => {
            let is_forming = matches!(view.state, Phase::Forming { .. });
            (why, if is_forming { Tone::Attention } else { Tone::Bad })
        }
        (None, 0) => ("everything is as wished".to_owned(), Tone::Good),
        (None, 1) => ("1 thing is not as wished".to_owned(), Tone::Bad),
        (None, n) => (format!("{n} things are not as wished"), Tone::Bad),
    };
    let mut line = String::new();
    hanging(&mut line, &format!("cluster {}: ", view.cluster), 2, &words);
    match line.split_once(": ") {
        Some((name, rest)) => {
            let rest: Vec<String> = rest.lines().map(|part| paint(part, tone, color)).collect();
            out.push_str(&format!("{name}: {}\n", rest.join("\n")));
        }
        None => out.push_str(&line),
    }
    if let Some(own) = own {
        hanging(out, "", 2, &own);
    }
    let leads = match &view.leader {
        Some(leader) => format!("leader {leader} (term {})", view.term),
        None => format!("no leader (term {})", view.term),
    };
    let voters = format!("{} voters", view.voters.len());
    hanging(out, "", 2, &format!("{leads}, {voters}; seen by {} {}", view.seen_by, wall::seconds(view.at)));
}

fn width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0).min(NAME_WIDTH_MAX)
}

fn nodes(out: &mut String, view: &StatusView, color: bool) {
    out.push_str("\nnodes\n");
    let name = width(view.nodes.iter().map(|row| row.name.as_str()));
    let state = width(view.nodes.iter().map(|row| row.state.as_str()));
    let votes: Vec<String> = view.nodes.iter().map(|row| vote(view, row)).collect();
    let boot_width =
        view.nodes.iter().filter_map(|row| row.boot.as_ref()).map(|boot| boot.len() + 5).max().unwrap_or(0);
    let vote_width = width(votes.iter().map(String::as_str));
    for (node, vote) in view.nodes.iter().zip(&votes) {
        let problem = problems::node(view, node);
        let tone = match (node.state.as_str(), &problem) {
            ("standby" | "joining", _) => Tone::Attention,
            (_, None) => Tone::Good,
            (_, Some(_)) => Tone::Bad,
        };
        let boot = node.boot.as_ref().map_or_else(String::new, |boot| format!("boot {boot}"));
        let mut cells = vec![
            Cell::new(node.name.as_str(), name),
            Cell::new(&node.state, state).tone(tone),
            Cell::new(vote, vote_width),
            Cell::new(&boot, boot_width),
        ];
        let silent = problems::silent_links(view, node);
        let rest = node.links.iter().filter(|(address, _)| !silent.contains(address));
        cells.extend(rest.map(|(address, _)| Cell::new(&address.to_string(), 0)));
        for (position, address) in silent.iter().enumerate() {
            let word = if position == 0 { "silent: " } else { "" };
            cells.push(Cell::new(&format!("{word}{address}"), 0).tone(Tone::Bad));
        }
        row(out, 2, &cells, color);
        if let Some(why) = problem.or_else(|| problems::node_note(node)) {
            sentence(out, INDENT, &why);
        }
    }
}

fn vote(view: &StatusView, row: &NodeRow) -> String {
    let word = if row.role == "witness" { "witness" } else { &row.vote };
    if view.leader.as_ref() == Some(&row.name) { format!("{word}, leads") } else { word.to_owned() }
}

fn resources(out: &mut String, view: &StatusView, color: bool) {
    if view.resources.is_empty() {
        out.push_str("\nno resources are configured\n");
        return;
    }
    out.push_str("\nresources\n");
    let names = width(view.resources.iter().map(|row| row.name.as_str()));
    let agent = width(view.resources.iter().map(|row| row.agent.as_str()));
    let state = width(view.resources.iter().map(|row| row.state.as_str()));
    // Members of groups stand two columns further in.
    let (alone, member) = (Widths { name: names + 2, agent, state }, Widths { name: names, agent, state });
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for first in &view.resources {
        match first.group.as_deref() {
            None => resource(out, first, 2, &alone, color),
            Some(group) if shown.insert(group) => {
                hanging(out, "  group ", 4, group);
                let members = view.resources.iter().filter(|row| row.group.as_deref() == Some(group));
                for row in members {
                    resource(out, row, 4, &member, color);
                }
            }
            Some(_) => {}
        }
    }
}

fn resource(out: &mut String, item: &ResourceRow, indent: usize, widths: &Widths, color: bool) {
    let problem = problems::resource(item);
    let tone = match item.state.as_str() {
        "running" => Tone::Good,
        "stopped" if problem.is_none() => Tone::Plain,
        "starting" | "stopping" | "stopped" => Tone::Attention,
        _ => Tone::Bad,
    };
    let node = item.node.as_ref().map_or("", |node| node.as_str());
    let mut cells = vec![
        Cell::new(item.name.as_str(), widths.name),
        Cell::new(&item.agent, widths.agent),
        Cell::new(&item.state, widths.state).tone(tone),
        Cell::new(node, 0),
    ];
    for (position, (node, n)) in item.failures.iter().filter(|(_, n)| *n > 0).enumerate() {
        if position == 0 {
            cells.push(Cell::new("failures:", 0).tone(Tone::Attention));
        }
        cells.push(Cell::new(&format!("{node} {n}"), 0).tone(Tone::Attention));
    }
    row(out, indent, &cells, color);
    if let Some(why) = problem.or_else(|| problems::resource_note(item)) {
        sentence(out, INDENT + 2, &why);
    }
}

fn fencing(out: &mut String, view: &StatusView, color: bool) {
    if !view.fences.is_empty() {
        out.push_str("\nopen fences\n");
        for fence in &view.fences {
            let plural = if fence.attempts == 1 { "" } else { "s" };
            let attempts = format!("{} attempt{plural}", fence.attempts);
            let next = fence.next_ms.map_or_else(String::new, |ms| format!("next in {}", wall::length(ms)));
            let cells = [
                Cell::new(fence.node.as_str(), 0),
                Cell::new(&fence.state, 0).tone(Tone::Bad),
                Cell::new(&attempts, 0),
                Cell::new(&next, 0),
            ];
            row(out, 2, &cells, color);
            sentence(out, INDENT, &fence.reason);
            sentence(out, INDENT, &problems::fence(fence));
        }
    }
    let working = view.paths.iter().filter(|path| path.works).count();
    match view.paths.len() {
        0 => out.push_str("\nfence paths: none\n"),
        all => out.push_str(&format!("\nfence paths: {working} of {all} work\n")),
    }
    for path in &view.paths {
        let Some(why) = problems::path(path) else { continue };
        let tested = match (&path.tested_by, path.at) {
            (Some(by), Some(at)) => {
                let ago = u64::try_from(view.at.0.saturating_sub(at.0)).unwrap_or(0);
                format!("tested by {by} {} ago", wall::length(ago))
            }
            _ => "not tested yet".to_owned(),
        };
        let target = format!("to {}", path.node);
        let cells = [
            Cell::new(path.device.as_str(), 0).tone(Tone::Bad),
            Cell::new(&target, 0).tone(Tone::Bad),
            Cell::new(&tested, 0),
        ];
        row(out, 2, &cells, color);
        sentence(out, INDENT, &why);
    }
}
