//! What a server writes, while there is a daemon and while there is none.

use serde_json::Value;

use crate::ground::{eventually, get, is_alive};
use crate::output::numbers;

use super::{Daemon, id, pid};

/// Writes as many numbered lines of 100 bytes as it is asked for, and answers when they are out.
const TALKER: &str = r"
import { createServer } from 'node:http';
let said = 0;
createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://talker');
  const answer = (value) => response.end(JSON.stringify(value));
  if (pathname !== '/say') return answer({ mcpId: process.env.MCP_ID, nonce: process.env.MCP_NONCE });
  let text = '';
  for (let left = Number(searchParams.get('lines')); left > 0; left -= 1) {
    text += `line ${String(++said).padStart(9, '0')} `.padEnd(99, '.') + '\n';
  }
  process.stdout.write(text, () => answer({ said }));
}).listen(Number(process.env.PORT), '127.0.0.1');
";

#[tokio::test]
async fn a_server_that_writes_is_neither_blocked_nor_killed_by_the_end_of_the_daemon_and_loses_no_line() {
    let mut daemon = Daemon::start().await;
    let script = daemon.dir.path().join("talker.mjs");
    std::fs::write(&script, TALKER).unwrap();
    daemon
        .add_type(&format!(
            "name = \"talker\"\ndisplay_name = \"Talker\"\ncommand = \"node\"\nargs = [{script:?}]\n\
             [health_check]\nkind = \"http\"\nendpoint = \"/health\"\n"
        ))
        .await;
    let made = daemon.running("talker", "talker").await;
    let port: u16 = made["assigned_port"].as_u64().unwrap().try_into().unwrap();
    let say = async |lines: u32| -> Value { get(port, &format!("/say?lines={lines}")).await };
    say(20_000).await;

    // 13 MB without a daemon: more than one part is to hold, and nobody there to rotate.
    daemon.kill();
    assert_eq!(say(130_000).await["said"], 150_000);
    assert!(is_alive(pid(&made)));
    let log = daemon
        .data()
        .join("logs/users")
        .join(format!("user_{}", made["user_id"].as_str().unwrap()))
        .join(format!("mcp_{}_talker.output", id(&made)))
        .join("stdout.log");
    assert!(!log.with_extension("log.1").exists());

    daemon.serve().await;
    let adopted = daemon.status(&id(&made), "running").await;
    assert_eq!(adopted["process_id"], made["process_id"]);
    eventually("what is too large is rotated, though nothing more is written", || {
        log.with_extension("log.1").exists()
    })
    .await;
    say(10_000).await;
    // For a moment a part is in its new file and not cut from the live one yet.
    eventually("each line stands once", || numbers(&log).0.len() == 160_000).await;
    let (kept, dropped) = numbers(&log);
    assert!(kept.iter().copied().eq(1..=160_000), "every line, in order");
    assert_eq!(dropped, 0);
    let shown = daemon.cli(&["logs", "talker", "--stream", "stdout", "--tail", "1"]).await.done();
    assert!(shown.contains("line 000160000 "), "{shown}");
}
