//! MiniMCP.
