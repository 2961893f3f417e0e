//! Something in the middle: a TCP relay that can freeze, a UDP relay that records.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses its part.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Relays TCP until frozen; then nothing moves any more, and nothing is closed: a dead link.
pub struct TcpRelay {
    frozen: Arc<AtomicBool>,
    held: Arc<Mutex<Vec<TcpStream>>>,
    taken: Arc<AtomicUsize>,
}

impl TcpRelay {
    pub fn start(at: SocketAddr, to: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let relay = Self { frozen: Arc::default(), held: Arc::default(), taken: Arc::default() };
        let (frozen, held) = (Arc::clone(&relay.frozen), Arc::clone(&relay.held));
        let taken = Arc::clone(&relay.taken);
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                taken.fetch_add(1, Ordering::AcqRel);
                held.lock().unwrap().push(near.try_clone().unwrap());
                if frozen.load(Ordering::Acquire) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(to) else { continue };
                held.lock().unwrap().push(far.try_clone().unwrap());
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let frozen = Arc::clone(&frozen);
                    std::thread::spawn(move || pump(from, to, &frozen));
                }
            }
        });
        relay
    }

    /// Connections so far.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Release);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, frozen: &AtomicBool) {
    let mut buffer = [0; 4096];
    while let Ok(n) = from.read(&mut buffer) {
        if frozen.load(Ordering::Acquire) {
            return;
        }
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            let _ = to.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// Relays datagrams and keeps a copy of each.
pub struct UdpRelay {
    recorded: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
}

impl UdpRelay {
    pub fn start(at: SocketAddr, to: SocketAddr) -> Self {
        let socket = UdpSocket::bind(at).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let relay = Self { recorded: Arc::default(), stop: Arc::default() };
        let (recorded, stop) = (Arc::clone(&relay.recorded), Arc::clone(&relay.stop));
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Acquire) {
                let Ok(n) = socket.recv(&mut buffer) else { continue };
                recorded.lock().unwrap().push(buffer[..n].to_vec());
                let _ = socket.send_to(&buffer[..n], to);
            }
        });
        relay
    }

    pub fn recorded(&self) -> Vec<Vec<u8>> {
        self.recorded.lock().unwrap().clone()
    }
}

impl Drop for UdpRelay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}
