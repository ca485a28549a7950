//! A client and a server made of plain sockets, with the gateway between them: what arrives is looked at byte by
//! byte, and nothing is sent that a test did not write.

use minimcp::http::Bounds;
use minimcp::store::Role;
use minimcp_actors::routes::Route;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::daemon::Daemon;
use crate::ground::PATIENCE;

/// Hands every connection to its port on to the port in its argument, closed ends included.
const RELAY: &str = "
const net = require('node:net');
net.createServer({ allowHalfOpen: true }, (here) => {
  const there = net.connect({ port: Number(process.argv[1]), host: '127.0.0.1', allowHalfOpen: true });
  for (const [one, other] of [[here, there], [there, here]]) {
    one.setNoDelay(true).pipe(other);
    one.on('error', () => other.destroy()).on('close', () => other.destroy());
  }
}).listen(Number(process.env.PORT), '127.0.0.1');";

/// A daemon with one instance whose server is the test itself.
pub(super) struct Wire {
    pub(super) daemon: Daemon,
    pub(super) user: String,
    pub(super) instance: Value,
    pub(super) token: String,
    server: TcpListener,
}

/// One end of a connection, and what was read of it and not yet taken.
pub(super) struct End {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    /// With these settings.
    pub(super) async fn new(set: &[&str]) -> Self {
        let daemon = Daemon::with(set, Bounds::default()).await;
        let user = daemon.user("una", Role::User).await;
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let definition = json!({
            "name": "scripted", "display_name": "Scripted", "command": "node", "args": ["-e", RELAY, port],
            "health_check": {"kind": "tcp", "interval_seconds": 3600}
        });
        daemon.add_type(&definition).await;
        let instance = daemon.running("scripted", &user).await;
        let token = instance["access_token"].as_str().unwrap().to_owned();
        Self { daemon, user, instance, token, server }
    }

    /// The same with another instance, which is put to sleep when it was idle for this long.
    pub(super) async fn sleeping_after(mut self, seconds: u32) -> Self {
        let body = json!({"mcp_type": "scripted", "idle_timeout_seconds": seconds});
        self.instance = self.daemon.post("/v1/instances?wait=running", &self.user, &body).await.json();
        self.token = self.instance["access_token"].as_str().unwrap().to_owned();
        self
    }

    pub(super) fn id(&self) -> &str {
        self.instance["id"].as_str().unwrap()
    }

    pub(super) fn route(&self) -> Arc<Route> {
        self.daemon.supervision.routes().get(self.id().parse().unwrap()).unwrap()
    }

    /// A client that sends these lines after the request line, `Host` and its token, and then this.
    pub(super) async fn client(&self, method: &str, lines: &[&str], rest: &[u8]) -> End {
        let mut client = End { stream: self.daemon.connect().await, read: Vec::new() };
        self.ask(&mut client, method, lines, rest).await;
        client
    }

    /// Another request on the same connection.
    pub(super) async fn ask(&self, client: &mut End, method: &str, lines: &[&str], rest: &[u8]) {
        let (id, host, token) = (self.id(), self.daemon.settings.listen, &self.token);
        let mut request =
            format!("{method} /i/{id}/mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n");
        for line in lines {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        client.send(request.as_bytes()).await;
        client.send(rest).await;
    }

    /// A client that posts this body.
    pub(super) async fn post(&self, body: &[u8]) -> End {
        self.client("POST", &[&format!("Content-Length: {}", body.len())], body).await
    }

    /// The next connection on which something is asked. Those that are opened to see whether anybody listens
    /// end without a word.
    pub(super) async fn asked(&self) -> (String, End) {
        let next = async {
            loop {
                let (stream, _) = self.server.accept().await.unwrap();
                let mut server = End { stream, read: Vec::new() };
                if let Some(head) = server.head().await {
                    return (head, server);
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("nothing was asked")
    }
}

impl End {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// How many of these bytes were taken before nobody took more for this long.
    pub(super) async fn send_until_stuck(&mut self, bytes: &[u8], stuck: std::time::Duration) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match tokio::time::timeout(stuck, self.stream.write(&bytes[sent..])).await {
                Ok(written) => sent += written.unwrap(),
                Err(_) => break,
            }
        }
        sent
    }

    /// Up to the first empty line, which is included. `None` if the connection ended before anything came.
    pub(super) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                // Latin-1, so that every byte can be told.
                return Some(head.into_iter().map(char::from).collect());
            }
            if !self.more().await {
                assert!(self.read.is_empty(), "a head broke off: {:?}", String::from_utf8_lossy(&self.read));
                return None;
            }
        }
    }

    /// So many bytes.
    pub(super) async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.more().await, "it ended after {:?}", String::from_utf8_lossy(&self.read));
        }
        self.read.drain(..count).collect()
    }

    /// Everything up to the end of the connection, however it ends.
    pub(super) async fn rest(mut self) -> Vec<u8> {
        while self.more().await {}
        self.read
    }

    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        read.expect("nothing more came, and no end").is_ok_and(|count| count > 0)
    }
}
