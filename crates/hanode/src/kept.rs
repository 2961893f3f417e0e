//! What the planner failed on, kept for whoever mends it.
//!
//! One file, the newest failure's: a planner that fails fails again and again on the same, and a disk is not to fill with it.

use ha_core::PlannerInput;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Beside the store.
const NAME: &str = "planner-failed.json";

/// Writes it, while the core goes on: a disk may take its time. Called within the runtime.
pub fn keep_soon(dir: &Path, input: Box<PlannerInput>) {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || match keep(&dir, &input) {
        Ok(path) => {
            tracing::error!("planner failed: {}; its input is kept in {}", input.why, path.display());
        }
        Err(error) => {
            tracing::error!("planner failed: {}; its input is lost: {}: {error}", input.why, dir.display());
        }
    });
}

/// Writes it, whole or not at all; where to.
///
/// # Errors
/// The system's.
fn keep(dir: &Path, input: &PlannerInput) -> io::Result<PathBuf> {
    let (path, new) = (dir.join(NAME), dir.join(format!("{NAME}.new")));
    fs::write(&new, serde_json::to_vec_pretty(input)?)?;
    fs::rename(&new, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ha_model::{Incarnation, ObjectId, WallMs};
    use ha_scheduler::{History, MayRunView, Snapshot, Wishes};
    use std::sync::Arc;

    const CLUSTER: &str = include_str!("../../../examples/clusters/three-node-web.toml");

    #[test]
    fn what_is_kept_is_read_again_as_it_was() {
        let config = ha_config::parse("cluster.toml", CLUSTER).expect("an example").config;
        let open =
            MayRunView { instance: "vip".into(), node: "alpha".into(), incarnation: Incarnation(u128::MAX) };
        let snapshot = Snapshot {
            config: Arc::new(config),
            nodes: [].into(),
            observed: [].into(),
            may_run: [(ObjectId::from("address 10.0.0.100"), open)].into(),
            failures: [].into(),
            wishes: Wishes::default(),
            attributes: [].into(),
            now: WallMs(1),
        };
        let input = PlannerInput { why: "a cycle".to_owned(), snapshot, history: History::default() };
        let dir = tempfile::tempdir().expect("a directory");
        for _ in 0..2 {
            let path = keep(dir.path(), &input).expect("it is kept");
            let text = fs::read_to_string(path).expect("it is there");
            assert_eq!(serde_json::from_str::<PlannerInput>(&text).expect("it is JSON"), input);
        }
        assert_eq!(fs::read_dir(dir.path()).expect("it lists").count(), 1);
    }
}
