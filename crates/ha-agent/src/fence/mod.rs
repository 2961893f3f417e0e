//! Runs a fence agent by the standard contract: options on standard input, the answer in the exit code.
//!
//! Must not know: whether the answer is enough for a proof; that is judged elsewhere. Invariants: `reboot` cannot be
//! asked; nothing secret is in arguments or environment; the agent and all it started die at the deadline, with the
//! daemon, or when cancelled; `Refused` is said only when the agent was not executed for the action.

mod earlier;
mod metadata;
mod secret;

use crate::agents::Agents;
use crate::cancel::Cancel;
use crate::child::DEFAULT_PATH;
use crate::gate::Gate;
use crate::output::last_line;
use crate::runner::{Ended, Program, Report, run};
pub(crate) use earlier::end_earlier_agents;
use ha_model::{DeviceId, NodeId};
use metadata::spelling;
pub use metadata::{ActionInfo, Metadata, Parameter};
use secret::{Hidden, is_secret_name};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How long an agent may take to describe itself: a slow interpreter on a loaded host, no network.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// Descriptions kept: one for each kind of agent in use, of which a cluster has a handful.
const METADATA_KEPT: usize = 64;
/// Exit code of `status` for a plug that is off (FenceAgentAPI.md).
const EXIT_OFF: i32 = 2;

/// What may be asked of a fence agent. `reboot` is not among them: off, proof, then on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FenceAction {
    /// Cut off.
    Off,
    /// Restore.
    On,
    /// Read the state of the plug.
    Status,
    /// See whether the device answers.
    Monitor,
    /// Name the plugs.
    List,
}

impl fmt::Display for FenceAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Status => "status",
            Self::Monitor => "monitor",
            Self::List => "list",
        })
    }
}

/// One call of a fence agent.
#[derive(Clone, Debug)]
pub struct FenceJob {
    /// Whose options these are.
    pub device: DeviceId,
    /// The agent: a path, or a name that is looked for in [`crate::AgentsConfig::fence_dirs`].
    pub agent: String,
    /// What is asked.
    pub action: FenceAction,
    /// The outlet, port or virtual machine.
    pub plug: Option<String>,
    /// The node behind it.
    pub node: Option<NodeId>,
    /// As configured; `X_file` names a file with the secret option `X`.
    pub options: BTreeMap<String, String>,
    /// The deadline of the whole call.
    pub timeout: Duration,
    /// Ends it early.
    pub cancel: Cancel,
}

/// What the agent answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceResult {
    /// `off`, `on`, `monitor` or `list` succeeded, as the agent says.
    Done,
    /// The plug is on.
    On,
    /// The plug is off, as the agent says.
    Off,
    /// The agent failed; after `off` or `on` the state is unknown.
    Error {
        /// Its exit code, if it had one.
        code: Option<i32>,
        /// One sentence.
        reason: String,
    },
    /// Killed at the deadline; after `off` or `on` the state is unknown.
    TimedOut,
    /// The agent was not executed; nothing was asked of the device.
    Refused {
        /// One sentence that names the file and says what to do.
        why: String,
    },
}

/// All that is known of one call. Secrets are masked in the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceOutcome {
    /// The answer.
    pub result: FenceResult,
    /// Standard output (`list`).
    pub stdout: String,
    /// Standard error, for the journal.
    pub stderr: String,
    /// From the call to the end of its last process.
    pub took: Duration,
}

/// Descriptions of agents, by path; valid while the file is the same.
#[derive(Default)]
pub(crate) struct Descriptions(Mutex<BTreeMap<PathBuf, (SystemTime, Arc<Metadata>)>>);

/// Numbers the calls of this session, for a leash each.
static CALLS: AtomicU64 = AtomicU64::new(0);

