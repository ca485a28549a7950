//! Asking a bare server whether it is ready, in the way and at the pace in which the daemon asks its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The pace of the supervisor for a process that starts: `FIRST_POLL`, `LAST_POLL` and the factor in its
/// `instance.rs`.
const FIRST_POLL: Duration = Duration::from_millis(5);
const LAST_POLL: Duration = Duration::from_millis(250);
const FACTOR: f32 = 1.1;
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question {
    /// `GET /health` has to answer 200.
    Health,
    /// A POST to `/mcp` has to be answered with JSON-RPC.
    Mcp,
}

/// Waits for the first good answer.
pub(crate) async fn ready(question: Question, port: u16) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_POLL;
    while ask(question, port).await.is_err() {
        if Instant::now() > deadline {
            bail!("the bare server was never ready");
        }
        pause = pause.mul_f32(FACTOR).min(LAST_POLL);
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

async fn ask(question: Question, port: u16) -> anyhow::Result<()> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder().header("host", addr.to_string());
    let request: Request<Full<Bytes>> = match question {
        Question::Health => request.uri("/health").header("accept", "application/json").body(Full::default()),
        Question::Mcp => request
            .method("POST")
            .uri("/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "server/discover")
            .body(Full::from(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}"#)),
    }?;
    let mut response = sender.send_request(request).await?;
    let frame = response.body_mut().frame().await.context("an empty answer")??;
    let answer: Bytes = frame.into_data().unwrap_or_default();
    connection.abort();
    let good = match question {
        Question::Health => response.status() == 200,
        Question::Mcp => String::from_utf8_lossy(&answer).contains(r#""jsonrpc""#),
    };
    if good { Ok(()) } else { bail!("answered {}", response.status()) }
}
