//! What tests do inside a lab and no other program does: record heartbeats from the wire, send them again, throw
//! garbage at a port, stop one thread of a process, and post to a daemon's socket.
//!
//! Must not know: keys, formats, clusters. A recorded frame is bytes; what a daemon makes of it is its own affair.

use std::error::Error;
use std::ffi::CString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Port of the daemons, streams and heartbeats.
const PORT: u16 = 5407;
/// Longest frame of a link with jumbo frames.
const FRAME_MAX: usize = 9216;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["record", out, count, source, ports @ ..] => record(out, count.parse()?, source.parse()?, ports),
        ["replay", file, rounds, pause_us] => {
            replay(file, rounds.parse()?, Duration::from_micros(pause_us.parse()?))
        }
        ["spray", target, count, sizes @ ..] => spray(target.parse()?, count.parse()?, sizes),
        ["babble", target, bytes] => babble(target.parse()?, bytes.parse()?),
        ["loiter", count, seconds, targets @ ..] => {
            loiter(count.parse()?, Duration::from_secs(seconds.parse()?), targets)
        }
        ["post", socket, path, body] => post(socket, path, body),
        ["stall", pid_file, thread, seconds] => {
            stall(pid_file, thread, Duration::from_secs(seconds.parse()?))
        }
        _ => Err(format!("unknown command {words:?}").into()),
    }
}

/// Records on each port (the bridge's end of a cable) the first `count` heartbeats that go to the host on it and come
/// from the host with this number; one line each: port, frame in hexadecimal.
fn record(out: &str, count: usize, source: u8, ports: &[&str]) -> Result<()> {
    let sockets: Vec<_> = ports.iter().map(|port| packet_socket(port)).collect::<Result<_>>()?;
    let mut text = String::new();
    for (port, socket) in ports.iter().zip(&sockets) {
        let mut frame = [0; FRAME_MAX];
        let mut found = 0;
        while found < count {
            let (len, is_outgoing) = receive(socket, &mut frame)?;
            if is_outgoing && is_heartbeat(&frame[..len], source) {
                // The sender leaves the checksum to the card; a datagram may go without one (RFC 768).
                let at = 14 + usize::from(frame[14] & 15) * 4 + 6;
                frame[at..at + 2].fill(0);
                text += &format!("{port} {}\n", hex(&frame[..len]));
                found += 1;
            }
        }
    }
    fs::write(out, text)?;
    Ok(())
}

/// Sends what was recorded again, on the ports where it was recorded; a pause after each frame.
fn replay(file: &str, rounds: u64, pause: Duration) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let mut frames = Vec::new();
    let mut sockets: Vec<(&str, OwnedFd)> = Vec::new();
    for line in text.lines() {
        let (port, bytes) = line.split_once(' ').ok_or("a line without a port")?;
        let known = sockets.iter().position(|(name, _)| *name == port);
        let at = match known {
            Some(at) => at,
            None => {
                sockets.push((port, packet_socket(port)?));
                sockets.len() - 1
            }
        };
        frames.push((at, unhex(bytes)?));
    }
    for _ in 0..rounds {
        for (at, frame) in &frames {
            let fd = sockets[*at].1.as_raw_fd();
            // SAFETY: pointer and length describe `frame`, which lives through the call.
            let sent = unsafe { libc::send(fd, frame.as_ptr().cast(), frame.len(), 0) };
            if sent < 0 {
                return Err(io::Error::last_os_error().into());
            }
            std::thread::sleep(pause);
        }
    }
    Ok(())
}

/// Sends datagrams of noise of each of these sizes; every second one begins as a heartbeat does.
fn spray(target: SocketAddr, count: u32, sizes: &[&str]) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut noise = fs::File::open("/dev/urandom")?;
    for size in sizes {
        let mut datagram = vec![0; size.parse()?];
        for number in 0..count {
            noise.read_exact(&mut datagram)?;
            if number % 2 == 0 {
                let magic = [0x48, 0xb7, 0x02];
                let len = magic.len().min(datagram.len());
                datagram[..len].copy_from_slice(&magic[..len]);
            }
            socket.send_to(&datagram, target)?;
        }
    }
    Ok(())
}

/// Connects and writes noise until the other side has enough of it, at most so many bytes.
fn babble(target: SocketAddr, bytes: usize) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&target, Duration::from_secs(5))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut noise = vec![0; bytes];
    fs::File::open("/dev/urandom")?.read_exact(&mut noise)?;
    // Being cut off is the expected end.
    let _ = stream.write_all(&noise);
    Ok(())
}

