//! A daemon that answers what a test says, over a real socket; and the real program asking it.
#![allow(dead_code, clippy::unwrap_used)]

pub mod views;

use ha_api::{Server, SocketOptions};
use ha_model::{AdminReply, AdminRequest, StatusView};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// A fake daemon; ends with the value.
pub struct Daemon {
    pub directory: tempfile::TempDir,
    pub socket: PathBuf,
    asked: Arc<Mutex<Vec<AdminRequest>>>,
    _runtime: Runtime,
}

/// How a run of `hactl` ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Daemon {
    /// Answers with `reply`.
    pub fn new(reply: impl Fn(AdminRequest) -> AdminReply + Send + Sync + 'static) -> Daemon {
        let directory = tempfile::tempdir().unwrap();
        let options =
            SocketOptions { path: directory.path().join("hanode.sock"), ..SocketOptions::default() };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = asked.clone();
        let handler = move |_, request: AdminRequest| {
            record.lock().unwrap().push(request.clone());
            std::future::ready(reply(request))
        };
        let server = {
            let _guard = runtime.enter();
            Server::bind(&options).unwrap()
        };
        runtime.spawn(server.run("alpha".into(), "0.1.0", handler, std::future::pending()));
        Daemon { directory, socket: options.path, asked, _runtime: runtime }
    }

    /// Answers every status with a view, and says "done" to everything else.
    pub fn with_status(view: StatusView) -> Daemon {
        Daemon::new(move |request| match request {
            AdminRequest::Status => AdminReply::Status(Box::new(view.clone())),
            _ => AdminReply::Done { message: "done".to_owned() },
        })
    }

    /// Runs `hactl` against it.
    pub fn hactl(&self, args: &[&str]) -> Run {
        hactl(&self.socket, args)
    }

    /// Everything it was asked except for the status.
    pub fn orders(&self) -> Vec<AdminRequest> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|request| **request != AdminRequest::Status).cloned().collect()
    }
}

/// Runs `hactl` for a socket.
pub fn hactl(socket: &Path, args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_hactl"))
        .args(args)
        .env("HA_SOCKET", socket)
        .env_remove("NO_COLOR")
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Compares with `tests/golden/NAME`; with `UPDATE_GOLDEN=1` writes it.
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "differs from {}; UPDATE_GOLDEN=1 rewrites it", path.display());
}

/// No line is wider than a terminal.
pub fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
}
