//! Asking the configured registry. Whatever it or a name server answers leads to no address that is not public: not
//! to this machine, unless the registry itself is here, and not into a network around it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use serde_json::Value;
use url::{Host, Url};

/// How long the registry may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of an answer.
const MAX_ANSWER: usize = 256 * 1_024;
/// Places that the registry may send us on to.
const REDIRECTS: usize = 3;

/// Why there is no description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the registry has no server of this name and version")]
    NotFound,
    #[error("the registry does not answer as it should: {0}")]
    Failed(String),
}

/// The description of a server in the registry at `base`.
pub(super) async fn fetch(base: &str, name: &str, version: Option<&str>) -> Result<Value, FetchError> {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let (name, version) = (encoded(name), encoded(version.unwrap_or("latest")));
    get(base, &format!("{base}/v0.1/servers/{name}/versions/{version}")).await
}

async fn get(base: &str, url: &str) -> Result<Value, FetchError> {
    let failed = |error: &dyn std::error::Error| FetchError::Failed(innermost(error));
    let url = Url::parse(url).map_err(|error| failed(&error))?;
    let guard = Guard::of(base);
    guard.check(&url).map_err(FetchError::Failed)?;
    let client = client(guard).map_err(|error| failed(&error))?;
    let mut response = client.get(url).send().await.map_err(|error| failed(&error))?;
    match response.status().as_u16() {
        404 => return Err(FetchError::NotFound),
        200 => {}
        other => return Err(FetchError::Failed(format!("status {other}"))),
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(FetchError::Failed("its answer is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| failed(&error))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn client(guard: Guard) -> reqwest::Result<reqwest::Client> {
    // Fails only if there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let follow = move |attempt: Attempt<'_>| {
        if attempt.previous().len() > REDIRECTS {
            return attempt.error("it sends us on too often");
        }
        match guard.check(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(words) => attempt.error(words),
        }
    };
    // A proxy would look up names by itself.
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .redirect(Policy::custom(follow))
        .dns_resolver(Arc::new(guard))
        .build()
}

/// Where requests may go.
#[derive(Debug, Clone, Copy)]
struct Guard {
    /// Whether the registry is on this machine, which its administrator has said then.
    loopback: bool,
}

impl Guard {
    fn of(base: &str) -> Self {
        let loopback = Url::parse(base).is_ok_and(|url| match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        });
        Self { loopback }
    }

    fn allows(self, ip: IpAddr) -> bool {
        is_public(ip) || self.loopback && ip.is_loopback()
    }

    fn check(self, url: &Url) -> Result<(), String> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) => None,
            None => return Err("an address without a host".into()),
        };
        if let Some(ip) = ip.filter(|ip| !self.allows(*ip)) {
            return Err(format!("it leads to {ip}, which is no public address"));
        }
        if url.scheme() != "https" && !(self.loopback && url.scheme() == "http") {
            return Err("it leads away from https".into());
        }
        Ok(())
    }
}

/// The addresses that are connected to are those that were checked: nothing is looked up a second time.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.filter(|address| guard.allows(address.ip())).collect();
            if addresses.is_empty() {
                return Err(io::Error::other(format!("{} has no public address", name.as_str())).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the internet, as far as its number can tell.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        // This network; carriers' own; protocols; old relays; benchmarks; reserved, the broadcast with it.
        || a == 0
        || a == 100 && (64..128).contains(&b)
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || a == 198 && (b == 18 || b == 19)
        || a >= 240)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public_v4(ip);
    }
    let parts = ip.segments();
    // Only what is given out at all, without what carries another address in it or is for documentation.
    let given_out = parts[0] & 0xe000 == 0x2000;
    let embeds = parts[0] == 0x2002 || parts[0] == 0x2001 && parts[1] < 0x0200;
    let documentation = parts[0] == 0x2001 && parts[1] == 0x0db8 || parts[0] == 0x3fff && parts[1] < 0x1000;
    given_out && !embeds && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_around_and_inside_of_this_machine_are_not_public() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "198.51.100.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1"]
        {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn a_way_leads_by_https_to_public_addresses_or_stays_where_the_administrator_put_the_registry() {
        let check = |base: &str, url: &str| Guard::of(base).check(&Url::parse(url).unwrap()).is_ok();
        let (public, here) = ("https://registry.example.org", "http://127.0.0.1:7000");
        for (base, url, allowed) in [
            (public, "https://registry.example.org/v0.1/x", true),
            (public, "https://other.example.org/", true),
            (public, "http://registry.example.org/", false),
            (public, "https://127.0.0.1/", false),
            (public, "https://[::1]/", false),
            (public, "https://169.254.169.254/latest/meta-data", false),
            (public, "https://2130706433/", false),
            (public, "https://0x7f.1/", false),
            (public, "file:///etc/passwd", false),
            (here, "http://127.0.0.1:7000/v0.1/x", true),
            (here, "http://10.0.0.1/", false),
            (here, "https://[fd00::1]/", false),
        ] {
            assert_eq!(check(base, url), allowed, "{base} -> {url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_here_is_not_asked() {
        let error = get("https://localhost.example", "https://localhost:9/x").await.unwrap_err();
        let FetchError::Failed(words) = error else { panic!("{error}") };
        assert!(words.contains("no public address"), "{words}");
    }
}
