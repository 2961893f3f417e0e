//! The service that the daemon talks to: jobs in, outcomes out, ends of processes as events.
//!
//! Must not know: plans, votes. Invariants: the jobs of one instance are carried out one after another, in the order in
//! which they came; jobs of different instances do not wait for each other; nothing that an earlier session's fence
//! agents left is alive once this exists.

use crate::exec::{ProcessExited, Record, Service};
use crate::fence::{Descriptions, end_earlier_agents};
use crate::job::{Action, Outcome, ResourceAgent, ResourceJob};
use crate::ocf::Ocf;
use crate::root::{CgroupRoot, escape};
use crate::vip::{self, Announcements, Vip};
use ha_model::{InstanceId, length};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Events that may wait to be read: one for each watched process, of which a node has tens.
const EVENTS: usize = 256;

/// Where the agents live.
#[derive(Clone, Debug)]
pub struct AgentsConfig {
    /// Where their processes are held; what it says of its limitation is for the operator.
    pub root: CgroupRoot,
    /// For marks and output of services, and this daemon's own: made if missing. Must outlive the daemon and be empty
    /// after a boot (`/run/…`).
    pub state_dir: PathBuf,
    /// Where fence agents given by name are looked for, in order.
    pub fence_dirs: Vec<PathBuf>,
    /// Where OCF resource agents are: `resource.d/PROVIDER/TYPE` below it.
    pub ocf_root: PathBuf,
}

/// Carries out jobs. Cheap to clone.
#[derive(Clone)]
pub struct Agents(Arc<Inner>);

struct Inner {
    config: AgentsConfig,
    events: mpsc::Sender<ProcessExited>,
    slots: Mutex<BTreeMap<InstanceId, Arc<Slot>>>,
    descriptions: Descriptions,
}

/// What is remembered of one instance. The lock is fair: jobs come in order.
struct Slot {
    turn: tokio::sync::Mutex<Service>,
    announcements: Announcements,
}

impl Agents {
    /// Starts the service; the receiver tells of processes that ended unasked.
    ///
    /// # Errors
    /// When the state directory cannot be made, read or written.
    pub fn new(config: AgentsConfig) -> io::Result<(Self, mpsc::Receiver<ProcessExited>)> {
        std::fs::create_dir_all(&config.state_dir)?;
        // The contract of fencing: an agent does not outlive its executor's session.
        end_earlier_agents(&config.root, &config.state_dir)?;
        let (events, received) = mpsc::channel(EVENTS);
        Ok((
            Self(Arc::new(Inner {
                config,
                events,
                slots: Mutex::default(),
                descriptions: Descriptions::default(),
            })),
            received,
        ))
    }

    /// Carries out one job on a resource, behind the jobs of its instance that came earlier.
    pub async fn run(&self, job: ResourceJob) -> Outcome {
        let slot = self.slot(&job.instance);
        let cancelled = || match job.action {
            Action::Start => Outcome::never("cancelled before it began"),
            Action::Stop | Action::Monitor | Action::Probe => Outcome::failed("cancelled before it began"),
        };
        let mut service = tokio::select! {
            service = slot.turn.lock() => service,
            () = job.cancel.cancelled() => return cancelled(),
        };
        if job.cancel.is_cancelled() {
            return cancelled();
        }
        match &job.agent {
            ResourceAgent::Exec => service.carry_out(&job).await,
            ResourceAgent::Ocf(name) => {
                let root = &self.config().ocf_root;
                service.carry_out_ocf(&Ocf { name, root }, &job).await
            }
            ResourceAgent::Vip => run_vip(&job, &slot.announcements).await,
        }
    }

    pub(crate) fn config(&self) -> &AgentsConfig {
        &self.0.config
    }

    pub(crate) fn descriptions(&self) -> &Descriptions {
        &self.0.descriptions
    }

    fn slot(&self, instance: &InstanceId) -> Arc<Slot> {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let name = instance.as_str();
            let config = &self.0.config;
            let service = Service {
                instance: instance.clone(),
                root: config.root.clone(),
                service: config.root.leash(&["resource", name, "service"]),
                commands: config.root.leash(&["resource", name, "commands"]),
                record: Record::new(&config.state_dir, &escape(name)),
                events: self.0.events.clone(),
                watch: None,
            };
            Arc::new(Slot { turn: service.into(), announcements: Announcements::default() })
        };
        slots.entry(instance.clone()).or_insert_with(make).clone()
    }
}

async fn run_vip(job: &ResourceJob, announcements: &Announcements) -> Outcome {
    let vip = match Vip::from_options(&job.options) {
        Ok(vip) => vip,
        Err(why) if job.action == Action::Start => return Outcome::never(why),
        Err(why) => return Outcome::failed(why),
    };
    let work = async {
        match job.action {
            Action::Start => vip::start(&vip, &job.gate, job.address_check, announcements).await,
            Action::Stop => vip::stop(&vip, announcements).await,
            Action::Monitor | Action::Probe => vip::monitor(&vip).await,
        }
    };
    tokio::select! {
        outcome = work => outcome,
        () = tokio::time::sleep(job.timeout) => Outcome::failed(format!("it did not end within {}", length(job.timeout))),
        () = job.cancel.cancelled() => Outcome::failed("it was cancelled"),
    }
}
