//! The search: depth first over every move of every state, each state once.
//!
//! Time, budgets and milestones are part of a state, so that what prunes a path never hides another, and no path comes back
//! to where it was.

use super::cluster::Cluster;
use super::milestones::ROWS;
use super::moves::Move;
use super::scopes::Scope;
use super::start::start;
use super::world::{Violation, World};
use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

/// No path is half as long: where one is, its last moment does not end.
const DEPTH_MAX: usize = 5000;

/// Digests are spread well already.
#[derive(Clone, Copy, Default, Debug)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let first = bytes.first_chunk::<8>().copied().unwrap_or_default();
        self.0 = u64::from_ne_bytes(first);
    }

    fn write_u128(&mut self, n: u128) {
        self.0 = n as u64;
    }
}

impl BuildHasher for AsItIs {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

/// A set of digests.
pub type Seen = HashSet<u128, AsItIs>;

/// What came of a scope.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Worlds, whatever the budgets and milestones: what is counted.
    pub worlds: Seen,
    /// States with budgets and milestones: what was searched.
    pub states: u64,
    /// Moves that were made.
    pub moves: u64,
    /// The longest path.
    pub depth: usize,
    /// How many states have reached each milestone.
    pub rows: [u64; ROWS.len()],
    /// How long it took.
    pub took: Duration,
    /// There was no time to end it.
    pub is_cut_short: bool,
    /// The first rule broken, and the moves that lead there.
    pub broken: Option<(Violation, Vec<Move>)>,
}

struct Frame {
    world: World,
    moves: Vec<Move>,
    next: usize,
}

/// When a search is cut short.
#[derive(Clone, Copy, Default, Debug)]
pub struct Bounds {
    /// By the clock.
    pub deadline: Option<Instant>,
    /// After so many states.
    pub states: Option<u64>,
}

/// Explores a scope until its end, a violation, or a bound.
#[must_use]
pub fn explore(scope: &Scope, bounds: Bounds) -> Outcome {
    let begin = Instant::now();
    let mut outcome = Outcome::default();
    let cluster = Cluster::new(scope.shape);
    match start(scope, &cluster, false) {
        Ok(world) => search(world, scope, &cluster, bounds, &mut outcome),
        Err(world) => outcome.broken = world.broken.map(|broken| (broken, vec![])),
    }
    outcome.took = begin.elapsed();
    outcome
}

fn search(root: World, scope: &Scope, cluster: &Cluster, bounds: Bounds, outcome: &mut Outcome) {
    let mut seen = Seen::default();
    let mut stack: Vec<Frame> = Vec::new();
    enter(root, scope, &mut seen, &mut stack, outcome);
    while let Some(frame) = stack.last_mut() {
        let Some(next) = frame.moves.get(frame.next).copied() else {
            stack.pop();
            continue;
        };
        frame.next += 1;
        let mut world = frame.world.clone();
        world.make(cluster, next);
        outcome.moves += 1;
        if stack.len() > DEPTH_MAX {
            world.fail("L4", format!("after {DEPTH_MAX} moves something is still under way"));
        }
        if let Some(broken) = world.broken.take() {
            let path = stack.iter().map(|f| f.moves[f.next - 1]).collect();
            outcome.broken = Some((broken, path));
            return;
        }
        enter(world, scope, &mut seen, &mut stack, outcome);
        outcome.depth = outcome.depth.max(stack.len());
        let is_late =
            || outcome.moves.is_multiple_of(1024) && bounds.deadline.is_some_and(|end| Instant::now() >= end);
        if bounds.states.is_some_and(|most| outcome.states >= most) || is_late() {
            outcome.is_cut_short = true;
            return;
        }
    }
}

/// A state that was not seen before is counted and searched.
fn enter(mut world: World, scope: &Scope, seen: &mut Seen, stack: &mut Vec<Frame>, outcome: &mut Outcome) {
    let (of_world, of_state) = world.digests();
    if !seen.insert(of_state) {
        return;
    }
    outcome.worlds.insert(of_world);
    outcome.states += 1;
    for (count, is_reached) in outcome.rows.iter_mut().zip(world.ledger.milestones.rows()) {
        *count += u64::from(is_reached);
    }
    let moves = world.moves(scope);
    stack.push(Frame { world, moves, next: 0 });
}

/// The path in words: every move and what came of it.
#[must_use]
pub fn replay(scope: &Scope, path: &[Move]) -> Vec<String> {
    let cluster = Cluster::new(scope.shape);
    let mut world = match start(scope, &cluster, true) {
        Ok(world) => world,
        Err(world) => return world.journal.unwrap_or_default(),
    };
    for next in path {
        let words = world.words_of(*next);
        world.tell(|| words);
        world.make(&cluster, *next);
    }
    world.journal.unwrap_or_default()
}

/// The undisturbed path in words.
#[must_use]
pub fn undisturbed(scope: &Scope) -> Vec<String> {
    let cluster = Cluster::new(scope.shape);
    let mut world = match start(scope, &cluster, true) {
        Ok(world) => world,
        Err(world) => return world.journal.unwrap_or_default(),
    };
    while let Some(next) = world.moves(scope).first().copied() {
        let words = world.words_of(next);
        world.tell(|| words);
        world.make(&cluster, next);
    }
    world.journal.unwrap_or_default()
}
