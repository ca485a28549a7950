//! Where events may be sent: to the public internet over https, and wherever an administrator allows it.
//!
//! A user of the daemon names the receiver, and the daemon stands in networks that the user does not. So a name is
//! resolved once, each of its addresses is held against this page, and the connection goes to one of them.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;
use url::{Host, Url};

/// Ports that anything may be sent to.
const PORTS: [u16; 2] = [443, 8443];

/// What is not the public internet, as the registries of IANA for special purposes have it. Of IPv6 only `2000::/3` is
/// given out at all.
static SPECIAL: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let networks = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 \
                    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 \
                    198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 2001::/23 2001:db8::/32 2002::/16 3fff::/20";
    networks.split_whitespace().map(|text| text.parse().expect("the table is well-formed")).collect()
});
static GIVEN_OUT: LazyLock<IpNet> = LazyLock::new(|| "2000::/3".parse().expect("it is well-formed"));

/// Why nothing is sent there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No URL, or one with parts that have no place in it.
    #[error("it has to be an https URL with a host, without user, password and fragment")]
    Malformed,
    /// Not encrypted.
    #[error("it has to begin with https://; http is for targets that `webhooks.allow` names")]
    Scheme,
    /// Another port.
    #[error("its port has to be 443 or 8443; others are for targets that `webhooks.allow` names")]
    Port,
    /// An address that is not public.
    #[error("{0} is no public address; an administrator can allow it with `webhooks.allow`")]
    Address(IpAddr),
    /// A name without addresses.
    #[error("its name has no address")]
    Unresolved,
}

/// What an administrator allows beyond the public internet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    hosts: Vec<String>,
    networks: Vec<IpNet>,
}

impl Allowed {
    /// From a list of host names, addresses and networks, separated by commas.
    ///
    /// # Errors
    /// Words for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut allowed = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
            if let Ok(network) = bare.parse::<IpNet>() {
                allowed.networks.push(network);
            } else if let Ok(address) = bare.parse::<IpAddr>() {
                allowed.networks.push(address.into());
            } else if let Ok(Host::Domain(name)) = Host::parse(entry)
                && !entry.contains('/')
            {
                allowed.hosts.push(plain(&name));
            } else {
                return Err(format!(
                    "`{entry}` is neither a host name nor an address nor a network; write such as \
                     hooks.example.org, 10.1.2.3 or 10.0.0.0/8"
                ));
            }
        }
        Ok(allowed)
    }

    /// Whether everything under this name is allowed.
    pub(super) fn names(&self, host: &str) -> bool {
        let host = plain(host);
        self.hosts.contains(&host)
    }

    /// Whether anything may be sent to this address.
    ///
    /// # Errors
    /// [`Refused::Address`].
    pub(super) fn admits(&self, address: IpAddr) -> Result<(), Refused> {
        if is_public(address) || self.holds(address) { Ok(()) } else { Err(Refused::Address(address)) }
    }

    fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The URL, if something may be sent there as far as it tells by itself. A name still has to be resolved.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, text: &str) -> Result<Url, Refused> {
        let url = Url::parse(text).map_err(|_| Refused::Malformed)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !bare || !matches!(url.scheme(), "https" | "http") {
            return Err(Refused::Malformed);
        }
        let exempt = match url.host().ok_or(Refused::Malformed)? {
            Host::Domain(name) => self.names(name),
            Host::Ipv4(ip) => self.literal(ip.into())?,
            Host::Ipv6(ip) => self.literal(ip.into())?,
        };
        if exempt {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err(Refused::Scheme);
        }
        if !url.port_or_known_default().is_some_and(|port| PORTS.contains(&port)) {
            return Err(Refused::Port);
        }
        Ok(url)
    }

    /// Whether an address that stands in the URL is exempt from the other rules.
    fn literal(&self, address: IpAddr) -> Result<bool, Refused> {
        self.admits(address)?;
        Ok(self.holds(address))
    }
}

/// Whether the address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let given_out = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(_) => GIVEN_OUT.contains(&address),
    };
    given_out && !SPECIAL.iter().any(|network| network.contains(&address))
}

/// A name as it is compared.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_that_is_not_public_is_refused() {
        let none = Allowed::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "0",
            "0.0.0.0",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0177.0.0.1",
            "0x7F.0x0.0x0.0x1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "127。0。0。1",
            "10.0.0.1",
            "167772161",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "0xc0a80101",
            "169.254.169.254",
            "2852039166",
            "0251.0376.0251.0376",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[100::1]",
            "[2001::1]",
            "[2001:db8::1]",
            "[2002:7f00:1::1]",
            "[2002:a00:1::]",
            "[3fff::1]",
            "[5f00::1]",
            "[4000::1]",
        ] {
            let refused = none.check(&format!("https://{host}/"));
            assert!(matches!(refused, Err(Refused::Address(_))), "{host}: {refused:?}");
        }
        for host in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "[2606:4700::1111]",
            "[::ffff:1.1.1.1]",
            "a.example",
        ] {
            assert!(none.check(&format!("https://{host}/x?y=z")).is_ok(), "{host}");
        }
    }

    #[test]
    fn only_https_on_its_ports_and_a_url_without_secrets_in_it() {
        let none = Allowed::default();
        for (url, why) in [
            ("http://a.example/", Refused::Scheme),
            ("https://a.example:80/", Refused::Port),
            ("https://a.example:22/", Refused::Port),
            ("http://1.1.1.1:443/", Refused::Scheme),
            ("https://u@a.example/", Refused::Malformed),
            ("https://u:p@a.example/", Refused::Malformed),
            ("https://a.example/#x", Refused::Malformed),
            ("ftp://a.example/", Refused::Malformed),
            ("file:///etc/passwd", Refused::Malformed),
            ("gopher://a.example:70/", Refused::Malformed),
            ("https://", Refused::Malformed),
            ("a.example", Refused::Malformed),
            ("https://127.0.0.1 .example/", Refused::Malformed),
        ] {
            assert_eq!(none.check(url), Err(why), "{url}");
        }
        assert!(none.check("https://a.example:8443/x").is_ok());
    }

    #[test]
    fn an_administrator_allows_names_addresses_and_networks() {
        let allowed = Allowed::parse("hooks.local, 10.1.0.0/16, [::1], 127.0.0.1, Fd00::/8,").unwrap();
        for url in [
            "http://hooks.local:8080/x",
            "http://HOOKS.local./",
            "http://10.1.2.3:81/",
            "http://[::1]:9/",
            "http://2130706433/",
            "http://[::ffff:10.1.2.3]/",
            "http://[fdab::1]:1/",
        ] {
            assert!(allowed.check(url).is_ok(), "{url}: {:?}", allowed.check(url));
        }
        for url in ["http://other.local/", "https://10.2.0.1/", "https://x.hooks.local:1/", "https://[::2]/"]
        {
            assert!(allowed.check(url).is_err(), "{url}");
        }
        for text in ["10.0.0.0/33", "a b", "https://x", "10.0.0.0/8/9", "a/b"] {
            assert!(Allowed::parse(text).is_err(), "{text}");
        }
        assert_eq!(Allowed::parse("").unwrap(), Allowed::default());
    }
}
