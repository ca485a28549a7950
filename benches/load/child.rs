//! The servers under the daemon: this program in another role, so that they cost as little as can be.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::echo;

/// What every answer of [`Role::Answerer`] holds, in bytes.
const ANSWER: usize = 1_024;

/// What this program is as a child.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// Accepts connections, closes them, and otherwise sleeps.
    Sleeper,
    /// Answers every request with 1 KiB of JSON.
    Answerer,
    /// Answers every call on its standard streams, in both eras of MCP.
    Echo,
}

/// The role that the command line asks for, if it does.
pub(crate) fn role() -> Option<Role> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next().as_deref()) {
        (Some("child"), Some("sleeper")) => Some(Role::Sleeper),
        (Some("child"), Some("answerer")) => Some(Role::Answerer),
        (Some("child"), Some("echo")) => Some(Role::Echo),
        _ => None,
    }
}

impl Role {
    /// The arguments that ask for it.
    pub(crate) fn args(self) -> [&'static str; 2] {
        match self {
            Self::Sleeper => ["child", "sleeper"],
            Self::Answerer => ["child", "answerer"],
            Self::Echo => ["child", "echo"],
        }
    }

    /// Plays it, on the port in `PORT` or on its standard streams, until killed.
    pub(crate) fn play(self) -> ExitCode {
        let played = match self {
            Self::Sleeper => listener().map(|listener| listener.incoming().for_each(drop)),
            Self::Answerer => listener().and_then(answer),
            Self::Echo => echo::speak(),
        };
        if let Err(error) = played {
            eprintln!("{error}");
        }
        ExitCode::FAILURE
    }
}

fn listener() -> io::Result<TcpListener> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse::<u16>().ok());
    TcpListener::bind((
        Ipv4Addr::LOCALHOST,
        port.ok_or_else(|| io::Error::other("PORT has to be a free port"))?,
    ))
}

fn answer(listener: TcpListener) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{}"}}}}"#, "x".repeat(ANSWER - 48));
    let answer = Bytes::from(result);
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    // The connection can only be used again once the request was read to its end.
                    let _ = request.into_body().collect().await;
                    let mut response = Response::new(Full::new(answer));
                    let json = hyper::header::HeaderValue::from_static("application/json");
                    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(async move {
                // How a connection ends is the client's business.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}
