//! Which headers pass, in both directions. Everything passes that is not named here, repeated ones included:
//! the server behind is the judge of them.

use http::HeaderName;

/// Headers of one connection, not of the message (RFC 9110 7.6.1). Each side frames its bodies by itself.
fn is_of_the_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether a server gets a header of a client. It does not get what is sent for us alone: the token is not the
/// server's business (MCP, security best practices: no token passthrough), the origin was checked here, and we
/// answer `Expect` ourselves. The length is written anew, as the body turns out to be framed.
pub(super) fn reaches_server(name: &HeaderName) -> bool {
    let name = name.as_str();
    let ours = matches!(name, "authorization" | "cookie" | "origin" | "expect" | "host" | "content-length");
    !ours && !is_of_the_connection(name)
}

/// Whether a client gets a header of a server. It does not get what the server may not say in our name, for it
/// would speak for the whole origin.
pub(super) fn reaches_client(name: &HeaderName) -> bool {
    let name = name.as_str();
    let not_in_our_name = matches!(
        name,
        "www-authenticate"
            | "set-cookie"
            | "alt-svc"
            | "strict-transport-security"
            | "access-control-allow-origin"
            | "access-control-allow-credentials"
            | "access-control-allow-headers"
            | "access-control-allow-methods"
            | "access-control-expose-headers"
            | "clear-site-data"
    );
    !not_in_our_name && !is_of_the_connection(name)
}

/// Further headers of the connection, which a sender names in `Connection`.
#[derive(Debug)]
pub(super) struct Hops<'a>(Vec<&'a [u8]>);

impl<'a> Hops<'a> {
    /// From the values of `Connection`.
    pub(super) fn of(values: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect())
    }

    /// Whether this header is one of them. A sender cannot name one that is needed.
    pub(super) fn names(&self, name: &HeaderName) -> bool {
        let needed = matches!(name.as_str(), "content-length" | "content-type");
        !needed && self.names_text(name.as_str())
    }

    /// Whether this word is among them.
    pub(super) fn names_text(&self, word: &str) -> bool {
        self.0.iter().any(|named| named.eq_ignore_ascii_case(word.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &'static str) -> HeaderName {
        HeaderName::from_static(text)
    }

    #[test]
    fn a_server_gets_everything_but_what_is_ours() {
        for ours in [
            "host",
            "authorization",
            "cookie",
            "origin",
            "connection",
            "keep-alive",
            "te",
            "transfer-encoding",
            "upgrade",
            "expect",
            "content-length",
        ] {
            assert!(!reaches_server(&name(ours)), "{ours}");
        }
        for theirs in [
            "accept",
            "content-type",
            "mcp-param-unknown",
            "mcp-method",
            "mcp-session-id",
            "last-event-id",
            "traceparent",
            "x-other",
        ] {
            assert!(reaches_server(&name(theirs)), "{theirs}");
        }
    }

    #[test]
    fn a_client_gets_everything_but_what_would_speak_for_our_origin() {
        for not_in_our_name in [
            "connection",
            "transfer-encoding",
            "www-authenticate",
            "set-cookie",
            "access-control-allow-origin",
            "clear-site-data",
        ] {
            assert!(!reaches_client(&name(not_in_our_name)), "{not_in_our_name}");
        }
        for theirs in [
            "content-type",
            "content-length",
            "mcp-session-id",
            "x-accel-buffering",
            "cache-control",
            "allow",
            "retry-after",
            "x-other",
        ] {
            assert!(reaches_client(&name(theirs)), "{theirs}");
        }
    }

    #[test]
    fn a_sender_names_headers_of_its_connection_but_none_that_is_needed() {
        let hops = Hops::of([&b"keep-alive, X-Mine"[..], b"content-length,,close "].into_iter());
        assert!(hops.names(&name("x-mine")) && hops.names_text("close"));
        assert!(!hops.names(&name("x-other")) && !hops.names(&name("content-length")));
    }
}
