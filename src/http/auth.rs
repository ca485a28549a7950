//! Who is calling.

use http::{HeaderMap, header};

use super::head::sole;

/// The bearer token of a request. Tokens in queries and cookies are not looked at.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = sole(headers, header::AUTHORIZATION.as_str())??;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
