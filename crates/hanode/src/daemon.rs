//! What is started, in which order, and ended.

use crate::aborts::{self, Held};
use crate::cli::Options;
use crate::engine::{Ask, Engine, Sinks, Sources, stamp};
use crate::life::{self, LifeError};
use crate::store;
use crate::vital::{self, Vitals};
use crate::watchdog::Watchdog;
use crate::work::Work;
use ha_agent::canary::{Canary, PROGRAM};
use ha_agent::{Agents, AgentsConfig, CgroupRoot, Gate};
use ha_api::{Caller, SocketOptions};
use ha_consensus::Limits;
use ha_core::{Input, Node, Setup};
use ha_model::{AdminReply, AdminRequest, BootNs, CANARY_PERIOD, ClusterConfig, Level, NodeId};
use ha_storage::{Completion, Store, StoreWriter};
use ha_transport::beats::{Ages, Beats, BeatsConfig, Realtime};
use ha_transport::streams::{self, Streams, Times};
use ha_transport::{Hello, NodeIdentity, PROTOCOL_VERSION};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Inputs, stream events and requests that may wait for the core.
const QUEUE: usize = 4096;

/// Niceness of the core's thread.
const CORE_NICE: i32 = -15;
/// Niceness of the threads that carry its messages, keep its log and start its agents: what it waits for is not behind
/// ordinary work.
const SHELL_NICE: i32 = -10;

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The cluster file has mistakes.
    #[error("{0}")]
    Config(String),
    /// The cluster file does not know us.
    #[error("the cluster file names no node {node}; it names {known}; say which this is with --node")]
    Unknown {
        /// Our name.
        node: String,
        /// The others.
        known: String,
    },
    /// Boot or session.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// Certificate and key.
    #[error(transparent)]
    Keys(#[from] ha_transport::PkiError),
    /// It failed at the same place before.
    #[error(transparent)]
    Held(#[from] Held),
    /// The store.
    #[error(transparent)]
    Store(#[from] ha_storage::OpenError),
    /// Heartbeats.
    #[error(transparent)]
    Beats(#[from] ha_transport::beats::BeatsError),
    /// Operators' socket.
    #[error(transparent)]
    Socket(#[from] ha_api::ServeError),
    /// The core.
    #[error(transparent)]
    Core(#[from] ha_consensus::StartError),
    /// The system.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

/// Runs until a signal ends it.
pub fn run(options: &Options) -> Result<(), StartError> {
    let (config, text) = read_config(&options.config)?;
    let me = name(options, &config)?;
    let identity = NodeIdentity::read_from(&options.keys)?;
    let incarnation = life::incarnation(options.boot_id.as_deref())?;
    let session = life::session()?;
    aborts::check(&options.data)?;
    let (store, found) = Store::open(&options.data)?;
    let restored = store::restore(found, &config);
    tracing::info!("{me} of cluster {}, boot {incarnation}, session {session}", config.name);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("shell")
        .on_thread_start(|| favour_this_thread(SHELL_NICE))
        .enable_all()
        .build()
        .map_err(system("starting threads"))?;
    let _entered = runtime.enter();
    let (inputs, inputs_in) = mpsc::channel(QUEUE);
    let (stream_events, streams_in) = mpsc::channel(QUEUE);
    let (asks, asks_in) = mpsc::channel(QUEUE);
    let (end, end_in) = oneshot::channel();

    let vitals = Vitals::new();
    let (completions, vital) = (inputs.clone(), vitals.guard("store's"));
    let on_done = move |done| {
        vital.keep();
        let input = match done {
            Completion::Persisted(id) => Input::Persisted(id),
            Completion::PersistFailed(id, error) => Input::PersistFailed { id, why: error.to_string() },
        };
        // The engine is gone only when the daemon ends.
        let _ = completions.blocking_send(input);
    };
    let writer = favoured(SHELL_NICE, || StoreWriter::start(store, ha_transport::boot_now, on_done))
        .map_err(system("starting the store's thread"))?;

    let root = CgroupRoot::detect(me.as_str());
    if let Some(text) = root.limitation() {
        let _ = inputs.try_send(Input::Warning { level: Level::Alarm, text });
    }
    let (agents, exits) = Agents::new(AgentsConfig {
        root,
        state_dir: options.run.join("agents"),
        fence_dirs: options.fence_agents.clone(),
        ocf_root: options.ocf_root.clone(),
    })
    .map_err(system("preparing to run agents"))?;
    let canary = Canary::start(Path::new(PROGRAM), CANARY_PERIOD).map_err(system("fork and exec"))?;

    let ages =
        Ages { core_step: stamp(), write_since: writer.outstanding_since(), spawn: canary.last_success() };
    let addresses = addresses(&config, options.port);
    let listen = addresses.get(&me).cloned().unwrap_or_default();
    let peers: BTreeMap<_, _> = addresses.into_iter().filter(|(id, _)| *id != me).collect();
    let vital = vitals.guard("heartbeat");
    let watchdog = Watchdog::default();
    let petted = watchdog.clone();
    let (beats, beats_in, warnings) = Beats::start(BeatsConfig {
        listen: listen.clone(),
        peers: peers.clone(),
        interval: config.timing.beat,
        ages: ages.clone(),
        realtime: Realtime::ALL,
        on_period: Some(Box::new(move |period| {
            vital.keep();
            petted.pet(period.now);
        })),
    })?;
    for warning in warnings {
        let _ = inputs.try_send(Input::Warning { level: Level::Warning, text: warning.to_string() });
    }
    if let Some(text) = restored.warning {
        let _ = inputs.try_send(Input::Warning { level: Level::Alarm, text });
    }
    let keys = beats.control();
    let streams = Arc::new(Streams::start(
        streams::Config {
            me: me.clone(),
            listen,
            peers,
            identity,
            hello: Hello {
                version: PROTOCOL_VERSION,
                cluster: config.name.clone(),
                node: me.clone(),
                incarnation,
                session,
                store: restored.store,
                config_sha256: config.sha256,
            },
            times: Times::from_t_lost(config.timing.t_lost),
            keys: Box::new(move |step| keys.install(step)),
        },
        stream_events,
    )?);

    let gate = Gate::until(BootNs(0));
    let work = Work::new(agents.clone(), gate.clone(), inputs.clone(), runtime.handle().clone());
    warm_up(&runtime, &agents, &config);
    let setup = Setup {
        me: me.clone(),
        incarnation,
        session,
        store: restored.store,
        file_name: options.config.display().to_string(),
        file_text: text,
        config: Arc::new(config),
        codec: store::codec(),
        limits: Limits::default(),
        seed: life::seed()?,
    };
    let node = Node::new(setup, restored.core, life::now())?;
    let sinks = Sinks {
        writer,
        layout: restored.layout,
        streams: Arc::clone(&streams),
        beats: beats.control(),
        data: options.data.clone(),
        work,
        gate,
        ages,
        watchdog,
        inputs: inputs.clone(),
    };
    let sources = Sources {
        inputs: inputs_in,
        streams: streams_in,
        beats: beats_in,
        asks: asks_in,
        exits,
        end: end_in,
    };
    let engine = spawn_engine(node, sinks, sources, vitals.guard("core"))?;
    vitals.watch();
    let served = runtime.block_on(serve(options, me, asks));
    vitals.end();
    served?;
    // Whoever waits for it is gone when it ended by itself.
    let _ = end.send(());
    let _ = engine.join();
    // Before the ports close: a heartbeat after a peer found no daemon here would tell it that there is one.
    drop(beats);
    runtime.block_on(streams.shutdown());
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

fn spawn_engine(
    node: Node,
    sinks: Sinks,
    sources: Sources,
    vital: vital::Guard,
) -> Result<std::thread::JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name("core".into())
        .spawn(move || {
            favour_this_thread(CORE_NICE);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(Engine::new(node, sinks, vital).run(sources)),
                Err(error) => tracing::error!("the core's thread cannot start: {error}"),
            }
        })
        .map_err(system("starting the core's thread"))
}

/// What a recovery waits for goes before ordinary work on a loaded host. Refused without CAP_SYS_NICE, of which the heartbeat
/// thread has warned already.
fn favour_this_thread(nice: i32) {
    // SAFETY: no memory is involved; on Linux `0` names the calling thread alone.
    unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, nice) };
}

/// Runs `start` on a favoured thread: the threads that it starts inherit its niceness.
fn favoured<T: Send>(nice: i32, start: impl FnOnce() -> T + Send) -> T {
    let body = || {
        favour_this_thread(nice);
        start()
    };
    let result = std::thread::scope(|scope| scope.spawn(body).join());
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Answers operators until a signal comes.
async fn serve(options: &Options, me: NodeId, asks: mpsc::Sender<Ask>) -> Result<(), StartError> {
    let socket = SocketOptions {
        path: options.socket.clone(),
        group: options.socket_group.clone(),
        ..SocketOptions::default()
    };
    let handler = move |caller: Caller, request: AdminRequest| {
        let asks = asks.clone();
        async move {
            let (reply, answer) = oneshot::channel();
            let gone = || AdminReply::Unavailable { why: "the daemon is ending".to_owned() };
            if asks.send(Ask { who: caller.who(), request, reply }).await.is_err() {
                return gone();
            }
            answer.await.unwrap_or_else(|_| gone())
        }
    };
    ha_api::serve(&socket, me, env!("CARGO_PKG_VERSION"), handler, signal()).await?;
    Ok(())
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => tracing::info!("SIGTERM: ending; resources go on, the cluster sees the daemon gone"),
        _ = int.recv() => tracing::info!("SIGINT: ending; resources go on, the cluster sees the daemon gone"),
    }
}

/// Fence agents describe themselves before the first fence needs them.
fn warm_up(runtime: &tokio::runtime::Runtime, agents: &Agents, config: &ClusterConfig) {
    let names: Vec<String> = config.devices.values().map(|d| d.agent.to_string()).collect();
    let agents = agents.clone();
    runtime.spawn(async move {
        for name in names {
            if let Err(why) = agents.fence_metadata(&name).await {
                tracing::warn!("{why}");
            }
        }
    });
}

fn read_config(path: &Path) -> Result<(ClusterConfig, String), StartError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| StartError::Read { path: path.to_owned(), source })?;
    let name = path.display().to_string();
    match ha_config::parse(&name, &text) {
        Ok(parsed) => Ok((parsed.config, text)),
        Err(diagnostics) => Err(StartError::Config(diagnostics.render(false))),
    }
}

fn name(options: &Options, config: &ClusterConfig) -> Result<NodeId, StartError> {
    let node = match &options.node {
        Some(node) => node.clone(),
        None => {
            let host = nix::unistd::gethostname().unwrap_or_default();
            host.to_string_lossy().split('.').next().unwrap_or_default().to_owned()
        }
    };
    let id = NodeId::from(node.as_str());
    if config.nodes.contains_key(&id) {
        return Ok(id);
    }
    let known = config.nodes.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(StartError::Unknown { node, known })
}

fn addresses(config: &ClusterConfig, port: u16) -> BTreeMap<NodeId, Vec<SocketAddr>> {
    let all = config.nodes.iter();
    all.map(|(id, n)| (id.clone(), n.links.iter().map(|ip| SocketAddr::new(*ip, port)).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only a thread started by `favoured` has, not this one.
    #[test]
    fn threads_inherit_the_favour_of_the_one_that_started_them() {
        // SAFETY: no memory is involved; `0` names the calling thread alone.
        let nice = || unsafe { nix::libc::getpriority(nix::libc::PRIO_PROCESS, 0) };
        let ordinary = nice();
        let started = favoured(SHELL_NICE, || std::thread::spawn(nice));
        let inherited = started.join().expect("it reads one number");
        assert_eq!(inherited, SHELL_NICE, "this test needs permission to favour a thread (run as root)");
        assert_eq!(nice(), ordinary);
        assert_ne!(ordinary, SHELL_NICE);
    }
}