impl Agents {
    /// Calls a fence agent and waits for its answer or the deadline.
    pub async fn fence(&self, job: FenceJob) -> FenceOutcome {
        let began = tokio::time::Instant::now();
        let mut hidden = Hidden::default();
        let prepared = tokio::time::timeout(job.timeout, self.input(&job, &mut hidden)).await;
        let (path, input) = match prepared {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(why)) => return refused(hidden.mask(&why), began.elapsed()),
            Err(_) => {
                return refused(format!("{} did not describe itself in time", job.agent), began.elapsed());
            }
        };
        let left = job.timeout.saturating_sub(began.elapsed());
        let report = self.call(&path, job.device.as_str(), input, left, &job.cancel).await;
        if !report.survivors.is_empty() {
            tracing::error!(device = %job.device, left = ?report.survivors, "SIGKILL did not end the fence agent");
        }
        let stderr = hidden.mask(&report.stderr.text());
        let stdout = hidden.mask(&report.stdout.text());
        let result = judge(&job, &report, &stderr, &stdout);
        FenceOutcome { result, stdout, stderr, took: began.elapsed() }
    }

    /// The agent's description of itself; remembered while its file does not change.
    ///
    /// # Errors
    /// One sentence: the agent is missing, cannot be run, or describes nothing.
    pub async fn fence_metadata(&self, agent: &str) -> Result<Arc<Metadata>, String> {
        let path = self.find_fence_agent(agent)?;
        let changed = std::fs::metadata(&path).and_then(|m| m.modified());
        let changed = changed.map_err(|e| format!("fence agent {}: {e}", path.display()))?;
        let known = self.descriptions().0.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some((_, metadata)) = known.filter(|(at, _)| *at == changed) {
            return Ok(metadata);
        }
        let input = b"action=metadata\n".to_vec();
        let report = self.call(&path, "metadata", input, METADATA_TIMEOUT, &Cancel::default()).await;
        if report.ended != (Ended::Exited { code: 0 }) {
            return Err(format!(
                "fence agent {} did not describe itself: it {}",
                path.display(),
                report.ended
            ));
        }
        let metadata = Metadata::parse(&report.stdout.text());
        let metadata =
            metadata.map_err(|why| format!("metadata of fence agent {}: {why}", path.display()))?;
        let metadata = Arc::new(metadata);
        let mut all = self.descriptions().0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= METADATA_KEPT {
            all.clear();
        }
        all.insert(path, (changed, metadata.clone()));
        Ok(metadata)
    }

    fn find_fence_agent(&self, agent: &str) -> Result<PathBuf, String> {
        if agent.contains('/') {
            return Ok(PathBuf::from(agent));
        }
        let dirs = &self.config().fence_dirs;
        let found = dirs.iter().map(|d| d.join(agent)).find(|p| p.is_file());
        found.ok_or_else(|| {
            let dirs: Vec<String> = dirs.iter().map(|d| d.display().to_string()).collect();
            format!("fence agent `{agent}` does not exist (searched in {})", dirs.join(", "))
        })
    }

    async fn call(
        &self,
        path: &Path,
        device: &str,
        stdin: Vec<u8>,
        timeout: Duration,
        cancel: &Cancel,
    ) -> Report {
        let number = CALLS.fetch_add(1, Ordering::Relaxed).to_string();
        let leash = self.config().root.leash(&[earlier::LEASH, device, &number]);
        // No PCMK_service: with it, agents would drop their own time-outs.
        let env = [("PATH", DEFAULT_PATH), ("LC_ALL", "C"), ("LANG", "C")];
        let program = Program {
            argv: vec![path.display().to_string()],
            env: env.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            stdin,
            timeout,
            gate: Gate::always(),
            dies_with_daemon: true,
        };
        run(program, &leash, cancel).await
    }

    /// The agent's path and its standard input.
    async fn input(&self, job: &FenceJob, hidden: &mut Hidden) -> Result<(PathBuf, Vec<u8>), String> {
        let path = self.find_fence_agent(&job.agent)?;
        let has_files = job.options.keys().any(|k| k.ends_with("_file"));
        let metadata = if has_files || job.plug.is_some() {
            match self.fence_metadata(&job.agent).await {
                Ok(metadata) => Some(metadata),
                Err(why) if path.is_file() => {
                    tracing::warn!(device = %job.device, "{why}; the usual option names are used");
                    None
                }
                Err(why) => return Err(why),
            }
        } else {
            None
        };
        let metadata = metadata.as_deref();
        let mut lines = vec![("action".to_owned(), job.action.to_string())];
        lines.extend(job.node.iter().map(|node| ("nodename".to_owned(), node.to_string())));
        let plug_name = match metadata {
            Some(m) if m.has_parameter("plug") => Some("plug"),
            Some(m) if m.has_parameter("port") => Some("port"),
            Some(_) => None,
            None => Some("plug"),
        };
        lines.extend(job.plug.clone().and_then(|plug| Some((plug_name?.to_owned(), plug))));
        let is_ours = |key: &str| {
            lines.iter().any(|(k, _)| *k == key) || matches!(key, "option" | "port" if job.plug.is_some())
        };
        let configured: Vec<_> = job.options.iter().filter(|(k, _)| !is_ours(&spelling(k))).collect();
        for (key, value) in configured {
            lines.push(option_line(key, value, metadata, hidden)?);
        }
        let mut input = String::new();
        for (key, value) in lines {
            // A line break would let a value set other options.
            if key.contains(['\n', '\r', '\0', '=']) || value.contains(['\n', '\r', '\0']) {
                return Err(format!(
                    "option `{}` of device {} contains a line break",
                    key.escape_debug(),
                    job.device
                ));
            }
            input.push_str(&format!("{key}={value}\n"));
        }
        Ok((path, input.into_bytes()))
    }
}

