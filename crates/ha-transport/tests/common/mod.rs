//! Nodes in one process, each with a runtime of its own, on loopback addresses of their own.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses its part.

use ha_model::{Incarnation, NodeId, SessionId, StoreId};
use ha_transport::beats::{Ages, Beat, BeatReceiver, Beats, BeatsConfig, BeatsControl, Realtime};
use ha_transport::streams::{Config, StreamEvent, Streams, Times};
use ha_transport::{ClusterCa, Hello, NodeIdentity, PROTOCOL_VERSION};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// Longest wait for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Quick to connect, and slow to call a peer silent: a test machine may stand still for a second, and what was under way
/// on a stream that breaks is lost.
const PATIENT: Times = Times {
    connect: Duration::from_millis(500),
    handshake: Duration::from_secs(10),
    ping: Duration::from_millis(100),
    silence: Duration::from_secs(10),
    retry_min: Duration::from_millis(10),
    retry_max: Duration::from_millis(300),
};
pub const PORT: u16 = 7411;
pub const BEAT: Duration = Duration::from_millis(10);

pub type Addresses = BTreeMap<NodeId, Vec<SocketAddr>>;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback address that nothing else in this test run uses.
pub fn fresh_address() -> SocketAddr {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = 16 + (std::process::id() % 200) as u8;
    let ip = Ipv4Addr::new(127, process, (n >> 7) as u8, 1 + (n & 0x7f) as u8);
    SocketAddr::new(IpAddr::V4(ip), PORT)
}

pub fn node(name: &str) -> NodeId {
    NodeId::from(name)
}

/// Fresh addresses for these nodes, on this many links.
pub fn addresses(names: &[&str], links: usize) -> Addresses {
    names.iter().map(|name| (node(name), (0..links).map(|_| fresh_address()).collect())).collect()
}

/// How a test node differs from the ordinary.
#[derive(Clone)]
pub struct Setup {
    pub name: NodeId,
    pub session: u128,
    pub cluster: String,
    pub claimed: Option<NodeId>,
    pub identity: NodeIdentity,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Where it finds the others, by TCP and by UDP.
    pub peers: Addresses,
    pub beat_peers: Addresses,
    /// Room for events; nobody reads beyond it when `deaf`.
    pub deaf: bool,
    pub ages: Ages,
    pub times: Times,
}

impl Setup {
    pub fn new(name: &str, ca: &ClusterCa, all: &Addresses) -> Self {
        let mut peers = all.clone();
        let name = node(name);
        let listen = peers.remove(&name).unwrap();
        Self {
            session: 1,
            cluster: "shop".into(),
            claimed: None,
            identity: ca.issue(&name).unwrap(),
            listen,
            beat_peers: peers.clone(),
            peers,
            name,
            deaf: false,
            ages: Ages::default(),
            times: PATIENT,
        }
    }

    pub fn session(mut self, session: u128) -> Self {
        self.session = session;
        self
    }

    /// Calls a peer silent as soon as daemons do.
    pub fn hasty(mut self) -> Self {
        self.times = Times::from_t_lost(Duration::from_millis(600));
        self
    }

    pub fn ages(mut self, ages: Ages) -> Self {
        self.ages = ages;
        self
    }

    fn hello(&self) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            cluster: self.cluster.clone(),
            node: self.claimed.clone().unwrap_or_else(|| self.name.clone()),
            incarnation: Incarnation(1),
            session: SessionId(self.session),
            store: StoreId(1),
            config_sha256: [0; 32],
        }
    }

    pub fn start(self) -> Node {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (beats, receiver, _) = Beats::start(BeatsConfig {
            listen: self.listen.clone(),
            peers: self.beat_peers.clone(),
            interval: BEAT,
            ages: self.ages.clone(),
            realtime: Realtime::NONE,
            on_period: None,
        })
        .unwrap();
        let control = beats.control();
        let log = Log::default();
        let streams = start_streams(&self, &runtime, &control, &log);
        Node { setup: self, runtime: Some(runtime), streams: Some(streams), beats, control, receiver, log }
    }
}

fn start_streams(setup: &Setup, runtime: &Runtime, control: &BeatsControl, log: &Log) -> Streams {
    let keys = control.clone();
    let config = Config {
        me: setup.name.clone(),
        listen: setup.listen.clone(),
        peers: setup.peers.clone(),
        identity: setup.identity.clone(),
        hello: setup.hello(),
        times: setup.times,
        keys: Box::new(move |step| keys.install(step)),
    };
    let (events, mut received) = mpsc::channel(64);
    let _inside = runtime.enter();
    let streams = Streams::start(config, events).unwrap();
    let log = log.clone();
    let deaf = setup.deaf;
    tokio::spawn(async move {
        while let Some(event) = received.recv().await {
            let frame = matches!(event, StreamEvent::Frame { .. });
            log.push(event);
            if deaf && frame {
                std::future::pending::<()>().await;
            }
        }
    });
    streams
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Vec<StreamEvent>>, Condvar)>);

