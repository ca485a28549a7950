//! Types whose program is a package: installed once by the daemon, from the real registries, and run directly.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use minimcp::catalog::TypeDefinition;
use minimcp::catalog::program::{Places, locate};
use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::daemon::Daemon;
use crate::ground::{PATIENCE, eventually};
use crate::{process, shell::Shell};

/// A registry may be far away and the machine busy.
const INSTALLS: std::time::Duration = std::time::Duration::from_secs(280);
const EVERYTHING: &str = "@modelcontextprotocol/server-everything";

fn everything(name: &str, package: &Value) -> Value {
    json!({
        "name": name, "display_name": name, "package": package, "args": ["streamableHttp"],
        "health_check": {"kind": "mcp", "interval_seconds": 1},
    })
}

/// The type once the installation of its package has this status.
async fn installation(daemon: &Daemon, name: &str, status: &str) -> Value {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let mut last = Value::Null;
    let waiting = async {
        loop {
            last = daemon.get(&format!("/v1/types/{name}"), &daemon.admin).await.json();
            if last["installation"]["status"] == status {
                break;
            }
            ticks.tick().await;
        }
    };
    let in_time = tokio::time::timeout(INSTALLS, waiting).await.is_ok();
    assert!(in_time, "not {status}: {last:#}");
    last
}

