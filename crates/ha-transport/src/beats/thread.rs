//! The loop of the heartbeat thread: wait, receive in bounded bursts, send at each deadline.
//!
//! Invariants: it takes no lock that any other thread holds; deadlines are absolute, so a late period does not
//! shift those after it; past the contents' valid-until it is silent; a flood of datagrams delays a deadline by one
//! burst at most.

use super::ages::Ages;
use super::handoff::{List, Stack};
use super::inbox::Filler;
use super::stats::Counters;
use super::table::{LINKS_MAX, Table};
use super::wire::{BODY_MAX, PACKET_MAX};
use super::{BeatContents, Period};
use crate::clock::boot_now;
use crate::keys::KeyStep;
use ha_model::{BootNs, NodeId};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Datagrams taken from one socket before the deadline is looked at: about 0.2 ms of work.
const BURST: usize = 64;

/// What is told to the thread.
pub(super) enum Command {
    Peers(BTreeMap<NodeId, Vec<SocketAddr>>),
    Key(KeyStep),
    Contents(BeatContents),
}

/// Shared with the handles.
pub(super) struct Shared {
    pub commands: Stack<Command>,
    pub waiting: AtomicUsize,
    /// The newest contents only.
    pub contents: Stack<Command>,
    /// Nodes carried out, freed by whoever tells the next thing.
    pub spent: Stack<Command>,
    pub extra: AtomicBool,
    pub stop: AtomicBool,
    pub wake: EventFd,
    pub counters: Counters,
}

pub(super) struct Thread {
    pub shared: Arc<Shared>,
    pub sockets: Vec<UdpSocket>,
    pub interval: Duration,
    pub ages: Ages,
    pub inbox: Filler,
    pub on_period: Option<Box<dyn FnMut(Period) + Send>>,
    pub table: Table,
    pub contents: BeatContents,
}

impl Thread {
    /// Runs until told to stop.
    pub fn run(mut self) {
        let mut out = Vec::with_capacity(PACKET_MAX);
        // One byte more than the longest, so that a longer one is seen as such.
        let mut packet = vec![0; PACKET_MAX + 1];
        let mut due = boot_now();
        while !self.shared.stop.load(Ordering::Acquire) {
            self.obey();
            let now = boot_now();
            let extra = self.shared.extra.swap(false, Ordering::AcqRel);
            if now >= due {
                self.shared.counters.late_max_ns.fetch_max(now.0 - due.0, Ordering::Relaxed);
                due = next_deadline(due, self.interval, now);
                self.period(&mut out, now);
            } else if extra {
                self.send(&mut out, now);
            }
            let more = self.receive(&mut packet);
            if !more {
                self.wait(due);
            }
        }
    }

    fn obey(&mut self) {
        let mut commands = self.shared.commands.take().reversed();
        let mut spent = List::new();
        while let Some(command) = commands.first_mut() {
            match command {
                Command::Peers(peers) => self.table.set_peers(std::mem::take(peers)),
                Command::Key(step) => self.table.install(step),
                Command::Contents(_) => {}
            }
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            commands.move_first_to(&mut spent);
        }
        let mut newest = self.shared.contents.take();
        if let Some(Command::Contents(contents)) = newest.first_mut() {
            std::mem::swap(contents, &mut self.contents);
        }
        self.shared.spent.push(newest);
        self.shared.spent.push(spent);
    }

    fn period(&mut self, out: &mut Vec<u8>, now: BootNs) {
        if let Some(on_period) = &mut self.on_period {
            let ages = self.ages.at(now);
            on_period(Period { now, ages, valid_until: self.contents.valid_until });
        }
        self.send(out, now);
    }

    fn send(&mut self, out: &mut Vec<u8>, now: BootNs) {
        let counters = &self.shared.counters;
        if now > self.contents.valid_until {
            counters.silent_periods.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let ages = self.ages.at(now);
        let (bodies, sockets) = (&self.contents.bodies, &self.sockets);
        let body = |node: &NodeId| bodies.get(node).map(Vec::as_slice).filter(|body| body.len() <= BODY_MAX);
        self.table.send(out, body, ages, boot_now, |link, to, packet| {
            let sent = sockets.get(link).is_some_and(|socket| socket.send_to(packet, to).is_ok());
            let counter = if sent { &counters.sent } else { &counters.not_sent };
            counter.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Takes at most a burst from each socket; true when a socket may hold more.
    fn receive(&mut self, packet: &mut [u8]) -> bool {
        let mut more = false;
        for (link, socket) in self.sockets.iter().enumerate() {
            let mut taken = 0;
            while taken < BURST {
                let len = match socket.recv(packet) {
                    Ok(len) => len,
                    // Nothing more; or a queued ICMP error, which reading has cleared.
                    Err(_) => break,
                };
                taken += 1;
                let now = boot_now();
                match self.table.receive(&mut packet[..len], link, now) {
                    Err(why) => self.shared.counters.dropped(why),
                    Ok(heard) => {
                        self.shared.counters.received.fetch_add(1, Ordering::Relaxed);
                        self.inbox.deliver(|beat| {
                            beat.from.clone_from(heard.from);
                            beat.session = heard.session;
                            beat.link = link;
                            beat.received_at = now;
                            beat.sent_at = heard.fixed.sent_at;
                            beat.echo = heard.fixed.echo;
                            beat.ages = heard.fixed.ages;
                            beat.body.clear();
                            beat.body.extend_from_slice(heard.body);
                        });
                    }
                }
            }
            more |= taken == BURST;
        }
        more
    }

    /// Waits for a datagram, a word from a handle, or the deadline.
    fn wait(&self, due: BootNs) {
        let left = due.since(boot_now());
        let mut fds: [PollFd<'_>; LINKS_MAX + 1] = std::array::from_fn(|at| {
            let socket = at.checked_sub(1).and_then(|link| self.sockets.get(link));
            let fd = socket.map_or(self.shared.wake.as_fd(), AsFd::as_fd);
            PollFd::new(fd, PollFlags::POLLIN)
        });
        let used = 1 + self.sockets.len();
        match ppoll(&mut fds[..used], Some(TimeSpec::from_duration(left)), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Out of kernel memory, say: go on by the clock alone, without spinning at realtime priority.
            Err(_) => std::thread::sleep(left.min(self.interval / 10)),
        }
        let _ = self.shared.wake.read();
    }
}

/// The deadline after `due`: one interval on, or where that is past already, one interval from now; periods that
/// were missed are not made up in a burst.
fn next_deadline(due: BootNs, interval: Duration, now: BootNs) -> BootNs {
    let next = due + interval;
    if next > now { next } else { now + interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_keep_their_rhythm_and_skip_what_was_missed() {
        let ms = BootNs::from_ms;
        let every = Duration::from_millis(100);
        assert_eq!(next_deadline(ms(1000), every, ms(1000)), ms(1100));
        assert_eq!(next_deadline(ms(1000), every, ms(1099)), ms(1100), "late, but no drift");
        assert_eq!(next_deadline(ms(1000), every, ms(1100)), ms(1200));
        assert_eq!(next_deadline(ms(1000), every, ms(9_050)), ms(9_150), "no burst after a freeze");
    }
}
