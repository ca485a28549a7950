use serde_json::{Value, json};

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| {
        (name.parse::<http::HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(parse) {
        headers.append(name, value);
    }
    headers
}

const KIND: (&str, &str) = ("content-type", "application/json; charset=utf-8");

fn modern(method: &str, params: &Value) -> String {
    let mut params = params.clone();
    params["_meta"] = json!({VERSION: "2026-07-28", CAPABILITIES: {}});
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

fn code(result: Result<impl std::fmt::Debug, Refusal>) -> Option<(u16, i32)> {
    result.err().map(|refusal| (refusal.status.as_u16(), refusal.code))
}

#[test]
fn only_one_message_of_json_is_read() {
    let read = |pairs: &[(&str, &str)], body: &str| code(read(&headers(pairs), body.as_bytes()));
    let ping = r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#;
    assert_eq!(read(&[KIND], ping), None);
    assert_eq!(read(&[KIND, ("accept", "application/json, text/event-stream")], ping), None);
    assert_eq!(read(&[KIND, ("accept", "application/*;q=0.5"), ("accept", "*/*")], ping), None);
    assert_eq!(read(&[KIND, ("accept", "application/json")], ping), Some((406, -32_600)));
    assert_eq!(read(&[("content-type", "text/plain")], ping), Some((415, -32_600)));
    assert_eq!(read(&[], ping), Some((415, -32_600)));
    for (body, code) in [
        ("{", -32_700),
        ("\u{0}", -32_700),
        ("[]", -32_600),
        ("{}", -32_600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\u0061me":"b"}}"#, -32_600),
    ] {
        assert_eq!(read(&[KIND], body), Some((400, code)), "{body}");
    }
    assert_eq!(code(super::read(&headers(&[KIND]), b"\xff")), Some((400, -32_700)));
}

#[test]
fn the_era_is_that_of_the_message_whatever_its_method() {
    let manner = |pairs: &[(&str, &str)], body: &str| {
        let outline = Outline::of(body).unwrap();
        manner(&headers(pairs), &Message { text: body.to_owned(), outline })
    };
    let plain = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let version = |version| ("mcp-protocol-version", version);
    assert_eq!(manner(&[], plain), Ok(Manner::Legacy));
    for legacy in LEGACY {
        assert_eq!(manner(&[version(legacy)], plain), Ok(Manner::Legacy));
    }
    assert_eq!(manner(&[version("2026-07-28")], plain), Ok(Manner::Modern));
    assert_eq!(manner(&[version("1999-01-01")], plain), Ok(Manner::Modern));
    assert_eq!(manner(&[], &modern("initialize", &json!({}))), Ok(Manner::Modern));
    assert_eq!(code(manner(&[version("a"), version("b")], plain)), Some((400, -32_020)));
}

#[test]
fn a_request_of_the_newer_era_says_the_same_in_its_headers() {
    let versions = ["2026-07-28".to_owned()];
    let check = |pairs: &[(&str, &str)], body: &str| {
        let outline = Outline::of(body).unwrap();
        code(check_modern(&headers(pairs), &Message { text: body.to_owned(), outline }, &versions))
    };
    let version = ("mcp-protocol-version", "2026-07-28");
    let list = modern("tools/list", &json!({}));
    assert_eq!(check(&[version, ("mcp-method", "tools/list")], &list), None);
    assert_eq!(check(&[version], &list), Some((400, -32_020)));
    assert_eq!(check(&[version, ("mcp-method", "tools/List")], &list), Some((400, -32_020)));
    assert_eq!(check(&[("mcp-method", "tools/list")], &list), Some((400, -32_020)), "no version");

    let call = modern("tools/call", &json!({"name": "f\u{fc}r"}));
    let method = ("mcp-method", "tools/call");
    assert_eq!(check(&[version, method, ("mcp-name", "=?base64?ZsO8cg==?=")], &call), None);
    assert_eq!(check(&[version, method, ("mcp-name", "for")], &call), Some((400, -32_020)));
    assert_eq!(check(&[version, method, ("mcp-name", "=?base64?!?=")], &call), Some((400, -32_020)));
    assert_eq!(check(&[version, method], &call), Some((400, -32_020)));
    let nameless = modern("tools/call", &json!({}));
    assert_eq!(check(&[version, method], &nameless), None, "the server says what is missing");

    let bare = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert_eq!(check(&[version, ("mcp-method", "tools/list")], bare), Some((400, -32_602)));
    let half = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{"{VERSION}":"2026-07-28"}}}}}}"#
    );
    assert_eq!(check(&[version, ("mcp-method", "tools/list")], &half), Some((400, -32_602)));
    let other = ("mcp-protocol-version", "2027-01-01");
    assert_eq!(check(&[other, ("mcp-method", "tools/list")], &list), Some((400, -32_020)), "they differ");
    let later = list.replace("2026-07-28", "2027-01-01");
    assert_eq!(check(&[other, ("mcp-method", "tools/list")], &later), Some((400, -32_022)));
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(check(&[version], answer), Some((400, -32_600)));
}
