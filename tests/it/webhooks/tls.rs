//! Receivers that speak TLS, with certificates that are right and wrong.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use minimcp::http::Bounds;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::targets::{Fickle, test_of};
use super::{until, webhook};
use crate::daemon::{Daemon, clients_can_be_built};
use crate::receiver::{Receiver, Reply};

const NAME: &str = "hooks.internal.example";

/// An authority of this test, and the file with its certificate.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "an authority of its own");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let authority = Self { issuer, dir };
        std::fs::write(authority.file(), authority.issuer.pem()).unwrap();
        authority
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A receiver with a certificate of this authority.
    async fn receiver(&self, name: &str, change: fn(&mut CertificateParams), replies: &[Reply]) -> Receiver {
        clients_can_be_built();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let chain = vec![certificate.der().clone()];
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        Receiver::secure(TlsAcceptor::from(Arc::new(config)), replies).await
    }
}

/// A daemon to which every name is this machine, and which may send to that name.
async fn daemon(more: &[&str]) -> Daemon {
    let allow = format!("webhooks.allow={NAME}");
    let mut set = vec![allow.as_str(), "webhooks.retry=", "http.max-creations=0"];
    set.extend(more);
    let here = Fickle(Mutex::new(vec![vec![[127, 0, 0, 1].into()]]));
    Daemon::resolving(&set, Bounds::default(), Arc::new(here)).await
}

/// What comes of a test event to this receiver, by its name.
async fn tested(daemon: &Daemon, receiver: &Receiver) -> (String, Value) {
    let url = format!("https://{NAME}:{}/hook?key=part-of-the-url", receiver.addr.port());
    let (id, _) = webhook(daemon, &daemon.admin, &json!({"url": url})).await;
    let test = test_of(daemon, &id).await;
    (id, test)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_delivered_over_tls_to_the_name_in_the_url_at_the_address_that_was_looked_at() {
    let authority = Authority::new();
    let receiver = authority.receiver(NAME, |_| {}, &[Reply::Status(200)]).await;
    let daemon = daemon(&[&format!("webhooks.ca-file={}", authority.file().display())]).await;
    let (_, test) = tested(&daemon, &receiver).await;
    assert_eq!((&test["state"], &test["last_status"]), (&json!("delivered"), &json!(200)), "{test}");
    let received = receiver.have(1).await.remove(0);
    // The name is nowhere but in the URL: the connection went to the address that the daemon had looked at.
    assert_eq!(received.server_name.as_deref(), Some(NAME));
    assert_eq!(received.headers["host"], format!("{NAME}:{}", receiver.addr.port()));
    assert_eq!(received.kind(), "webhook.test");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_cannot_show_who_it_is_gets_nothing_and_the_delivery_says_why() {
    let authority = Authority::new();
    let file = format!("webhooks.ca-file={}", authority.file().display());
    let (believing, strict) = (daemon(&[&file]).await, daemon(&[]).await);
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let early = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(2090, 1, 1);
    let other = "other.internal.example";
    for (daemon, name, change, reason) in [
        (&strict, NAME, (|_| {}) as fn(&mut CertificateParams), "`webhooks.ca-file`"),
        (&believing, other, |_| {}, "is for another name"),
        (&believing, NAME, expired, "has expired"),
        (&believing, NAME, early, "is not valid yet"),
    ] {
        let receiver = authority.receiver(name, change, &[Reply::Status(200)]).await;
        let (id, test) = tested(daemon, &receiver).await;
        let error = test["last_error"].as_str().unwrap();
        assert!(error.starts_with("its certificate ") && error.contains(reason), "{reason}: {test}");
        assert_eq!(test["last_status"], Value::Null);
        let sent = until(daemon, &id, |sent| sent.iter().all(|one| one["state"] == "failed")).await;
        assert_eq!(sent.len(), 1, "{sent:#?}");
        assert_eq!((receiver.connections(), receiver.received().len()), (1, 0), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_over_tls_is_not_followed() {
    let authority = Authority::new();
    let elsewhere = authority.receiver(NAME, |_| {}, &[Reply::Status(200)]).await;
    let to = format!("https://{NAME}:{}/", elsewhere.addr.port());
    let receiver = authority.receiver(NAME, |_| {}, &[Reply::Redirect(to)]).await;
    let daemon = daemon(&[&format!("webhooks.ca-file={}", authority.file().display())]).await;
    let (_, test) = tested(&daemon, &receiver).await;
    assert_eq!(test["last_error"], "it answered 307, and redirects are not followed", "{test}");
    assert_eq!((receiver.received().len(), elsewhere.connections()), (1, 0));
}