/// Keeps so many silent connections to each target open for that time; one that is closed is opened again.
fn loiter(count: usize, time: Duration, targets: &[&str]) -> Result<()> {
    let targets: Vec<SocketAddr> =
        targets.iter().map(|t| t.parse()).collect::<std::result::Result<_, _>>()?;
    let end = Instant::now() + time;
    let mut open: Vec<(SocketAddr, Option<TcpStream>)> =
        targets.iter().flat_map(|target| (0..count).map(|_| (*target, None))).collect();
    while Instant::now() < end {
        for (target, stream) in &mut open {
            let is_open = stream.as_ref().is_some_and(|s| {
                // Whatever is said is read; the end is the other side's.
                let mut byte = [0];
                s.set_nonblocking(true).is_ok() && !matches!((&mut &*s).read(&mut byte), Ok(0))
            });
            if !is_open {
                *stream = TcpStream::connect_timeout(target, Duration::from_millis(100)).ok();
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Posts a file to a path of a daemon's socket; prints the body of the answer, whatever its status.
fn post(socket: &str, path: &str, body: &str) -> Result<()> {
    let body = fs::read(body)?;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: hanode\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    // Who refuses it by its length has answered before he closes on the rest.
    let sent = stream.write_all(&body);
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    if answer.is_empty() {
        sent?;
        read?;
    }
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no HTTP: {answer}"))?;
    println!("{body}");
    Ok(())
}

/// Stops one thread, by name, of the process whose id is in this file, and holds it so. All its other threads go on:
/// what a deadlock of that one thread looks like from outside.
fn stall(pid_file: &str, thread: &str, time: Duration) -> Result<()> {
    let pid: i32 = fs::read_to_string(pid_file)?.trim().parse()?;
    let mut found = None;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let name = fs::read_to_string(entry.path().join("comm"))?;
        if name.trim() == thread {
            found = entry.file_name().to_str().and_then(|tid| tid.parse::<i32>().ok());
        }
    }
    let tid = found.ok_or_else(|| format!("process {pid} has no thread {thread}"))?;
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: these requests take no memory of ours.
    let seized = unsafe {
        libc::ptrace(libc::PTRACE_SEIZE, tid, none, none) == 0
            && libc::ptrace(libc::PTRACE_INTERRUPT, tid, none, none) == 0
    };
    if !seized {
        return Err(io::Error::last_os_error().into());
    }
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    if unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) } != tid {
        return Err(io::Error::last_os_error().into());
    }
    println!("stopped {tid}");
    io::stdout().flush()?;
    std::thread::sleep(time);
    // Our end lets it go on.
    Ok(())
}

/// A raw socket on one interface that sees what goes either way.
fn packet_socket(interface: &str) -> Result<OwnedFd> {
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: a new descriptor, owned by nobody else.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol.into()) };
    if fd < 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: as above.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let name = CString::new(interface)?;
    // SAFETY: `name` is a string that lives through the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(format!("{interface}: {}", io::Error::last_os_error()).into());
    }
    // SAFETY: sockaddr_ll is plain old data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = i32::try_from(index)?;
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: pointer and length describe `address`, which lives through the call.
    let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) };
    if bound < 0 { Err(io::Error::last_os_error().into()) } else { Ok(fd) }
}

/// One frame, and whether it went out of the interface; an error when none comes for ten seconds.
fn receive(socket: &OwnedFd, frame: &mut [u8]) -> Result<(usize, bool)> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        // SAFETY: as in `packet_socket`.
        let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut from_len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the pointers and lengths describe `frame` and `from`, which live through the call.
        let len = unsafe {
            libc::recvfrom(
                socket.as_raw_fd(),
                frame.as_mut_ptr().cast(),
                frame.len(),
                libc::MSG_DONTWAIT,
                (&raw mut from).cast(),
                &raw mut from_len,
            )
        };
        if let Ok(len) = usize::try_from(len) {
            return Ok((len, from.sll_pkttype == libc::PACKET_OUTGOING));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(error.into());
        }
        if Instant::now() > end {
            return Err("no frame".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_heartbeat(frame: &[u8], source: u8) -> bool {
    let is_udp4 = frame.len() > 42 && frame[12..14] == [8, 0] && frame[23] == 17 && frame[29] == source;
    let at = 14 + usize::from(frame.get(14).copied().unwrap_or(0) & 15) * 4;
    is_udp4 && frame.get(at + 2..at + 4) == Some(&PORT.to_be_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair));
    pairs.map(|pair| Ok(u8::from_str_radix(pair?, 16)?)).collect()
}
