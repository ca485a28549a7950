//! Where the daemon listens, and which names it answers to.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use super::{Settings, Tls};

impl Settings {
    /// Takes over the address that is listened on, where the kernel chose the port of it.
    pub(crate) fn listens_on(&mut self, addr: SocketAddr) {
        if self.public_url == format!("http://{}", self.listen) {
            self.public_url = format!("http://{addr}");
        }
        self.listen = addr;
    }

    /// Whether a `Host` header with this value may be answered: a loopback name with our port, the host of the
    /// public URL, or one of the allowed hosts. An allowed host without a port stands for that name with any.
    #[must_use]
    pub fn host_is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let port = self.listen.port();
        let (name, given) = split_port(&host);
        let loopback = name == "localhost" || loopback_ip(name);
        if loopback && given.unwrap_or(80) == port {
            return true;
        }
        let public = Url::parse(&self.public_url).ok();
        let public = public.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default())));
        if let Some((public, public_port)) = public
            && name == public
            && (given == public_port || given.is_none() && matches!(public_port, Some(80 | 443)))
        {
            return true;
        }
        self.allowed_hosts.iter().any(|allowed| *allowed == host || *allowed == name)
    }

    /// Whether an `Origin` header with this value is one of ours: `http` or `https` on a host of ours.
    #[must_use]
    pub fn origin_is_ours(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let bare = !host.is_empty() && !host.contains(['/', '@', '?', '#']);
        matches!(scheme, "http" | "https") && bare && self.host_is_ours(host)
    }

    /// Where clients reach the MCP endpoint of an instance.
    #[must_use]
    pub fn access_url(&self, instance: uuid::Uuid) -> String {
        format!("{}/i/{instance}/mcp", self.public_url)
    }
}

/// What speaks against listening there, in words: whoever reaches the daemon from another machine sends their
/// token over the network.
pub(super) fn exposed(listen: SocketAddr, public_url: Option<&str>, tls: Tls) -> Option<String> {
    if listen.ip().is_loopback() {
        return None;
    }
    let advice = "or listen on 127.0.0.1";
    let Some(public_url) = public_url else {
        return Some(format!(
            "it is reachable from other machines, so say in `public-url` how clients reach it, such as \
             https://minimcp.example.org, {advice}"
        ));
    };
    match tls {
        Tls::Insecure => None,
        Tls::Proxy if public_url.starts_with("https://") => None,
        Tls::Proxy => Some(format!(
            "`http.tls` says that a proxy in front terminates TLS, so `public-url` has to begin with https://, {advice}"
        )),
        Tls::Loopback => Some(format!(
            "it is reachable from other machines, and the daemon itself speaks no TLS: put a TLS proxy in front and \
             say so with `http.tls = \"proxy\"`, or accept with `http.tls = \"insecure\"` that tokens can be read on \
             the way, {advice}"
        )),
    }
}

/// The name and the port of a host, the name of an IPv6 address with its brackets.
fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && (!name.contains(':') || name.ends_with(']')) => {
            match port.parse() {
                Ok(port) if !port_has_sign(host) => (name, Some(port)),
                // Not a port, so not a host of ours either: no name holds a colon.
                _ => (host, None),
            }
        }
        _ => (host, None),
    }
}

/// `u16::from_str` takes a leading plus; a `Host` header has none.
fn port_has_sign(host: &str) -> bool {
    host.contains('+')
}

fn loopback_ip(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
