//! The operator's side: one connection for each request.

use crate::error::ApiError;
use crate::limits::{ANSWER_BYTES_MAX, API_VERSION, CONNECT_PAUSE, REQUEST_BYTES_MAX};
use crate::names;
use crate::wire::{Answer, Failure, Health};
use ha_model::AdminRequest;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// Asks the daemon of this node.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// For the daemon behind a socket. Connects only when asked something.
    #[must_use]
    pub fn new(path: &Path) -> Client {
        Client { path: path.to_owned() }
    }

    /// Asks, and waits at most `limit` for the whole answer.
    ///
    /// # Errors
    /// No answer of a daemon; what the daemon refuses is an answer.
    pub async fn request(&self, request: &AdminRequest, limit: Duration) -> Result<Answer, ApiError> {
        let body = serde_json::to_vec(request).expect("requests are plain data");
        if body.len() > REQUEST_BYTES_MAX {
            return Err(ApiError::TooLong { bytes: body.len() });
        }
        self.exchange(Method::POST, "/v1/request", body, limit).await
    }

    /// Whether a daemon answers, and which.
    ///
    /// # Errors
    /// No answer of a daemon.
    pub async fn health(&self, limit: Duration) -> Result<Health, ApiError> {
        self.exchange(Method::GET, "/v1/health", Vec::new(), limit).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<T, ApiError> {
        tokio::time::timeout(limit, self.exchange_unbounded(method, path, body))
            .await
            .unwrap_or_else(|_| Err(ApiError::TimedOut { path: self.path.clone(), after: limit }))
    }

    async fn exchange_unbounded<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, ApiError> {
        let stream = self.open().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.protocol(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "hanode")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("method, path and headers are constants");
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| self.protocol(&error))?;
            let status = response.status();
            let limited = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let bytes = limited.collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ApiError::AnswerTooLong { path: self.path.clone() }
                } else {
                    self.protocol(&*error)
                }
            })?;
            Ok((status, bytes.to_bytes()))
        };
        // The connection is driven beside the exchange; its own failure shows there too.
        let (result, _) = tokio::join!(answer, connection);
        let (status, bytes) = result?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| self.protocol(&error));
        }
        match serde_json::from_slice::<Failure>(&bytes) {
            Ok(failure) if failure.error.code == "wrong-protocol" => {
                Err(self.protocol(&failure.error.message))
            }
            Ok(failure) => Err(ApiError::Rejected(failure.error)),
            Err(_) => Err(self.protocol(&format!("HTTP status {status} without a reason ({API_VERSION})"))),
        }
    }

    async fn open(&self) -> Result<UnixStream, ApiError> {
        let path = self.path.clone();
        loop {
            return match UnixStream::connect(&path).await {
                Ok(stream) => Ok(stream),
                // Linux says so when the backlog is full; the caller's limit bounds the tries.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(CONNECT_PAUSE).await;
                    continue;
                }
                Err(source) => Err(match source.kind() {
                    io::ErrorKind::NotFound => ApiError::NotRunning { path, is_left_over: false },
                    io::ErrorKind::ConnectionRefused => ApiError::NotRunning { path, is_left_over: true },
                    io::ErrorKind::PermissionDenied => {
                        let group = std::fs::metadata(&path).ok().map(|m| m.gid());
                        let group = group.map(|gid| names::group(gid).unwrap_or_else(|| gid.to_string()));
                        ApiError::NotPermitted { path, group }
                    }
                    _ => ApiError::Connect { path, source },
                }),
            };
        }
    }

    fn protocol(&self, detail: &(impl ToString + ?Sized)) -> ApiError {
        ApiError::Protocol { path: self.path.clone(), detail: detail.to_string() }
    }
}
