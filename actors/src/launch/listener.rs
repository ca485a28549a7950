//! Who listens on a port of this machine, asked of the kernel in one exchange (`NETLINK_SOCK_DIAG`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const TCP: u8 = 6;
/// The bit of the state `TCP_LISTEN`.
const LISTENING: u32 = 1 << 10;
const HEADER: usize = 16;
/// Lengths of `inet_diag_req_v2` and `inet_diag_msg` behind the header.
const REQUEST: usize = 56;
const MESSAGE: usize = 72;

/// A listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener {
    uid: u32,
    addr: IpAddr,
}

/// Whether nobody but this user hears what is sent to the port at 127.0.0.1, as far as the kernel tells. Takes some
/// microseconds and waits for nobody.
#[must_use]
pub fn is_of(port: u16, uid: u32) -> bool {
    on(port).map_or(true, |listeners| is_alone(&listeners, uid))
}

/// Every socket that listens on this TCP port.
fn on(port: u16) -> io::Result<Vec<Listener>> {
    let mut listeners = ask(AddressFamily::INET, port)?;
    listeners.extend(ask(AddressFamily::INET6, port)?);
    Ok(listeners)
}

/// Whether a socket of this user, and none of another, hears what is sent to the port at 127.0.0.1.
fn is_alone(listeners: &[Listener], uid: u32) -> bool {
    let mut hearing = listeners.iter().filter(|listener| hears_loopback(listener.addr)).peekable();
    hearing.peek().is_some() && hearing.all(|listener| listener.uid == uid)
}

fn hears_loopback(addr: IpAddr) -> bool {
    let addr = addr.to_canonical();
    addr.is_unspecified() || addr == IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn ask(family: AddressFamily, port: u16) -> io::Result<Vec<Listener>> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    rustix::net::send(&socket, &request(family, port), SendFlags::empty())?;
    let mut listeners = Vec::new();
    let mut buffer = [0; 16 * 1_024];
    loop {
        let (_, length) = rustix::net::recv(&socket, &mut buffer, RecvFlags::empty())?;
        if !read(&buffer[..length], port, &mut listeners)? {
            return Ok(listeners);
        }
    }
}

fn request(family: AddressFamily, port: u16) -> [u8; HEADER + REQUEST] {
    let mut text = [0; HEADER + REQUEST];
    let length = u32::try_from(text.len()).unwrap_or(0);
    text[0..4].copy_from_slice(&length.to_ne_bytes());
    text[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    text[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    text[16] = u8::try_from(family.as_raw()).unwrap_or(0);
    text[17] = TCP;
    text[20..24].copy_from_slice(&LISTENING.to_ne_bytes());
    text[24..26].copy_from_slice(&port.to_be_bytes());
    text
}

/// Takes the listeners out of one answer. `false` once it was the last.
fn read(mut text: &[u8], port: u16, listeners: &mut Vec<Listener>) -> io::Result<bool> {
    let cut = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer about sockets is cut short");
    while !text.is_empty() {
        let header: [u8; HEADER] = text.first_chunk().copied().ok_or_else(cut)?;
        let [a, b, c, d, kind_low, kind_high, ..] = header;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(0);
        let body = text.get(HEADER..length).ok_or_else(cut)?;
        match u16::from_ne_bytes([kind_low, kind_high]) {
            DONE => return Ok(false),
            ERROR => return Err(io::Error::other("the kernel does not tell who listens")),
            _ => listeners.extend(listener(body.first_chunk().ok_or_else(cut)?, port)),
        }
        text = text.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(true)
}

fn listener(message: &[u8; MESSAGE], port: u16) -> Option<Listener> {
    if u16::from_be_bytes([message[4], message[5]]) != port {
        return None;
    }
    let mut source = [0; 16];
    source.copy_from_slice(&message[8..24]);
    let addr = if u16::from(message[0]) == AddressFamily::INET.as_raw() {
        IpAddr::from([source[0], source[1], source[2], source[3]])
    } else {
        IpAddr::from(Ipv6Addr::from(source))
    };
    let uid = u32::from_ne_bytes([message[64], message[65], message[66], message[67]]);
    Some(Listener { uid, addr })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_kernel_tells_who_listens_where() {
        let own = rustix::process::getuid().as_raw();
        for place in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let Ok(socket) = TcpListener::bind(place) else { continue };
            let bound = socket.local_addr().unwrap();
            let found = on(bound.port()).unwrap();
            assert!(found.contains(&Listener { uid: own, addr: bound.ip() }), "{found:?}");
            assert!(is_alone(&found, own) && !is_alone(&found, own + 1));
            drop(socket);
            assert!(!is_alone(&on(bound.port()).unwrap(), own), "nobody listens any more");
        }
    }

    #[test]
    fn what_cannot_hear_the_loopback_address_does_not_count_and_one_stranger_is_too_many() {
        let at = |uid, addr: &str| Listener { uid, addr: addr.parse().unwrap() };
        assert!(!is_alone(&[], 7));
        assert!(!is_alone(&[at(7, "::1")], 7), "it does not hear 127.0.0.1");
        assert!(is_alone(&[at(7, "127.0.0.1"), at(8, "::1"), at(9, "192.0.2.1")], 7));
        assert!(is_alone(&[at(7, "::ffff:127.0.0.1")], 7));
        for other in ["0.0.0.0", "::", "127.0.0.1"] {
            assert!(!is_alone(&[at(7, "127.0.0.1"), at(8, other)], 7), "{other}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_short_is_no_answer() {
        let mut text = request(AddressFamily::INET, 80).to_vec();
        let mut listeners = Vec::new();
        assert!(read(&text, 80, &mut listeners).is_err(), "shorter than a socket");
        text.truncate(10);
        assert!(read(&text, 80, &mut listeners).is_err(), "shorter than a header");
        assert_eq!(listeners, []);
    }
}
