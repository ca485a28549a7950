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
/// are none of a client's business. So is the server card, which the specification reserves.
pub(crate) fn target(path: &str) -> Option<Target<'_>> {
    let (id, rest) = path.strip_prefix("/i/")?.split_once('/')?;
    let rest = rest.strip_prefix("mcp")?;
    let inside =
        (rest.is_empty() || rest.starts_with('/')) && !rest.split('/').any(leaves) && !rest.contains('\\');
    let reserved = rest.trim_end_matches('/') == "/server-card";
    (inside && !reserved).then_some(Target { id: plain_uuid(id)?, rest })
}

/// `.` and `..` in every spelling that a URL parser knows.
fn leaves(segment: &str) -> bool {
    let mut plain = segment.to_ascii_lowercase();
    plain = plain.replace("%2e", ".").replace("%5c", "\\");
    plain == "." || plain == ".." || plain.contains('\\')
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
        ] {
            assert_eq!(target(&format!("/i/{id}/{suffix}")), None, "{suffix}");
        }
        assert_eq!(target(&format!("/i/{}/mcp", id.simple())), None);
        assert_eq!(target("/i/../mcp"), None);
    }
}
