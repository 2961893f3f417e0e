//! Running a command inside a host on the caller's own terminal: it reads what is typed, its words appear at once.
//!
//! The caller hands its three standard descriptors over the socket (SCM_RIGHTS, unix(7)) and waits; when it goes, its
//! command is killed. Must not know: what is run.

use crate::error::{Context, LabError, Result};
use crate::exec::{self, Inside};
use crate::proto::{LINE_MAX, Place, Response};
use crate::rpc;
use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Its socket in a lab's directory.
pub fn socket(dir: &Path) -> PathBuf {
    dir.join("terminal.sock")
}

/// Longest command line with its place, in bytes; it must fit one message.
const WANTED_MAX: usize = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct Wanted {
    place: Place,
    argv: Vec<String>,
}

/// Runs a command on this process's standard input and output. Its exit code; 128 and its number where a signal ended it.
pub fn call(socket: &Path, place: Place, argv: Vec<String>) -> Result<i32> {
    let stream = UnixStream::connect(socket).at("connect to", socket)?;
    let wanted = serde_json::to_vec(&Wanted { place, argv }).expect("plain data");
    if wanted.len() > WANTED_MAX {
        return Err(LabError::Refused(format!("a command of more than {WANTED_MAX} bytes")));
    }
    let own = [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO];
    let rights = [ControlMessage::ScmRights(&own)];
    sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(&wanted)], &rights, MsgFlags::empty(), None)
        .map_err(std::io::Error::from)
        .at("ask", socket)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut answer).at("read the answer of", socket)?;
    let bad = |e| LabError::Gone(format!("answer `{}` from {}: {e}", answer.trim(), socket.display()));
    match serde_json::from_str(&answer).map_err(bad)? {
        Response::Ok(code) => serde_json::from_value(code).map_err(bad),
        Response::Error(text) => Err(LabError::Refused(text)),
    }
}

/// Serves callers for ever.
pub fn serve(
    listener: &UnixListener,
    inside: impl Fn(&Place) -> Result<Inside> + Send + Sync + 'static,
) -> Result<()> {
    rpc::accept(listener, move |stream| {
        let response = receive(stream)
            .and_then(|(wanted, fds)| run(stream, &inside(&wanted.place)?, &wanted.argv, fds))
            .map_or_else(|e| Response::Error(e.to_string()), |code| Response::Ok(code.into()));
        let mut line = serde_json::to_string(&response)?;
        line.push('\n');
        (&*stream).write_all(line.as_bytes())
    })
}

fn receive(stream: &UnixStream) -> Result<(Wanted, [OwnedFd; 3])> {
    let mut bytes = vec![0; WANTED_MAX];
    let mut space = nix::cmsg_space!([RawFd; 3]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let message =
        recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)
            .map_err(std::io::Error::from)
            .what(|| "read a command".into())?;
    let mut fds = Vec::new();
    for part in message.cmsgs().map_err(std::io::Error::from).what(|| "read descriptors".into())? {
        if let ControlMessageOwned::ScmRights(raw) = part {
            // SAFETY: the kernel made them for this process just now; nobody else owns them.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let length = message.bytes;
    let fds = <[OwnedFd; 3]>::try_from(fds)
        .map_err(|fds| LabError::Refused(format!("three descriptors are wanted, {} came", fds.len())))?;
    let wanted = serde_json::from_slice(&bytes[..length])
        .map_err(|e| LabError::Refused(format!("not a command: {e}")))?;
    Ok((wanted, fds))
}

fn run(stream: &UnixStream, inside: &Inside, argv: &[String], fds: [OwnedFd; 3]) -> Result<i32> {
    let [input, output, errors] = fds;
    let mut command = exec::command(inside, argv)?;
    command.stdin(input).stdout(output).stderr(errors).process_group(0);
    let mut child = command.spawn().what(|| format!("run `{}`", argv.join(" ")))?;
    // The copies of the caller's descriptors that it holds would outlive its command.
    drop(command);
    let group = Arc::new(Mutex::new(Some(Pid::from_raw(child.id() as i32))));
    let caller = stream.try_clone().what(|| "watch the caller".into())?;
    let theirs = Arc::clone(&group);
    std::thread::spawn(move || {
        // It says nothing more: this ends when it goes, or when the command's end is answered.
        let _ = (&caller).read(&mut [0]);
        if let Some(group) = *theirs.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = killpg(group, Signal::SIGKILL);
        }
    });
    let status = child.wait();
    *group.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let status = status.what(|| "wait for the command".into())?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}
