//! Where webhooks may lead, how often they are tried, and when leases are reminded of.

use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::surroundings::Surroundings;
use super::values::Values;
use crate::webhooks::Allowed;

/// Settings below `webhooks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Hosts, addresses and networks that need not be public, with http and any port.
    pub allow: Allowed,
    /// Pauses between attempts; one more attempt than there are pauses is made.
    pub retry: Vec<Duration>,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How long before the end of a lease its owner is told.
    pub lease_leads: Vec<Duration>,
    /// Certificates of authorities whose receivers are believed beside those that the machine believes, in DER.
    pub authorities: Vec<CertificateDer<'static>>,
}

pub(super) fn read(values: &mut Values, surroundings: &Surroundings) -> WebhookSettings {
    let week = Duration::from_secs(7 * 86_400);
    WebhookSettings {
        allow: values.optional("webhooks.allow", Allowed::parse).unwrap_or_default(),
        retry: values.read("webhooks.retry", |text| durations(text, Duration::from_secs(86_400))),
        timeout: values.duration("webhooks.timeout", Duration::from_millis(100)..=Duration::from_secs(30)),
        lease_leads: values.read("webhooks.lease-leads", |text| durations(text, week)),
        authorities: values
            .optional("webhooks.ca-file", |text| authorities(surroundings, text))
            .unwrap_or_default(),
    }
}

/// The certificates of a PEM file, each of them one that can stand for an authority.
fn authorities(surroundings: &Surroundings, text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let path = surroundings.absolute(text)?;
    let wanted = format!("a file in PEM with the certificates of authorities; {}", path.display());
    let pem = std::fs::read(&path).map_err(|error| format!("{wanted} cannot be read: {error}"))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = read.map_err(|error| format!("{wanted} is none: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| format!("{wanted} has another in it: {error}"))?;
    }
    if certificates.is_empty() { Err(format!("{wanted} has none in it")) } else { Ok(certificates) }
}

/// `5s, 1m`: at most 20, none longer than `longest`.
fn durations(text: &str, longest: Duration) -> Result<Vec<Duration>, String> {
    let pieces: Vec<&str> = text.split(',').map(str::trim).filter(|piece| !piece.is_empty()).collect();
    let read = |piece: &&str| humantime::parse_duration(piece).ok().filter(|duration| *duration <= longest);
    match pieces.iter().map(read).collect::<Option<Vec<_>>>() {
        Some(durations) if durations.len() <= 20 => Ok(durations),
        _ => Err(format!(
            "it has to be at most 20 times up to {}, such as [\"5s\", \"1m\", \"2h\"]",
            humantime::format_duration(longest)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{fault_of, settings};

    #[test]
    fn lists_of_times_and_of_places_are_read_and_what_is_wrong_is_told() {
        let webhooks =
            settings("[webhooks]\nretry = ['1s', '2m']\nlease-leads = []\nallow = ['10.0.0.0/8', 'x.local']")
                .webhooks;
        assert_eq!(webhooks.retry, [Duration::from_secs(1), Duration::from_secs(120)]);
        assert!(webhooks.lease_leads.is_empty());
        assert!(webhooks.allow.check("http://x.local:1/").is_ok());
        for (line, key) in [
            ("retry = ['2d']", "webhooks.retry"),
            ("retry = ['soon']", "webhooks.retry"),
            ("lease-leads = ['8d']", "webhooks.lease-leads"),
            ("timeout = '1m'", "webhooks.timeout"),
            ("allow = ['a b']", "webhooks.allow"),
            ("ca-file = '/nonexistent/ca.pem'", "/nonexistent/ca.pem cannot be read"),
            ("ca-file = '/dev/null'", "/dev/null has none in it"),
        ] {
            let told = fault_of(&format!("[webhooks]\n{line}"));
            assert!(told.contains(key), "{line}: {told}");
        }
    }
}
