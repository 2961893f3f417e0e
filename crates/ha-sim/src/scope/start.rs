//! Where a scope begins: the cluster is formed from empty disks, undisturbed, until the resource runs on the first node and every
//! fence path is tested; then the wished node leads; then the first faults happen.

use super::cluster::{ALL, Cluster, MS};
use super::faults::Fault;
use super::milestones::OWNER;
use super::moves::Move;
use super::scopes::Scope;
use super::world::World;
use ha_scheduler::NodeStatus;

/// A cluster that is not formed by then never will be.
const FORMED_WITHIN: u64 = 30_000 * MS;

/// Forming takes far fewer moves.
const MOVES_MAX: usize = 20_000;

/// How long it stays so before anything goes wrong.
const CALM: u64 = 2000 * MS;

/// The world at the beginning of a scope.
///
/// # Errors
/// What broke on the way, or why the cluster is not formed.
pub fn start(scope: &Scope, cluster: &Cluster, is_told: bool) -> Result<World, Box<World>> {
    let mut world = World::new();
    world.journal = is_told.then(Vec::new);
    world.ends_at = u64::MAX;
    let calm = Scope { is_interleaved: false, faults: &[], slow: &[], ..*scope };
    run(&mut world, &calm, cluster, FORMED_WITHIN, World::is_formed)?;
    let t = world.t;
    run(&mut world, &calm, cluster, t + CALM, |_| false)?;
    if !world.host(scope.leader).leads() {
        world.befall(cluster, Fault::HandOver(scope.leader));
        let t = world.t;
        run(&mut world, &calm, cluster, t + CALM, |_| false)?;
    }
    if !world.host(scope.leader).leads() || !world.is_formed() {
        world.fail("L1", "the cluster does not get to where the scope begins".to_owned());
        return Err(Box::new(world));
    }
    world.tell(|| format!("-- {}: {}", scope.name, scope.what));
    world.ledger.edit().milestones.begin();
    for fault in scope.first {
        world.tell(|| fault.to_string());
        world.befall(cluster, *fault);
    }
    world.left = scope.budget;
    world.ends_at = world.t + scope.horizon_ms * MS;
    Ok(world)
}

/// The undisturbed path until something holds, or until then at most.
fn run(
    world: &mut World,
    scope: &Scope,
    cluster: &Cluster,
    end: u64,
    is_done: impl Fn(&World) -> bool,
) -> Result<(), Box<World>> {
    for _ in 0..MOVES_MAX {
        let Some(next) = world.moves(scope).first().copied() else { break };
        if next == Move::Time && (world.t >= end || is_done(world)) {
            break;
        }
        world.make(cluster, next);
    }
    if world.broken.is_some() { Err(Box::new(world.clone())) } else { Ok(()) }
}

impl World {
    /// Everybody takes part, the resource runs on its first node, every fence path is known to work.
    fn is_formed(&self) -> bool {
        let leader = ALL.into_iter().find(|at| self.host(*at).leads());
        let Some(node) = leader.and_then(|at| self.host(at).node()) else { return false };
        let state = node.state();
        let are_members =
            state.nodes.len() == 3 && state.nodes.values().all(|r| r.status == NodeStatus::Member);
        let are_tested = state.paths.values().map(|nodes| nodes.len()).sum::<usize>() == 3;
        are_members && are_tested && self.host(OWNER).runs && node.unfinished().is_none()
    }
}
