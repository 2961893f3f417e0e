//! Lets through to a packet socket only the frames that speak of one address, in the kernel: a link full of other
//! traffic must not crowd out the one answer that counts.
//!
//! Pure but for [`attach`]. A frame that is let through still has to be judged (`frame`).

use nix::errno::Errno;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

/// Classic BPF: load a word or a byte of the frame, compare it with a constant, end with so many bytes let through.
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const IS_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const END: u32 = libc::BPF_RET | libc::BPF_K;

/// Where an ARP frame has the sender's and the target's address (RFC 826, behind 14 bytes of Ethernet).
const ARP_ADDRESSES: [u32; 2] = [28, 38];
/// Where an IPv6 frame has its next header, and a neighbour discovery message its target (RFC 4861 §4.3).
const NEXT_HEADER: u32 = 20;
const ND_TARGET: u32 = 62;

fn step(code: u32, jump: (u8, u8), k: u32) -> libc::sock_filter {
    let code = u16::try_from(code).expect("an instruction code is a byte");
    libc::sock_filter { code, jt: jump.0, jf: jump.1, k }
}

fn ends() -> [libc::sock_filter; 2] {
    [step(END, (0, 0), u32::MAX), step(END, (0, 0), 0)]
}

/// Either address equal.
fn arp(address: Ipv4Addr) -> Vec<libc::sock_filter> {
    let [sender, target] = ARP_ADDRESSES;
    let wanted = u32::from(address);
    let mut program = vec![
        step(LOAD_WORD, (0, 0), sender),
        step(IS_EQUAL, (2, 0), wanted),
        step(LOAD_WORD, (0, 0), target),
        step(IS_EQUAL, (0, 1), wanted),
    ];
    program.extend(ends());
    program
}

/// All of it equal: an ICMPv6 message, the four words of the target.
fn neighbour_discovery(address: Ipv6Addr) -> Vec<libc::sock_filter> {
    let mut wanted = vec![(LOAD_BYTE, NEXT_HEADER, libc::IPPROTO_ICMPV6.unsigned_abs())];
    let words = address.octets();
    for (n, word) in (0_u32..).zip(words.chunks_exact(4)) {
        let value = word.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
        wanted.push((LOAD_WORD, ND_TARGET + 4 * n, value));
    }
    let mut program = vec![];
    for (left, (load, at, value)) in (0_u8..).zip(wanted.iter().rev()).collect::<Vec<_>>().into_iter().rev() {
        program.push(step(*load, (0, 0), *at));
        // On to the next comparison, or past all that are left and the first end.
        program.push(step(IS_EQUAL, (0, 2 * left + 1), *value));
    }
    program.extend(ends());
    program
}

/// From now on the socket receives nothing else.
pub(super) fn attach(socket: &OwnedFd, address: IpAddr) -> std::io::Result<()> {
    let mut program = match address {
        IpAddr::V4(v4) => arp(v4),
        IpAddr::V6(v6) => neighbour_discovery(v6),
    };
    let len = u16::try_from(program.len()).map_err(std::io::Error::other)?;
    let filter = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: `filter` is a valid sock_fprog of the given length over a program that outlives the call.
    let attached = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    Errno::result(attached)?;
    Ok(())
}
