//! Signatures as Standard Webhooks has them: who has the secret knows that an event is ours, and how old it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::vault::SealError;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// The secrets of one webhook: the present one and, for a while after it was replaced, the one before.
#[derive(Debug)]
pub(crate) struct Secrets {
    present: SecretString,
    previous: Option<SecretString>,
}

/// As they are sealed.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    present: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'a str>,
}

/// What was sealed as the secrets of a webhook is something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secrets of the webhook cannot be read")]
pub(crate) struct NoSecrets;

impl Secrets {
    /// A new one.
    pub(crate) fn random() -> Result<Self, SealError> {
        Ok(Self { present: random()?, previous: None })
    }

    /// A new one in the place of the present, which becomes the one before.
    pub(crate) fn rotated(self) -> Result<Self, SealError> {
        Ok(Self { present: random()?, previous: Some(self.present) })
    }

    /// From what [`Self::to_json`] made.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, NoSecrets> {
        let kept: Kept<'_> = serde_json::from_slice(json).map_err(|_| NoSecrets)?;
        Ok(Self { present: kept.present.into(), previous: kept.previous.map(Into::into) })
    }

    /// To be sealed.
    pub(crate) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let previous = self.previous.as_ref().map(ExposeSecret::expose_secret);
        let kept = Kept { present: self.present.expose_secret(), previous };
        Zeroizing::new(serde_json::to_vec(&kept).expect("two texts are plain data"))
    }

    /// The text of the present one, to be shown once.
    pub(crate) fn text(&self) -> &str {
        self.present.expose_secret()
    }

    /// The `webhook-signature` of a body that is sent at this second: of the present secret, and of the one before
    /// while that still counts.
    pub(crate) fn sign(
        &self,
        id: &str,
        timestamp: i64,
        body: &str,
        with_previous: bool,
    ) -> Result<String, NoSecrets> {
        let present = sign(self.present.expose_secret(), id, timestamp, body)?;
        match self.previous.as_ref().filter(|_| with_previous) {
            Some(previous) => {
                Ok(format!("{present} {}", sign(previous.expose_secret(), id, timestamp, body)?))
            }
            None => Ok(present),
        }
    }
}

fn random() -> Result<SecretString, SealError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(&mut *bytes).map_err(SealError::NoRandomness)?;
    Ok(SecretString::from(format!("{PREFIX}{}", STANDARD.encode(*bytes))))
}

fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> Result<String, NoSecrets> {
    let key = secret.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let key = Zeroizing::new(key.ok_or(NoSecrets)?);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    for part in [id, ".", &timestamp.to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_example_of_standard_webhooks() {
        let secrets = Secrets { present: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), previous: None };
        let signature = secrets
            .sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#, true)
            .unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn after_a_rotation_both_sign_for_a_while_and_what_is_sealed_reads_back() {
        let first = Secrets::random().unwrap();
        let old = first.text().to_owned();
        assert!(old.starts_with("whsec_") && STANDARD.decode(&old[6..]).unwrap().len() == SECRET_BYTES);
        let both = Secrets::parse(&first.rotated().unwrap().to_json()).unwrap();
        assert_ne!(both.text(), old);
        let signed = both.sign("m", 1, "{}", true).unwrap();
        let [new_one, old_one] = signed.split(' ').collect::<Vec<_>>()[..] else { panic!("{signed}") };
        assert_eq!(old_one, sign(&old, "m", 1, "{}").unwrap());
        assert_eq!(new_one, both.sign("m", 1, "{}", false).unwrap());
        for other in [("n", 1, "{}"), ("m", 2, "{}"), ("m", 1, "{ }")] {
            assert_ne!(both.sign(other.0, other.1, other.2, false).unwrap(), new_one, "{other:?}");
        }
        assert!(!format!("{both:?}").contains("whsec_"));
        assert!(Secrets::parse(b"[]").is_err());
    }
}
