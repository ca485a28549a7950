//! What `--print-config` shows: each value and where it came from.

use std::fmt;

use super::layers::Origin;

/// One value as it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The key, such as `gateway.wait`.
    pub key: &'static str,
    /// The value as it would be written in the file, secrets masked.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Every value and its origin. Its text is a valid `minimcp.toml`, unless a secret was masked in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report(pub Vec<Line>);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |line: &Line| line.key.len() + line.value.len();
        let widest = self.0.iter().map(width).max().unwrap_or(0);
        for line in &self.0 {
            let pad = widest - width(line);
            let value = toml::Value::String(line.value.clone());
            writeln!(f, "{} = {value}{:pad$}  # {}", line.key, "", line.origin)?;
        }
        Ok(())
    }
}
