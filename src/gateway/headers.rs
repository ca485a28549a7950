//! Which headers pass, in both directions. Everything passes that is not named here, repeated ones included:
//! the server behind is the judge of them.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers of one connection, not of the message (RFC 9110 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a client sends for us alone. The token is not the server's business (MCP, security best practices:
/// no token passthrough), the origin was checked here, and we answer `Expect` ourselves.
const FOR_US: [HeaderName; 5] =
    [header::AUTHORIZATION, header::COOKIE, header::ORIGIN, header::EXPECT, header::HOST];

/// What a server may not say in our name: it would speak for the whole origin.
const NOT_IN_OUR_NAME: [HeaderName; 10] = [
    header::WWW_AUTHENTICATE,
    header::SET_COOKIE,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    HeaderName::from_static("clear-site-data"),
];

/// Makes the headers of a client those of a request to the server at `host`.
pub(super) fn to_server(headers: &mut HeaderMap, host: HeaderValue) {
    drop_hops(headers);
    for name in &FOR_US {
        headers.remove(name);
    }
    headers.insert(header::HOST, host);
}

/// Makes the headers of a server those of our answer.
pub(super) fn to_client(headers: &mut HeaderMap) {
    drop_hops(headers);
    for name in &NOT_IN_OUR_NAME {
        headers.remove(name);
    }
}

fn drop_hops(headers: &mut HeaderMap) {
    // A sender may name further headers of the connection; it cannot name one that we need.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect()
    }

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn a_server_gets_everything_but_what_is_ours() {
        let mut map = headers(&[
            ("host", "127.0.0.1:7878"),
            ("authorization", "Bearer mmcp_inst_x"),
            ("cookie", "a=b"),
            ("origin", "http://localhost:7878"),
            ("connection", "keep-alive, x-mine, content-length"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("content-length", "2"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-param-unknown", "=?base64?YQ==?="),
            ("mcp-method", "tools/call"),
            ("mcp-method", "tools/list"),
            ("mcp-session-id", "s"),
            ("last-event-id", "7"),
            ("traceparent", "00-1-2-3"),
        ]);
        to_server(&mut map, HeaderValue::from_static("127.0.0.1:20000"));
        assert_eq!(
            lines(&map),
            [
                ("accept", "application/json, text/event-stream"),
                ("content-length", "2"),
                ("host", "127.0.0.1:20000"),
                ("last-event-id", "7"),
                ("mcp-method", "tools/call"),
                ("mcp-method", "tools/list"),
                ("mcp-param-unknown", "=?base64?YQ==?="),
                ("mcp-session-id", "s"),
                ("traceparent", "00-1-2-3"),
            ]
        );
    }

    #[test]
    fn a_client_gets_everything_but_what_would_speak_for_our_origin() {
        let mut map = headers(&[
            ("content-type", "text/event-stream"),
            ("mcp-session-id", "s"),
            ("x-accel-buffering", "no"),
            ("cache-control", "no-cache"),
            ("allow", "POST"),
            ("retry-after", "1"),
            ("x-other", "1"),
            ("x-other", "2"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("www-authenticate", "Bearer resource_metadata=\"http://127.0.0.1:1/\""),
            ("set-cookie", "a=b"),
            ("access-control-allow-origin", "*"),
            ("clear-site-data", "\"*\""),
        ]);
        to_client(&mut map);
        assert_eq!(
            lines(&map),
            [
                ("allow", "POST"),
                ("cache-control", "no-cache"),
                ("content-type", "text/event-stream"),
                ("mcp-session-id", "s"),
                ("retry-after", "1"),
                ("x-accel-buffering", "no"),
                ("x-other", "1"),
                ("x-other", "2"),
            ]
        );
    }
}
