//! Phase 2, expand: resources become plain instances, groups become colocation and order constraints. After this
//! phase there are only instances and three kinds of constraint; no later phase knows what a group is.
//!
//! Must not know: what runs where.

use crate::validate::Valid;
use ha_model::{GroupId, InstanceId, ObjectId, Origin, ResourceConfig, ResourceId, Score};
use std::collections::{BTreeMap, BTreeSet};

/// An instance's place in [`Expanded::instances`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub(crate) struct InstIx(pub usize);

/// One instance.
pub(crate) struct Instance<'a> {
    pub id: InstanceId,
    /// None: an orphan, still known to nodes or the ledger but not configured any more.
    pub resource: Option<(&'a ResourceId, &'a ResourceConfig)>,
    /// What it holds exclusively; empty: it may run anywhere at once.
    pub objects: BTreeSet<&'a ObjectId>,
    /// Its unit: what is placed together.
    pub unit: UnitIx,
    pub stickiness: Score,
}

impl Instance<'_> {
    pub fn is_exclusive(&self) -> bool {
        !self.objects.is_empty()
    }
}

/// The three kinds of constraint.
pub(crate) enum Constraint<'a> {
    /// A score for an instance on a node.
    Location {
        instance: InstIx,
        node: crate::validate::NodeIx,
        score: Score,
        why: String,
        origin: &'a Origin,
    },
    /// `instance` runs only where `with` runs.
    Colocation { instance: InstIx, with: InstIx },
    /// `then` starts after `first` runs, and stops before it.
    Order { first: InstIx, then: InstIx },
}

/// A unit's place in [`Expanded::units`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct UnitIx(pub usize);

/// Instances that mandatory colocation ties together, the depended-on first.
pub(crate) struct Unit {
    pub members: Vec<InstIx>,
    pub priority: Score,
    pub position: u32,
}

/// Instances and constraints, with their indexes.
pub(crate) struct Expanded<'a> {
    pub instances: Vec<Instance<'a>>,
    pub constraints: Vec<Constraint<'a>>,
    /// In the order of the file; orphans last.
    pub units: Vec<Unit>,
    /// What must run before the instance starts.
    pub firsts: Vec<Vec<InstIx>>,
    /// What starts after it.
    pub thens: Vec<Vec<InstIx>>,
    /// Instances with an object in common, itself among them; empty where it has no object.
    pub sharers: Vec<Vec<InstIx>>,
    by_name: BTreeMap<InstanceId, InstIx>,
}

impl<'a> Expanded<'a> {
    pub fn get(&self, ix: InstIx) -> &Instance<'a> {
        &self.instances[ix.0]
    }

    pub fn find(&self, id: &InstanceId) -> Option<InstIx> {
        self.by_name.get(id).copied()
    }

    /// Every instance, the depended-on before its dependents.
    pub fn in_order(&self) -> impl Iterator<Item = InstIx> + '_ {
        self.units.iter().flat_map(|u| u.members.iter().copied())
    }
}

/// Makes instances and constraints.
pub(crate) fn expand<'a>(valid: &Valid<'a>) -> Expanded<'a> {
    let config = &*valid.snapshot.config;
    let mut instances = Vec::with_capacity(config.resources.len());
    let mut by_name = BTreeMap::new();
    for (id, resource) in &config.resources {
        let name = InstanceId::from(id.as_str());
        by_name.insert(name.clone(), InstIx(instances.len()));
        instances.push(Instance {
            id: name,
            resource: Some((id, resource)),
            objects: resource.objects.iter().collect(),
            unit: UnitIx(0),
            stickiness: resource.stickiness.unwrap_or(config.stickiness),
        });
    }
    for (id, objects) in orphans(valid, &by_name) {
        by_name.insert(id.clone(), InstIx(instances.len()));
        instances.push(Instance { id, resource: None, objects, unit: UnitIx(0), stickiness: 0 });
    }
    let mut constraints = preferences(valid, &instances);
    for (id, group) in &config.groups {
        let members: Vec<InstIx> = group
            .members
            .iter()
            .filter_map(|m| by_name.get(&InstanceId::from(m.as_str())).copied())
            .collect();
        for m in &members {
            if let Some((_, resource)) = instances[m.0].resource {
                instances[m.0].stickiness =
                    resource.stickiness.or(group.stickiness).unwrap_or(config.stickiness);
            }
        }
        if let Some(first) = members.first() {
            group_preferences(valid, id, *first, &mut constraints);
        }
        for pair in members.windows(2) {
            constraints.push(Constraint::Colocation { instance: pair[1], with: pair[0] });
            constraints.push(Constraint::Order { first: pair[0], then: pair[1] });
        }
    }
    index(instances, constraints, by_name)
}

