//! A daemon that cannot go on ends, as a process: no zombie whose socket still answers. Its peers are played here.
#![allow(clippy::unwrap_used)]

use ha_consensus::{Body, Entry, Identity, LogPos, Mark, Membership, Message, Payload, SnapshotMeta};
use ha_core::PeerMessage;
use ha_model::{Incarnation, Index, LogEntry, NodeId, SessionId, StoreId, Term};
use ha_transport::streams::{Config, StreamEvent, Streams, Times};
use ha_transport::{ClusterCa, Hello, PROTOCOL_VERSION};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);
const PORT: u16 = 5417;
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
const T_LOST: Duration = Duration::from_secs(1);
/// Exit code of a daemon that lost a thread or halted.
const FALLEN: i32 = 70;
/// Exit code of a daemon that only an operator should start again.
const HELD: i32 = 65;

static NEXT: AtomicU8 = AtomicU8::new(0);

/// A cluster of which gamma is a real daemon.
struct Cluster {
    dir: TempDir,
    ca: ClusterCa,
    links: BTreeMap<NodeId, Vec<SocketAddr>>,
    text: String,
}

impl Cluster {
    fn new() -> Self {
        let net = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = 16 + (std::process::id() % 200) as u8;
        let mut text = "name = \"shop\"\n[timing]\noff_settle = \"0ms\"\n".to_owned();
        let mut links = BTreeMap::new();
        for (n, name) in NAMES.iter().enumerate() {
            let ip = Ipv4Addr::new(127, process, 128 + net, 1 + n as u8);
            links.insert(NodeId::from(*name), vec![SocketAddr::new(ip.into(), PORT)]);
            text += &format!("[[node]]\nname = \"{name}\"\nlinks = [\"{ip}\"]\n");
        }
        let cluster =
            Self { dir: tempfile::tempdir().unwrap(), ca: ClusterCa::create("shop").unwrap(), links, text };
        fs::write(cluster.at("cluster.toml"), &cluster.text).unwrap();
        fs::write(cluster.at("boot_id"), "00000000000000000000000000000003\n").unwrap();
        cluster.ca.issue(&"gamma".into()).unwrap().write_to(&cluster.at("keys")).unwrap();
        cluster
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn daemon(&self, log: &str) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hanode"));
        command.args(["--node", "gamma", "--port", &PORT.to_string()]);
        let places = [
            ("--config", "cluster.toml"),
            ("--keys", "keys"),
            ("--data", "data"),
            ("--run", "run"),
            ("--boot-id", "boot_id"),
            ("--socket", "socket"),
        ];
        for (option, place) in places {
            command.arg(option).arg(self.at(place));
        }
        command.stderr(File::create(self.at(log)).unwrap());
        Daemon { child: command.spawn().unwrap(), log: self.at(log) }
    }

    /// Plays a peer that leads in term 1, and says this to gamma once it hears it.
    fn leader(&self, name: &str, words: Vec<Body<LogEntry>>) -> Peer {
        let runtime = Runtime::new().unwrap();
        let me = NodeId::from(name);
        let mut peers = self.links.clone();
        let listen = peers.remove(&me).unwrap();
        let id = 1 + NAMES.iter().position(|n| *n == name).unwrap() as u128;
        let (events, mut heard) = mpsc::channel(64);
        let config = Config {
            listen,
            peers,
            identity: self.ca.issue(&me).unwrap(),
            hello: Hello {
                version: PROTOCOL_VERSION,
                cluster: "shop".into(),
                node: me.clone(),
                incarnation: Incarnation(id),
                session: SessionId(id),
                store: StoreId(id),
                config_sha256: ha_config::sha256(self.text.as_bytes()),
            },
            me,
            times: Times::from_t_lost(T_LOST),
            keys: Box::new(|_| ()),
        };
        let entered = runtime.enter();
        let streams = Streams::start(config, events).unwrap();
        drop(entered);
        let gamma = NodeId::from("gamma");
        runtime.block_on(async {
            let up = async {
                loop {
                    match heard.recv().await.unwrap() {
                        StreamEvent::PeerUp { node, .. } if node == gamma => return,
                        _ => {}
                    }
                }
            };
            tokio::time::timeout(PATIENCE, up).await.expect("gamma's daemon takes the stream");
        });
        runtime.spawn(async move { while heard.recv().await.is_some() {} });
        for body in words {
            let identity = Identity {
                store: StoreId(id),
                session: SessionId(id),
                restored: Mark::default(),
                promised: Index(0),
                regressed: None,
            };
            let message = PeerMessage::Raft(Message { term: Term(1), identity, body });
            streams.send(&gamma, ha_codec::encode(&message)).unwrap();
        }
        Peer { _streams: streams, _runtime: runtime }
    }
}

