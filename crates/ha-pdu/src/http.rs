//! The HTTP face: Digital Loggers REST, NETIO JSON and a generic form, all at one address.
//!
//! Must not know: how outlets work.
//!
//! Invariant: a request that came while the switch was unreachable is never done.

mod access;
mod dli;
mod generic;
mod netio;

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::pdu::{Pdu, Refusal};
use access::Access;

/// Who may use the HTTP face.
#[derive(Clone)]
pub struct HttpOptions {
    /// User of all three forms.
    pub user: String,
    /// That user's password. Empty: the generic form needs no login.
    pub password: String,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { user: "admin".into(), password: "1234".into() }
    }
}

/// A running HTTP face; it ends when dropped.
pub struct HttpServer {
    addr: SocketAddr,
    _tasks: JoinSet<()>,
}

impl HttpServer {
    /// The address it listens on, with the port that was chosen.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// What every handler gets.
pub(crate) struct Face {
    pub(crate) pdu: Arc<Pdu>,
    pub(crate) access: Access,
}

/// Serves HTTP at `addr` (port 0: any):
/// Digital Loggers REST with digest authentication below `/restapi/`, NETIO JSON with Basic at `/netio.json`, and
/// `/outlet/N` (`{"outlet":N,"state":"on"|"off"|"unknown"}`; POST `on` or `off`) with Basic where a password is set.
///
/// # Errors
/// When the address cannot be used.
pub async fn serve_http(pdu: Arc<Pdu>, addr: SocketAddr, options: HttpOptions) -> io::Result<HttpServer> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    let face = Arc::new(Face { pdu, access: Access::new(options)? });
    let app = Router::new()
        .merge(dli::routes(&face))
        .merge(netio::routes(&face))
        .merge(generic::routes(&face))
        .layer(middleware::from_fn_with_state(Arc::clone(&face), faulty))
        .with_state(face);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, app).into_future().await {
            tracing::error!(%error, "HTTP face ended");
        }
    });
    Ok(HttpServer { addr, _tasks: tasks })
}

/// Brings about the faults that concern every request.
async fn faulty(State(face): State<Arc<Face>>, request: Request, next: Next) -> Response {
    if !face.pdu.admit().await {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let is_command = matches!(*request.method(), Method::PUT | Method::POST);
    let response = next.run(request).await;
    if is_command && response.status().is_success() {
        face.pdu.late().await;
    }
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NoSuchOutlet => (StatusCode::NOT_FOUND, "no such outlet").into_response(),
            Self::Rejected => (StatusCode::BAD_REQUEST, "not a command").into_response(),
            Self::Failing => (StatusCode::INTERNAL_SERVER_ERROR, "device failure").into_response(),
        }
    }
}
