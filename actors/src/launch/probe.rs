//! One question to a server: are you there, are you well, are you the one we started?

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::{Missed, Probe};

/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// The request every era of MCP answers with JSON-RPC: a result, or an error that says it is unknown or needs
/// a session. See "Backward Compatibility" in the 2026-07-28 specification, basic/versioning.
const DISCOVER: &str = r#"{"jsonrpc":"2.0","id":"minimcp-probe","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"minimcp","version":"0"}}}}"#;

/// Who has to answer.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) id: Uuid,
    pub(super) nonce: String,
    pub(super) port: Option<u16>,
}

/// Asks once.
pub(super) async fn ask(probe: &Probe, target: &Target, timeout: Duration) -> Result<(), Missed> {
    let Some(port) = target.port.filter(|_| probe.needs_port()) else {
        return match probe {
            // One over pipes is asked by its wiring.
            Probe::Process | Probe::Pipes { .. } => Ok(()),
            Probe::Tcp | Probe::Http { .. } | Probe::Mcp { .. } => Err(Missed("it has no port".into())),
        };
    };
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match tokio::time::timeout(timeout, converse(probe, target, addr)).await {
        Ok(result) => result,
        Err(_) => Err(Missed(format!("no answer within {} ms", timeout.as_millis()))),
    }
}

async fn converse(probe: &Probe, target: &Target, addr: SocketAddr) -> Result<(), Missed> {
    let stream = TcpStream::connect(addr)
        .await
        .map_err(|error| Missed(format!("port {} does not accept connections: {error}", addr.port())))?;
    let request = Request::builder().header(HOST, addr.to_string());
    let request = match probe {
        Probe::Process | Probe::Tcp | Probe::Pipes { .. } => return Ok(()),
        Probe::Http { path } => {
            request.method(Method::GET).uri(path).header(ACCEPT, "application/json").body(Full::default())
        }
        Probe::Mcp { path } => request
            .method(Method::POST)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "server/discover")
            .body(Full::from(DISCOVER)),
    };
    let request =
        request.map_err(|error| Missed(format!("the health endpoint is no valid path: {error}")))?;
    let response = exchange(stream, request).await?;
    match probe {
        Probe::Mcp { .. } => judge_mcp(&response),
        Probe::Http { .. } | Probe::Process | Probe::Tcp | Probe::Pipes { .. } => {
            judge_http(&response, target)
        }
    }
}

async fn exchange(stream: TcpStream, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Missed> {
    let broken = |error: hyper::Error| Missed(format!("the connection broke: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let talk = async {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = if is_event_stream(&head.headers) { first_frame(body).await } else { whole(body).await };
        Ok(Response::from_parts(head, body?))
    };
    tokio::pin!(talk);
    tokio::select! {
        biased;
        response = &mut talk => response,
        // The server may close the connection right behind its answer.
        _ = connection => talk.await,
    }
}

fn is_event_stream(headers: &hyper::HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

async fn whole(body: hyper::body::Incoming) -> Result<Bytes, Missed> {
    let collected = Limited::new(body, MAX_ANSWER).collect().await;
    collected
        .map(|body| body.to_bytes())
        .map_err(|error| Missed(format!("the answer cannot be read: {error}")))
}

/// The first event is enough; a stream need not end.
async fn first_frame(mut body: hyper::body::Incoming) -> Result<Bytes, Missed> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Missed(format!("the answer cannot be read: {error}")))?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(data);
        }
    }
    Ok(Bytes::new())
}

fn judge_http(response: &Response<Bytes>, target: &Target) -> Result<(), Missed> {
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let words = |field: &str| body.get(field).and_then(|value| value.as_str());
    if response.status() != 200 {
        let reason = words("reason").or_else(|| words("error")).unwrap_or("no reason given");
        return Err(Missed(format!("health answered {}: {reason}", response.status().as_u16())));
    }
    let stranger = words("mcpId").is_some_and(|id| id != target.id.to_string())
        || words("nonce").is_some_and(|nonce| nonce != target.nonce);
    if stranger {
        return Err(Missed("another process answers on this port".into()));
    }
    Ok(())
}

fn judge_mcp(response: &Response<Bytes>) -> Result<(), Missed> {
    let body = String::from_utf8_lossy(response.body());
    let message = body.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(&body).trim();
    let is_rpc = serde_json::from_str::<serde_json::Value>(message)
        .is_ok_and(|value| value.get("jsonrpc").is_some_and(|version| version == "2.0"));
    if is_rpc && !response.status().is_server_error() {
        Ok(())
    } else {
        Err(Missed(format!("the MCP endpoint answered {} without JSON-RPC", response.status().as_u16())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    #[test]
    fn a_health_answer_counts_only_if_it_is_ours_and_well() {
        let target = Target { id: Uuid::nil(), nonce: "word".into(), port: None };
        let ours = format!(r#"{{"status":"healthy","mcpId":"{}","nonce":"word"}}"#, Uuid::nil());
        assert_eq!(judge_http(&answer(200, &ours), &target), Ok(()));
        assert_eq!(judge_http(&answer(200, "fine"), &target), Ok(()), "third-party servers need not echo");
        for (status, body, words) in [
            (200, r#"{"nonce":"other"}"#, "another process answers on this port"),
            (200, r#"{"mcpId":"other"}"#, "another process answers on this port"),
            (503, r#"{"reason":"token refused"}"#, "health answered 503: token refused"),
            (404, "", "health answered 404: no reason given"),
        ] {
            assert_eq!(judge_http(&answer(status, body), &target), Err(Missed(words.into())));
        }
    }

    #[test]
    fn any_json_rpc_answer_shows_that_an_mcp_server_lives() {
        for (status, body) in [
            (200, r#"{"jsonrpc":"2.0","id":"minimcp-probe","result":{}}"#),
            (400, r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"no session"},"id":null}"#),
            (200, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"),
        ] {
            assert_eq!(judge_mcp(&answer(status, body)), Ok(()), "{body}");
        }
        for (status, body) in [(200, "<html>"), (502, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), (404, "")] {
            assert!(judge_mcp(&answer(status, body)).is_err(), "{status} {body}");
        }
    }
}
