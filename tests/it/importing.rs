//! Types from descriptions of servers, over the API and the command line, and what clients are given to paste.

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::daemon::Daemon;
use crate::shell::Shell;

fn server() -> Value {
    json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": "io.github.owner/weather", "description": "Weather.", "version": "1.4.0",
        "packages": [{
            "registryType": "npm", "identifier": "@owner/weather", "version": "1.4.0", "transport": {"type": "stdio"},
            "packageArguments": [{"type": "named", "name": "--root", "default": "/srv", "format": "filepath"}],
            "environmentVariables": [{"name": "WEATHER_KEY", "isRequired": true, "isSecret": true}],
        }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_until_exactly_what_was_shown_is_approved() {
    let daemon = Daemon::start().await;
    let path = "/v1/types/import";
    let looked = daemon.post(path, &daemon.admin, &json!({"server": server()})).await;
    assert_eq!(looked.status, StatusCode::OK, "{looked:?}");
    let shown = looked.json();
    assert_eq!(shown["stored"], false);
    assert_eq!(shown["command"], json!(["node", "@owner/weather@1.4.0", "--root={config.root}"]));
    assert_eq!(shown["environment"], json!({"WEATHER_KEY": "(the credential weather_key)"}));
    assert_eq!(shown["dangers"][0]["kind"], "path_outside");
    assert_eq!(daemon.get("/v1/types/weather", &daemon.admin).await.code(), "type_not_found");

    let mut changed = server();
    changed["packages"][0]["packageArguments"][0]["default"] = json!("/");
    let body = json!({"server": changed, "approve": true, "digest": shown["digest"]});
    let refused = daemon.post(path, &daemon.admin, &body).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "changed"));
    assert_eq!(daemon.get("/v1/types/weather", &daemon.admin).await.code(), "type_not_found");

    let body = json!({"server": server(), "approve": true, "digest": shown["digest"]});
    let stored = daemon.post(path, &daemon.admin, &body).await;
    assert_eq!(stored.status, StatusCode::CREATED, "{stored:?}");
    assert_eq!(stored.headers["location"], "/v1/types/weather");
    let made = daemon.get("/v1/types/weather", &daemon.admin).await.json();
    assert_eq!(
        made["source"],
        json!({"name": "io.github.owner/weather", "version": "1.4.0", "registry": null})
    );
    assert_eq!(stored.json()["type"], made);
    assert_eq!(daemon.post(path, &daemon.admin, &body).await.code(), "exists");

    for (body, code) in [
        (json!({}), "invalid_body"),
        (json!({"server": server(), "name": "a.b/c"}), "invalid_body"),
        (json!({"name": "a.b/c"}), "no_registry"),
        (json!({"server": {"name": "x"}}), "not_importable"),
        (json!({"server": server(), "type_name": "No"}), "not_importable"),
    ] {
        assert_eq!(daemon.post(path, &daemon.admin, &body).await.code(), code, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_shell_the_command_is_shown_and_imported_only_with_a_yes() {
    let daemon = Daemon::start().await;
    let shell = Shell::of(&daemon, &daemon.admin);
    std::fs::write(shell.home().join("server.json"), server().to_string()).unwrap();
    let unasked = shell.run("types import server.json").await;
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    for words in ["DANGER", "node @owner/weather@1.4.0 --root={config.root}", "path outside: /srv", "--yes"] {
        assert!(unasked.err.contains(words), "{words}: {unasked:?}");
    }
    assert_eq!(daemon.get("/v1/types/weather", &daemon.admin).await.status, StatusCode::NOT_FOUND);
    shell.done("types import server.json --yes --as wind").await;
    let shown = shell.done("types show wind").await;
    assert!(
        shown.contains("io.github.owner/weather 1.4.0") && shown.contains("not installed yet"),
        "{shown}"
    );
    let again = shell.run("types import server.json --yes --as wind").await;
    assert!(again.err.contains("--as NAME"), "{again:?}");
}

/// A registry on loopback that answers everything with this status, header and body, and tells what was asked for.
async fn registry(
    status: &'static str,
    header: String,
    body: String,
) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4_096];
        let length = stream.read(&mut asked).await.unwrap();
        let head = format!(
            "HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        String::from_utf8_lossy(&asked[..length]).lines().next().unwrap_or_default().to_owned()
    });
    (base, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_asked_for_a_name_and_leads_nowhere_else() {
    let official = "io.modelcontextprotocol.registry/official";
    let answer = json!({"server": server(), "_meta": {official: {"status": "deprecated"}}});
    let (base, asked) = registry("200 OK", String::new(), answer.to_string()).await;
    let daemon = Daemon::with(&[&format!("registry.url={base}/")], Bounds::default()).await;
    let body = json!({"name": "io.github.owner/weather"});
    let shown = daemon.post("/v1/types/import", &daemon.admin, &body).await.json();
    assert_eq!(shown["definition"]["source"]["registry"], base, "{shown}");
    assert!(shown["warnings"].to_string().contains("deprecated"), "{shown}");
    let line = asked.await.unwrap();
    assert_eq!(line, "GET /v0.1/servers/io.github.owner%2Fweather/versions/latest HTTP/1.1");

    let elsewhere = "Location: http://169.254.169.254/latest/meta-data\r\n".to_owned();
    for (status, header, body, code, words) in [
        ("404 Not Found", String::new(), "{}".to_owned(), "not_importable", "no server of this name"),
        ("500 Oops", String::new(), "{}".to_owned(), "registry_failed", "status 500"),
        ("200 OK", String::new(), "<html>".to_owned(), "registry_failed", "expected value"),
        ("200 OK", String::new(), " ".repeat(300_000), "registry_failed", "too long"),
        ("302 Found", elsewhere, String::new(), "registry_failed", "no public address"),
        ("200 OK", String::new(), answer.to_string(), "registry_failed", "another server"),
    ] {
        let (base, _asked) = registry(status, header, body).await;
        let daemon = Daemon::with(&[&format!("registry.url={base}")], Bounds::default()).await;
        let wanted = json!({"name": "io.github.owner/other", "version": "1.0.0"});
        let refused = daemon.post("/v1/types/import", &daemon.admin, &wanted).await;
        assert_eq!(refused.code(), code, "{refused:?}");
        assert!(refused.text.contains(words), "{words}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_is_told_how_to_reach_an_instance_and_only_with_its_token_at_the_owners_shell() {
    let daemon = Daemon::start().await;
    let (user, other) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let plain = daemon.faulty(&["ok"]).await;
    let made = daemon.post("/v1/instances", &user, &json!({"mcp_type": plain, "name": "work"})).await.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["access_token"].as_str().unwrap());
    let path = format!("/v1/instances/{id}/client-config");
    for client in ["claude-code", "cursor", "vscode", "inspector", "codex"] {
        let config = daemon.get(&format!("{path}?client={client}"), &user).await.json();
        assert_eq!(config["client"], client);
        assert!(
            config["snippet"].as_str().unwrap().contains(made["access_url"].as_str().unwrap()),
            "{config}"
        );
        assert!(!config.to_string().contains("mmcp_inst_"), "{config}");
    }
    assert_eq!(daemon.get(&format!("{path}?client=telnet"), &user).await.code(), "invalid_query");
    assert_eq!(daemon.get(&path, &other).await.code(), "instance_not_found");

    let shell = Shell::of(&daemon, &user);
    let snippet = shell.done("client-config work --client cursor").await;
    let json: Value = serde_json::from_str(&snippet).unwrap();
    assert_eq!(json["mcpServers"]["work"]["headers"]["Authorization"], "Bearer ${env:WORK_MCP_TOKEN}");
    let unknown = shell.run("client-config work --token").await;
    assert!(unknown.err.contains("MINIMCP_INSTANCE_TOKEN"), "{unknown:?}");
    let shell = shell.with("MINIMCP_INSTANCE_TOKEN", token);
    let codex = shell.done("client-config work --client codex --token").await;
    let table: toml::Table = codex.parse().unwrap();
    let header = table["mcp_servers"]["work"]["http_headers"]["Authorization"].as_str();
    assert_eq!(header, Some(format!("Bearer {token}").as_str()));
}
