//! Requests on real connections to a server that is written out in the test.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

async fn ask(upstream: &Upstream, addr: SocketAddr) -> Result<(StatusCode, Bytes), Failure> {
    let asked = Asked { method: Method::POST, path: "/mcp".parse().unwrap(), headers: HeaderMap::new() };
    let body = Full::new(Bytes::from_static(b"{}")).map_err(|never| match never {});
    let way = upstream.connect(addr, None).await.unwrap();
    let response = way.send(&asked, body, PATIENCE).await?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(Failure::Client)?;
    Ok((status, body.to_bytes()))
}

/// Reads one request and answers it.
async fn answer(server: &mut TcpStream, answer: &str) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n{}") {
        assert!(server.read_buf(&mut read).await.unwrap() > 0, "the request broke off");
    }
    server.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_used_again_as_long_as_the_server_keeps_it_and_its_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let upstream = Upstream::new(8);
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

    let serving = async {
        let (mut server, _) = listener.accept().await.unwrap();
        answer(&mut server, whole).await;
        answer(&mut server, chunked).await;
        answer(&mut server, whole).await;
        server
    };
    let asking = async {
        for _ in 0..3 {
            assert_eq!(ask(&upstream, addr).await.unwrap(), (StatusCode::OK, Bytes::from_static(b"ok")));
        }
    };
    let (server, ()) = tokio::join!(serving, asking);
    assert_eq!(upstream.0.waiting(), 1, "one connection for all");
    drop(server);

    for last in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    ] {
        let serving = async {
            let (mut server, _) = listener.accept().await.unwrap();
            answer(&mut server, last).await;
            server
        };
        let (_server, asked) = tokio::join!(serving, ask(&upstream, addr));
        assert_eq!(asked.unwrap().1, "ok", "on a connection of its own");
        assert_eq!(upstream.0.waiting(), 0, "which nobody uses again: {last}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure_wherever_it_does() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let upstream = Upstream::new(8);
    for said in [
        "",
        "HTTP/1.1 200 OK\r\nconte",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokk",
    ] {
        let serving = async {
            let (mut server, _) = listener.accept().await.unwrap();
            answer(&mut server, said).await;
        };
        let ((), asked) = tokio::join!(serving, ask(&upstream, addr));
        assert!(asked.is_err(), "{said}: {asked:?}");
        assert_eq!(upstream.0.waiting(), 0);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_port_on_which_another_user_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let upstream = Upstream::new(8);
    let own = rustix::process::getuid().as_raw();
    upstream.connect(addr, Some(own)).await.unwrap();
    let refused = upstream.connect(addr, Some(own + 1)).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    // The first was closed unused, and of the second nothing was read either.
    for _ in 0..2 {
        let (mut server, _) = listener.accept().await.unwrap();
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
