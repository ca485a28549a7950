//! `call` and `tools`: to try an instance from the shell.

use clap::Args;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ResourceContents, Tool};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::failure::Failure;
use super::mcp::{Endpoint, Session};
use super::{Context, values};

/// Call a tool of an instance, or list its tools
///
/// Speaks MCP with the instance through the gateway, as any other client does. The access token is that of
/// --token, else of MINIMCP_INSTANCE_TOKEN, else the one that `create` or `token` kept on this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp call work                                            # what it can do
  minimcp call work list_issues --arg owner=octocat --arg repo=hello-world
  minimcp call work search --args-json '{\"query\": \"is:open\", \"limit\": 5}'

Values of --arg are JSON where they can be read as JSON, and text otherwise: n=5 is a number, n='\"5\"' a text.")]
pub(crate) struct Call {
    #[command(flatten)]
    target: Target,
    /// The tool; without it the tools are listed
    tool: Option<String>,
    /// An argument of the tool; can be given several times
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = values::pair, requires = "tool")]
    args: Vec<(String, String)>,
    /// All arguments as one JSON object; --arg adds to it
    #[arg(long, value_name = "JSON", value_parser = values::json_object, requires = "tool")]
    args_json: Option<JsonObject>,
}

/// List the tools of an instance
///
/// Finds the access token as `minimcp call` does.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  minimcp tools work --json | jq -r '.tools[].name'")]
pub(crate) struct Tools {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct Target {
    /// The instance: its id, a unique prefix of it, or its name
    id: String,
    /// The access token. Other users of this machine can see command lines: prefer the variable
    #[arg(long, value_name = "TOKEN", env = "MINIMCP_INSTANCE_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
}

impl Tools {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let session = self.target.connect(context).await?;
        list(context, session).await
    }
}

impl Call {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let mut arguments = self.args_json.unwrap_or_default();
        arguments.extend(values::object_of_pairs(&self.args));
        let wanted = self.target.id.clone();
        let session = self.target.connect(context).await?;
        let Some(tool) = self.tool else {
            return list(context, session).await;
        };
        let spinner = context.output.spinner(format!("calling {tool}"));
        let result = session.call(&tool, arguments).await;
        session.close().await;
        drop(spinner);
        let result = result?;
        if context.output.json() {
            context.output.line(json!(result))?;
        } else {
            context.output.text(&content(&result))?;
        }
        match result.is_error {
            Some(true) => Err(Failure::new(format!("`{tool}` says that it failed; its words are above"))
                .next(format!("`minimcp tools {wanted}` tells what its tools take"))),
            _ => Ok(()),
        }
    }
}

impl Target {
    async fn connect(self, context: &Context) -> Result<Session, Failure> {
        let id = context.instance(&self.id).await?;
        let given = self.token.filter(|token| !token.expose_secret().is_empty());
        let token = given.or_else(|| context.tokens.of_instance(id)).ok_or_else(|| {
            Failure::new(format!("no access token of {id} is kept on this machine"))
                .next("set MINIMCP_INSTANCE_TOKEN to it")
                .next(format!("`minimcp token {id}` makes a new one; the old one stops working"))
        })?;
        let spinner = context.output.spinner("connecting");
        let session = Endpoint { id, base: context.client.connection().url.clone(), token }.connect().await;
        drop(spinner);
        session
    }
}

async fn list(context: &mut Context, session: Session) -> Result<(), Failure> {
    let tools = session.tools().await;
    session.close().await;
    let tools = tools?;
    if context.output.json() {
        return context.output.line(json!({ "tools": tools }));
    }
    if tools.is_empty() {
        return context.output.line("The server has no tools.");
    }
    let listed: Vec<String> = tools.iter().map(described).collect();
    context.output.line(listed.join("\n\n"))
}

/// A tool with its arguments, what is optional in brackets.
fn described(tool: &Tool) -> String {
    let properties = tool.input_schema.get("properties").and_then(Value::as_object);
    let required: Vec<&str> = match tool.input_schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut lines = vec![tool.name.to_string()];
    if let Some(description) = &tool.description {
        lines.extend(description.trim().lines().map(|line| format!("  {line}")));
    }
    for (name, schema) in properties.into_iter().flatten() {
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or("any");
        let about = schema
            .get("description")
            .and_then(Value::as_str)
            .map_or(String::new(), |text| format!(": {text}"));
        let argument = if required.contains(&name.as_str()) { name.clone() } else { format!("[{name}]") };
        lines.push(format!("    {argument} ({kind}){about}"));
    }
    lines.join("\n")
}

/// The content of a result as text. What is no text is named with its size.
fn content(result: &CallToolResult) -> String {
    let mut parts: Vec<String> = result.content.iter().map(block).collect();
    if parts.is_empty()
        && let Some(structured) = &result.structured_content
    {
        parts.push(serde_json::to_string_pretty(structured).unwrap_or_else(|_| structured.to_string()));
    }
    parts.join("\n")
}

fn block(block: &ContentBlock) -> String {
    let omitted = |what: &str, kind: &str, base64: &str| {
        format!("[{what}, {kind}, about {} bytes; --json shows it]", base64.len() / 4 * 3)
    };
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => omitted("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => omitted("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { text, .. } => text.clone(),
            ResourceContents::BlobResourceContents { uri, blob, .. } => omitted("resource", uri, blob),
            other => json!(other).to_string(),
        },
        ContentBlock::ResourceLink(link) => format!("[{}]({})", link.name, link.uri),
        other => json!(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_shown_with_its_arguments() {
        let tool = serde_json::from_value(json!({
            "name": "list_issues", "description": "Lists issues.\nNewest first.",
            "inputSchema": {"type": "object", "required": ["repo"], "properties": {
                "repo": {"type": "string", "description": "the repository"}, "page": {"type": "number"}
            }}
        }));
        let text = described(&tool.unwrap());
        assert!(text.starts_with("list_issues\n  Lists issues.\n  Newest first.\n"), "{text}");
        assert!(
            text.contains("\n    repo (string): the repository") && text.contains("\n    [page] (number)"),
            "{text}"
        );
    }

    #[test]
    fn results_are_text_where_they_can_be() {
        let result = |value: Value| content(&serde_json::from_value(value).unwrap());
        let mixed = result(json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "two"}},
            {"type": "resource_link", "uri": "file:///b", "name": "b"}
        ]}));
        assert_eq!(mixed, "one\n[image, image/png, about 3 bytes; --json shows it]\ntwo\n[b](file:///b)");
        assert_eq!(result(json!({"content": [], "structuredContent": {"a": 1}})), "{\n  \"a\": 1\n}");
    }
}
