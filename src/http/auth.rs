//! Who is calling, and what they may do. Identity comes from the token alone.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use uuid::Uuid;

use super::context::Context;
use super::head::sole;
use crate::api::audit::{Actor, AuditResult};
use crate::audit::Entry;
use crate::oidc::{Login, Oidc, Refused};
use crate::problem::{Code, Problem};
use crate::store::Role;
use crate::vault::{Token, TokenKind};

/// A caller who has shown a token that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) user_id: Uuid,
    pub(super) name: String,
    pub(super) role: Role,
    /// The API token that was shown, if it was one.
    pub(super) token_id: Option<Uuid>,
    /// From when on what was shown does not hold any more.
    pub(super) expires_at: Option<DateTime<Utc>>,
}

impl Caller {
    /// Whose things the caller may read: only their own, or with `None` everybody's.
    pub(super) fn reads(&self) -> Option<Uuid> {
        match self.role {
            Role::Admin | Role::Operator => None,
            Role::User => Some(self.user_id),
        }
    }

    /// Whose things the caller may change: only their own, or with `None` everybody's.
    pub(super) fn writes(&self) -> Result<Option<Uuid>, Problem> {
        match self.role {
            Role::Admin => Ok(None),
            Role::User => Ok(Some(self.user_id)),
            Role::Operator => Err(Problem::new(Code::Forbidden, "operators read and change nothing")),
        }
    }

    /// The caller as the owner of what they make.
    pub(super) fn owns(&self) -> Result<Uuid, Problem> {
        self.writes().map(|_| self.user_id)
    }

    /// The caller has to be an operator or an administrator.
    pub(super) fn operates(&self) -> Result<(), Problem> {
        match self.role {
            Role::Admin | Role::Operator => Ok(()),
            Role::User => Err(Problem::new(Code::Forbidden, "this is for operators and administrators")),
        }
    }

    /// The caller has to be an administrator.
    pub(super) fn administers(&self) -> Result<(), Problem> {
        match self.role {
            Role::Admin => Ok(()),
            Role::Operator | Role::User => Err(Problem::new(Code::Forbidden, "this is for administrators")),
        }
    }
}

/// The bearer token of a request. Tokens in queries and cookies are not looked at.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = sole(headers, header::AUTHORIZATION.as_str())??;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The caller of a request from this address.
///
/// # Errors
/// `unauthorized`, or `too_many_requests` after many of them.
pub(super) async fn caller(context: &Context, headers: &HeaderMap, from: IpAddr) -> Result<Caller, Problem> {
    let now = Utc::now();
    let shown = bearer(headers);
    if let (Some(oidc), Some(shown)) = (&context.oidc, shown)
        && Oidc::is_meant(shown)
    {
        return logged_in(context, oidc, shown, from).await;
    }
    let shown = shown.and_then(|shown| Token::parse(shown).ok());
    if let Some(token) = shown.filter(|token| token.kind() == TokenKind::Api) {
        let hash = context.parts.vault.hash(&token);
        if let Some((token, user)) = context.parts.store.authenticate(&hash, now).await? {
            context.used(token.id, now);
            return Ok(Caller {
                user_id: user.id,
                role: Role::of(&user)?,
                name: user.name,
                token_id: Some(token.id),
                expires_at: token.expires_at,
            });
        }
    }
    denied(context, from)?;
    Err(Problem::new(Code::Unauthorized, "send an API token as `Authorization: Bearer mmcp_api_...`"))
}

/// Notes that somebody at this address showed nothing that holds.
///
/// # Errors
/// `too_many_requests` after many of them.
fn denied(context: &Context, from: IpAddr) -> Result<(), Problem> {
    let entry = Entry::new(Actor::nobody(from), "authentication.fail", AuditResult::Refused);
    context.parts.trail.denied(entry.with("at", "api"));
    context.failed(from)
}

/// The caller whom an issuer vouches for.
async fn logged_in(context: &Context, oidc: &Oidc, token: &str, from: IpAddr) -> Result<Caller, Problem> {
    match oidc.login(&context.parts.store, token).await {
        Ok(Login { user, role, expires_at, changed }) => {
            if changed {
                context.standing_changed();
                // What an issuer gives or takes is as good as what an administrator does.
                let entry = Entry::new(Actor::user(user.id, None, from), "user.login", AuditResult::Done);
                context.parts.trail.record(entry.with("role", role.as_str())).await?;
            }
            Ok(Caller {
                user_id: user.id,
                name: user.name,
                role,
                token_id: None,
                expires_at: Some(expires_at),
            })
        }
        Err(Refused::Store(error)) => Err(error.into()),
        Err(refused @ Refused::NoRole) => Err(Problem::new(Code::Forbidden, refused.to_string())),
        Err(refused @ Refused::Unavailable(_)) => {
            Err(Problem::new(Code::Unavailable, refused.to_string()).retry_after(10).because(&refused))
        }
        Err(refused) => {
            denied(context, from)?;
            Err(Problem::new(Code::Unauthorized, refused.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_bearer_token_is_one_header_of_the_right_scheme() {
        assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&headers(&["bearer  abc "])), Some("abc"));
        for wrong in [&["Basic abc"][..], &["Bearer "], &["Bearer"], &["abc"], &[], &["Bearer a", "Bearer b"]]
        {
            assert_eq!(bearer(&headers(wrong)), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_role_says_what_may_be_read_and_changed() {
        let id = Uuid::now_v7();
        let caller = |role| Caller { user_id: id, name: "x".into(), role, token_id: None, expires_at: None };
        let (admin, operator, user) = (caller(Role::Admin), caller(Role::Operator), caller(Role::User));
        assert_eq!((admin.reads(), operator.reads(), user.reads()), (None, None, Some(id)));
        assert_eq!((admin.writes(), user.writes()), (Ok(None), Ok(Some(id))));
        assert_eq!(operator.writes().unwrap_err().code(), Code::Forbidden);
        assert!(operator.owns().is_err() && operator.administers().is_err() && operator.operates().is_ok());
        assert!(user.operates().is_err() && user.administers().is_err() && admin.administers().is_ok());
    }
}