/// One configured option as the agent takes it.
fn option_line(
    key: &str,
    value: &str,
    metadata: Option<&Metadata>,
    hidden: &mut Hidden,
) -> Result<(String, String), String> {
    let as_is = (key.to_owned(), value.to_owned());
    let Some(base) = key.strip_suffix("_file") else {
        if is_secret_name(key) {
            hidden.add(value);
        }
        return Ok(as_is);
    };
    let is_taken_by_agent = metadata.is_some_and(|m| m.has_parameter(key));
    if is_taken_by_agent {
        if is_secret_name(base) {
            hidden.add(&secret::read(key, Path::new(value))?);
        }
        return Ok(as_is);
    }
    let secret = secret::read(key, Path::new(value))?;
    hidden.add(&secret);
    if secret.contains('\n') {
        return Err(format!("secret file {value} (option `{key}`) has more than one line"));
    }
    Ok((base.to_owned(), secret))
}

fn refused(why: String, took: Duration) -> FenceOutcome {
    FenceOutcome { result: FenceResult::Refused { why }, stdout: String::new(), stderr: String::new(), took }
}

fn judge(job: &FenceJob, report: &Report, stderr: &str, stdout: &str) -> FenceResult {
    let said = || {
        let line = last_line(stderr).or_else(|| last_line(stdout));
        line.map_or(String::new(), |line| format!(": {line}"))
    };
    match (&report.ended, job.action) {
        (Ended::Exited { code: 0 }, FenceAction::Status) => FenceResult::On,
        (Ended::Exited { code: EXIT_OFF }, FenceAction::Status) => FenceResult::Off,
        (Ended::Exited { code: 0 }, _) => FenceResult::Done,
        // A device with one plug that is off, and answers (FenceAgentAPI.md).
        (Ended::Exited { code: EXIT_OFF }, FenceAction::Monitor) => FenceResult::Done,
        (Ended::TimedOut { .. }, _) => FenceResult::TimedOut,
        (ended, _) if ended.is_never_begun() => {
            FenceResult::Refused { why: format!("fence agent `{}`: {ended}", job.agent) }
        }
        (ended, action) => {
            let code = if let Ended::Exited { code } = ended { Some(*code) } else { None };
            let reason = format!("{} {action} of device {} {ended}{}", job.agent, job.device, said());
            FenceResult::Error { code, reason }
        }
    }
}
