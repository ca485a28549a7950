//! Heads on the wire: what is written to a server, and what is understood of its answer. Pure.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::ext::ReasonPhrase;

use super::framing::Framing;
use crate::gateway::headers::{self, Hops};

/// Header lines of an answer.
const MAX_LINES: usize = 128;
/// Bytes of an answer's head.
const MAX_HEAD: usize = 64 * 1_024;

/// A request as the client sent it, with the path that it has at the server.
#[derive(Debug)]
pub(in crate::gateway) struct Asked {
    /// What is to be done.
    pub(in crate::gateway) method: Method,
    /// The path and query at the server.
    pub(in crate::gateway) path: PathAndQuery,
    /// The client's headers, from which what is not the server's business is left out on the way.
    pub(in crate::gateway) headers: HeaderMap,
}

/// How the end of a request's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// There is none.
    Nothing,
    /// After this many bytes.
    Length(u64),
    /// With an empty chunk.
    Chunked,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// What of its headers a client gets.
    pub(super) headers: HeaderMap,
    /// Its words for the status, where they are not the usual ones.
    pub(super) reason: Option<ReasonPhrase>,
    pub(super) framing: Framing,
    /// Whether the connection can be used again after the body.
    pub(super) keeps: bool,
}

/// The bytes are no answer of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::gateway) enum Unreadable {
    /// Not HTTP/1.
    #[error("the answer is no HTTP/1 response")]
    NotHttp,
    /// Too much of it.
    #[error("the head of the answer has no end")]
    TooLong,
    /// Where the body ends cannot be told for certain.
    #[error("the framing of the answer is ambiguous")]
    Framing,
}

/// Writes the head of a request to the server at `host`.
pub(super) fn write(out: &mut Vec<u8>, asked: &Asked, host: SocketAddr, sent: Sent) {
    use std::io::Write as _;
    out.extend_from_slice(asked.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(asked.path.as_str().as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    // Writing into memory does not fail.
    let _ = write!(out, "{host}");
    out.extend_from_slice(b"\r\n");
    match sent {
        Sent::Nothing => {}
        Sent::Length(length) => {
            let _ = write!(out, "content-length: {length}\r\n");
        }
        Sent::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    let hops = Hops::of(asked.headers.get_all(header::CONNECTION).iter().map(HeaderValue::as_bytes));
    for (name, value) in &asked.headers {
        if headers::reaches_server(name) && !hops.names(name) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Reads the head of the answer to a request of this method, if it is there whole, and takes it off `read`.
/// Interim answers before it are passed over.
pub(super) fn read(read: &mut BytesMut, method: &Method) -> Result<Option<Answered>, Unreadable> {
    loop {
        let mut lines = [const { std::mem::MaybeUninit::uninit() }; MAX_LINES];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, read, &mut lines)
            .map_err(|error| match error {
                httparse::Error::TooManyHeaders => Unreadable::TooLong,
                _ => Unreadable::NotHttp,
            })?;
        let httparse::Status::Complete(length) = parsed else {
            return if read.len() > MAX_HEAD { Err(Unreadable::TooLong) } else { Ok(None) };
        };
        let code = response.code.unwrap_or_default();
        if (100..200).contains(&code) {
            // Nobody asked for another protocol, and nothing else can be said before the answer that matters.
            if code == 101 {
                return Err(Unreadable::NotHttp);
            }
            read.advance(length);
            continue;
        }
        let head = Bytes::copy_from_slice(&read[..length]);
        let answered = understand(&response, read, &head, method)?;
        read.advance(length);
        return Ok(Some(answered));
    }
}

/// `head` is a copy of what was parsed, which the values share.
fn understand(
    response: &httparse::Response<'_, '_>,
    parsed: &[u8],
    head: &Bytes,
    method: &Method,
) -> Result<Answered, Unreadable> {
    let shared = |part: &[u8]| {
        let begin = part.as_ptr() as usize - parsed.as_ptr() as usize;
        head.slice(begin..begin + part.len())
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Unreadable::NotHttp)?;
    let hops = Hops::of(values(response, "connection"));
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    let (mut length, mut chunked) = (None, None);
    for line in response.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Unreadable::NotHttp)?;
        if name == header::CONTENT_LENGTH {
            let shown = decimal(line.value).ok_or(Unreadable::Framing)?;
            // Said twice it is still one length, said differently it is none.
            match length.replace(shown) {
                None => {}
                Some(before) if before == shown => continue,
                Some(_) => return Err(Unreadable::Framing),
            }
        } else if name == header::TRANSFER_ENCODING {
            let known = line.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            if !known || chunked.replace(()).is_some() {
                return Err(Unreadable::Framing);
            }
        }
        if headers::reaches_client(&name) && !hops.names(&name) {
            let value =
                HeaderValue::from_maybe_shared(shared(line.value)).map_err(|_| Unreadable::NotHttp)?;
            headers.append(name, value);
        }
    }
    if chunked.is_some() {
        headers.remove(header::CONTENT_LENGTH);
    }
    let empty =
        *method == Method::HEAD || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let framing = match (chunked, length) {
        _ if empty => Framing::Length(0),
        (Some(()), _) => Framing::chunked(),
        (None, Some(length)) => Framing::Length(length),
        (None, None) => Framing::Close,
    };
    // Both at once is how requests are smuggled: the end of the chunks is believed, the connection is not.
    let sure = chunked.is_none() || length.is_none();
    let keeps = match response.version {
        Some(1) => !hops.names_text("close"),
        _ => hops.names_text("keep-alive"),
    };
    let reason = response.reason.filter(|reason| status.canonical_reason() != Some(reason));
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok());
    Ok(Answered { status, headers, reason, keeps: keeps && sure && framing != Framing::Close, framing })
}

fn values<'a>(response: &'a httparse::Response<'_, '_>, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let named = response.headers.iter().filter(move |line| line.name.eq_ignore_ascii_case(name));
    named.map(|line| line.value)
}

