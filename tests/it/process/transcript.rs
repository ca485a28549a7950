//! The command line as a person or a program uses it: what it says, where, and with which exit code.

use serde_json::{Value, json};

use super::{Daemon, Said, id};

/// Commands that do what was asked: words of the result for a person, and a value of the result for a program.
async fn works(daemon: &Daemon, line: &[(&str, &[&str], &str, Value)]) {
    for (command, words, pointer, value) in line {
        let args: Vec<&str> = command.split_whitespace().collect();
        let said = daemon.cli(&args).await;
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        assert!(words.iter().all(|word| said.out.contains(word)), "{words:?} in {said:?}");
        let result = daemon.cli(&[args.as_slice(), &["--json"]].concat()).await.json();
        assert_eq!(result.pointer(pointer), Some(value), "{command}: {result}");
    }
}

/// Commands that are refused: the exit code and words on stderr. Nothing is on stdout.
async fn refused(daemon: &Daemon, lines: &[(&str, i32, &[&str])]) {
    for (command, code, words) in lines {
        let args: Vec<&str> = command.split_whitespace().collect();
        daemon.cli(&args).await.refused(*code, words);
    }
}

#[tokio::test]
async fn what_is_asked_for_comes_back_in_words_for_a_person_and_in_json_for_a_program() {
    let daemon = Daemon::start().await;
    let made = daemon.running("everything", "one").await;
    let one = id(&made);
    let token = made["access_token"].as_str().unwrap();
    assert_eq!(daemon.cli(&["call", "one", "echo", "--arg", "message=x"]).await.done(), "Echo: x\n");
    works(
        &daemon,
        &[
            ("types", &["NAME", "everything", "github"], "/items/0/name", json!("everything")),
            ("types show github", &["dist/github.cjs", "personal_access_token"], "/name", json!("github")),
            ("ls", &["STATUS", &one, "one", "running"], "/items/0/id", json!(one)),
            ("ls --status running --type everything", &[&one], "/items/0/name", json!("one")),
            ("show one", &["everything", "running", "512 MiB", &one], "/status", json!("running")),
            ("tools one", &["echo\n", "message (string)"], "/tools/0/name", json!("echo")),
            ("call one", &["echo\n"], "/tools/0/name", json!("echo")),
            ("call one get-sum --arg a=2 --args-json {\"b\":40}", &["42"], "/content/0/type", json!("text")),
            ("diagnose one", &["running", "process", "port", "lease"], "/status", json!("running")),
            ("logs one --stream stderr", &["listening on port"], "/stream", json!("stderr")),
            ("extend one --ttl 2h", &["one", "the lease of"], "/name", json!("one")),
            ("stop one --wait", &["one", "is stopped"], "/status", json!("stopped")),
            ("restart one --wait", &["is running"], "/status", json!("running")),
        ],
    )
    .await;
    let top = daemon.cli(&["top"]).await;
    assert!(top.code == Some(0) && top.out.contains("one"), "{top:?}");
    let events = daemon.cli(&["events"]).await.done();
    assert!(events.contains("starting -> running") && events.contains("running -> stopping"), "{events}");
    let prefix = daemon.cli(&["show", &one[..20], "--json"]).await.json();
    assert_eq!(prefix["id"], one, "any unique beginning of an id is enough");

    let renewed = daemon.cli(&["token", "one", "--json"]).await.json();
    assert_ne!(renewed["access_token"], token);
    let old = daemon.cli_with(&[("MINIMCP_INSTANCE_TOKEN", token)], &["tools", "one"]).await;
    old.refused(1, &["access token"]);
    assert!(daemon.cli(&["tools", "one"]).await.done().contains("echo"), "the new one was kept");

    let add = daemon
        .cli(&["credentials", "add", "github", "--field", "personal_access_token=abcdefgh12345678"])
        .await;
    let said = add.done();
    assert!(said.contains("is stored") && !said.contains("abcdefgh"), "{said}");
    works(&daemon, &[("credentials", &["default", "github", "5678"], "/items/0/hint", json!("5678"))]).await;
    let update =
        ["credentials", "update", "default", "--field", "personal_access_token=abcdefgh87654321", "--json"];
    assert_eq!(daemon.cli(&update).await.json()["hint"], "4321");
    assert!(daemon.cli(&["credentials", "rm", "default"]).await.done().contains("is deleted"));

    assert!(daemon.cli(&["rm", "one", "--yes"]).await.done().contains("is deleted"));
    assert_eq!(daemon.cli(&["ls"]).await.done(), "", "a pipe gets no remarks");
    let doctor = daemon.cli(&["doctor", "--json"]).await.json();
    assert_eq!(doctor["ok"], true, "{doctor}");
    let config = daemon.cli(&["serve", "--print-config"]).await.done();
    assert!(config.contains("max-lease") && config.contains("environment MINIMCP_DATA_DIR"), "{config}");
    assert!(daemon.cli(&["completions", "bash"]).await.done().contains("_minimcp"));
    assert!(daemon.cli(&["--version"]).await.done().starts_with("minimcp 0."));
}

