//! The daemon's side: a socket with an owner, a bounded number of connections, one request on each.

use crate::caller::Caller;
use crate::error::ServeError;
use crate::limits::{
    ACCEPT_PAUSE, API_VERSION, BACKLOG, BODY_TIMEOUT, CLOSE_GRACE, CONNECTIONS_MAX, HANDLER_TIMEOUT,
    HEAD_BYTES_MAX, HEAD_TIMEOUT, REQUEST_BYTES_MAX, SEND_TIMEOUT, SOCKET_DEFAULT,
};
use crate::names;
use crate::wire::{Answer, ErrorBody, Failure, Health};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_util::FutureExt;
use ha_model::{AdminReply, AdminRequest, NodeId, WallMs};
use http_body_util::LengthLimitError;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Where to listen, and for whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketOptions {
    /// The socket's path; its directory is made where it is missing.
    pub path: PathBuf,
    /// Name or number of the group that may connect; `None`: the daemon's own.
    pub group: Option<String>,
    /// Permissions of the socket.
    pub mode: u32,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions { path: PathBuf::from(SOCKET_DEFAULT), group: None, mode: 0o660 }
    }
}

/// A socket that is listened on.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode, so that only our own socket is removed at the end.
    identity: (u64, u64),
}

struct App<H> {
    node: NodeId,
    version: String,
    handler: H,
}

/// Listens and answers until `shutdown` ends.
///
/// # Errors
/// As [`Server::bind`].
pub async fn serve<H, F>(
    options: &SocketOptions,
    node: NodeId,
    version: &str,
    handler: H,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    H: Fn(Caller, AdminRequest) -> F + Send + Sync + 'static,
    F: Future<Output = AdminReply> + Send + 'static,
{
    Server::bind(options)?.run(node, version, handler, shutdown).await;
    Ok(())
}

impl Server {
    /// Listens. Nobody can connect before owner and mode are set: they are set before `listen`.
    ///
    /// # Errors
    /// Another daemon listens there, something else is in the way, no such group, or the system refuses.
    pub fn bind(options: &SocketOptions) -> Result<Server, ServeError> {
        let path = &options.path;
        let failed =
            |operation| move |source| ServeError::Io { operation, path: options.path.clone(), source };
        let gid = match &options.group {
            None => None,
            Some(group) => Some(
                names::group_number(group)
                    .ok_or_else(|| ServeError::NoSuchGroup { group: group.clone(), path: path.clone() })?,
            ),
        };
        if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(failed("make the directory of"))?;
        }
        remove_left_over(path)?;
        let socket = UnixSocket::new_stream().map_err(failed("make"))?;
        socket.bind(path).map_err(failed("bind"))?;
        if gid.is_some() {
            chown(path, None, gid).map_err(failed("change the group of"))?;
        }
        let mode = std::fs::Permissions::from_mode(options.mode);
        std::fs::set_permissions(path, mode).map_err(failed("change the mode of"))?;
        let metadata = std::fs::metadata(path).map_err(failed("look at"))?;
        let listener = socket.listen(BACKLOG).map_err(failed("listen on"))?;
        Ok(Server { listener, path: path.clone(), identity: (metadata.dev(), metadata.ino()) })
    }

    /// Answers until `shutdown` ends, then lets open requests end within [`CLOSE_GRACE`].
    pub async fn run<H, F>(self, node: NodeId, version: &str, handler: H, shutdown: impl Future<Output = ()>)
    where
        H: Fn(Caller, AdminRequest) -> F + Send + Sync + 'static,
        F: Future<Output = AdminReply> + Send + 'static,
    {
        let app = Arc::new(App { node, version: version.to_owned(), handler });
        let router = Router::new()
            .route("/v1/request", post(request::<H, F>))
            .route("/v1/health", get(health::<H>))
            .fallback(unknown_path)
            .method_not_allowed_fallback(unknown_path)
            .with_state(app);
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let accepting = async {
            loop {
                let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
                match self.listener.accept().await {
                    Ok((stream, _)) => {
                        let router = router.clone();
                        connections.spawn(async move {
                            connection(stream, router).await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept an operator's connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
                while connections.try_join_next().is_some() {}
            }
        };
        tokio::select! {
            () = accepting => {}
            () = shutdown => {}
        }
        self.remove();
        // Past the grace, dropping the set ends what is still open.
        let _ = timeout(CLOSE_GRACE, async { while connections.join_next().await.is_some() {} }).await;
    }

    fn remove(&self) {
        let is_ours = std::fs::metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.identity);
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the socket");
        }
    }
}

/// Removes the socket of a daemon that is gone.
fn remove_left_over(path: &Path) -> Result<(), ServeError> {
    let failed = |operation| move |source| ServeError::Io { operation, path: path.to_owned(), source };
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at")(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ServeError::NotASocket { path: path.to_owned() });
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed("remove the left-over"))
        }
        Ok(_) => Err(ServeError::InUse { path: path.to_owned() }),
        Err(error) => Err(failed("look at")(error)),
    }
}

