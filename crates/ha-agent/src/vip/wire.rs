//! A packet socket on one interface, and the check by it that nobody else has an address.
//!
//! Must not know: resources. Invariant: it only asks (probe forms), so a check never moves an address.

use super::filter;
use super::frame::{self, Mac};
use crate::fd;
use crate::gate::boot_now;
use crate::job::AddressCheck;
use nix::errno::Errno;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

/// Between the two probes of the short check, and from the last to the verdict.
const SHORT_GAP: Duration = Duration::from_millis(20);
/// RFC 5227 §1.1: PROBE_WAIT, PROBE_MIN, PROBE_MAX − PROBE_MIN, ANNOUNCE_WAIT.
const PROBE_WAIT: Duration = Duration::from_secs(1);
const PROBE_MIN: Duration = Duration::from_secs(1);
const PROBE_SPREAD: Duration = Duration::from_secs(1);
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
/// RFC 4861 §10: MAX_RTR_SOLICITATION_DELAY and RETRANS_TIMER, which time RFC 4862 §5.4.
const SOLICIT_DELAY: Duration = Duration::from_secs(1);
const RETRANS_TIMER: Duration = Duration::from_secs(1);
/// Longest Ethernet frame that is looked at; ours are 42 to 86 bytes.
const FRAME_BYTES: usize = 1514;

/// A raw socket for the frames that speak of one address on one interface.
pub(crate) struct Wire(AsyncFd<OwnedFd>);

