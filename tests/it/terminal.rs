//! Commands at a real terminal: the bytes they write, understood by a terminal emulator.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::Stdio;
use std::time::Duration;

use minimcp::http::Bounds;
use minimcp::store::Role;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::daemon::Daemon;

const ROWS: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(110).unwrap();

/// A command with a terminal of its own.
struct Terminal {
    screen: vt100::Parser,
    written: mpsc::Receiver<Vec<u8>>,
    keyboard: File,
    child: Child,
}

impl Terminal {
    fn run(daemon: &Daemon, token: &str, words: &[&str]) -> Self {
        let keyboard = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&keyboard, size).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let tty = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_minimcp"))
            .args(words)
            .env_clear()
            .envs([("MINIMCP_URL", daemon.url("").as_str()), ("MINIMCP_TOKEN", token), ("TERM", "xterm")])
            .stdin(tty())
            .stdout(tty())
            .stderr(tty())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (tell, written) = mpsc::channel(64);
        let mut output = keyboard.try_clone().unwrap();
        // Reading a terminal blocks, and ends with an error when the last program at it has ended.
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut chunk) {
                if tell.blocking_send(chunk[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { screen: vt100::Parser::new(ROWS, COLUMNS, 0), written, keyboard, child }
    }

    fn shows(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen is as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let patience = tokio::time::Instant::now() + Duration::from_secs(60);
        while !wanted(&self.shows()) {
            match tokio::time::timeout_at(patience, self.written.recv()).await {
                Ok(Some(bytes)) => self.screen.process(&bytes),
                Ok(None) => panic!("it ended before {what}:\n{}", self.shows()),
                Err(_) => panic!("never {what}:\n{}", self.shows()),
            }
        }
        self.shows()
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end of the command and gives its exit code.
    async fn end(mut self) -> (Option<i32>, vt100::Parser) {
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        // What it wrote last may still be on its way; the terminal closes behind it.
        let last = async {
            while let Some(bytes) = self.written.recv().await {
                self.screen.process(&bytes);
            }
        };
        tokio::time::timeout(Duration::from_secs(60), last).await.expect("the terminal closes");
        (status.expect("it ends").unwrap().code(), self.screen)
    }
}

async fn scene() -> (Daemon, String) {
    let daemon = Daemon::with(&[], Bounds::default()).await;
    let user = daemon.user("una", Role::User).await;
    for name in ["faulty", "sleepy"] {
        daemon
            .add_type(&json!({
                "name": name, "display_name": name, "server_script": "faulty/index.mjs", "args": ["ok"],
                "health_check": {"endpoint": "/health"}
            }))
            .await;
        daemon.running(name, &user).await;
    }
    (daemon, user)
}

#[tokio::test]
async fn top_shows_instances_and_actors_takes_keys_and_leaves_the_terminal_as_it_was() {
    let (daemon, user) = scene().await;
    let mut top = Terminal::run(&daemon, &daemon.admin, &["top", "--every", "1s"]);
    let shown = top.until("both instances", |text| text.contains("faulty") && text.contains("sleepy")).await;
    assert!(shown.starts_with("2 instances: 2 running, 0 asleep, 0 disconnected"), "{shown}");
    assert!(top.screen.screen().alternate_screen());

    top.press("/slee");
    let shown =
        top.until("the filter", |text| text.contains("filter: slee") && !text.contains("faulty")).await;
    assert!(shown.contains("sleepy"), "{shown}");
    top.press("\r\r");
    let shown = top.until("details", |text| text.contains("/mcp")).await;
    assert!(shown.contains("lease"), "{shown}");
    top.press("\t");
    top.until("no actor of that name", |text| text.contains("None fits the filter")).await;
    top.press("\x1b");
    top.until("the supervisor", |text| text.contains("/supervisor")).await;

    // What happens meanwhile is seen without a key.
    top.press("\t");
    daemon.running("faulty", &user).await;
    top.until("the third", |text| text.starts_with("3 instances: 3 running")).await;

    top.press("q");
    let (code, left) = top.end().await;
    assert_eq!(code, Some(0));
    assert!(!left.screen().alternate_screen() && !left.screen().hide_cursor());
    assert_eq!(left.screen().contents().trim(), "");
}

#[tokio::test]
async fn top_without_the_rights_of_an_operator_has_instances_alone() {
    let (daemon, user) = scene().await;
    let mut top = Terminal::run(&daemon, &user, &["top"]);
    let shown = top.until("the instances", |text| text.contains("faulty")).await;
    assert!(shown.contains("Instances") && !shown.contains("Actors"), "{shown}");
    top.press("\x03");
    assert_eq!(top.end().await.0, Some(0));
}

#[tokio::test]
async fn top_tells_on_the_plain_screen_why_it_cannot_begin() {
    let daemon = Daemon::with(&[], Bounds::default()).await;
    let top = Terminal::run(&daemon, "mmcp_api_unknown", &["top"]);
    let (code, screen) = top.end().await;
    assert_eq!(code, Some(1));
    assert!(screen.screen().contents().contains("error"), "{}", screen.screen().contents());
}