/// One connection: one request, every step bounded.
async fn connection(stream: UnixStream, router: Router) {
    let caller = match stream.peer_cred() {
        Ok(credentials) => Caller::of(credentials),
        Err(error) => {
            tracing::warn!(%error, "an operator's connection without credentials was refused");
            return;
        }
    };
    let service = TowerToHyperService::new(router.layer(Extension(caller)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let longest = HEAD_TIMEOUT + BODY_TIMEOUT + HANDLER_TIMEOUT + SEND_TIMEOUT;
    match timeout(longest, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an operator's connection ended early"),
        Err(_) => tracing::debug!("an operator's connection took too long"),
    }
}

async fn health<H>(State(app): State<Arc<App<H>>>) -> Json<Health> {
    Json(Health { api: API_VERSION.to_owned(), node: app.node.clone(), version: app.version.clone() })
}

async fn request<H, F>(
    State(app): State<Arc<App<H>>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response
where
    H: Fn(Caller, AdminRequest) -> F + Send + Sync + 'static,
    F: Future<Output = AdminReply> + Send + 'static,
{
    let bytes = match timeout(BODY_TIMEOUT, axum::body::to_bytes(body, REQUEST_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if is_too_long(&error) => {
            let message = format!("the request is longer than {REQUEST_BYTES_MAX} bytes");
            return failure(StatusCode::PAYLOAD_TOO_LARGE, "request-too-long", message, None);
        }
        Ok(Err(error)) => {
            let message = format!("the request broke off: {error}");
            return failure(StatusCode::BAD_REQUEST, "bad-request", message, None);
        }
        Err(_) => {
            let message = format!("the request was not complete within {} s", BODY_TIMEOUT.as_secs());
            return failure(StatusCode::REQUEST_TIMEOUT, "timed-out", message, None);
        }
    };
    let request = match serde_json::from_slice::<AdminRequest>(&bytes) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("hanode {} does not understand the request: {error}", app.version);
            let help = "hactl and hanode must come from the same release; compare with: hactl version";
            return failure(StatusCode::BAD_REQUEST, "bad-request", message, Some(help));
        }
    };
    // The call itself is inside, so that a panic before the first await is caught too.
    let answer = AssertUnwindSafe(async { (app.handler)(caller, request).await }).catch_unwind();
    match timeout(HANDLER_TIMEOUT, answer).await {
        Ok(Ok(reply)) => {
            Json(Answer { api: API_VERSION.to_owned(), node: app.node.clone(), at: wall_now(), reply })
                .into_response()
        }
        Ok(Err(_)) => {
            let message =
                format!("hanode on {} failed while answering; nothing it runs is touched", app.node);
            let help = "the reason is in its journal: journalctl -u hanode";
            failure(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, Some(help))
        }
        Err(_) => {
            let message = format!(
                "hanode on {} found no answer within {} s; it may still carry the request out",
                app.node,
                HANDLER_TIMEOUT.as_secs()
            );
            let help = "look before asking again: hactl status";
            failure(StatusCode::GATEWAY_TIMEOUT, "timed-out", message, Some(help))
        }
    }
}

async fn unknown_path() -> Response {
    let message = format!("this daemon knows only POST /{API_VERSION}/request and GET /{API_VERSION}/health");
    failure(StatusCode::NOT_FOUND, "wrong-protocol", message, None)
}

fn failure(status: StatusCode, code: &str, message: String, help: Option<&str>) -> Response {
    let error = ErrorBody { code: code.to_owned(), message, help: help.map(str::to_owned) };
    (status, Json(Failure { api: API_VERSION.to_owned(), error })).into_response()
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn wall_now() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
