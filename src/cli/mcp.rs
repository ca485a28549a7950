//! A session of a real MCP client with an instance, through the gateway.

use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation, JsonObject,
    ProtocolVersion, Tool,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::client::{http_client, innermost};
use super::failure::Failure;
use crate::api::problem::ProblemDocument;

/// A session with the server of an instance.
#[derive(Debug)]
pub(crate) struct Session {
    id: Uuid,
    service: RunningService<RoleClient, ClientConfig>,
}

/// How to reach the server of an instance.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The instance.
    pub(crate) id: Uuid,
    /// The base URL of the daemon.
    pub(crate) base: String,
    /// The access token.
    pub(crate) token: SecretString,
}

impl Endpoint {
    /// Opens a session: with the handshake that nearly every server knows, and where a server refuses it
    /// because it is of the protocol without one, in that.
    pub(crate) async fn connect(&self) -> Result<Session, Failure> {
        let mut opened = self.open(ClientLifecycleMode::Initialize).await?;
        if let Err(ClientInitializeError::JsonRpcError(_)) = &opened {
            let preferred_versions = vec![ProtocolVersion::LATEST];
            let newer = self.open(ClientLifecycleMode::Discover { preferred_versions }).await?;
            // Where both are refused, the words about the common one help more.
            if newer.is_ok() {
                opened = newer;
            }
        }
        match opened {
            Ok(service) => Ok(Session { id: self.id, service }),
            Err(error) => Err(self.explained(&error).await),
        }
    }

    async fn open(
        &self,
        lifecycle: ClientLifecycleMode,
    ) -> Result<Result<RunningService<RoleClient, ClientConfig>, ClientInitializeError>, Failure> {
        let config =
            StreamableHttpClientTransportConfig::with_uri(self.url()).auth_header(self.token.expose_secret());
        let transport = StreamableHttpClientTransport::with_client(http_client(&self.base)?, config);
        let us = Implementation::new("minimcp", env!("CARGO_PKG_VERSION"));
        let client = ClientConfig::new(ClientCapabilities::default(), us);
        Ok(client.serve_with_lifecycle(transport, lifecycle).await)
    }

    fn url(&self) -> String {
        format!("{}/i/{}/mcp", self.base, self.id)
    }

    /// The MCP client drops the body of a refusal, so the gateway is asked once more for its own words.
    async fn explained(&self, error: &ClientInitializeError) -> Failure {
        let failure = match self.refusal().await {
            Some(problem) => Failure::problem(problem),
            None => Failure::new(format!("no MCP session could be opened: {}", words(error))),
        };
        let id = self.id;
        match failure.code() {
            Some("unauthorized") => failure
                .next(format!("`minimcp token {id}` makes a new access token; the old one stops working")),
            _ => failure.next(format!("`minimcp diagnose {id}` tells what is wrong")),
        }
    }

    async fn refusal(&self) -> Option<ProblemDocument> {
        let request = http_client(&self.base).ok()?.get(self.url()).bearer_auth(self.token.expose_secret());
        let request = request.header("accept", "text/event-stream").timeout(Duration::from_secs(5));
        let response = request.send().await.ok()?;
        if response.status().is_success() { None } else { response.json().await.ok() }
    }
}

impl Session {
    /// All tools of the server.
    pub(crate) async fn tools(&self) -> Result<Vec<Tool>, Failure> {
        self.service.list_all_tools().await.map_err(|error| self.broken(&error))
    }

    /// Calls a tool. Whether the tool itself failed stands in the result.
    pub(crate) async fn call(&self, tool: &str, arguments: JsonObject) -> Result<CallToolResult, Failure> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let error = match self.service.call_tool(params).await {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        if let ServiceError::McpError(_) = &error
            && let Ok(tools) = self.tools().await
            && !tools.iter().any(|known| known.name == tool)
        {
            return Err(unknown(tool, &tools));
        }
        Err(self.broken(&error).next(format!("`minimcp tools {}` tells what its tools take", self.id)))
    }

    /// Ends the session, so that the server need not keep it.
    pub(crate) async fn close(mut self) {
        // What was asked for is done; a server that is slow to let go is not worth an error.
        let _ = self.service.close_with_timeout(Duration::from_secs(3)).await;
    }

    fn broken(&self, error: &ServiceError) -> Failure {
        match error {
            ServiceError::McpError(refusal) => {
                Failure::new(format!("the server refuses: {} ({})", refusal.message, refusal.code.0))
            }
            other => Failure::new(format!("the session broke: {}", innermost(other)))
                .next(format!("`minimcp diagnose {}` tells what is wrong", self.id)),
        }
    }
}

fn unknown(tool: &str, tools: &[Tool]) -> Failure {
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Failure::new(format!("the server has no tool `{tool}`")).next(format!("its tools are: {names}"))
}

fn words(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::JsonRpcError(refusal) => refusal.message.to_string(),
        ClientInitializeError::TransportError { error, .. } => innermost(error.error.as_ref()),
        other => innermost(other),
    }
}
