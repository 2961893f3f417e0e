//! The tiny service that labs manage: answers each request with one line, `ID INCARNATION PID COUNTER`.
//!
//! Speaks HTTP to those who begin with `GET`, plain text to those who send a bare newline. Must not know: clusters.
//! Bounds: connections at once, time for a request, size of one.

use crate::error::{Context, Result};
use crate::host_init::BOOT_ID;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

/// Most clients at once; further ones wait in the kernel's queue.
const CLIENTS_MAX: usize = 256;
/// How long a client may take to ask.
const ASK_WAIT: Duration = Duration::from_secs(1);

/// Serves for ever. The address need not be present yet (IP_FREEBIND).
pub fn run(listen: SocketAddr, id: &str) -> Result<()> {
    let boot_id = std::fs::read_to_string(BOOT_ID).unwrap_or_else(|_| "no-incarnation".into());
    let identity = format!("{id} {} {}", boot_id.trim(), std::process::id());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.what(|| "start the service".into())?.block_on(serve(listen, identity))
}

async fn serve(listen: SocketAddr, identity: String) -> Result<()> {
    let what = || format!("listen on {listen}");
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.what(what)?;
    socket.set_reuseaddr(true).what(what)?;
    free_bind(&socket, listen).what(what)?;
    socket.bind(listen).what(what)?;
    let listener = socket.listen(1024).what(what)?;
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    for counter in 1u64.. {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (stream, _) = listener.accept().await.what(|| "accept a client".into())?;
        let line = format!("{identity} {counter}\n");
        tokio::spawn(async move {
            let _place = place;
            // A client that goes away or says nothing is its own affair.
            let _ = tokio::time::timeout(ASK_WAIT, answer(stream, line)).await;
        });
    }
    Ok(())
}

async fn answer(mut stream: TcpStream, line: String) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut chunk = [0u8; 1024];
    let is_http = loop {
        let n = stream.read(&mut chunk).await?;
        request.extend_from_slice(&chunk[..n]);
        let is_http = request.starts_with(b"GET ");
        let is_whole = if is_http { request.ends_with(b"\r\n\r\n") } else { request.ends_with(b"\n") };
        if n == 0 || is_whole || request.len() > 8192 {
            break is_http;
        }
    };
    if is_http {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            line.len()
        );
        stream.write_all(head.as_bytes()).await?;
    }
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await
}

fn free_bind(socket: &TcpSocket, listen: SocketAddr) -> std::io::Result<()> {
    if listen.is_ipv4() {
        // nix wants AsFd; tokio's socket gives only the raw descriptor.
        // SAFETY: the descriptor is open as long as `socket`, which outlives this borrow.
        let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket.as_raw_fd()) };
        return setsockopt(&fd, sockopt::IpFreebind, &true).map_err(Into::into);
    }
    let on: libc::c_int = 1;
    let len = std::mem::size_of_val(&on) as libc::socklen_t;
    // SAFETY: the descriptor is open, `on` is valid for its size during the call.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_IPV6, libc::IPV6_FREEBIND, (&raw const on).cast(), len)
    };
    if done < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
