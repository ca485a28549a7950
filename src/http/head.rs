//! What a request has to be before anybody looks at its path: not too large, and meant for us.
//!
//! The host and origin rules keep a web page that a user has open from reaching the daemon through DNS
//! rebinding. The MCP specification asks for the origin rule (basic/transports, streamable HTTP).

use http::request::Parts;
use http::{HeaderMap, header};

use crate::config::Settings;
use crate::problem::{Code, Problem};

const MAX_HEADERS: usize = 64;

/// Whether this head may be looked at further.
///
/// # Errors
/// The problem to answer with.
pub(crate) fn check(settings: &Settings, head: &Parts) -> Result<(), Problem> {
    if head.headers.len() > MAX_HEADERS {
        return Err(Problem::new(Code::HeadTooLarge, format!("send at most {MAX_HEADERS} header lines")));
    }
    let host = sole(&head.headers, header::HOST.as_str())
        .and_then(|host| host.filter(|host| !host.is_empty()))
        .ok_or_else(|| Problem::new(Code::InvalidHost, "send exactly one Host header"))?;
    // A request line may name a host of its own, which would be used in place of the header.
    let target = head.uri.authority().map(http::uri::Authority::as_str);
    if !settings.host_is_ours(host) || target.is_some_and(|target| !settings.host_is_ours(target)) {
        return Err(Problem::new(
            Code::ForbiddenHost,
            "the daemon does not answer under this name; an operator can add it to `allowed-hosts`",
        ));
    }
    let origin = sole(&head.headers, header::ORIGIN.as_str());
    if !origin.is_some_and(|origin| origin.is_none_or(|origin| settings.origin_is_ours(origin))) {
        return Err(Problem::new(
            Code::ForbiddenOrigin,
            "requests from pages of other origins are not answered",
        ));
    }
    Ok(())
}

/// The one value of a header: `Some(None)` where it is absent, `None` where there are several or it is no text.
pub(crate) fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => value.to_str().ok().map(Some),
        (Some(_), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn code_of(uri: &str, headers: &[(&str, &str)]) -> Option<Code> {
        let settings = crate::config::tests::settings("");
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&settings, &head).err().map(|problem| problem.code())
    }

    #[test]
    fn hosts_and_origins_that_are_not_ours_are_refused() {
        let ours = ("host", "127.0.0.1:7878");
        for (headers, expected) in [
            (vec![ours], None),
            (vec![ours, ("origin", "http://localhost:7878")], None),
            (vec![], Some(Code::InvalidHost)),
            (vec![ours, ours], Some(Code::InvalidHost)),
            (vec![("host", "")], Some(Code::InvalidHost)),
            (vec![("host", "evil.example")], Some(Code::ForbiddenHost)),
            (vec![ours, ("origin", "http://evil.example")], Some(Code::ForbiddenOrigin)),
            (vec![ours, ("origin", "null")], Some(Code::ForbiddenOrigin)),
            (
                vec![ours, ("origin", "http://localhost:7878"), ("origin", "http://evil.example")],
                Some(Code::ForbiddenOrigin),
            ),
        ] {
            assert_eq!(code_of("/healthz", &headers), expected, "{headers:?}");
        }
        assert_eq!(code_of("http://evil.example/", &[ours]), Some(Code::ForbiddenHost));
        assert_eq!(code_of("http://localhost:7878/", &[ours]), None);
        let many: Vec<_> = std::iter::once(ours).chain((0..64).map(|_| ("x", "1"))).collect();
        assert_eq!(code_of("/", &many), Some(Code::HeadTooLarge));
    }
}
