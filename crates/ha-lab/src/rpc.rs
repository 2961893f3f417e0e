//! JSON lines over a unix socket: the caller's and the server's side.
//!
//! Must not know: what the requests do. Bounds: line length, connections served at once.

use crate::error::{Context, LabError, Result};
use crate::proto::{LINE_MAX, Request, Response};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Most connections served at once: each has a thread; tests use a handful.
const CONNECTIONS_MAX: usize = 64;
/// Longest path of a unix socket that the kernel takes.
const SOCKET_PATH_MAX: usize = 107;

/// Sends one request over a connection of its own and waits for the answer. `wait` bounds the whole.
pub fn call<T: DeserializeOwned>(socket: &Path, request: &Request, wait: Duration) -> Result<T> {
    let stream = UnixStream::connect(socket).at("connect to", socket)?;
    stream.set_read_timeout(Some(wait)).at("set time-out of", socket)?;
    let mut line = serde_json::to_string(request).expect("requests are plain data");
    line.push('\n');
    (&stream).write_all(line.as_bytes()).at("ask", socket)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut answer).map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => LabError::Timeout {
            what: format!("an answer to {request:?}"),
            waited_ms: wait.as_millis() as u64,
        },
        _ => LabError::Io { what: format!("read the answer to {request:?}"), source: e },
    })?;
    let bad = |e| LabError::Gone(format!("answer `{}` to {request:?}: {e}", answer.trim()));
    match serde_json::from_str(&answer).map_err(bad)? {
        Response::Ok(value) => serde_json::from_value(value).map_err(bad),
        Response::Error(text) => Err(LabError::Refused(text)),
    }
}

/// Binds the socket, replacing a stale one.
pub fn listen(socket: &Path) -> Result<UnixListener> {
    if socket.as_os_str().len() > SOCKET_PATH_MAX {
        let text = format!(
            "{} is longer than {SOCKET_PATH_MAX} bytes; choose a shorter directory",
            socket.display()
        );
        return Err(LabError::Spec(text));
    }
    // Bound under another name and then renamed: whoever sees the socket can connect to it.
    let fresh = socket.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh).at("bind", &fresh)?;
    std::fs::rename(&fresh, socket).at("rename to", socket)?;
    Ok(listener)
}

/// Serves requests for ever.
pub fn serve<H>(listener: &UnixListener, handler: H) -> Result<()>
where
    H: Fn(Request) -> Result<serde_json::Value> + Send + Sync + 'static,
{
    accept(listener, move |stream| converse(stream, &handler))
}

/// Serves connections for ever, each in a thread of its own.
pub fn accept<S>(listener: &UnixListener, serve: S) -> Result<()>
where
    S: Fn(&UnixStream) -> std::io::Result<()> + Send + Sync + 'static,
{
    let serve = Arc::new(serve);
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = stream.what(|| "accept a control connection".into())?;
        if open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::SeqCst);
            continue; // Closing it is the refusal.
        }
        let (serve, open) = (serve.clone(), open.clone());
        std::thread::spawn(move || {
            // A caller that goes away in the middle is its own affair.
            let _ = serve(&stream);
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
    Ok(())
}

fn converse(
    stream: &UnixStream,
    handler: &impl Fn(Request) -> Result<serde_json::Value>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if (&mut lines).take(LINE_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let response = match serde_json::from_str(&line) {
            Ok(request) => handler(request).map_or_else(|e| Response::Error(e.to_string()), Response::Ok),
            Err(e) => Response::Error(format!("not a request: {e}")),
        };
        let mut out = serde_json::to_string(&response)?;
        out.push('\n');
        (&*stream).write_all(out.as_bytes())?;
    }
}