struct Peer {
    _streams: Streams,
    _runtime: Runtime,
}

struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// How it ended, with what it said last.
    fn end(&mut self) -> (ExitStatus, String) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let said = fs::read_to_string(&self.log).unwrap();
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, said.lines().last().unwrap_or_default().to_owned());
            }
            assert!(Instant::now() < limit, "it lives on as a process; it said:\n{said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append() -> Body<LogEntry> {
    let entries = vec![Entry { index: Index(1), term: Term(1), payload: Payload::Noop }];
    Body::Append { prev: LogPos { term: Term(0), index: Index(0) }, entries, commit: Index(0) }
}

#[test]
fn a_core_that_finds_an_invariant_broken_ends_the_process() {
    let cluster = Cluster::new();
    let mut daemon = cluster.daemon("first");
    let _alpha = cluster.leader("alpha", vec![append()]);
    // No two of them can lead in one term (S5).
    let _beta = cluster.leader("beta", vec![append()]);
    let (status, said) = daemon.end();
    assert_eq!(status.code(), Some(FALLEN), "{said}");
    assert!(said.contains("core thread") && said.contains("S5: two leaders in term 1"), "{said}");
    assert!(said.contains("start hanode again"), "{said}");
}

#[test]
fn what_fails_twice_at_one_entry_is_in_hold_until_an_operator_says_otherwise() {
    let cluster = Cluster::new();
    for log in ["first", "second"] {
        let mut daemon = cluster.daemon(log);
        let _alpha = cluster.leader("alpha", vec![append()]);
        let _beta = cluster.leader("beta", vec![append()]);
        let (status, said) = daemon.end();
        assert_eq!(status.code(), Some(FALLEN), "{said}");
    }
    let (status, said) = cluster.daemon("third").end();
    assert_eq!(status.code(), Some(HELD), "{said}");
    let file = cluster.at("data/aborted.json");
    assert!(said.contains("in hold") && said.contains(&format!("remove {}", file.display())), "{said}");
    fs::remove_file(file).unwrap();
    let mut again = cluster.daemon("fourth");
    let _alpha = cluster.leader("alpha", vec![append()]);
    assert_eq!(again.child.try_wait().unwrap(), None, "it took the stream, and lives");
}

#[test]
fn a_snapshot_of_a_newer_version_ends_the_process_and_the_next_start_says_the_same() {
    let cluster = Cluster::new();
    let mut daemon = cluster.daemon("first");
    let members: Vec<NodeId> = NAMES.map(NodeId::from).to_vec();
    let pos = LogPos { term: Term(1), index: Index(40) };
    let meta = SnapshotMeta { pos, membership: Membership::formed(&members, &[]) };
    let bytes = vec![0xff; 64];
    let chunk = Body::Chunk { meta, offset: 0, total: bytes.len() as u64, bytes };
    let _alpha = cluster.leader("alpha", vec![chunk]);
    let (status, said) = daemon.end();
    assert_eq!(status.code(), Some(FALLEN), "{said}");
    assert!(said.contains("upgrade hanode on this node"), "{said}");
    let (status, said) = cluster.daemon("second").end();
    assert!(!status.success(), "{said}");
    assert!(said.contains("does not start") && said.contains("upgrade hanode on this node"), "{said}");
}
