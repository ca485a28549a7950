//! How a packaged server that speaks HTTP is reached: on loopback, on a port that it is told.

use super::document::Package;

/// Where a packaged HTTP server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) port: Port,
    pub(super) path: String,
}

/// How the port of a server is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Port {
    /// By an argument or a variable of this name.
    Named(String),
    /// As a number, which is also the default of whatever sets it.
    Number(String),
}

/// The endpoint of a package, or `None` for one on its standard streams.
pub(super) fn endpoint(package: &Package) -> Result<Option<Endpoint>, String> {
    let transport = &package.transport;
    match transport.kind.as_str() {
        "stdio" => return Ok(None),
        "streamable-http" => {}
        "sse" => return Err("it speaks HTTP with server-sent events, which MCP has given up".into()),
        other => return Err(format!("the transport {other:?} is not known")),
    }
    if !transport.headers.is_empty() {
        return Err("it wants headers of its own with each request".into());
    }
    let url = transport.url.as_deref().ok_or("its transport has no url")?;
    let outside = || format!("it listens at {url}, which is not on loopback");
    let rest = url.strip_prefix("http://").ok_or_else(outside)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.rsplit_once(':').ok_or("the url of its transport names no port")?;
    if !["localhost", "127.0.0.1", "[::1]"].contains(&host) {
        return Err(outside());
    }
    let port = match port.strip_prefix('{').and_then(|port| port.strip_suffix('}')) {
        Some(name) => Port::Named(name.to_owned()),
        None if port.parse::<u16>().is_ok() => Port::Number(port.to_owned()),
        None => return Err(format!("the url {url} has a port that is none")),
    };
    if path.contains(['{', '}']) {
        return Err(format!("the path of {url} has places that cannot be filled"));
    }
    Ok(Some(Endpoint { port, path: format!("/{path}") }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(transport: serde_json::Value) -> Result<Option<Endpoint>, String> {
        let package = json!({"registryType": "npm", "identifier": "x", "transport": transport});
        endpoint(&serde_json::from_value(package).unwrap())
    }

    #[test]
    fn only_loopback_with_a_port_is_an_endpoint() {
        assert_eq!(of(json!({"type": "stdio"})), Ok(None));
        let http = |url: &str| of(json!({"type": "streamable-http", "url": url}));
        let named = Endpoint { port: Port::Named("PORT".into()), path: "/mcp".into() };
        assert_eq!(http("http://localhost:{PORT}/mcp"), Ok(Some(named)));
        let number = Endpoint { port: Port::Number("8080".into()), path: "/".into() };
        assert_eq!(http("http://127.0.0.1:8080"), Ok(Some(number)));
        for url in [
            "https://localhost:1/mcp",
            "http://0.0.0.0:{PORT}/mcp",
            "http://10.0.0.1:80/mcp",
            "http://localhost/mcp",
            "http://{host}:{port}/mcp",
            "http://localhost:x/mcp",
            "http://localhost:{p}/{tenant}/mcp",
            "http://localhost@evil.example.org:80/mcp",
        ] {
            assert!(http(url).is_err(), "{url}");
        }
        assert!(of(json!({"type": "sse", "url": "http://localhost:1/sse"})).is_err());
        assert!(of(json!({"type": "streamable-http"})).is_err());
        assert!(
            of(json!({"type": "streamable-http", "url": "http://localhost:1/", "headers": [{"name": "X"}]}))
                .is_err()
        );
    }
}