impl Log {
    fn push(&self, event: StreamEvent) {
        self.0.0.lock().unwrap().push(event);
        self.0.1.notify_all();
    }
    pub fn all(&self) -> Vec<StreamEvent> {
        self.0.0.lock().unwrap().clone()
    }
    pub fn clear(&self) {
        self.0.0.lock().unwrap().clear();
    }
    /// Waits until the events satisfy `enough`; fails with what did happen.
    pub fn wait(&self, what: &str, enough: impl Fn(&[StreamEvent]) -> bool) -> Vec<StreamEvent> {
        let events = self.0.0.lock().unwrap();
        let (events, timeout) =
            self.0.1.wait_timeout_while(events, PATIENCE, |events| !enough(events)).unwrap();
        assert!(!timeout.timed_out(), "{what}: not within {PATIENCE:?}; happened: {events:#?}");
        events.clone()
    }
    pub fn wait_up(&self, from: &str, session: u128) -> usize {
        let events = self.wait(&format!("{from} up in session {session}"), |events| {
            events.iter().any(|e| is_up(e, from, session))
        });
        events
            .iter()
            .rev()
            .find_map(|e| match e {
                StreamEvent::PeerUp { link, .. } if is_up(e, from, session) => Some(*link),
                _ => None,
            })
            .unwrap()
    }
    pub fn count(&self, of: impl Fn(&StreamEvent) -> bool) -> usize {
        self.all().iter().filter(|e| of(e)).count()
    }
}

pub fn is_up(event: &StreamEvent, from: &str, session: u128) -> bool {
    matches!(event, StreamEvent::PeerUp { node, hello, .. }
        if node.as_str() == from && hello.session == SessionId(session))
}

pub struct Node {
    pub setup: Setup,
    runtime: Option<Runtime>,
    streams: Option<Streams>,
    pub beats: Beats,
    pub control: BeatsControl,
    pub receiver: BeatReceiver,
    pub log: Log,
}

impl Node {
    pub fn streams(&self) -> &Streams {
        self.streams.as_ref().unwrap()
    }
    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }
    pub fn send(&self, to: &str, text: &str) {
        self.streams().send(&node(to), text.as_bytes().to_vec()).unwrap();
    }
    /// Ends like a killed process: sockets close, nothing is said.
    pub fn kill(mut self) -> Setup {
        let runtime = self.runtime.take().unwrap();
        runtime.shutdown_timeout(PATIENCE);
        self.setup.clone()
    }
    /// Says goodbye.
    pub fn stop(mut self) -> Setup {
        let streams = self.streams.take().unwrap();
        self.runtime().block_on(async move { streams.shutdown().await });
        self.setup.clone()
    }
    /// Ends the streams without a word, keeps the heartbeats, and starts streams again (the same session).
    pub fn restart_streams(&mut self) {
        self.runtime.take().unwrap().shutdown_timeout(PATIENCE);
        self.streams = None;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        self.streams = Some(start_streams(&self.setup, &runtime, &self.control, &self.log));
        self.runtime = Some(runtime);
    }
    /// Ends the streams without a word and keeps the heartbeats.
    pub fn end_streams(&mut self) {
        self.runtime.take().unwrap().shutdown_timeout(PATIENCE);
        self.streams = None;
    }
    /// Says `body` to every peer for `valid` from now.
    pub fn publish(&self, body: &str, valid: Duration) {
        let bodies = self.setup.peers.keys().map(|peer| (peer.clone(), body.as_bytes().to_vec())).collect();
        let valid_until = ha_transport::boot_now() + valid;
        self.control.publish(ha_transport::beats::BeatContents { valid_until, bodies });
    }
    /// Collects heartbeats until they satisfy `enough`.
    pub fn beats_until(&mut self, what: &str, enough: impl Fn(&[Beat]) -> bool) -> Vec<Beat> {
        let mut beats = Vec::new();
        wait_for(what, || {
            beats.extend(self.receiver.try_recv());
            enough(&beats)
        });
        beats
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.streams = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Looks again and again until the condition holds.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Contents that outlive the test.
pub const LONG: Duration = Duration::from_secs(3600);

/// Two connected nodes that say "a" and "b".
pub fn pair(links: usize) -> (Node, Node) {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], links);
    connect(Setup::new("alpha", &ca, &all), Setup::new("beta", &ca, &all))
}

/// Starts both, waits for their stream, and lets them speak.
pub fn connect(alpha: Setup, beta: Setup) -> (Node, Node) {
    let sessions = (alpha.session, beta.session);
    let (alpha, beta) = (alpha.start(), beta.start());
    alpha.log.wait_up("beta", sessions.1);
    beta.log.wait_up("alpha", sessions.0);
    alpha.publish("a", LONG);
    beta.publish("b", LONG);
    (alpha, beta)
}

/// A few heartbeats.
pub fn some(beats: &[Beat]) -> bool {
    beats.len() >= 5
}
