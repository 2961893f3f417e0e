//! A service `web` under the `exec` agent, and a daemon that can be begun anew over its state.

use super::{Tidy, root};
use ha_agent::{
    Action, AddressCheck, Agents, AgentsConfig, Cancel, CgroupRoot, Gate, Outcome, ProcessExited,
    ResourceAgent, ResourceJob,
};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

pub struct Bench {
    pub agents: Agents,
    pub events: Receiver<ProcessExited>,
    pub root: CgroupRoot,
    pub dir: tempfile::TempDir,
    _tidy: Tidy,
}

pub fn bench(test: &str) -> Bench {
    let root = root(test);
    let dir = tempfile::tempdir().unwrap();
    let (agents, events) = Agents::new(config(&root, &dir)).unwrap();
    Bench { agents, events, _tidy: Tidy(root.clone()), root, dir }
}

pub fn config(root: &CgroupRoot, dir: &tempfile::TempDir) -> AgentsConfig {
    AgentsConfig {
        root: root.clone(),
        state_dir: dir.path().join("state"),
        fence_dirs: vec![],
        ocf_root: dir.path().join("ocf"),
    }
}

impl Bench {
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Those below the root with which the bench was made.
    pub fn members(&self) -> Vec<i32> {
        self.root.leash(&["resource", "web", "service"]).members().into_iter().collect()
    }

    /// A new session of the daemon over the same state.
    pub fn restart(&mut self) {
        let root = self.root.clone();
        self.restart_below(&root);
    }

    /// A new session of the daemon over the same state, whose services have another root.
    pub fn restart_below(&mut self, root: &CgroupRoot) {
        (self.agents, self.events) = Agents::new(config(root, &self.dir)).unwrap();
    }

    pub async fn run(&self, action: Action, options: &[(&str, &str)]) -> Outcome {
        self.agents.run(job(action, options)).await
    }
}

pub fn job(action: Action, options: &[(&str, &str)]) -> ResourceJob {
    ResourceJob {
        instance: "web".into(),
        agent: ResourceAgent::Exec,
        action,
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        timeout: Duration::from_secs(5),
        interval: Duration::from_secs(10),
        gate: Gate::always(),
        address_check: AddressCheck::Short,
        cancel: Cancel::default(),
    }
}

pub fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { reason, .. } => reason,
        Outcome::NeverStarted { why } => why,
        Outcome::Running | Outcome::NotRunning => panic!("expected a failure, got {outcome}"),
    }
}

pub const SLEEP: &[(&str, &str)] = &[("start", "sleep 300")];
