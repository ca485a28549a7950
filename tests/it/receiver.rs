//! A receiver of webhooks on this machine that answers as a test wants it to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::ground::{PATIENCE, node};

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Status(u16),
    Redirect(String),
    /// Nothing ever comes.
    Hang,
    /// The connection ends without a word.
    Close,
    /// 200, and a body that does not end.
    Endless,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
    /// The name that was asked for by TLS.
    pub(crate) server_name: Option<String>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON in {self:?}"))
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// How many of its signatures hold under this secret, as Node's own cryptography sees it.
    pub(crate) async fn holds_under(&self, secret: &str) -> usize {
        let script = "let text = ''; process.stdin.on('data', (part) => text += part).on('end', () => {
            const { secret, id, timestamp, body, signature } = JSON.parse(text);
            const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
            const mac = require('node:crypto').createHmac('sha256', key).update(`${id}.${timestamp}.${body}`);
            const expected = 'v1,' + mac.digest('base64');
            console.log(signature.split(' ').filter((one) => one === expected).length); });";
        let header = |name: &str| self.headers[name].clone();
        let input = json!({
            "secret": secret, "id": header("webhook-id"), "timestamp": header("webhook-timestamp"),
            "body": self.body, "signature": header("webhook-signature"),
        });
        let mut command = Command::new(node());
        command.args(["-e", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(input.to_string().as_bytes()).await.unwrap();
        drop(stdin);
        let output = process.wait_with_output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}

/// The receiver.
pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    requests: watch::Sender<Vec<Received>>,
    connections: Arc<AtomicUsize>,
    replies: watch::Sender<Vec<Reply>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Receiver {
    /// Answers with these in turn, and with the last of them from then on.
    pub(crate) async fn start(replies: &[Reply]) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), replies).await
    }

    pub(crate) async fn at(addr: SocketAddr, replies: &[Reply]) -> Self {
        Self::with(addr, replies, None).await
    }

    /// The same for who speaks TLS.
    pub(crate) async fn secure(tls: TlsAcceptor, replies: &[Reply]) -> Self {
        Self::with("127.0.0.1:0".parse().unwrap(), replies, Some(tls)).await
    }

    async fn with(addr: SocketAddr, replies: &[Reply], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (requests, replies) = (watch::Sender::default(), watch::Sender::new(replies.to_vec()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (told, count, answers) = (requests.clone(), Arc::clone(&connections), replies.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (tls, told, answers) = (tls.clone(), told.clone(), answers.clone());
                // A test that ends takes the connections that are left with it.
                tokio::spawn(async move {
                    let Some(tls) = tls else { return serve(stream, None, told, answers).await };
                    // Who does not believe the certificate leaves.
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let name = stream.get_ref().1.server_name().map(str::to_owned);
                    serve(stream, name, told, answers).await;
                });
            }
        });
        Self { addr, requests, connections, replies, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?key=part-of-the-url", self.addr)
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.addr.ip()
    }

    pub(crate) fn answer(&self, replies: &[Reply]) {
        self.replies.send_replace(replies.to_vec());
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.requests.borrow().clone()
    }

    /// What arrived, once this holds of it.
    pub(crate) async fn until(&self, reached: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let mut requests = self.requests.subscribe();
        let waiting = requests.wait_for(|requests| reached(requests));
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(requests) => requests.expect("the receiver is there").clone(),
            Err(_) => panic!("not reached; there are {:#?}", self.received()),
        }
    }

    /// What arrived, once there are so many requests.
    pub(crate) async fn have(&self, count: usize) -> Vec<Received> {
        self.until(|requests| requests.len() >= count).await
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    server_name: Option<String>,
    told: watch::Sender<Vec<Received>>,
    replies: watch::Sender<Vec<Reply>>,
) {
    let mut stream = BufReader::new(stream);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        // Who speaks no HTTP, or leaves, is only counted.
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let reply = {
        let mut reply = Reply::Status(200);
        replies.send_if_modified(|replies| {
            if let Some(first) = replies.first() {
                reply = first.clone();
            }
            if replies.len() > 1 {
                replies.remove(0);
            }
            false
        });
        reply
    };
    let received = Received { headers, body: String::from_utf8(body).unwrap(), server_name };
    told.send_modify(|requests| requests.push(received));
    let text = match reply {
        Reply::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 6\r\n\r\nsecret"),
        Reply::Redirect(to) => format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
        Reply::Close => return,
        Reply::Endless => {
            let head = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut gone = stream.write_all(head.as_bytes()).await.is_err();
            while !gone {
                gone = stream.write_all(b"5\r\nxxxxx\r\n").await.is_err();
            }
            return;
        }
        Reply::Hang => {
            // Until the other side gives up.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            return;
        }
    };
    // The other side may have gone.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
