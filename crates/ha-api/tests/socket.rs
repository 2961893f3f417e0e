//! The interface over real sockets: identity, bounds, failures and their words.
#![allow(clippy::unwrap_used)]

use ha_api::{ApiError, Caller, Client, ServeError, Server, SocketOptions};
use ha_model::{
    AdminReply, AdminRequest, FenceMarks, Incarnation, Index, Notice, Phase, TimelineEvent, WallMs,
};
use std::future::{Future, pending};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

const LIMIT: Duration = Duration::from_secs(20);

fn options(directory: &tempfile::TempDir) -> SocketOptions {
    SocketOptions { path: directory.path().join("run/hanode.sock"), ..SocketOptions::default() }
}

/// A daemon in the background; the test's runtime ends it.
fn daemon<H, F>(options: &SocketOptions, handler: H) -> PathBuf
where
    H: Fn(Caller, AdminRequest) -> F + Send + Sync + 'static,
    F: Future<Output = AdminReply> + Send + 'static,
{
    let server = Server::bind(options).unwrap();
    tokio::spawn(server.run("alpha".into(), "0.1.0", handler, pending()));
    options.path.clone()
}

fn done(message: &str) -> AdminReply {
    AdminReply::Done { message: message.to_owned() }
}

/// What a caller says himself counts for nothing; the kernel's word does.
#[tokio::test]
async fn caller_is_who_the_kernel_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = daemon(&options(&directory), |caller, _| async move {
        done(&format!("{} {} {:?} {}", caller.uid, caller.gid, caller.pid, caller.user))
    });
    let answer = Client::new(&path).request(&AdminRequest::Status, LIMIT).await.unwrap();
    let own = std::fs::metadata("/proc/self").unwrap();
    let (uid, gid) = (std::os::unix::fs::MetadataExt::uid(&own), std::os::unix::fs::MetadataExt::gid(&own));
    let user = if uid == 0 { "root".to_owned() } else { std::env::var("USER").unwrap() };
    assert_eq!(answer.reply, done(&format!("{uid} {gid} Some({}) {user}", std::process::id())));
    assert_eq!(answer.node, "alpha".into());
}

#[tokio::test]
async fn every_kind_of_request_and_answer_survives_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let events = vec![
        TimelineEvent {
            index: Index(3),
            at: WallMs(1_700_000_000_123),
            notice: Notice::NodeJoined {
                node: "beta".into(),
                incarnation: Incarnation(u128::MAX - 5),
                is_same_boot: false,
            },
        },
        TimelineEvent {
            index: Index(4),
            at: WallMs(1_700_000_000_124),
            notice: Notice::FenceReadOff {
                node: "beta".into(),
                marks: FenceMarks { off_done_ms: 1, first_off_ms: 2, settled_ms: 3 },
            },
        },
    ];
    let expected = AdminReply::Timeline { events, own_view: None };
    let reply = expected.clone();
    let path = daemon(&options(&directory), move |_, request| {
        let reply = reply.clone();
        async move {
            match request {
                AdminRequest::Timeline { limit: 7 } => reply,
                AdminRequest::ResourceMove { resource, to: Some(to), for_s: 3600 } => {
                    done(&format!("{resource} {to}"))
                }
                other => done(&format!("{other:?}")),
            }
        }
    });
    let client = Client::new(&path);
    let ask = async |request| client.request(&request, LIMIT).await.unwrap().reply;
    assert_eq!(ask(AdminRequest::Timeline { limit: 7 }).await, expected);
    let to = Some("beta".into());
    let request = AdminRequest::ResourceMove { resource: "web".into(), to, for_s: 3600 };
    assert_eq!(ask(request).await, done("web beta"));
    assert_eq!(ask(AdminRequest::ConfigShow).await, done("ConfigShow"));
    let health = client.health(LIMIT).await.unwrap();
    assert_eq!((health.node, health.version.as_str()), ("alpha".into(), "0.1.0"));
}

