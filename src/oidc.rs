//! Login by OpenID Connect: callers who show a token of the configured issuer are let in as the user it names.
//!
//! The issuer is asked for its keys and for nothing else, so a login costs no request to it. A user is made when
//! they are first seen and known again by issuer and subject, never by name. What they may do is what their
//! claims say each time.

mod claims;
mod keys;
mod ring;

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use minimcp_entities::user;
use uuid::Uuid;

use crate::config::OidcSettings;
use crate::store::{Conflict, NewIdentity, NewUser, Quota, Role, Store, StoreError, UserChange};
use claims::Claims;
use keys::{KeyFault, Keys};

/// How far the clocks of the issuer and of this machine may be apart, in seconds.
const LEEWAY: u64 = 30;

/// A login by tokens of one issuer.
#[derive(Debug)]
pub struct Oidc {
    settings: OidcSettings,
    keys: Keys,
}

/// Somebody the issuer vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user, as stored.
    pub user: user::Model,
    /// What the claims allow.
    pub role: Role,
    /// From when on the token does not hold any more.
    pub expires_at: DateTime<Utc>,
    /// Whether the account is new, or the role another than at the login before.
    pub changed: bool,
}

/// Why a token is not taken. The words are for its holder and repeat nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is no token that could be verified.
    #[error("the token is no JWT that is signed with RS256, ES256 or EdDSA")]
    Malformed,
    /// The issuer has no such key.
    #[error("the token is signed with a key that its issuer does not have; get a new one")]
    UnknownKey,
    /// The signature is somebody else's.
    #[error("the signature of the token does not hold")]
    Signature,
    /// It is over.
    #[error("the token is expired; get a new one")]
    Expired,
    /// It is to come.
    #[error("the token is not valid yet; is the clock right?")]
    NotYet,
    /// It comes from elsewhere.
    #[error("the token is from another issuer than the daemon trusts")]
    Issuer,
    /// It is for somebody else.
    #[error("the token is for another audience; ask the issuer for one for this daemon")]
    Audience,
    /// It lacks what it has to say.
    #[error("the token lacks a claim: it needs iss, aud, exp and sub")]
    Claims,
    /// Nothing in it stands for a role.
    #[error("your account at the issuer has no role here; have an administrator map one")]
    NoRole,
    /// The issuer does not give its keys.
    #[error("the issuer's keys cannot be had at present; API tokens go on working")]
    Unavailable(#[source] KeyFault),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Oidc {
    /// A login that has not asked the issuer for anything yet.
    #[must_use]
    pub fn new(settings: OidcSettings) -> Self {
        ring::install();
        Self { keys: Keys::new(&settings.issuer), settings }
    }

    /// Whether a bearer token looks like a JWT.
    #[must_use]
    pub fn is_meant(token: &str) -> bool {
        token.split('.').count() == 3
    }

    /// Lets in whoever this token of the issuer names.
    ///
    /// # Errors
    /// [`Refused`] in words for the caller.
    pub async fn login(&self, store: &Store, token: &str) -> Result<Login, Refused> {
        let claims = self.verified(token).await?;
        let role = claims.role(&self.settings).ok_or(Refused::NoRole)?;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(Refused::Claims)?;
        let known = store.user_of_identity(&self.settings.issuer, &claims.sub).await?;
        let (user, changed) = match known {
            Some(user) if Role::of(&user)? == role => (user, false),
            Some(user) => (with_role(store, user, role).await?, true),
            None => (self.provisioned(store, &claims, role).await?, true),
        };
        Ok(Login { user, role, expires_at, changed })
    }

    /// The claims of a token that holds.
    async fn verified(&self, token: &str) -> Result<Claims, Refused> {
        let header = decode_header(token).map_err(|_| Refused::Malformed)?;
        let key = match self.keys.find(header.kid.as_deref()).await {
            Ok(key) => key.ok_or(Refused::UnknownKey)?,
            Err(fault) => return Err(Refused::Unavailable(fault)),
        };
        // What kind of key it is says which algorithm is right; the token has no say in that.
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        let decoded = decode::<Claims>(token, &key.decoding, &validation);
        let claims = decoded.map_err(|error| refused(error.kind()))?.claims;
        if claims.sub.is_empty() || claims.sub.len() > 255 { Err(Refused::Claims) } else { Ok(claims) }
    }

    /// A new user for somebody who is seen for the first time.
    async fn provisioned(&self, store: &Store, claims: &Claims, role: Role) -> Result<user::Model, Refused> {
        let issuer = &self.settings.issuer;
        let id = Uuid::now_v7();
        let name = claims.name(&self.settings);
        // A name that is taken belongs to somebody else, whoever they are at the issuer.
        let spare = format!("{name} ({})", &id.simple().to_string()[20..]);
        for name in [name, spare] {
            let user = NewUser { id, name, role, quota: Quota::default(), created_at: Utc::now() };
            let identity = NewIdentity { issuer: issuer.clone(), subject: claims.sub.clone(), user };
            match store.create_identity(identity).await {
                Err(StoreError::Conflict { what: Conflict::UserName }) => {}
                // Another request of theirs was faster.
                Err(StoreError::Conflict { what: Conflict::Identity }) => {
                    if let Some(user) = store.user_of_identity(issuer, &claims.sub).await? {
                        return Ok(user);
                    }
                }
                made => return Ok(made?),
            }
        }
        Err(StoreError::from(Conflict::UserName).into())
    }
}

/// Has the store follow the issuer. The last administrator stays one in the store, but not in this login.
async fn with_role(store: &Store, user: user::Model, role: Role) -> Result<user::Model, StoreError> {
    let change = UserChange { role: Some(role), ..UserChange::default() };
    match store.update_user(user.id, change).await {
        Err(StoreError::Conflict { what: Conflict::LastAdministrator }) => Ok(user),
        updated => updated,
    }
}

fn refused(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::ExpiredSignature => Refused::Expired,
        ErrorKind::ImmatureSignature => Refused::NotYet,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => {
            Refused::Claims
        }
        _ => Refused::Malformed,
    }
}
