//! Our own servers, started from encrypted credentials, against stand-ins for their vendors.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{Daemon, Said, id};
use crate::ground::{PATIENCE, node};

/// Every server, and the variables that say where its vendor is.
const SERVERS: [(&str, &[&str]); 4] = [
    ("figma", &["FIGMA_API_URL"]),
    ("github", &["GITHUB_API_URL"]),
    ("gmail", &["GMAIL_API_URL", "GOOGLE_OAUTH_URL"]),
    ("slack", &["SLACK_API_URL"]),
];

fn servers_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp-servers")
}

/// A file of a server's own tests.
fn fixture(server: &str, name: &str) -> Value {
    let path = servers_dir().join(server).join("test").join(name);
    serde_json::from_str(&read_to_string(&path).unwrap()).unwrap()
}

/// The vendor of a server on loopback, as a program of its own; gone with the value.
struct Vendor {
    url: String,
    _program: Child,
}

impl Vendor {
    async fn of(server: &str) -> Self {
        let script = servers_dir().join(format!("dist/stand-ins/{server}.mjs"));
        assert!(script.exists(), "no {}: run `node build.mjs --tests` in mcp-servers", script.display());
        let mut command = Command::new(node());
        command.arg(script).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut program = command.spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it listens").unwrap();
        let url = line.as_deref().and_then(|line| line.strip_prefix("listening on ")).unwrap().to_owned();
        Self { url, _program: program }
    }
}

/// Registers a type that is the seeded one but for its vendor's address and a name of its own, which it gives back.
async fn moved_type(daemon: &Daemon, server: &str, variables: &[&str], url: &str) -> String {
    let mut definition = daemon.get(&format!("/v1/types/{server}")).await.json();
    for stored in ["builtin", "created_at", "updated_at", "installation"] {
        definition.as_object_mut().unwrap().remove(stored);
    }
    let name = format!("{server}-on-loopback");
    definition["name"] = json!(name);
    definition["env"] =
        variables.iter().map(|variable| ((*variable).to_owned(), json!(url))).collect::<Map<_, _>>().into();
    definition["health_check"]["interval_seconds"] = json!(1);
    let answer = daemon.send("POST", "/v1/types", Some(definition)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    name
}

/// A running instance of the type, named after the server, with these credentials.
async fn instance(daemon: &Daemon, server: &str, mcp_type: &str, fields: &Value) -> Value {
    let fields = fields.as_object().unwrap();
    let environment: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let sources: Vec<String> = fields.keys().map(|name| format!("{name}={name}")).collect();
    let mut add = vec!["credentials", "add", mcp_type, "--json"];
    add.extend(sources.iter().flat_map(|source| ["--from-env", source]));
    let credential = daemon.cli_with(&environment, &add).await.json();
    assert_eq!(
        names(credential["field_names"].as_array().unwrap()),
        fields.keys().map(String::as_str).collect()
    );
    let create =
        ["create", mcp_type, "--name", server, "--credential", "default", "--debug", "--wait", "--json"];
    daemon.cli(&create).await.json()
}

fn names<'a>(values: impl IntoIterator<Item = &'a Value>) -> BTreeSet<&'a str> {
    values.into_iter().map(|value| value.as_str().unwrap()).collect()
}

/// Calls a tool through the gateway.
async fn call(daemon: &Daemon, server: &str, call: &Value) -> Said {
    let (tool, arguments) = (call["tool"].as_str().unwrap(), call["arguments"].to_string());
    daemon.cli(&["call", server, tool, "--args-json", &arguments, "--json"]).await
}

/// Makes every call of the server's own tests through the gateway; between them they name every tool there is.
async fn call_every_tool(daemon: &Daemon, server: &str) {
    let calls = fixture(server, "calls.json");
    let calls = calls.as_array().unwrap();
    let called = names(calls.iter().map(|call| &call["tool"]));
    let listed = daemon.cli(&["tools", server, "--json"]).await.json();
    assert_eq!(names(listed["tools"].as_array().unwrap().iter().map(|tool| &tool["name"])), called);
    let seeded = daemon.get(&format!("/v1/types/{server}")).await.json();
    assert_eq!(names(seeded["capabilities"].as_array().unwrap()), called);
    for one in calls {
        let result = call(daemon, server, one).await.json();
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(one["expect"].as_str().unwrap()), "{one}: {text}");
    }
}

