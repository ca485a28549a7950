//! MCP traffic to servers that speak over their standard streams.

mod conformance;
mod deadlines;
mod faults;
mod legacy;
mod modern;
mod places;
mod seeded;
mod sleeping;
mod telemetry;

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::ground::PATIENCE;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const BOTH: &str = "application/json, text/event-stream";

/// A daemon with one running instance of the scripted server.
struct Scene {
    daemon: Daemon,
    user: String,
    id: String,
    token: String,
}

impl Scene {
    /// `eras` is what the server speaks.
    async fn new(eras: &str) -> Self {
        Self::with(eras, "per_session", &[]).await
    }

    async fn with(eras: &str, sessions: &str, set: &[&str]) -> Self {
        let daemon = Daemon::with(set, Bounds::default()).await;
        daemon.add_type(&definition(eras, sessions)).await;
        let user = daemon.user("una", Role::User).await;
        Self::of(daemon, user, &format!("scripted-{eras}")).await
    }

    async fn of(daemon: Daemon, user: String, mcp_type: &str) -> Self {
        let instance = daemon.running(mcp_type, &user).await;
        let word = |name: &str| instance[name].as_str().unwrap().to_owned();
        Self { id: word("id"), token: word("access_token"), daemon, user }
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let request = self.daemon.request(method, &format!("/i/{}/mcp", self.id), &self.token);
        request.header("accept", BOTH).timeout(PATIENCE)
    }

    /// A POST of this text as JSON.
    fn post(&self, body: &str) -> RequestBuilder {
        self.request(Method::POST).header("content-type", "application/json").body(body.to_owned())
    }

    /// A request of the newer era with all its headers.
    fn modern(&self, id: &Value, method: &str, params: &Value) -> RequestBuilder {
        let message = modern(id, method, params);
        let request = self.post(&message.to_string());
        let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        match params["name"].as_str() {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    /// Calls a tool in the newer era.
    fn tool(&self, name: &str, arguments: &Value) -> RequestBuilder {
        self.modern(&json!(1), "tools/call", &json!({"name": name, "arguments": arguments}))
    }

    /// What a tool of the newer era says.
    async fn says(&self, name: &str, arguments: &Value) -> String {
        text_of(&self.daemon.send(self.tool(name, arguments)).await.json())
    }

    /// What the server has seen.
    async fn state(&self) -> Value {
        serde_json::from_str(&self.says("state", &json!({})).await).unwrap()
    }

    async fn initialize(&self) -> Answer {
        let client = json!({"name": "test", "version": "1"});
        let params =
            json!({"protocolVersion": "2025-06-18", "capabilities": {"sampling": {}}, "clientInfo": client});
        let message = json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params});
        self.daemon.send(self.post(&message.to_string())).await
    }

    /// A session of the older era.
    async fn session(&self) -> String {
        let answer = self.initialize().await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json()["id"], "init");
        answer.headers["mcp-session-id"].to_str().unwrap().to_owned()
    }

    /// A request of a session.
    fn legacy(&self, session: &str, message: &Value) -> RequestBuilder {
        self.post(&message.to_string()).header("mcp-session-id", session)
    }

    /// Calls a tool in a session.
    fn legacy_tool(&self, session: &str, name: &str, arguments: &Value) -> RequestBuilder {
        let params = json!({"name": name, "arguments": arguments, "_meta": {"progressToken": "t"}});
        self.legacy(session, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
    }

    /// What the process of a session has seen.
    async fn legacy_state(&self, session: &str) -> Value {
        let answer = self.daemon.send(self.legacy_tool(session, "state", &json!({}))).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        serde_json::from_str(&text_of(&answer.json())).unwrap()
    }

    async fn shown(&self) -> Value {
        self.daemon.get(&format!("/v1/instances/{}", self.id), &self.user).await.json()
    }
}

fn definition(eras: &str, sessions: &str) -> Value {
    json!({
        "name": format!("scripted-{eras}"), "display_name": "Scripted", "lane": "stdio", "sessions": sessions,
        "server_script": "faulty/stdio.mjs", "args": [eras],
        "health_check": {"kind": "mcp", "interval_seconds": 1, "start_timeout_seconds": 60}
    })
}

fn modern(id: &Value, method: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"][VERSION] = "2026-07-28".into();
    params["_meta"][CAPABILITIES] = json!({});
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn text_of(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {answer}")).to_owned()
}

/// The messages of an event stream, as they come.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { response, text: String::new() }
    }

    /// The next message; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.to_owned();
                match data {
                    Some(data) => return Some(serde_json::from_str(&data).unwrap()),
                    // A sign of life.
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// All that is left.
    async fn rest(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}

/// The code of an error in the words of the protocol.
fn code_of(answer: &Answer) -> (u16, i64) {
    (answer.status.as_u16(), answer.json()["error"]["code"].as_i64().unwrap_or_default())
}