/// A number of digits only. A sign or a second number would be read differently elsewhere.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<Option<Answered>, Unreadable> {
        read(&mut BytesMut::from(text), &Method::POST)
    }

    fn whole(text: &str) -> Answered {
        answer(text).unwrap().unwrap()
    }

    #[test]
    fn a_request_keeps_every_line_that_is_not_ours() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer mmcp_inst_x"),
            ("host", "localhost:7878"),
            ("connection", "keep-alive, x-mine"),
            ("x-mine", "1"),
            ("content-length", "2"),
            ("mcp-param-a", "\u{e9}"),
            ("mcp-method", "tools/call"),
            ("mcp-method", " tools/list"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let asked = Asked { method: Method::POST, path: "/mcp?a=b".parse().unwrap(), headers };
        let text = |sent| {
            let mut out = Vec::new();
            write(&mut out, &asked, "127.0.0.1:4000".parse().unwrap(), sent);
            String::from_utf8(out).unwrap()
        };
        let lines = "mcp-param-a: \u{e9}\r\nmcp-method: tools/call\r\nmcp-method:  tools/list\r\n\r\n";
        let begin = "POST /mcp?a=b HTTP/1.1\r\nhost: 127.0.0.1:4000\r\n";
        assert_eq!(text(Sent::Length(2)), format!("{begin}content-length: 2\r\n{lines}"));
        assert_eq!(text(Sent::Chunked), format!("{begin}transfer-encoding: chunked\r\n{lines}"));
        assert_eq!(text(Sent::Nothing), format!("{begin}{lines}"));
    }

    #[test]
    fn an_answer_is_understood_when_it_is_whole_and_interim_ones_are_passed_over() {
        let text = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\nhi";
        let mut buffer = BytesMut::new();
        for (n, byte) in text.bytes().enumerate() {
            buffer.extend_from_slice(&[byte]);
            let answered = read(&mut buffer, &Method::POST).unwrap();
            assert_eq!(answered.is_some(), n == text.len() - 3, "at {n}");
            if let Some(answered) = answered {
                assert_eq!((answered.status, answered.keeps), (StatusCode::OK, true));
                assert_eq!(answered.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
                assert_eq!(answered.headers["content-length"], "2");
                assert_eq!(answered.framing, Framing::Length(2));
                assert!(answered.reason.is_none());
                break;
            }
        }
        assert!(buffer.is_empty());
    }

    #[test]
    fn the_body_ends_where_the_head_says_and_the_connection_lasts_as_long_as_it_says() {
        for (head, framing, keeps) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n", Framing::Length(7), true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 7\r\ncontent-length: 07\r\n", Framing::Length(7), true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: x, Close\r\n", Framing::Length(7), false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 7\r\n", Framing::Length(7), false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 7\r\nconnection: keep-alive\r\n", Framing::Length(7), true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n", Framing::chunked(), true),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 7\r\n",
                Framing::chunked(),
                false,
            ),
            ("HTTP/1.1 200 OK\r\n", Framing::Close, false),
            ("HTTP/1.1 204 No Content\r\n", Framing::Length(0), true),
            ("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n", Framing::Length(0), true),
        ] {
            let answered = whole(&format!("{head}\r\n"));
            assert_eq!((&answered.framing, answered.keeps), (&framing, keeps), "{head}");
            assert_eq!(
                answered.headers.get_all("content-length").iter().count(),
                usize::from(head.contains("content-length") && framing != Framing::chunked()),
                "{head}"
            );
            assert!(
                !answered.headers.contains_key("connection")
                    && !answered.headers.contains_key("transfer-encoding")
            );
        }
        let head = read(&mut BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"), &Method::HEAD);
        assert_eq!(head.unwrap().unwrap().framing, Framing::Length(0));
    }

    #[test]
    fn what_is_no_answer_or_has_no_certain_end_is_refused() {
        for (text, why) in [
            ("nonsense\r\n\r\n", Unreadable::NotHttp),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Unreadable::NotHttp),
            ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", Unreadable::NotHttp),
            ("HTTP/1.1 200 OK\r\ncontent-length: 7\r\ncontent-length: 8\r\n\r\n", Unreadable::Framing),
            ("HTTP/1.1 200 OK\r\ncontent-length: +7\r\n\r\n", Unreadable::Framing),
            ("HTTP/1.1 200 OK\r\ncontent-length: 7, 7\r\n\r\n", Unreadable::Framing),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", Unreadable::Framing),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
                Unreadable::Framing,
            ),
        ] {
            assert_eq!(answer(text).unwrap_err(), why, "{text}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(MAX_HEAD));
        assert_eq!(answer(&endless).unwrap_err(), Unreadable::TooLong);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_LINES + 1));
        assert_eq!(answer(&many).unwrap_err(), Unreadable::TooLong);
    }

    #[test]
    fn other_words_for_a_status_are_kept() {
        let answered = whole("HTTP/1.1 404 Nobody Home\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(answered.reason.unwrap().as_bytes(), b"Nobody Home");
    }
}
