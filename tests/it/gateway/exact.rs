//! What the gateway passes on is what it was given, byte for byte and as soon as it comes.

use std::time::Duration;

use crate::gateway::wire::Wire;
use crate::ground::eventually;

/// The values of the lines with this name, in their order.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    lines.filter(|(named, _)| named.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_header_line_of_a_client_arrives_but_those_for_us() {
    let wire = Wire::new(&[]).await;
    let origin = format!("Origin: http://{}", wire.daemon.settings.listen);
    let lines = [
        "Accept: application/json, text/event-stream",
        "Content-Type: application/json",
        "MCP-Protocol-Version: 2026-07-28",
        "Mcp-Method: tools/call",
        "mcp-method: tools/list",
        "Mcp-Name: =?base64?ZWNobw==?=",
        "Mcp-Param-Never-Heard-Of: one",
        "Mcp-Param-Never-Heard-Of:  two ",
        "Last-Event-ID: 7;x",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate: a=b",
        "Cookie: a=b",
        "Connection: keep-alive, X-Mine",
        "X-Mine: 1",
        "TE: trailers",
        &origin,
        "Content-Length: 2",
    ];
    let mut client = wire.client("POST", &lines, b"{}").await;
    let (head, mut server) = wire.asked().await;
    assert!(head.starts_with("POST /mcp HTTP/1.1\r\n"), "{head}");
    for (name, expected) in [
        ("accept", &["application/json, text/event-stream"][..]),
        ("content-type", &["application/json"]),
        ("mcp-protocol-version", &["2026-07-28"]),
        ("mcp-method", &["tools/call", "tools/list"]),
        ("mcp-name", &["=?base64?ZWNobw==?="]),
        ("mcp-param-never-heard-of", &["one", "two"]),
        ("last-event-id", &["7;x"]),
        ("traceparent", &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
        ("tracestate", &["a=b"]),
        ("content-length", &["2"]),
        ("authorization", &[]),
        ("cookie", &[]),
        ("origin", &[]),
        ("connection", &[]),
        ("x-mine", &[]),
        ("te", &[]),
    ] {
        assert_eq!(values(&head, name), expected, "{name} in {head}");
    }
    let port = wire.instance["assigned_port"].as_u64().unwrap();
    assert_eq!(values(&head, "host"), [format!("127.0.0.1:{port}")]);
    assert!(!head.contains("mmcp_inst_"), "{head}");

    assert_eq!(server.take(2).await, b"{}");
    let answer = "HTTP/1.1 200 Very Well\r\nContent-Type: application/json\r\nX-Twice: 1\r\nX-Other: \u{e9}\r\n\
                  x-twice: 2\r\nMcp-Session-Id: s\r\nX-Accel-Buffering: no\r\nCache-Control: no-cache\r\n\
                  Retry-After: 1\r\nSet-Cookie: a=b\r\nWWW-Authenticate: Bearer x\r\nContent-Length: 2\r\n\r\n{}";
    // Latin-1, as the other way.
    server.send(&answer.chars().map(|letter| letter as u8).collect::<Vec<u8>>()).await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 Very Well\r\n"), "{head}");
    for (name, expected) in [
        ("content-type", &["application/json"][..]),
        ("x-twice", &["1", "2"]),
        ("x-other", &["\u{e9}"]),
        ("mcp-session-id", &["s"]),
        ("x-accel-buffering", &["no"]),
        ("cache-control", &["no-cache"]),
        ("retry-after", &["1"]),
        ("content-length", &["2"]),
        ("set-cookie", &[]),
        ("www-authenticate", &[]),
    ] {
        assert_eq!(values(&head, name), expected, "{name} in {head}");
    }
    assert_eq!(client.take(2).await, b"{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_the_same_bytes_on_both_sides_however_they_are_framed() {
    let wire = Wire::new(&[]).await;
    let call = "\u{feff}{ \"id\":1e0,\"id\":1.0, \"n\":123456789012345678901234567890,\"method\":\"tools\\/call\",\r\n\
                \"_meta\":{\"traceparent\":\"00-1-2-3\",\"vendorX\":[-0,1.50,\"\\u00e9\\ud800\"]} }\n"
        .as_bytes();
    let answer = b"{\"jsonrpc\":\"2.0\",\"result\":{\"futureField\":1.0,\"b\":0.10,\"a\":18446744073709551617}}\x00\xff";

    let mut client = wire.post(call).await;
    let (_, mut server) = wire.asked().await;
    assert_eq!(server.take(call.len()).await, call);
    let length = answer.len();
    server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await;
    server.send(answer).await;
    client.head().await.unwrap();
    assert_eq!(client.take(length).await, answer);

    // The same in pieces, on connections that are used again on both sides.
    let (first, second) = call.split_at(9);
    let piece = |bytes: &[u8]| [format!("{:X}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let chunked = [piece(first), piece(second), b"0\r\n\r\n".to_vec()].concat();
    wire.ask(&mut client, "POST", &["Transfer-Encoding: chunked"], &chunked).await;
    let head = server.head().await.unwrap();
    assert_eq!(values(&head, "transfer-encoding"), ["chunked"]);
    let mut arrived = Vec::new();
    loop {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.extend(server.take(1).await);
        }
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim_end(), 16).unwrap();
        arrived.extend(server.take(size).await);
        assert_eq!(server.take(2).await, b"\r\n");
        if size == 0 {
            break;
        }
    }
    assert_eq!(arrived, call);
    let chunked = [piece(&answer[..3]), piece(&answer[3..]), b"0\r\n\r\n".to_vec()].concat();
    server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    server.send(&chunked).await;
    client.head().await.unwrap();
    let mut arrived = Vec::new();
    while !arrived.ends_with(b"0\r\n\r\n") {
        arrived.extend(client.take(1).await);
    }
    let plain: Vec<u8> = [&answer[..3], &answer[3..]].concat();
    let text = String::from_utf8_lossy(&arrived).into_owned();
    let whole = arrived.windows(plain.len()).any(|window| window == plain);
    let apart = [&answer[..3], &answer[3..]]
        .iter()
        .all(|part| arrived.windows(part.len()).any(|window| window == *part));
    assert!(whole || apart, "{text}");

    // Whose end is that of the connection.
    wire.ask(&mut client, "POST", &["Content-Length: 0"], b"").await;
    let head = server.head().await.unwrap();
    assert_eq!(values(&head, "content-length"), ["0"]);
    server.send(b"HTTP/1.1 200 OK\r\n\r\n").await;
    server.send(answer).await;
    drop(server);
    client.head().await.unwrap();
    let mut arrived = Vec::new();
    while !arrived.ends_with(b"0\r\n\r\n") {
        arrived.extend(client.take(1).await);
    }
    assert!(arrived.windows(length).any(|window| window == answer), "{}", String::from_utf8_lossy(&arrived));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_there_before_the_next_one_is_sent_and_a_stream_that_breaks_off_does_not_look_whole() {
    let wire = Wire::new(&[]).await;
    let mut client = wire.client("GET", &["Accept: text/event-stream"], b"").await;
    let (_, mut server) = wire.asked().await;
    server
        .send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    client.head().await.unwrap();
    for n in 0..20 {
        let event = format!("id: {n}\ndata: {{}}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        server.send(chunk.as_bytes()).await;
        let arrived = client.take(chunk.len()).await;
        assert_eq!(String::from_utf8(arrived).unwrap().to_lowercase(), chunk);
    }
    drop(server);
    assert_eq!(client.rest().await, b"", "no last chunk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_call_with_it() {
    let wire = Wire::new(&[]).await;
    let client = wire.post(b"{}").await;
    let (_, mut server) = wire.asked().await;
    assert_eq!(server.take(2).await, b"{}");
    drop(client);
    assert_eq!(server.rest().await, b"", "the server hears of it while it still works");
    let route = wire.route();
    eventually("the call is counted out", || route.in_flight() == 0).await;

    // And while it is still sending.
    let client = wire.client("POST", &["Content-Length: 100"], b"half").await;
    let (_, mut server) = wire.asked().await;
    assert_eq!(server.take(4).await, b"half");
    drop(client);
    assert_eq!(server.rest().await, b"");
    eventually("the call is counted out", || route.in_flight() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_in_the_middle_of_a_call_is_a_bad_gateway_at_once() {
    let wire = Wire::new(&["gateway.idle-timeout=1h"]).await;
    for said in ["", "HTTP/1.1 200 OK\r\nContent-Ty", "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n12"] {
        let mut client = wire.post(b"{}").await;
        let (_, mut server) = wire.asked().await;
        server.take(2).await;
        server.send(said.as_bytes()).await;
        drop(server);
        let head = client.head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 502"), "{said}: {head}");
        assert_eq!(values(&head, "x-request-id").len(), 1, "to find it in the log: {head}");
    }
    let mut client = wire.post(b"{}").await;
    let (_, mut server) = wire.asked().await;
    server.take(2).await;
    let pid = wire.instance["process_id"].as_u64().unwrap().try_into().unwrap();
    crate::ground::signal(pid, "KILL");
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_before_the_whole_request_is_passed_on() {
    let wire = Wire::new(&[]).await;
    let mut client = wire.client("POST", &["Content-Length: 100"], b"half").await;
    let (_, mut server) = wire.asked().await;
    assert_eq!(server.take(4).await, b"half", "what there is goes on before the rest is there");
    server.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    assert_eq!(client.take(2).await, b"no");
    let refused = wire.post(b"{}").await;
    let (_, server) = wire.asked().await;
    drop((refused, server));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_holds_its_server_up_and_fills_no_memory() {
    let wire = Wire::new(&[]).await;
    let mut client = wire.post(b"{}").await;
    let (_, mut server) = wire.asked().await;
    server.take(2).await;
    const LENGTH: usize = 256 << 20;
    server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").as_bytes()).await;
    let sent = server.send_until_stuck(&vec![b'x'; LENGTH], Duration::from_secs(1)).await;
    // What the kernel keeps for four sockets, what the relay keeps, and little more.
    assert!(sent < 48 << 20, "{sent} bytes went somewhere");
    client.head().await.unwrap();
    assert_eq!(client.take(sent).await.len(), sent, "all of it is there once it is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_goes_on_for_as_long_as_it_likes_and_a_silent_call_does_not() {
    let wire = Wire::new(&["gateway.idle-timeout=1s"]).await;
    let mut listener = wire.client("GET", &[], b"").await;
    let (_, mut server) = wire.asked().await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    server.send(head.as_bytes()).await;
    listener.head().await.unwrap();
    for _ in 0..2 {
        let mut silent = wire.post(b"{}").await;
        let (_, _server) = wire.asked().await;
        let head = silent.head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 504"), "{head}");
    }
    server.send(b"6\r\ndata:\n\r\n").await;
    assert_eq!(
        listener.take(11).await,
        b"6\r\ndata:\n\r\n",
        "after twice the time that a call may be silent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_run_that_gave_it_out() {
    let wire = Wire::new(&[]).await;
    let mut client = wire.post(b"{}").await;
    let (_, mut server) = wire.asked().await;
    server.take(2).await;
    server.send(b"HTTP/1.1 200 OK\r\nMcp-Session-Id: abc\r\nContent-Length: 0\r\n\r\n").await;
    client.head().await.unwrap();
    let session = ["Mcp-Session-Id: abc", "Content-Length: 0"];
    wire.ask(&mut client, "POST", &session, b"").await;
    assert!(server.head().await.unwrap().contains("abc"));
    server.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 202"));

    let path = format!("/v1/instances/{}", wire.id());
    let restarted = wire.daemon.post(&format!("{path}/restart"), &wire.user, &serde_json::Value::Null).await;
    assert!(restarted.status.is_success(), "{restarted:?}");
    let mut client = wire.client("POST", &session, b"").await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 404"), "so that the client initializes anew: {head}");
    let mut fresh = wire.post(b"{}").await;
    let (_, mut server) = wire.asked().await;
    server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(fresh.head().await.unwrap().starts_with("HTTP/1.1 200"));
}