/// Active or permitted instances that the configuration does not name any more.
fn orphans<'a>(
    valid: &Valid<'a>,
    known: &BTreeMap<InstanceId, InstIx>,
) -> BTreeMap<InstanceId, BTreeSet<&'a ObjectId>> {
    use ha_model::InstanceState::{Stopped, Unknown};
    let mut found: BTreeMap<InstanceId, BTreeSet<&'a ObjectId>> = BTreeMap::new();
    for (id, by_node) in &valid.snapshot.observed {
        let is_active = by_node.values().any(|o| !matches!(o.state, Stopped | Unknown));
        if is_active && !known.contains_key(id) {
            found.entry(id.clone()).or_default();
        }
    }
    for (object, entry) in &valid.snapshot.may_run {
        if !known.contains_key(&entry.instance) {
            found.entry(entry.instance.clone()).or_default().insert(object);
        }
    }
    found
}

fn preferences<'a>(valid: &Valid<'a>, instances: &[Instance<'a>]) -> Vec<Constraint<'a>> {
    let mut out = Vec::new();
    for (ix, instance) in instances.iter().enumerate() {
        let Some((_, resource)) = instance.resource else { continue };
        for (node, preference) in &resource.prefer {
            if let Some(node) = valid.find(node) {
                out.push(Constraint::Location {
                    instance: InstIx(ix),
                    node,
                    score: preference.score,
                    why: format!("{} prefers it", instance.id),
                    origin: &preference.origin,
                });
            }
        }
    }
    out
}

fn group_preferences<'a>(valid: &Valid<'a>, id: &GroupId, first: InstIx, out: &mut Vec<Constraint<'a>>) {
    let Some(group) = valid.snapshot.config.groups.get(id) else { return };
    for (node, preference) in &group.prefer {
        if let Some(node) = valid.find(node) {
            out.push(Constraint::Location {
                instance: first,
                node,
                score: preference.score,
                why: format!("group {id} prefers it"),
                origin: &preference.origin,
            });
        }
    }
}

/// Builds units and look-ups from the constraints alone.
fn index<'a>(
    mut instances: Vec<Instance<'a>>,
    constraints: Vec<Constraint<'a>>,
    by_name: BTreeMap<InstanceId, InstIx>,
) -> Expanded<'a> {
    let n = instances.len();
    let mut follower: Vec<Option<InstIx>> = vec![None; n];
    let mut is_follower = vec![false; n];
    let mut firsts = vec![Vec::new(); n];
    let mut thens = vec![Vec::new(); n];
    for constraint in &constraints {
        match constraint {
            Constraint::Location { .. } => {}
            Constraint::Colocation { instance, with } => {
                follower[with.0] = Some(*instance);
                is_follower[instance.0] = true;
            }
            Constraint::Order { first, then } => {
                firsts[then.0].push(*first);
                thens[first.0].push(*then);
            }
        }
    }
    let mut units = Vec::new();
    for head in (0..n).map(InstIx).filter(|ix| !is_follower[ix.0]) {
        let mut members = vec![head];
        while let Some(next) = members.last().and_then(|last| follower[last.0]) {
            members.push(next);
        }
        let configs = || members.iter().filter_map(|m| instances[m.0].resource.map(|(_, r)| r));
        let priority = configs().map(|r| r.priority).max().unwrap_or(0);
        let position = configs().map(|r| r.position).min().unwrap_or(u32::MAX);
        units.push(Unit { members, priority, position });
    }
    units.sort_by(|a, b| {
        (a.position, &instances[a.members[0].0].id).cmp(&(b.position, &instances[b.members[0].0].id))
    });
    for (unit, u) in units.iter().enumerate() {
        for m in &u.members {
            instances[m.0].unit = UnitIx(unit);
        }
    }
    let sharers = sharers(&instances);
    Expanded { instances, constraints, units, firsts, thens, sharers, by_name }
}

fn sharers(instances: &[Instance<'_>]) -> Vec<Vec<InstIx>> {
    let mut holders: BTreeMap<&ObjectId, Vec<InstIx>> = BTreeMap::new();
    for (ix, instance) in instances.iter().enumerate() {
        for object in &instance.objects {
            holders.entry(object).or_default().push(InstIx(ix));
        }
    }
    instances
        .iter()
        .map(|i| {
            let all: BTreeSet<InstIx> = i.objects.iter().flat_map(|o| holders[o].iter().copied()).collect();
            all.into_iter().collect()
        })
        .collect()
}
