//! Ports of the configured range: each is leased to one instance at a time and given back at its end.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::RangeInclusive;

use uuid::Uuid;

/// The owner of the range.
#[derive(Debug)]
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    leased: HashMap<u16, Uuid>,
    next: u16,
}

impl Ports {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        let next = *range.start();
        Self { range, leased: HashMap::new(), next }
    }

    pub(crate) fn size(&self) -> usize {
        self.range.len()
    }

    /// Leases a port that is `free`: the least recently tried first, so that one that was just given back
    /// rests for a while. `None` if there is none.
    pub(crate) fn lease(&mut self, id: Uuid, free: impl Fn(u16) -> bool) -> Option<u16> {
        for _ in 0..self.range.len() {
            let port = self.next;
            self.next = if port == *self.range.end() { *self.range.start() } else { port + 1 };
            if !self.leased.contains_key(&port) && free(port) {
                self.leased.insert(port, id);
                return Some(port);
            }
        }
        None
    }

    /// Leases the port that an adopted process has, whatever range it was taken from.
    pub(crate) fn reclaim(&mut self, id: Uuid, port: u16) {
        self.leased.insert(port, id);
    }

    /// Gives a port back.
    pub(crate) fn release(&mut self, id: Uuid, port: u16) {
        if self.leased.get(&port) == Some(&id) {
            self.leased.remove(&port);
        }
    }
}

/// Whether nobody listens on the port, on any address. A server may bind all interfaces, so a port that
/// anybody has on IPv6 is not free either; a machine without IPv6 has nobody there.
pub(crate) fn is_free(port: u16) -> bool {
    let v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
    let v6_is_free = match &v6 {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::AddrInUse,
    };
    drop(v6);
    v6_is_free && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_leased_once_and_again_after_its_release() {
        let mut ports = Ports::new(20_000..=20_001);
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        assert_eq!(ports.lease(a, |_| true), Some(20_000));
        assert_eq!(ports.lease(b, |_| true), Some(20_001));
        assert_eq!(ports.lease(b, |_| true), None);
        ports.release(b, 20_000);
        assert_eq!(ports.lease(b, |_| true), None, "only its holder gives a port back");
        ports.release(a, 20_000);
        assert_eq!(ports.lease(b, |_| true), Some(20_000));
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_passed_over() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        assert!(!is_free(taken));
        let mut ports = Ports::new(taken..=taken);
        assert_eq!(ports.lease(Uuid::now_v7(), is_free), None);
    }
}