/// Files below the directory that hold the text.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut grep = std::process::Command::new("grep");
    grep.args(["--recursive", "--files-with-matches", "--text", "--fixed-strings", text]);
    let found = grep.arg(dir).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The credentials are nowhere in what the API says and in what the daemon and its servers have written.
async fn found_nowhere(daemon: &Daemon, made: &Value, mcp_type: &str, fields: &Value) {
    let instance = format!("/v1/instances/{}", id(made));
    let paths = ["", "/logs", "/stats", "/diagnose"].map(|rest| format!("{instance}{rest}"));
    let others = ["/v1/credentials", "/v1/events?follow=false", "/v1/actors", "/metrics"].map(str::to_owned);
    let line = std::fs::read(format!("/proc/{}/cmdline", made["process_id"])).unwrap();
    let mut shown = String::from_utf8_lossy(&line).into_owned();
    for path in paths.into_iter().chain(others).chain([format!("/v1/types/{mcp_type}")]) {
        let answer = daemon.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        shown.push_str(&answer.text);
    }
    assert_ne!(holding(daemon.dir.path(), mcp_type), [""; 0], "the search finds what is there");
    for secret in fields.as_object().unwrap().values().filter_map(Value::as_str) {
        assert!(!shown.contains(secret), "shown: {secret}");
        assert_eq!(holding(daemon.dir.path(), secret), [""; 0]);
    }
}

#[tokio::test]
async fn every_tool_of_every_server_works_from_encrypted_credentials_which_are_found_nowhere() {
    let daemon = Daemon::start().await;
    for (server, variables) in SERVERS {
        let vendor = Vendor::of(server).await;
        let mcp_type = moved_type(&daemon, server, variables, &vendor.url).await;
        let fields = fixture(server, "credentials.json");
        let made = instance(&daemon, server, &mcp_type, &fields).await;
        call_every_tool(&daemon, server).await;
        found_nowhere(&daemon, &made, &mcp_type, &fields).await;
        daemon.cli(&["rm", server, "--delete-credential", "--yes"]).await.done();
    }
    assert_eq!(daemon.cli(&["credentials", "--json"]).await.json()["items"], json!([]));
    assert_eq!(daemon.servers(), [0; 0]);
}

#[tokio::test]
async fn an_instance_whose_credentials_the_vendor_refuses_is_unhealthy_and_says_why() {
    let daemon = Daemon::start().await;
    for (server, variables) in SERVERS {
        let vendor = Vendor::of(server).await;
        let mcp_type = moved_type(&daemon, server, variables, &vendor.url).await;
        let mut fields = fixture(server, "credentials.json");
        for value in fields.as_object_mut().unwrap().values_mut() {
            *value = json!(format!("{}9", value.as_str().unwrap()));
        }
        let made = instance(&daemon, server, &mcp_type, &fields).await;
        // Before it is restarted for being unhealthy.
        let refused = call(&daemon, server, &fixture(server, "calls.json")[0]).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.out.contains("refused the credentials"), "{refused:?}");
        let ill = daemon.status(&id(&made), "unhealthy").await;
        let reason = ill["status_reason"].as_str().unwrap();
        assert!(reason.contains("refused the credentials"), "{server}: {reason}");
        found_nowhere(&daemon, &made, &mcp_type, &fields).await;
        // It may have been restarted by now, and is soon ill again.
        let advice = "the vendor refused its credentials: replace them";
        let advised = async { while !daemon.cli(&["diagnose", server]).await.done().contains(advice) {} };
        assert!(tokio::time::timeout(PATIENCE, advised).await.is_ok(), "{server}");
    }
}

#[tokio::test]
async fn the_type_that_the_readme_of_the_servers_adds_can_be_registered_and_given_credentials() {
    let readme = read_to_string(servers_dir().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```toml\n").expect("the README holds a type");
    let (definition, _) = rest.split_once("```").unwrap();
    let daemon = Daemon::start().await;
    daemon.add_type(definition).await;
    let added = daemon.cli(&["types", "show", "weather", "--json"]).await.json();
    assert_eq!(added["server_script"], "dist/weather.cjs");
    assert_eq!(added["capabilities"], json!(["weather_now"]));
    let key = [("WEATHER_KEY", "a-key-of-sixteen-characters")];
    let stored =
        daemon.cli_with(&key, &["credentials", "add", "weather", "--from-env", "WEATHER_KEY=api_key"]).await;
    assert!(stored.done().contains("weather"));
}
