//! Our own GitHub server, started from encrypted credentials, against a stand-in for GitHub.

use std::convert::Infallible;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use warp::Filter;

use super::{Daemon, id};

const TOKEN: &str = "ghp_Canary0123456789abcdefghijklmnopqrst";

/// GitHub's API on loopback, as far as one call of each tool needs it.
struct Vendor {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Vendor {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let answers = warp::method()
            .and(warp::path::full())
            .and(warp::header::<String>("authorization"))
            .map(move |method: warp::http::Method, path: warp::path::FullPath, authorization: String| {
                let known = authorization.split_once(' ').is_some_and(|(_, token)| token == TOKEN);
                let request = format!("{method} {}", path.as_str());
                let (status, body) =
                    if known { answer(&request) } else { (401, json!({"message": "Bad credentials"})) };
                log.lock().unwrap().push(request);
                let status = warp::http::StatusCode::from_u16(status).unwrap();
                warp::reply::with_status(warp::reply::json(&body), status)
            })
            .recover(|_| async {
                let refused = warp::reply::with_status("no token", warp::http::StatusCode::UNAUTHORIZED);
                Ok::<_, Infallible>(refused)
            });
        let serving = tokio::spawn(warp::serve(answers).incoming(listener).run());
        Self { url, asked, serving }
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn answer(request: &str) -> (u16, Value) {
    match request {
        "GET /rate_limit" => (200, json!({"resources": {}, "rate": {"limit": 5000, "remaining": 4999}})),
        "GET /user/repos" => (
            200,
            json!([{
                "full_name": "octo/one", "description": null, "private": true, "fork": false,
                "html_url": "https://github.com/octo/one"
            }]),
        ),
        "GET /repos/octo/one/contents/README.md" => (
            200,
            // "# Hello" in base64.
            json!({
                "type": "file", "path": "README.md", "size": 7, "sha": "c".repeat(40), "encoding": "base64",
                "content": "IyBIZWxsbw==\n"
            }),
        ),
        "POST /repos/octo/one/issues" => (
            201,
            json!({"number": 11, "title": "A bug", "state": "open", "html_url": "https://github.com/octo/one/issues/11"}),
        ),
        "PUT /repos/octo/one/pulls/7/merge" => {
            (200, json!({"merged": true, "sha": "e".repeat(40), "message": "Merged"}))
        }
        _ => (404, json!({"message": "Not Found"})),
    }
}

/// Files below the directory that hold the text.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut grep = Command::new("grep");
    grep.args(["--recursive", "--files-with-matches", "--text", "--fixed-strings", text]);
    let found = grep.arg(dir).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_tool_of_github_works_from_encrypted_credentials_and_the_token_is_found_nowhere() {
    let vendor = Vendor::start().await;
    let daemon = Daemon::start().await;
    let seeded = daemon.get("/v1/types/github").await.json();
    let script = seeded["server_script"].as_str().unwrap();
    daemon
        .add_type(&format!(
            "name = \"hub\"\ndisplay_name = \"GitHub on loopback\"\nserver_script = {script:?}\n\
             [env]\nGITHUB_API_URL = {:?}\n[credential_fields]\nrequired = [\"personal_access_token\"]\n\
             [health_check]\nkind = \"http\"\nendpoint = \"/health\"\ninterval_seconds = 1\n",
            vendor.url
        ))
        .await;
    let add = ["credentials", "add", "hub", "--from-env", "THE_TOKEN=personal_access_token", "--json"];
    let credential = daemon.cli_with(&[("THE_TOKEN", TOKEN)], &add).await.json();
    assert_eq!(
        (&credential["hint"], &credential["field_names"]),
        (&json!("qrst"), &json!(["personal_access_token"]))
    );

    let made = daemon.cli(&[
        "create",
        "hub",
        "--name",
        "work",
        "--credential",
        "default",
        "--debug",
        "--wait",
        "--json",
    ]);
    let made = made.await.json();
    let tools = daemon.cli(&["tools", "work", "--json"]).await.json();
    let names: Vec<&str> =
        tools["tools"].as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["list_repos", "read_files", "create_issue", "manage_pr"]);
    for (tool, arguments, pointer, expected) in [
        ("list_repos", json!({}), "/repositories/0/full_name", json!("octo/one")),
        (
            "read_files",
            json!({"owner": "octo", "repo": "one", "paths": ["README.md"]}),
            "/files/0/content",
            json!("# Hello"),
        ),
        ("create_issue", json!({"owner": "octo", "repo": "one", "title": "A bug"}), "/number", json!(11)),
        (
            "manage_pr",
            json!({"action": "merge", "owner": "octo", "repo": "one", "number": 7}),
            "/merge/merged",
            json!(true),
        ),
    ] {
        let result =
            daemon.cli(&["call", "work", tool, "--args-json", &arguments.to_string(), "--json"]).await.json();
        assert_eq!(result["structuredContent"].pointer(pointer), Some(&expected), "{tool}: {result}");
    }
    // A path that is not there comes back as the tool's own error.
    let missing = json!({"owner": "octo", "repo": "one", "paths": ["absent"]}).to_string();
    let missing = daemon.cli(&["call", "work", "read_files", "--args-json", &missing]).await;
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(vendor.asked.lock().unwrap().contains(&"POST /repos/octo/one/issues".to_owned()));

    let instance = format!("/v1/instances/{}", id(&made));
    let paths = ["", "/logs", "/stats", "/diagnose"].map(|rest| format!("{instance}{rest}"));
    let others = ["/v1/credentials", "/v1/types/hub", "/v1/events?follow=false", "/v1/actors", "/metrics"];
    for path in paths.iter().map(String::as_str).chain(others) {
        let answer = daemon.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.text.contains(TOKEN), "{path} shows the token");
    }
    // Everything the daemon and its server have written: database, its log, run records, logs, output.
    assert_ne!(holding(daemon.dir.path(), "list_repos"), [""; 0], "the search finds what is there");
    assert_eq!(holding(daemon.dir.path(), TOKEN), [""; 0]);
    let line = std::fs::read(format!("/proc/{}/cmdline", made["process_id"])).unwrap();
    assert!(!String::from_utf8_lossy(&line).contains(TOKEN));

    daemon.cli(&["rm", "work", "--delete-credential", "--yes"]).await.done();
    assert_eq!(daemon.cli(&["credentials", "--json"]).await.json()["items"], json!([]));
    assert_eq!(daemon.servers(), [0; 0]);
}