impl Wire {
    /// Opens it; needs CAP_NET_RAW.
    pub(crate) fn open(index: u32, address: IpAddr) -> io::Result<Self> {
        let kind = if address.is_ipv4() { libc::ETH_P_ARP } else { libc::ETH_P_IPV6 };
        let protocol = u16::try_from(kind).map_err(io::Error::other)?.to_be();
        let interface = i32::try_from(index).map_err(io::Error::other)?;
        let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: plain integers; the result is a new descriptor that only we own. Protocol 0 receives nothing before
        // the bind, so no frame of another interface gets in.
        let fd = unsafe { OwnedFd::from_raw_fd(Errno::result(libc::socket(libc::AF_PACKET, flags, 0))?) };
        filter::attach(&fd, address)?;
        // SAFETY: sockaddr_ll is plain data, for which zero is valid.
        let mut at: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        at.sll_family = libc::AF_PACKET as u16;
        at.sll_protocol = protocol;
        at.sll_ifindex = interface;
        // SAFETY: `at` is a valid sockaddr_ll of the given length.
        let bound = unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const at).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        Errno::result(bound)?;
        if let IpAddr::V6(v6) = address {
            join(&fd, interface, frame::multicast_mac(frame::solicited_node(v6)))?;
        }
        Ok(Self(fd::readable(fd)?))
    }

    /// Sends one frame. A full queue is an error, not a wait: the next repetition follows.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the buffer is valid for its length.
        let sent =
            unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), libc::MSG_DONTWAIT) };
        Errno::result(sent)?;
        Ok(())
    }

    /// The next frame.
    pub(crate) async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0_u8; FRAME_BYTES];
        loop {
            let mut ready = self.0.readable().await?;
            // SAFETY: the buffer is valid and writable for its length.
            let got = unsafe { libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            match Errno::result(got) {
                Ok(n) => {
                    buffer.truncate(n.unsigned_abs());
                    return Ok(buffer);
                }
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Asks whether somebody has the address; the first other host that has it or probes for it.
    pub(crate) async fn other_owner(
        &self,
        own: Mac,
        address: IpAddr,
        check: AddressCheck,
    ) -> io::Result<Option<Mac>> {
        let probe = match address {
            IpAddr::V4(v4) => frame::arp_probe(own, v4),
            IpAddr::V6(v6) => frame::dad_solicitation(own, v6),
        };
        let began = Instant::now();
        let (probes, verdict) = schedule(check, address.is_ipv4(), boot_now().0);
        for (number, at) in probes.iter().enumerate() {
            // Listening begins with the first probe's delay, as both RFCs want.
            if let Some(other) = self.listen(own, address, began + *at).await? {
                return Ok(Some(other));
            }
            match self.send(&probe) {
                // One lost probe of several is what their number is for; the first must go out.
                Err(e) if number == 0 => return Err(e),
                _ => {}
            }
        }
        self.listen(own, address, began + verdict).await
    }

    async fn listen(&self, own: Mac, address: IpAddr, until: Instant) -> io::Result<Option<Mac>> {
        while let Ok(frame) = timeout_at(until, self.receive()).await {
            let frame = frame?;
            let other = match address {
                IpAddr::V4(v4) => frame::arp_conflict(&frame, own, v4),
                IpAddr::V6(v6) => frame::ndp_conflict(&frame, own, v6),
            };
            if other.is_some() {
                return Ok(other);
            }
        }
        Ok(None)
    }
}

/// When to probe, and when to decide, from the start of the check.
fn schedule(check: AddressCheck, is_v4: bool, seed: u64) -> (Vec<Duration>, Duration) {
    let part = |n: u64, of: Duration| {
        // Only hosts that start together must differ; the low bits of the clock do.
        let mixed = (seed ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        of.mul_f64(mixed as f64 / f64::from(1_u32 << 24))
    };
    match (check, is_v4) {
        (AddressCheck::Short, _) => (vec![Duration::ZERO, SHORT_GAP], SHORT_GAP * 2),
        (AddressCheck::Full, true) => {
            let first = part(0, PROBE_WAIT);
            let second = first + PROBE_MIN + part(1, PROBE_SPREAD);
            let third = second + PROBE_MIN + part(2, PROBE_SPREAD);
            (vec![first, second, third], third + ANNOUNCE_WAIT)
        }
        (AddressCheck::Full, false) => {
            let first = part(0, SOLICIT_DELAY);
            (vec![first], first + RETRANS_TIMER)
        }
    }
}

/// Lets frames to a multicast address through to this socket.
fn join(fd: &OwnedFd, interface: i32, group: Mac) -> io::Result<()> {
    let mut address = [0; 8];
    address[..6].copy_from_slice(&group.0);
    let request = libc::packet_mreq {
        mr_ifindex: interface,
        mr_type: libc::PACKET_MR_MULTICAST as u16,
        mr_alen: 6,
        mr_address: address,
    };
    // SAFETY: `request` is a valid packet_mreq of the given length.
    let joined = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            (&raw const request).cast(),
            size_of::<libc::packet_mreq>() as libc::socklen_t,
        )
    };
    Errno::result(joined)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_check_keeps_the_times_of_the_rfc() {
        for seed in (0..10_000_u64).map(|n| n * 7919 + 13) {
            let (probes, verdict) = schedule(AddressCheck::Full, true, seed);
            assert_eq!(probes.len(), 3);
            assert!(probes[0] <= PROBE_WAIT);
            for pair in probes.windows(2) {
                let gap = pair[1] - pair[0];
                assert!(gap >= PROBE_MIN && gap <= PROBE_MIN + PROBE_SPREAD, "{gap:?}");
            }
            assert_eq!(verdict - probes[2], ANNOUNCE_WAIT);
        }
    }

    #[test]
    fn the_short_check_takes_40_ms() {
        let (probes, verdict) = schedule(AddressCheck::Short, true, 5);
        assert_eq!((probes, verdict), (vec![Duration::ZERO, SHORT_GAP], Duration::from_millis(40)));
    }

    const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    /// Two ends of one cable, in a namespace of this thread's own.
    fn cable() -> (tokio::runtime::Runtime, [u32; 2]) {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
            .expect("this test needs permission to make network namespaces (run as root)");
        let add =
            "ip link add veth0 type veth peer name veth1 && ip link set veth0 up && ip link set veth1 up";
        assert!(std::process::Command::new("sh").args(["-c", add]).status().unwrap().success());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        (runtime, ["veth0", "veth1"].map(|name| nix::net::if_::if_nametoindex(name).unwrap()))
    }

    #[test]
    fn only_frames_that_speak_of_the_address_come_through() {
        let (runtime, [here, there]) = cable();
        let (v4, v6) = ("10.0.0.100".parse().unwrap(), "fd00:1:2:3:4:5:12:3456".parse().unwrap());
        let other_v4 = "10.0.0.101".parse().unwrap();
        let others_v6 = [
            "fe00:1:2:3:4:5:12:3456",
            "fd00:1:2:4:4:5:12:3456",
            "fd00:1:2:3:4:6:12:3456",
            "fd00:1:2:3:4:5:12:3457",
        ];
        let mut not_icmp = frame::unsolicited_advertisement(PEER, v6);
        not_icmp[20] = 17;
        let mut noise_v6 =
            others_v6.map(|other| frame::unsolicited_advertisement(PEER, other.parse().unwrap())).to_vec();
        noise_v6.push(not_icmp);
        let noise_v4 = vec![frame::arp_announcement(PEER, other_v4), frame::arp_probe(PEER, other_v4)];
        let claim_v4 = [frame::arp_probe(PEER, v4), frame::arp_gratuitous_reply(PEER, v4)];
        let claim_v6 = [frame::dad_solicitation(PEER, v6), frame::unsolicited_advertisement(PEER, v6)];
        for (address, noise, claims) in [(v4.into(), noise_v4, claim_v4), (v6.into(), noise_v6, claim_v6)] {
            runtime.block_on(async {
                let (ours, theirs) =
                    (Wire::open(here, address).unwrap(), Wire::open(there, address).unwrap());
                for frame in noise.iter().chain(&claims) {
                    theirs.send(frame).unwrap();
                }
                for claim in &claims {
                    let end = Instant::now() + Duration::from_secs(5);
                    let came = timeout_at(end, ours.receive()).await.expect("the claim comes through");
                    assert_eq!(&came.unwrap(), claim);
                }
            });
        }
    }
}