/// Without a bound each of the 200 would be in the handler at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_requests_are_bounded_and_all_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (inside, highest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let (counted, peak, closed) = (inside.clone(), highest.clone(), gate.clone());
    let path = daemon(&options(&directory), move |_, _| {
        let (inside, highest, gate) = (counted.clone(), peak.clone(), closed.clone());
        async move {
            highest.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _permit = gate.acquire().await.unwrap();
            inside.fetch_sub(1, Ordering::SeqCst);
            done("ok")
        }
    });
    let requests: Vec<_> = (0..200)
        .map(|_| {
            let client = Client::new(&path);
            tokio::spawn(async move { client.request(&AdminRequest::Status, LIMIT).await })
        })
        .collect();
    while inside.load(Ordering::SeqCst) < ha_api::limits::CONNECTIONS_MAX {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    gate.add_permits(1);
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().reply, done("ok"));
    }
    assert_eq!(highest.load(Ordering::SeqCst), ha_api::limits::CONNECTIONS_MAX);
}

async fn raw(path: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    // The daemon may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = tokio::time::timeout(LIMIT, stream.read(&mut buffer)).await.unwrap() {
        answer.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn oversized_and_foreign_requests_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = daemon(&options(&directory), |_, request| async move {
        panic!("nothing of this may reach the handler: {request:?}")
    });
    let head =
        |length: usize| format!("POST /v1/request HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    let too_long = ha_api::limits::REQUEST_BYTES_MAX + 1;
    let mut announced = head(too_long).into_bytes();
    announced.resize(announced.len() + too_long, b' ');
    let answer = raw(&path, &announced).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#""code":"request-too-long""#), "{answer}");
    // Without announcing its length.
    let mut chunked = b"POST /v1/request HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..=too_long / 65_536 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.resize(chunked.len() + 65_536, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = raw(&path, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // The client does not even send it.
    let text = " ".repeat(too_long);
    let request = AdminRequest::ConfigApply { name: "c".into(), text };
    let error = Client::new(&path).request(&request, LIMIT).await.unwrap_err();
    assert!(matches!(error, ApiError::TooLong { .. }), "{error}");

    let unknown = r#""self-destruct""#;
    let answer = raw(&path, format!("{}{unknown}", head(unknown.len())).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("hanode 0.1.0 does not understand the request"), "{answer}");
    let answer = raw(&path, b"GET /v2/request HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("wrong-protocol"), "{answer}");
}

/// S13: whoever connects and says nothing loses his place after a bound (5 s), all of them together too.
#[tokio::test]
async fn mute_connections_do_not_lock_operators_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = daemon(&options(&directory), |_, _| async { done("ok") });
    let mut mute = Vec::new();
    for _ in 0..ha_api::limits::CONNECTIONS_MAX {
        mute.push(UnixStream::connect(&path).await.unwrap());
    }
    let client = Client::new(&path);
    let early = client.request(&AdminRequest::Status, Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(early, ApiError::TimedOut { .. }), "every place is taken: {early:?}");
    let limit = ha_api::limits::HEAD_TIMEOUT + Duration::from_secs(5);
    assert_eq!(client.request(&AdminRequest::Status, limit).await.unwrap().reply, done("ok"));
}

/// S20: the failure of one answer ends neither the daemon nor the next request.
#[tokio::test]
async fn panic_of_the_handler_ends_one_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = daemon(&options(&directory), |_, request| async move {
        assert!(request != AdminRequest::ConfigShow, "a defect");
        done("ok")
    });
    let client = Client::new(&path);
    let error = client.request(&AdminRequest::ConfigShow, LIMIT).await.unwrap_err();
    assert_eq!(error.code(), "internal");
    assert!(error.help().unwrap().contains("journalctl"), "{error:?}");
    assert_eq!(client.request(&AdminRequest::Status, LIMIT).await.unwrap().reply, done("ok"));
}

