//! What of a path belongs to the gateway and what of it to the server behind.

use uuid::Uuid;

/// A path of the gateway, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// The instance.
    pub(crate) id: Uuid,
    /// What comes after the MCP endpoint: empty, or a path with a leading slash.
    pub(crate) rest: &'a str,
}

/// Takes `/i/{id}/mcp` and whatever is below it apart. Anything else is no path of the gateway.
///
/// Segments that a server could take for a way out of its MCP endpoint are refused: it may have others that
/// are none of a client's business. So are the server card, which the specification reserves, and the places where
/// clients look for an authorization server: one that finds any leaves the token aside that it was given.
pub(crate) fn target(path: &str) -> Option<Target<'_>> {
    let (id, rest) = path.strip_prefix("/i/")?.split_once('/')?;
    let rest = rest.strip_prefix("mcp")?;
    let inside =
        (rest.is_empty() || rest.starts_with('/')) && !rest.split('/').any(leaves) && !rest.contains('\\');
    let first = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
    let reserved = ["server-card", ".well-known", "register"].contains(&plain(first).as_str());
    (inside && !reserved).then_some(Target { id: plain_uuid(id)?, rest })
}

/// `.` and `..` in every spelling that a URL parser knows.
fn leaves(segment: &str) -> bool {
    let plain = plain(segment);
    plain == "." || plain == ".." || plain.contains('\\')
}

/// A segment without the escapes that nothing in a path needs.
fn plain(segment: &str) -> String {
    let mut plain = segment.to_ascii_lowercase();
    if plain.contains('%') {
        plain = plain.replace("%2e", ".").replace("%5c", "\\").replace("%2d", "-");
    }
    plain
}

/// A UUID in the one spelling that we hand out.
pub(crate) fn plain_uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (text.len() == 36).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_endpoint_and_what_is_below_it_is_reached() {
        let id = Uuid::now_v7();
        for (suffix, rest) in
            [("mcp", ""), ("mcp/", "/"), ("mcp/a/b", "/a/b"), ("mcp/...", "/..."), ("mcp/a..b", "/a..b")]
        {
            assert_eq!(target(&format!("/i/{id}/{suffix}")), Some(Target { id, rest }), "{suffix}");
        }
        for suffix in [
            "",
            "mc",
            "mcpx",
            "health",
            "mcp/..",
            "mcp/../health",
            "mcp/%2e%2E/health",
            "mcp/.%2e/health",
            "mcp/./health",
            "mcp/..\\health",
            "mcp/..%5chealth",
            "mcp/server-card",
            "mcp/server-card/",
            "mcp//server-card",
            "mcp/.well-known/oauth-protected-resource",
            "mcp/%2Ewell%2dknown/openid-configuration",
            "mcp/register",
            ".well-known/oauth-authorization-server",
        ] {
            assert_eq!(target(&format!("/i/{id}/{suffix}")), None, "{suffix}");
        }
        assert_eq!(target(&format!("/i/{}/mcp", id.simple())), None);
        assert_eq!(target("/i/../mcp"), None);
    }
}
