//! What the examples that embed the runtime share: a tiny MCP server, its type, and a caller of the API.

use std::path::Path;

use anyhow::{Context, Result};
use minimcp::Runtime;
use minimcp::catalog::TypeDefinition;
use minimcp::config::{self, Flags, Settings};
use serde_json::{Value, json};
use warp::Filter;

/// The argument by which this program is the MCP server and not the example.
const SERVE: &str = "serve-greeter";

/// The type of the server: this very program, with an argument.
pub(crate) fn definition() -> Result<TypeDefinition> {
    let program = std::env::current_exe()?;
    let definition = json!({
        "name": "greeter", "display_name": "Greeter", "command": program, "args": [SERVE],
        "health_check": {"endpoint": "/health", "interval_seconds": 1},
    });
    Ok(TypeDefinition::from_json(&definition.to_string())?)
}

/// Whether the runtime has started this program as a server.
pub(crate) fn is_asked_for() -> bool {
    std::env::args().nth(1).as_deref() == Some(SERVE)
}

/// Is the server until it is ended.
pub(crate) fn serve() -> Result<()> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let health = warp::path!("health").map(|| "well");
    let mcp = warp::path!("mcp").and(warp::post()).and(warp::body::json());
    let mcp = mcp.map(|call: Value| warp::reply::json(&answer(&call)));
    let serving = async { warp::serve(health.or(mcp)).run(([127, 0, 0, 1], port)).await };
    tokio::runtime::Runtime::new()?.block_on(serving);
    Ok(())
}

fn answer(call: &Value) -> Value {
    let (id, name) = (&call["id"], &call["params"]["arguments"]["name"]);
    match call["method"].as_str() {
        Some("tools/call") => {
            let text = format!("Hello, {}!", name.as_str().unwrap_or("whoever you are"));
            json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": text}]}})
        }
        _ => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "only tools/call"}}),
    }
}

/// Settings as of `minimcp serve`, with everything in this directory and on a port that is free.
pub(crate) fn settings(dir: &Path) -> Result<Settings> {
    let flags =
        Flags { data_dir: Some(dir.to_owned()), listen: Some("127.0.0.1:0".into()), ..Flags::default() };
    Ok(config::load(&flags)?.settings)
}

/// The administrator of a runtime, over its HTTP API.
pub(crate) struct Admin {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Admin {
    pub(crate) fn of(runtime: &Runtime) -> Result<Self> {
        let token = std::fs::read_to_string(runtime.settings().data_dir.join("admin.token"))?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { client, url: runtime.url().to_owned(), token: token.trim().to_owned() })
    }

    /// A greeter that runs: what the API says of it, its URL and its token among it.
    pub(crate) async fn greeter(&self) -> Result<Value> {
        let wanted = json!({"mcp_type": "greeter", "expiration_minutes": 5});
        let url = format!("{}/v1/instances?wait=running", self.url);
        let answer = self.client.post(url).bearer_auth(&self.token).json(&wanted).send().await?;
        let (status, made): (_, Value) = (answer.status(), answer.json().await?);
        anyhow::ensure!(status.is_success(), "no greeter: {made}");
        Ok(made)
    }

    /// Has this greeter greet somebody, as an MCP client would.
    pub(crate) async fn greet(&self, greeter: &Value, name: &str) -> Result<String> {
        let url = format!("{}/i/{}/mcp", self.url, text(greeter, "id")?);
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "greet", "arguments": {"name": name}}});
        let request = self.client.post(url).bearer_auth(text(greeter, "access_token")?);
        let request = request.header("accept", "application/json, text/event-stream").json(&call);
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        let greeting = answer.pointer("/result/content/0/text").and_then(Value::as_str);
        Ok(greeting.with_context(|| format!("no greeting: {answer}"))?.to_owned())
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("no `{field}` in {value}"))
}

/// Says it to whoever runs the example.
pub(crate) fn say(words: impl std::fmt::Display) {
    #[expect(clippy::print_stdout, reason = "it is what the examples are for")]
    {
        println!("{words}");
    }
}