#[tokio::test]
async fn what_cannot_be_done_is_told_on_stderr_with_what_to_do_next() {
    let mut daemon = Daemon::start().await;
    daemon.faulty("plain", &["ok"]).await;
    let one = id(&daemon.running("plain", "one").await);
    daemon.running("plain", "two").await;
    let add = ["credentials", "add", "github", "--field", "personal_access_token=abcdefgh12345678"];
    daemon.cli(&add).await.done();
    let bad = daemon.dir.path().join("bad.toml");
    std::fs::write(&bad, "name = \"bad\"\ndisplay_name = \"Bad\"\n").unwrap();
    let add_bad = format!("types add {}", bad.display());
    // Both ids begin with the time.
    let ambiguous = format!("show {}", &one[..2]);
    refused(
        &daemon,
        &[
            ("show nobody", 1, &["`nobody`", "minimcp ls"]),
            ("show 01234567-89ab-7def-8000-000000000000", 1, &["instance_not_found"]),
            (&ambiguous, 1, &["means 2 of your instances", &one, "one", "two"]),
            ("stop nobody", 1, &["`nobody`"]),
            ("create plain --ttl 5", 2, &["--ttl", "90s, 30m"]),
            ("create plain --ttl 0s", 2, &["at least 1s"]),
            ("create plain --ttl 9999d", 1, &["lease_too_long", "shorter --ttl"]),
            ("create nothing", 1, &["unknown_type", "minimcp types"]),
            ("create github", 1, &["credential_required", "minimcp credentials add github"]),
            ("create github --credential nobody", 1, &["`nobody`", "minimcp credentials"]),
            ("create plain --credential default", 1, &["`default`"]),
            ("create", 2, &["TYPE"]),
            ("credentials add github", 2, &["personal_access_token", "--from-env"]),
            ("credentials add github --field personal_access_token=secret --field x=1", 2, &["no field `x`"]),
            ("credentials add github --from-env NOT_SET=personal_access_token", 2, &["NOT_SET"]),
            (
                "credentials add github --field personal_access_token=abcdefgh12345678",
                1,
                &["exists", "update default"],
            ),
            ("credentials add nothing", 1, &["type_not_found"]),
            ("types show nothing", 1, &["type_not_found", "minimcp types"]),
            ("types add absent.toml", 2, &["absent.toml"]),
            (&add_bad, 1, &["invalid_type", "/server_script"]),
            ("types rm plain", 1, &["type_in_use"]),
            ("call one", 1, &["error:"]),
            ("call one tool --arg x", 2, &["NAME=VALUE"]),
            ("call one tool --args-json [1]", 2, &["JSON object"]),
            ("logs one --stream other", 2, &["other", "stderr"]),
            ("ls --status asleep", 2, &["asleep", "hibernated"]),
            ("restore one", 1, &["not_disconnected", "minimcp restart"]),
            ("extend one --ttl never", 2, &["90s, 30m"]),
            ("rm one", 2, &["--yes"]),
            ("frobnicate", 2, &["frobnicate"]),
            ("", 2, &["First steps"]),
            ("ls --url ftp://x", 2, &["is no URL"]),
            ("serve --set ports=5", 2, &["ports", "flag"]),
            ("serve --set colour=red", 2, &["colour"]),
        ],
    )
    .await;
    let stranger = daemon.cli_with(&[("MINIMCP_TOKEN", "mmcp_api_unknown")], &["ls"]).await;
    stranger.refused(1, &["unauthorized"]);
    assert_eq!(
        daemon.cli(&["ls", "--json"]).await.json()["items"].as_array().unwrap().len(),
        2,
        "nothing was made"
    );

    daemon.terminate().await;
    let none = ["no daemon can be reached", "minimcp serve"];
    for line in ["ls", "types", "create plain", "show one", "events", "top", "credentials", "call one"] {
        let args: Vec<&str> = line.split_whitespace().collect();
        daemon.cli(&args).await.refused(1, &none);
    }
    let doctor: Said = daemon.cli(&["doctor"]).await;
    assert!(doctor.out.contains("daemon"), "{doctor:?}");
}