#[tokio::test]
async fn failures_say_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hanode.sock");
    let ask = async |limit| Client::new(&path).request(&AdminRequest::Status, limit).await.unwrap_err();

    let error = ask(LIMIT).await;
    assert!(matches!(error, ApiError::NotRunning { is_left_over: false, .. }), "{error:?}");
    assert!(error.to_string().starts_with("no daemon is running on this node"), "{error}");
    assert!(error.help().unwrap().contains("systemctl start hanode"));

    // Somebody who takes the connection and says nothing.
    let mute = tokio::net::UnixListener::bind(&path).unwrap();
    let error = ask(Duration::from_millis(50)).await;
    assert!(matches!(error, ApiError::TimedOut { .. }), "{error:?}");

    // Somebody who speaks something else.
    let speak = async {
        let (mut stream, _) = mute.accept().await.unwrap();
        let (mut second, _) = mute.accept().await.unwrap();
        let _ = stream.write_all(b"220 mail ready\r\n").await;
        second.write_all(b"220 mail ready\r\n").await.unwrap();
    };
    let (error, ()) = tokio::join!(ask(LIMIT), speak);
    assert!(matches!(error, ApiError::Protocol { .. }), "{error:?}");
    assert!(error.help().unwrap().contains("same release"));

    drop(mute);
    let error = ask(LIMIT).await;
    assert!(matches!(error, ApiError::NotRunning { is_left_over: true, .. }), "{error:?}");
}

#[test]
fn refusal_of_the_kernel_names_the_group() {
    let path = PathBuf::from("/run/ha/hanode.sock");
    let error = ApiError::NotPermitted { path: path.clone(), group: Some("haclient".into()) };
    assert_eq!(error.to_string(), "not permitted to use /run/ha/hanode.sock");
    assert!(error.help().unwrap().contains("usermod -aG haclient USER"));
    let error = ApiError::NotPermitted { path, group: Some("root".into()) };
    assert!(!error.help().unwrap().contains("usermod"), "nobody joins root");
}

#[tokio::test]
async fn socket_has_its_mode_and_only_one_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let options = SocketOptions { mode: 0o600, ..options(&directory) };
    let server = Server::bind(&options).unwrap();
    let mode = std::fs::metadata(&options.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(matches!(Server::bind(&options), Err(ServeError::InUse { .. })));
    drop(server);
    // The next daemon takes the place of one that was killed, and removes its socket at its end.
    let server = Server::bind(&options).unwrap();
    server.run("alpha".into(), "0", |_, _| async { done("") }, async {}).await;
    assert!(!options.path.exists(), "a clean end leaves no socket");

    std::fs::write(&options.path, "precious").unwrap();
    assert!(matches!(Server::bind(&options), Err(ServeError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&options.path).unwrap(), "precious");
    let wrong = SocketOptions { group: Some("no-such-group".into()), ..options };
    let error = Server::bind(&wrong).unwrap_err().to_string();
    assert!(error.contains("groupadd --system no-such-group"), "{error}");
}

/// The same types go from node to node in a binary form that does not describe itself.
#[test]
fn requests_and_answers_pass_between_nodes_too() {
    fn there_and_back<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
        let bytes = bincode::serde::encode_to_vec(value, bincode::config::standard()).unwrap();
        bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap().0
    }
    let request = AdminRequest::ResourceMove { resource: "web".into(), to: Some("beta".into()), for_s: 60 };
    assert_eq!(there_and_back(&request), request);
    let waits_for = vec!["beta".into()];
    let state = Phase::Forming { waits_for, remaining_ms: 5 };
    assert_eq!(there_and_back(&state), state);
    let reply = AdminReply::Refused { why: "no".to_owned(), help: None };
    assert_eq!(there_and_back(&reply), reply);
    let incarnation = Incarnation(u128::MAX - 5);
    let notice = Notice::NodeJoined { node: "beta".into(), incarnation, is_same_boot: true };
    assert_eq!(there_and_back(&notice), notice);
}
