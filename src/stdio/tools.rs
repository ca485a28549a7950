//! Arguments of tools that clients repeat in headers (`x-mcp-header`, SEP-2243), and whether they say the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::child::Child;
use super::edge::{Message, decoded};
use super::era;
use super::rpc::{self, Refusal};
use super::splice::{self, Outline};
use crate::http::sole;

/// Pages of a list of tools that are read.
const PAGES: usize = 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// An argument that is repeated in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirrored {
    /// Such as `mcp-param-region`.
    header: String,
    /// Where it is in the arguments.
    path: Vec<String>,
}

/// The repeated arguments of each tool that has some.
type Mirrors = HashMap<String, Vec<Mirrored>>;

/// What the tools of a child want repeated. Asked for once, and again when they have changed.
#[derive(Debug, Default)]
pub(super) struct Tools(tokio::sync::Mutex<Option<Arc<Mirrors>>>);

impl Tools {
    /// Checks the headers of a call of a tool.
    pub(super) async fn check(
        &self,
        child: &Arc<Child>,
        headers: &HeaderMap,
        message: &Message,
    ) -> Result<(), Refusal> {
        let Some(tool) = message.param(&["name"]) else { return Ok(()) };
        let mirrors = self.mirrors(child).await;
        match mirrors.get(&tool) {
            Some(mirrored) => check(mirrored, headers, message),
            None => Ok(()),
        }
    }

    async fn mirrors(&self, child: &Arc<Child>) -> Arc<Mirrors> {
        let mut known = self.0.lock().await;
        if let Some(mirrors) = known.as_ref().filter(|_| !child.take_tools_changed()) {
            return Arc::clone(mirrors);
        }
        // A server that does not list its tools says nothing about their headers.
        let mirrors = Arc::new(ask(child).await.unwrap_or_default());
        *known = Some(Arc::clone(&mirrors));
        mirrors
    }
}

async fn ask(child: &Arc<Child>) -> Option<Mirrors> {
    let (mut mirrors, mut cursor) = (Mirrors::new(), None);
    for _ in 0..PAGES {
        let page = era::tools(child, cursor.as_deref(), PATIENCE).await.ok()?;
        let result = Outline::of(&page).ok()?.result?;
        let result: Value = serde_json::from_str(&page[result]).ok()?;
        for tool in result["tools"].as_array().into_iter().flatten() {
            let mut found = Vec::new();
            find(&tool["inputSchema"], &mut Vec::new(), &mut found);
            if let (Some(name), false) = (tool["name"].as_str(), found.is_empty()) {
                mirrors.insert(name.to_owned(), found);
            }
        }
        cursor = result["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Some(mirrors)
}

/// Only what is reached by `properties` counts.
fn find(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Mirrored>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        if let Some(header) = property["x-mcp-header"].as_str() {
            let header = format!("mcp-param-{}", header.to_ascii_lowercase());
            found.push(Mirrored { header, path: path.clone() });
        }
        find(property, path, found);
        path.pop();
    }
}

fn check(mirrored: &[Mirrored], headers: &HeaderMap, message: &Message) -> Result<(), Refusal> {
    let params = message.outline.params.clone().unwrap_or_default();
    for Mirrored { header, path } in mirrored {
        let names: Vec<&str> = std::iter::once("arguments").chain(path.iter().map(String::as_str)).collect();
        let argument = splice::at(&message.text, &params, &names)
            .and_then(|span| serde_json::from_str::<Value>(&message.text[span]).ok())
            .filter(|argument| !argument.is_null());
        let shown = sole(headers, header);
        let agrees = match (&argument, shown) {
            (None, Some(None)) => true,
            (Some(argument), Some(Some(shown))) => decoded(shown).is_some_and(|shown| says(&shown, argument)),
            _ => false,
        };
        if !agrees {
            let words = format!("the header {header} and the argument `{}` differ", path.join("."));
            return Err(Refusal::bad(rpc::HEADER_MISMATCH, words));
        }
    }
    Ok(())
}

/// Whether a header says the same as an argument. Numbers are compared as such.
fn says(shown: &str, argument: &Value) -> bool {
    match argument {
        Value::String(text) => shown == text,
        Value::Bool(truth) => shown == truth.to_string(),
        Value::Number(number) => {
            shown == number.to_string()
                || shown.trim().parse::<f64>().ok().is_some_and(|shown| Some(shown) == number.as_f64())
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(arguments: &Value, headers: &[(&'static str, &'static str)]) -> bool {
        let schema = json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "filter": {"properties": {"limit": {"type": "integer", "x-mcp-header": "Limit"}}},
            "items": {"items": {"properties": {"x": {"x-mcp-header": "Never"}}}},
        }});
        let mut found = Vec::new();
        find(&schema, &mut Vec::new(), &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
        let text = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "t", "arguments": arguments}})
        .to_string();
        let outline = Outline::of(&text).unwrap();
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        check(&found, &headers, &Message { text, outline }).is_ok()
    }

    #[test]
    fn headers_say_what_the_arguments_say() {
        let (region, limit) = (("mcp-param-region", "eu"), ("mcp-param-limit", "10"));
        let both = json!({"region": "eu", "filter": {"limit": 10}});
        assert!(verdict(&both, &[region, limit]));
        assert!(verdict(&both, &[("mcp-param-region", "=?base64?ZXU=?="), ("mcp-param-limit", "10.0")]));
        assert!(!verdict(&both, &[region]), "an argument without its header");
        assert!(!verdict(&both, &[region, ("mcp-param-limit", "11")]));
        assert!(!verdict(&both, &[region, limit, ("mcp-param-region", "eu")]), "twice");
        assert!(verdict(&json!({"region": null}), &[]));
        assert!(!verdict(&json!({}), &[region]), "a header without its argument");
        assert!(verdict(&json!({"other": 1}), &[("mcp-param-unknown", "1")]), "headers we do not know pass");
    }
}
