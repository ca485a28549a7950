//! Requests that nobody sends by accident: framing that two readers would understand differently, heads and bodies
//! without end, text that is none.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Daemon;
use crate::ground::PATIENCE;

/// What comes back until the daemon closes, and whether it did.
async fn said(daemon: &Daemon, bytes: &[u8]) -> (Option<u16>, bool) {
    let mut stream = TcpStream::connect(daemon.listen).await.unwrap();
    // The daemon may answer and close before everything is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.is_ok();
    let text = String::from_utf8_lossy(&answer);
    (text.split(' ').nth(1).and_then(|status| status.parse().ok()), closed)
}

/// The status of one answer to a request that asks for the end of the connection.
async fn status(daemon: &Daemon, bytes: &[u8]) -> u16 {
    let (status, closed) = said(daemon, bytes).await;
    assert!(
        closed,
        "the connection stays open after {:?}",
        String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
    );
    status.unwrap_or(0)
}

fn post(daemon: &Daemon, lines: &str, body: &[u8]) -> Vec<u8> {
    let token = daemon.caller().token;
    let mut request = format!(
        "POST /v1/users HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\n{lines}\r\n",
        daemon.listen
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn framing_that_can_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let daemon = Daemon::start().await;
    let smuggled = b"5\r\nhello\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n";
    for (lines, body) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &smuggled[..]),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"),
        ("Content-Length: 5, 6\r\n", b"hello!"),
        ("Content-Length: -1\r\n", b""),
        ("Content-Length: +5\r\n", b"hello"),
        ("Content-Length: 99999999999999999999\r\n", b"hello"),
        ("Transfer-Encoding: chunked, identity\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: gzip\r\n", b"hello"),
        ("Transfer-Encoding: chunked\r\n", b"zz\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"5\r\nhelloXX0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"ffffffffffffffffff\r\nhello"),
        ("X-Broken : y\r\nContent-Length: 0\r\n", b""),
        ("No colon at all\r\nContent-Length: 0\r\n", b""),
    ] {
        let answered = status(&daemon, &post(&daemon, lines, body)).await;
        assert!(matches!(answered, 400 | 411 | 413 | 501 | 0), "{lines:?} is answered {answered}");
    }
    assert_eq!(daemon.get("/healthz").await.status, 200);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_bodies_without_end_are_cut_off_and_memory_stays_flat() {
    let daemon = Daemon::start().await;
    let before = daemon.memory("VmHWM");
    let head = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n", daemon.listen);
    let many = format!("{head}{}\r\n", "X-Line: 1\r\n".repeat(1_000_000));
    let answered = status(&daemon, many.as_bytes()).await;
    assert!(matches!(answered, 431 | 0), "{answered}");
    let long = format!("{head}X-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let answered = status(&daemon, long.as_bytes()).await;
    assert!(matches!(answered, 431 | 0), "{answered}");

    // A gigabyte, by its length and piece by piece without one.
    assert_eq!(status(&daemon, &post(&daemon, "Content-Length: 1073741824\r\n", b"{")).await, 413);
    let mut stream = TcpStream::connect(daemon.listen).await.unwrap();
    stream.write_all(&post(&daemon, "Transfer-Encoding: chunked\r\n", b"")).await.unwrap();
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000)).into_bytes();
    let mut sent = 0_u64;
    let sending = async {
        while stream.write_all(&piece).await.is_ok() {
            sent += piece.len() as u64;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), sending).await.is_ok(), "it was read for ever");
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    let grown = daemon.memory("VmHWM").saturating_sub(before) / 1_024;
    assert!(grown < 64, "{grown} MiB");
    assert_eq!(daemon.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_json_or_no_text_is_refused_and_never_an_error_of_ours() {
    let daemon = Daemon::start().await;
    let deep = |open: &str| open.repeat(10_000).into_bytes();
    for body in [
        b"{\"name\": \"a\", \"name\": \"b\"}".to_vec(),
        b"{\"name\": NaN}".to_vec(),
        b"{\"name\": Infinity}".to_vec(),
        b"{\"name\": 1e999}".to_vec(),
        b"{\"name\": \"\\ud800\"}".to_vec(),
        b"{\"name\": \"\\udc00\\ud800\"}".to_vec(),
        b"{\"name\": \"\xff\xfe\"}".to_vec(),
        b"{\"name\": \"a\"} trailing".to_vec(),
        b"\xef\xbb\xbf{\"name\": \"a\"}".to_vec(),
        b"{\"name\": \"a\x00b\"}".to_vec(),
        b"null".to_vec(),
        b"\x00".to_vec(),
        deep("["),
        deep("{\"a\":"),
    ] {
        let lines = format!("Content-Length: {}\r\n", body.len());
        let answered = status(&daemon, &post(&daemon, &lines, &body)).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert!(matches!(answered, 400 | 422), "{shown} is answered {answered}");
    }
    let token = daemon.caller().token;
    let get = |path: &[u8], line: &[u8]| {
        let mut request = b"GET ".to_vec();
        request.extend_from_slice(path);
        request.extend_from_slice(format!(" HTTP/1.1\r\nHost: {}\r\n", daemon.listen).as_bytes());
        request
            .extend_from_slice(format!("Authorization: Bearer {token}\r\nConnection: close\r\n").as_bytes());
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n\r\n");
        request
    };
    for (path, line) in [
        (&b"/v1/types/\xff\xfe"[..], &b"X: y"[..]),
        (b"/v1/types/%ff%fe", b"X: y"),
        (b"/v1/types/%00", b"X: y"),
        (b"/v1/types/%", b"X: y"),
        (b"/v1/instances/%c0%ae%c0%ae", b"X: y"),
        (b"/v1/instances?cursor=%ff", b"X: y"),
        (b"/v1/instances?limit=99999999999999999999", b"X: y"),
        (b"/v1/events", b"Last-Event-ID: \xff\xfe"),
    ] {
        let answered = status(&daemon, &get(path, line)).await;
        assert!((400..500).contains(&answered), "{} is answered {answered}", String::from_utf8_lossy(path));
    }
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}
