//! Bounds of the interface. Each keeps a daemon that has other duties from being kept busy by its operators.

use std::time::Duration;

/// Where a daemon listens unless told otherwise.
pub const SOCKET_DEFAULT: &str = "/run/ha/hanode.sock";
/// Version of the interface, in paths and in every answer.
pub const API_VERSION: &str = "v1";
/// Longest request. The longest thing an operator sends is a cluster file (1 MiB), escaped as JSON.
pub const REQUEST_BYTES_MAX: usize = 2 << 20;
/// Longest answer that a client reads: the status of 1000 resources or a full timeline stays well below.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Connections served at once. More wait in the socket's backlog: operators and monitoring are few.
pub const CONNECTIONS_MAX: usize = 32;
/// Connections that wait before the kernel makes callers wait.
pub const BACKLOG: u32 = 256;
/// Longest head of a request.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// Time in which a caller must have sent its head; a stopped `hactl` must not keep a place.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time in which a caller must have sent its body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time in which a caller must have read its answer.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer of the daemon. A test of every fence path is the slowest request.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(120);
/// At the end of the daemon, open requests get so long.
pub const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// Pause after the kernel refused to hand over a connection (no file descriptors), instead of spinning.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause of a client between two tries while the backlog is full.
pub const CONNECT_PAUSE: Duration = Duration::from_millis(5);
/// Longest part of `/etc/passwd` or `/etc/group` that is searched for a name.
pub const NAMES_BYTES_MAX: u64 = 4 << 20;
