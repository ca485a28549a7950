//! The issuer's public keys: asked for when they are needed, kept for a while, and never asked for at the pace of
//! whoever sends tokens.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::is_trustworthy;
use crate::gateway::Rate;

/// Keys that old are asked for anew.
const FRESH: Duration = Duration::from_secs(600);
/// Keys that old are not used any more, even if the issuer cannot be reached.
const USABLE: Duration = Duration::from_secs(3_600);
/// Times a minute that the issuer is asked, whatever is asked of us.
const PER_MINUTE: u32 = 6;
/// How long the issuer may take for each of its two answers.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer of the issuer.
const MAX_ANSWER: usize = 256 * 1_024;
/// Keys that are kept.
const MAX_KEYS: usize = 64;

/// Why there are no keys.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyFault {
    /// The issuer does not answer, or not with success.
    #[error("{url}: {reason}")]
    NoAnswer {
        /// What was asked for.
        url: String,
        /// What came of it.
        reason: String,
    },
    /// The issuer answers what it should not.
    #[error("the issuer's discovery document {0}")]
    Discovery(&'static str),
    /// The issuer was asked in vain a moment ago.
    #[error("the issuer did not answer a moment ago")]
    Pause,
}

/// A key with the one algorithm that it is for.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    known: RwLock<Arc<Known>>,
    /// How often the issuer is asked. Held by the one who asks.
    asking: Mutex<Rate>,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<String, Key>,
    since: Option<Instant>,
}

impl Known {
    /// The key by its id; without an id, the only one there is.
    fn get(&self, id: Option<&str>) -> Option<&Key> {
        match id {
            Some(id) => self.keys.get(id),
            None if self.keys.len() == 1 => self.keys.values().next(),
            None => None,
        }
    }

    fn is_younger_than(&self, age: Duration, now: Instant) -> bool {
        self.since.is_some_and(|since| now < since + age)
    }
}

impl Keys {
    pub(super) fn new(issuer: &str) -> Self {
        let rate = Rate::new(PER_MINUTE, Duration::from_secs(60), PER_MINUTE);
        Self { issuer: issuer.into(), known: RwLock::default(), asking: Mutex::new(rate) }
    }

    /// The key with this id, or `None` if the issuer has none.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<Option<Key>, KeyFault> {
        if let Some(key) = self.present(id, FRESH) {
            return Ok(Some(key));
        }
        let Ok(asking) = self.asking.try_lock() else {
            // Somebody asks already. Who can do with an older key does not wait for them.
            if let Some(key) = self.present(id, USABLE) {
                return Ok(Some(key));
            }
            let _asking = self.asking.lock().await;
            return self.answer(id, Err(KeyFault::Pause));
        };
        if asking.take().is_err() {
            return self.answer(id, Err(KeyFault::Pause));
        }
        let fetched = fetch(&self.issuer).await.map(|keys| {
            let known = Known { keys, since: Some(Instant::now()) };
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        });
        self.answer(id, fetched)
    }

    /// What can be said with the keys there are, after the issuer was asked with this outcome.
    fn answer(&self, id: Option<&str>, fetched: Result<(), KeyFault>) -> Result<Option<Key>, KeyFault> {
        match (self.present(id, USABLE), fetched) {
            (Some(key), _) => Ok(Some(key)),
            (None, Ok(())) => Ok(None),
            // Its keys are known well enough to say that this is none of them.
            (None, Err(_)) if self.known().is_younger_than(FRESH, Instant::now()) => Ok(None),
            (None, Err(fault)) => Err(fault),
        }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn present(&self, id: Option<&str>, age: Duration) -> Option<Key> {
        let known = self.known();
        known.get(id).filter(|_| known.is_younger_than(age, Instant::now())).cloned()
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

async fn fetch(issuer: &str) -> Result<HashMap<String, Key>, KeyFault> {
    let client = client(issuer).map_err(|error| no_answer(issuer, &error))?;
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let discovery: Discovery = get(&client, &url).await?;
    if discovery.issuer != issuer {
        return Err(KeyFault::Discovery("is that of another issuer"));
    }
    if !is_trustworthy(&discovery.jwks_uri) {
        return Err(KeyFault::Discovery("names keys that are not reached by https"));
    }
    let set: KeySet = get(&client, &discovery.jwks_uri).await?;
    Ok(set.keys.into_iter().filter_map(usable).take(MAX_KEYS).collect())
}

fn client(issuer: &str) -> reqwest::Result<reqwest::Client> {
    // Fails only if there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder =
        reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    if issuer.starts_with("http://") {
        builder = builder.no_proxy();
    }
    builder.build()
}

async fn get<T: DeserializeOwned>(client: &reqwest::Client, url: &str) -> Result<T, KeyFault> {
    let fault = |error: &dyn std::error::Error| no_answer(url, error);
    let response = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
    let mut response = response.map_err(|error| fault(&error))?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(KeyFault::NoAnswer { url: url.into(), reason: "the answer is too long".into() });
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| fault(&error))
}

fn no_answer(url: &str, error: &dyn std::error::Error) -> KeyFault {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    KeyFault::NoAnswer { url: url.into(), reason: cause.to_string() }
}

/// A key that signatures can be verified with. The others of a set are for something else.
fn usable(jwk: Value) -> Option<(String, Key)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, "RS256"),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, "ES256")
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, "EdDSA")
        }
        _ => return None,
    };
    let meant = jwk.common.key_algorithm.as_ref().is_none_or(|algorithm| algorithm.to_string() == name);
    let id = jwk.common.key_id.clone()?;
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    (signs && meant).then_some((id, Key { algorithm, decoding }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_public_keys_for_signatures_of_the_allowed_algorithms_are_taken() {
        let rsa = json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"});
        let with = |name: &str, value: Value| {
            let mut key = rsa.clone();
            key[name] = value;
            key
        };
        assert_eq!(usable(rsa.clone()).unwrap().1.algorithm, Algorithm::RS256);
        assert!(usable(with("alg", json!("RS256"))).is_some() && usable(with("use", json!("sig"))).is_some());
        for other in [
            with("alg", json!("RSA-OAEP")),
            with("alg", json!("PS256")),
            with("use", json!("enc")),
            json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0"}),
            json!({"kty": "EC", "kid": "a", "crv": "P-384", "x": "AQAB", "y": "AQAB"}),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
            json!("no key"),
        ] {
            assert!(usable(other.clone()).is_none(), "{other}");
        }
    }
}
