//! A server on standard streams that costs as little as can be, so that what is measured is the bridge before it.

use std::io::{self, BufRead, BufReader, BufWriter, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<&'a str>,
}

/// What a client of the newer era is told.
const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#;
/// What a client of the older one is told.
const WELCOME: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}"#;
const TOOLS: &str = r#"{"resultType":"complete","tools":[{"name":"echo","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"private"}"#;
const SAID: &str = r#"{"resultType":"complete","content":[{"type":"text","text":"hello"}]}"#;

/// Answers until the end of its input.
pub(crate) fn speak() -> io::Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Ok(Message { id: Some(id), method: Some(method) }) = serde_json::from_str(&line) {
            let result = match method {
                "tools/call" => SAID,
                "tools/list" => TOOLS,
                "server/discover" => DISCOVERED,
                "initialize" => WELCOME,
                _ => "{}",
            };
            writeln!(output, r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.get())?;
        }
        // What comes in together goes out together.
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
}