/// The instance once it has this status.
async fn waited(daemon: &Daemon, id: &Value, status: &str, token: &str) -> Value {
    let path = format!("/v1/instances/{}/wait?status={status}&timeout_seconds=280", id.as_str().unwrap());
    let answer = daemon.get(&path, token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

fn packages_dir(daemon: &Daemon) -> PathBuf {
    daemon.settings.data_dir.join("packages")
}

fn places(daemon: &Daemon) -> Places {
    Places {
        node: daemon.settings.node.clone(),
        servers_dir: daemon.settings.servers_dir.clone(),
        search_path: String::new(),
        packages_dir: packages_dir(daemon),
    }
}

/// A program of these lines for a shell.
fn script(path: &Path, lines: &str) -> String {
    std::fs::write(path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn in_staging(packages: &Path) -> usize {
    std::fs::read_dir(packages.join(".staging")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_a_package_wait_while_it_is_installed_once_and_run_it_without_a_package_manager() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let package = json!({"registry": "npm", "name": EVERYTHING, "version": "2026.8.31"});
    let added = daemon.post("/v1/types", &daemon.admin, &everything("packaged", &package)).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    assert_eq!(added.json()["installation"]["status"], "absent");

    let body = json!({"mcp_type": "packaged"});
    let first = daemon.post("/v1/instances", &user, &body).await.json();
    assert_eq!(first["status"], "pending", "{first}");
    assert_eq!(first["status_reason"], format!("installing {EVERYTHING}@2026.8.31 from npm"));
    let second = daemon.post("/v1/instances", &user, &body).await.json();
    let stopped = daemon.post("/v1/instances", &user, &body).await.json();
    let stop = format!("/v1/instances/{}/stop", stopped["id"].as_str().unwrap());
    assert_eq!(daemon.post(&stop, &user, &json!({})).await.json()["status"], "stopped");

    for made in [&first, &second] {
        let running = waited(&daemon, &made["id"], "running", &user).await;
        assert_eq!(running["restarts"], json!({"total": 0, "in_window": 0, "next_at": null}));
        let line = std::fs::read(format!("/proc/{}/cmdline", running["process_id"])).unwrap();
        let line = String::from_utf8(line).unwrap();
        let place = packages_dir(&daemon).join(format!("npm/{}@2026.8.31", EVERYTHING.replace('/', "+")));
        let script = place.join("node_modules").join(EVERYTHING).join("dist/index.js");
        assert!(line.contains(script.to_str().unwrap()), "{line}");
        assert!(line.starts_with(daemon.settings.node.to_str().unwrap()) && !line.contains("npx"), "{line}");
    }
    let called = Shell::of(&daemon, &user)
        .with("MINIMCP_INSTANCE_TOKEN", first["access_token"].as_str().unwrap())
        .run(&format!("call {} echo --arg message=hello", first["id"].as_str().unwrap()))
        .await;
    assert_eq!(called.code, Some(0), "{called:?}");
    assert!(called.out.contains("hello"), "{called:?}");

    let shown = installation(&daemon, "packaged", "installed").await["installation"].clone();
    assert!(shown["integrity"].as_str().unwrap().starts_with("sha512-"), "{shown}");
    assert!(shown["installed_by"].as_str().unwrap().starts_with("npm "), "{shown}");
    assert!(shown["packages"].as_u64().unwrap() > 10, "{shown}");
    let audit = daemon.get("/v1/audit?limit=500", &daemon.admin).await.json();
    let installs: Vec<&Value> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["action"] == "package.install")
        .map(|record| &record["result"])
        .collect();
    assert_eq!(installs.len(), 2, "begun and done, once: {installs:?}");
    let events = daemon.get("/v1/events?follow=false", &user).await.text;
    assert!(events.contains("installing @modelcontextprotocol"), "{events}");

    // What was asked for by another hash is not run, and what nothing uses any more is removed.
    let wrong = json!({"registry": "npm", "name": EVERYTHING, "version": "2026.8.31",
        "integrity": format!("sha512-{}==", "A".repeat(86))});
    daemon.post("/v1/types", &daemon.admin, &everything("wrong", &wrong)).await;
    let refused = daemon.post("/v1/instances", &user, &json!({"mcp_type": "wrong"})).await;
    assert!(refused.text.contains("another content"), "{refused:?}");
    for made in [&first, &second, &stopped] {
        let path = format!("/v1/instances/{}", made["id"].as_str().unwrap());
        daemon.send(daemon.request(Method::DELETE, &path, &user)).await;
    }
    let npm = packages_dir(&daemon).join("npm");
    for (name, left) in [("wrong", 1), ("packaged", 0)] {
        let path = format!("/v1/types/{name}");
        let gone = daemon.send(daemon.request(Method::DELETE, &path, &daemon.admin)).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
        assert_eq!(std::fs::read_dir(&npm).unwrap().count(), left, "{name}");
    }
    assert_eq!(in_staging(&packages_dir(&daemon)), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_installed_fails_with_the_package_managers_words_and_a_restart_tries_again() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let altered = json!({"registry": "npm", "name": "semver", "version": "7.7.2",
        "integrity": format!("sha256:{}", "0".repeat(64))});
    for (name, package, words) in [
        (
            "absent",
            json!({"registry": "npm", "name": EVERYTHING, "version": "0.0.0"}),
            vec!["npm error", "mend the type"],
        ),
        ("altered", altered, vec!["another than the type asks for", "before you use it"]),
        (
            "no-program",
            json!({"registry": "npm", "name": "ms", "version": "2.1.3"}),
            vec!["no program to run"],
        ),
        (
            "no-wheel",
            json!({"registry": "pypi", "name": "mcp-server-time", "version": "0.0.1"}),
            vec!["ERROR: ", "mcp-server-time==0.0.1", "wheel"],
        ),
    ] {
        daemon.post("/v1/types", &daemon.admin, &everything(name, &package)).await;
        let made = daemon.post("/v1/instances", &user, &json!({"mcp_type": name})).await.json();
        let failed = waited(&daemon, &made["id"], "failed", &user).await;
        let reason = failed["status_reason"].as_str().unwrap();
        assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
        assert!(!reason.contains(daemon.settings.data_dir.to_str().unwrap()), "{reason}");
        assert!(!reason.contains("/root") && !reason.contains("_logs"), "{reason}");
        let shown = installation(&daemon, name, "failed").await;
        assert!(reason.contains(shown["installation"]["detail"].as_str().unwrap()), "{shown} {reason}");
        if name == "absent" {
            let restart = format!("/v1/instances/{}/restart", made["id"].as_str().unwrap());
            let again = daemon.post(&restart, &user, &json!({})).await.json();
            assert!(again["status_reason"].as_str().unwrap().starts_with("installing "), "{again}");
            waited(&daemon, &made["id"], "failed", &user).await;
        }
    }
    assert_eq!(in_staging(&packages_dir(&daemon)), 0);
    for registry in ["npm", "pypi"] {
        assert!(!packages_dir(&daemon).join(registry).exists(), "nothing half is left of {registry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_package_is_installed_by_its_hashes_and_run_by_a_python_of_its_own() {
    let daemon = Daemon::start().await;
    let definition = json!({
        "name": "clock", "display_name": "Clock", "lane": "stdio", "health_check": {"kind": "process", "endpoint": null},
        "package": {"registry": "pypi", "name": "mcp-server-time", "version": "2026.10.19",
            "integrity": "sha256:5c099a001c6ca78260bda419f2e9b2aabee1adc4fe6ca56d8959871ad8da58a1"},
    });
    daemon.post("/v1/types", &daemon.admin, &definition).await;
    let begun = daemon.post("/v1/types/clock/install", &daemon.admin, &json!({})).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    let installed = installation(&daemon, "clock", "installed").await["installation"].clone();
    assert!(installed["installed_by"].as_str().unwrap().starts_with("pip "), "{installed}");
    // One that is there is not installed again.
    let again = daemon.post("/v1/types/clock/install", &daemon.admin, &json!({})).await.json();
    assert_eq!(again["installation"], installed);

    let definition = TypeDefinition::from_json(&definition.to_string()).unwrap();
    let program = locate(&definition, &places(&daemon)).unwrap();
    let minimcp::catalog::program::Runtime::Python(entry) = &program.runtime else { panic!("{program:?}") };
    // As a plan has it, without the network and without a variable of ours.
    let mut server = tokio::process::Command::new(&program.path);
    server.args(["-I", "-B"]).arg(program.script.as_ref().unwrap()).arg(entry).env_clear();
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    server.stdin.as_mut().unwrap().write_all(format!("{hello}\n").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("an answer").unwrap().unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-time", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_that_makes_no_environments_gets_a_directory_to_install_into() {
    let dir = tempfile::tempdir().unwrap();
    // Stands before the real one, names itself as the program that runs, and knows no venv.
    let python = script(
        &dir.path().join("python3"),
        "case \"$*\" in *'-m venv'*) exit 1 ;; *sys.executable*) echo \"$0\"; exit ;; esac\nexec python3 \"$@\"",
    );
    let set = format!("packages.python={python}");
    let daemon = Daemon::with(&[&set], Bounds::default()).await;
    let package = json!({"registry": "pypi", "name": "semver", "version": "3.0.4"});
    let definition = everything("sem", &package);
    daemon.post("/v1/types", &daemon.admin, &definition).await;
    daemon.post("/v1/types/sem/install", &daemon.admin, &json!({})).await;
    installation(&daemon, "sem", "installed").await;
    let definition = TypeDefinition::from_json(&definition.to_string()).unwrap();
    let program = locate(&definition, &places(&daemon)).unwrap();
    assert_eq!(program.path.to_str(), Some(python.as_str()));
    let minimcp::catalog::program::Runtime::Python(entry) = &program.runtime else { panic!("{program:?}") };
    let mut command = tokio::process::Command::new(&program.path);
    command.args(["-I", "-B"]).arg(program.script.as_ref().unwrap()).args([entry, "bump", "minor", "1.2.3"]);
    let output = command.output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1.3.0", "{output:?}");
}

#[tokio::test]
async fn a_daemon_that_is_killed_in_the_middle_of_an_installation_leaves_nothing_half() {
    let mut daemon = process::Daemon::unstarted(&[], &[]);
    let began = daemon.dir.path().join("began");
    let npm = script(
        &daemon.dir.path().join("npm"),
        &format!(
            "[ \"$1\" = --version ] && exit\nmkdir node_modules\necho $$ >{}\nexec sleep 600",
            began.display()
        ),
    );
    daemon.environment("MINIMCP_PACKAGES_NPM", Some(&npm));
    daemon.serve().await;
    daemon
        .add_type(
            "name = 'sem'\ndisplay_name = 'Sem'\n[package]\nregistry = 'npm'\nname = 'semver'\nversion = '7.7.2'\n",
        )
        .await;
    let begun = daemon.send("POST", "/v1/types/sem/install", Some(json!({}))).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let pid = || std::fs::read_to_string(&began).ok()?.trim().parse::<u32>().ok();
    eventually("npm is at work", || pid().is_some()).await;
    let packages = daemon.data().join("packages");
    assert_eq!((in_staging(&packages), packages.join("npm").exists()), (1, false));
    daemon.kill();
    crate::ground::signal(pid().unwrap(), "KILL");

    daemon.environment("MINIMCP_PACKAGES_NPM", None);
    daemon.serve().await;
    assert_eq!((in_staging(&packages), packages.join("npm").exists()), (0, false));
    assert_eq!(daemon.get("/v1/types/sem").await.json()["installation"]["status"], "absent");
    daemon.cli(&["types", "install", "sem"]).await.done();
    let shown = daemon.cli(&["types", "show", "sem"]).await.done();
    assert!(shown.contains("semver@7.7.2 from npm") && shown.contains("installed"), "{shown}");
    assert!(packages.join("npm/semver@7.7.2/manifest.json").is_file());
    let checked = daemon.cli(&["doctor"]).await;
    assert!(checked.out.contains("1 installed"), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_that_takes_too_long_is_ended_and_one_that_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let slow = script(&dir.path().join("npm"), "[ \"$1\" = --version ] && exit\nexec sleep 600");
    let package = json!({"registry": "npm", "name": "semver", "version": "7.7.2"});
    for (npm, words) in [
        (slow, ["not done in time", "packages.timeout"]),
        ("/nonexistent/npm".to_owned(), ["no program npm", "packages.npm"]),
    ] {
        let set = [format!("packages.npm={npm}"), "packages.timeout=1s".to_owned()];
        let daemon = Daemon::with(&set.each_ref().map(String::as_str), Bounds::default()).await;
        daemon.post("/v1/types", &daemon.admin, &everything("sem", &package)).await;
        daemon.post("/v1/types/sem/install", &daemon.admin, &json!({})).await;
        let failed = installation(&daemon, "sem", "failed").await;
        let detail = failed["installation"]["detail"].as_str().unwrap();
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
        assert_eq!(in_staging(&packages_dir(&daemon)), 0);
    }
    let daemon = Daemon::start().await;
    let plain = daemon.faulty(&["ok"]).await;
    let refused = daemon.post(&format!("/v1/types/{plain}/install"), &daemon.admin, &json!({})).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "no_package"));
}
