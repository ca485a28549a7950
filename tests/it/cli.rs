//! The command line against a real daemon: what is typed, what is said, and the exit code.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use minimcp::store::Role;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::daemon::Daemon;
use crate::ground::{eventually, own_ports, signal};
use crate::shell::Shell;

/// A daemon with the types that it brings along.
async fn daemon_with_types() -> Daemon {
    let daemon = Daemon::start().await;
    let now = chrono::Utc::now();
    let seeds = minimcp::catalog::seeds().iter().map(|seed| seed.to_row(true, now)).collect();
    daemon.store.seed_types(seeds).await.unwrap();
    daemon
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_of_an_instance_from_the_shell() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    daemon.faulty(&["ok"]).await;
    let shell = Shell::of(&daemon, &user);
    let made = shell.done("create faulty-ok --name work --ttl 2h --wait").await;
    for part in [
        "url    http://",
        "token  mmcp_inst_",
        "minimcp call ",
        "claude mcp add --transport http work http://",
    ] {
        assert!(made.contains(part), "{part} is not in\n{made}");
    }
    assert!(made.contains("(in 2h)") && made.ends_with("It is running.\n"), "{made}");
    let kept =
        std::fs::read_dir(shell.home().join(".config/minimcp/tokens")).unwrap().next().unwrap().unwrap();
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(made.contains(std::fs::read_to_string(kept.path()).unwrap().trim()));

    let shown = json(&shell.done("show work --json").await);
    assert_eq!((&shown["status"], &shown["name"]), (&"running".into(), &"work".into()));
    let id = shown["id"].as_str().unwrap();
    assert_eq!(json(&shell.done(&format!("show {} --json", &id[..20])).await)["id"], id);
    let list = shell.done("ls --status running").await;
    assert!(
        list.lines().nth(1).is_some_and(|line| line.starts_with(&format!("{id}  work  faulty-ok  running"))),
        "{list}"
    );
    assert_eq!(shell.done("ls --status failed").await, "");

    let said = shell
        .transcript(&[
            "stop work --wait",
            "restore work",
            "restart work --wait",
            "rm work",
            "rm work --yes",
            "show work",
        ])
        .await;
    assert_eq!(
        said,
        "$ minimcp stop work --wait\n\
         work (ID) is stopped\n\
         $ minimcp restore work\n\
         ! error: only a disconnected instance can be restored; this one is stopped (not_disconnected)\n\
         !   next: `minimcp restart ID` starts a new run of it\n\
         exit 1\n\
         $ minimcp restart work --wait\n\
         work (ID) is running\n\
         $ minimcp rm work\n\
         ! error: work (ID) would be deleted with its logs\n\
         !   next: add --yes to go on\n\
         exit 2\n\
         $ minimcp rm work --yes\n\
         ID is deleted\n\
         $ minimcp show work\n\
         ! error: there is no instance with the id or name `work`\n\
         !   next: `minimcp ls` shows yours\n\
         exit 1\n"
    );
    assert!(!kept.path().exists(), "its token is forgotten with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_say_what_to_do() {
    let daemon = daemon_with_types().await;
    let user = daemon.user("una", Role::User).await;
    daemon.faulty(&["exit"]).await;
    let shell = Shell::of(&daemon, &user);
    for (line, code, words) in [
        ("create githu", 1, ["(unknown_type)", "next: `minimcp types`"]),
        ("create github", 1, ["(credential_required)", "next: `minimcp credentials add github`"]),
        (
            "credentials add github",
            2,
            ["missing: `personal_access_token`", "--from-env VARIABLE=personal_access_token"],
        ),
        ("types add nothing.toml", 2, ["nothing.toml", "No such file"]),
        ("types rm github", 1, ["(forbidden)", "error:"]),
        (
            "--url http://127.0.0.1:1 ls",
            1,
            ["no daemon can be reached at http://127.0.0.1:1", "`minimcp serve`"],
        ),
        ("--url 127.0.0.1 ls", 2, ["is no URL", "MINIMCP_URL"]),
        ("call 0192f3a4-5b6c-7000-8000-000000000001", 1, ["no access token", "MINIMCP_INSTANCE_TOKEN"]),
        ("fly", 2, ["unrecognized subcommand", "--help"]),
    ] {
        let said = shell.run(line).await;
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        assert_eq!(said.out, "", "{line}");
        assert!(words.iter().all(|word| said.err.contains(word)), "{line}: {}", said.err);
    }
    let stranger = Shell::of(&daemon, "mmcp_api_unknown").run("ls").await;
    assert!(stranger.code == Some(1) && stranger.err.contains("check MINIMCP_TOKEN"), "{stranger:?}");
    let nobody = Shell::alone().with("MINIMCP_URL", &daemon.url("")).run("ls").await;
    assert!(nobody.err.contains("set MINIMCP_TOKEN") && nobody.err.contains("admin.token"), "{nobody:?}");

    // The instance is there though it never ran, so its token has to be told.
    let never = shell.run("create faulty-exit --name never --restart temporary --wait --json").await;
    assert_eq!(never.code, Some(1), "{never:?}");
    assert!(json(&never.out)["access_token"].is_string());
    assert!(never.err.contains("next: `minimcp diagnose "), "{never:?}");
    let diagnosis = shell.done("diagnose never").await;
    assert!(diagnosis.contains("What to do next:\n  - "), "{diagnosis}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_in_and_never_come_out() {
    let daemon = daemon_with_types().await;
    let user = daemon.user("una", Role::User).await;
    let shell = Shell::of(&daemon, &user).with("GITHUB_TOKEN", "ghp_canary0123456789");
    let said = shell
        .transcript(&[
            "credentials add github --from-env GITHUB_TOKEN=personal_access_token",
            "credentials add github --from-env GITHUB_TOKEN=personal_access_token",
            "credentials add github --name b --from-env NOTHING=personal_access_token",
            "credentials add github --name b --from-env GITHUB_TOKEN=token",
            "credentials update default --from-env GITHUB_TOKEN=personal_access_token --name ci",
            "credentials rm default",
            "credentials --json",
            "credentials rm ci",
            "credentials",
        ])
        .await;
    assert!(!said.contains("canary"), "{said}");
    for part in [
        "default (ID) is stored: personal_access_token\n",
        "!   next: `minimcp credentials update default` replaces its fields\n",
        "! error: the environment variable `NOTHING`: environment variable not found\nexit 2\n",
        "!   next: its fields are: personal_access_token, app_id, private_key\nexit 2\n",
        "ci (ID) is replaced: personal_access_token\n",
        "! error: there is no credential set with the id or name `default`\n",
        "\"name\":\"ci\"",
        "$ minimcp credentials rm ci\nID is deleted\n",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    assert!(said.ends_with("$ minimcp credentials\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_logs_are_followed() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let shell = Shell::of(&daemon, &user);
    daemon.faulty(&["chatty", "3"]).await;
    shell.done("create faulty-chatty --name work --wait").await;
    let mut followed = shell.follow("events -f --since 0 --json");
    let seen: Vec<Value> = followed.lines(3).await.iter().map(|line| json(line)).collect();
    assert_eq!(seen[2]["to"], "running");
    shell.done("stop work --wait").await;
    let ended: Vec<Value> = followed.lines(2).await.iter().map(|line| json(line)).collect();
    assert_eq!((&ended[0]["to"], &ended[1]["to"]), (&"stopping".into(), &"stopped".into()));

    let told = shell.done("events").await;
    let last: Vec<&str> = told.lines().filter_map(|line| line.split("  ").nth(2)).collect();
    assert_eq!(
        last,
        [
            "pending",
            "pending -> starting",
            "starting -> running",
            "running -> stopping",
            "stopping -> stopped"
        ]
    );

    let text = shell.done("logs work --stream stdout --tail 100").await;
    assert!(text.lines().count() >= 3, "{text}");
    let mut followed = shell.follow("logs work -f --stream stdout,stderr --tail 100 --json");
    assert_eq!(json(&followed.lines(1).await[0])["stream"], "stdout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_command_quietly() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    daemon.faulty(&["ok"]).await;
    let shell = Shell::of(&daemon, &user);
    let mut followed = shell.start("events -f --since 0");
    drop(followed.stdout.take());
    shell.done("create faulty-ok").await;
    let ended =
        tokio::time::timeout(Duration::from_secs(30), followed.wait()).await.expect("it ends").unwrap();
    let mut err = String::new();
    followed.stderr.take().expect("it is piped").read_to_string(&mut err).await.unwrap();
    assert_eq!((ended.code(), err.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_called_by_a_real_mcp_client() {
    let daemon = daemon_with_types().await;
    let user = daemon.user("una", Role::User).await;
    let shell = Shell::of(&daemon, &user);
    shell.done("create everything --name every --wait").await;
    let tools = shell.done("call every").await;
    assert!(tools.starts_with("echo\n  Echoes back the input"), "{tools}");
    assert!(tools.contains("    message (string)"), "{tools}");
    let names = json(&shell.done("tools every --json").await);
    assert!(
        names["tools"].as_array().is_some_and(|tools| tools.iter().any(|tool| tool["name"] == "get-sum"))
    );

    let said = shell
        .transcript(&[
            "call every echo --arg message=hello",
            "call every echo --arg message=\"5\"",
            "call every get-sum --args-json {\"a\":1} --arg b=2",
            "call every sing",
        ])
        .await;
    assert!(said.contains("$ minimcp call every echo --arg message=hello\nEcho: hello\n"), "{said}");
    assert!(said.contains("message=\"5\"\nEcho: 5\n"), "a quoted number is a text: {said}");
    assert!(said.contains("The sum of 1 and 2 is 3."), "{said}");
    assert!(said.contains("minimcp tools every") && said.ends_with("exit 1\n"), "{said}");

    // Another's token is told with what to do; the newest is the one that is kept.
    let old = json(&shell.done("token every --json").await)["access_token"].as_str().unwrap().to_owned();
    shell.done("token every").await;
    shell.done("call every echo --arg message=again").await;
    let refused = shell.run(&format!("call every --token {old}")).await;
    assert!(refused.code == Some(1) && refused.err.contains("next: `minimcp token "), "{refused:?}");
    assert!(refused.err.contains("(unauthorized)"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_is_served_found_examined_and_ended() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ports = own_ports();
    let servers = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers");
    let shell = Shell::alone()
        .with("MINIMCP_LISTEN", &free.to_string())
        .with("MINIMCP_PORTS", &format!("{}-{}", ports.start(), ports.end()))
        .with("MINIMCP_SERVERS_DIR", servers);
    let config = shell.done("serve --print-config --set grace=3s").await;
    assert!(
        config.contains(&format!("listen = \"{free}\"")) && config.contains("# environment MINIMCP_LISTEN"),
        "{config}"
    );
    let config = json(&shell.done("serve --print-config --set grace=3s --json").await);
    assert_eq!(config["grace"], serde_json::json!({"value": "3s", "origin": "flag"}));

    let before = json(&shell.run("doctor --json").await.out);
    let level = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().expect("it has checks");
        checks.iter().find(|check| check["name"] == name).map(|check| check["level"].clone())
    };
    assert_eq!(level(&before, "daemon"), Some("warn".into()));
    assert_eq!(level(&before, "listen"), Some("ok".into()));
    assert!(!shell.home().join("data").exists(), "the doctor changes nothing");

    let mut serving = shell.start("serve");
    let told = shell.home().join("data/daemon.url");
    eventually("the daemon says where it is", || told.exists()).await;
    assert_eq!(shell.done("ls").await, "");
    assert!(shell.done("types").await.contains("github"));
    let with = json(&shell.run("doctor --json").await.out);
    for name in [
        "configuration",
        "data dir",
        "admin token",
        "master key",
        "store",
        "listen",
        "daemon",
        "readiness",
        "token",
    ] {
        assert_eq!(level(&with, name), Some("ok".into()), "{name}: {with}");
    }
    let detail = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().expect("it has checks");
        checks.iter().find(|check| check["name"] == name).map(|check| check["detail"].clone())
    };
    assert!(detail(&before, "limits").is_some(), "{before}");
    for name in ["isolation", "limits"] {
        assert_eq!(detail(&with, name), detail(&before, name), "as it was said before that it would be");
    }
    let second = shell.run("serve").await;
    assert!(second.code == Some(1) && second.err.contains("another daemon uses"), "{second:?}");
    signal(serving.id().expect("it runs"), "TERM");
    let ended =
        tokio::time::timeout(Duration::from_secs(30), serving.wait()).await.expect("it ends").unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_their_tokens_from_the_shell() {
    let daemon = Daemon::start().await;
    daemon.faulty(&["ok"]).await;
    let shell = Shell::of(&daemon, &daemon.admin);
    let said = shell
        .transcript(&[
            "users add una --max-running 2",
            "users add una",
            "users set una --role operator --max-running default --max-instances 3",
            "users set una",
            "users show una",
            "users show ugo",
            "users set una --max-running many",
            "tokens add laptop --user una",
            "tokens rm laptop --user una",
            "tokens rm laptop --user una",
            "users rm una",
            "users rm una --yes",
        ])
        .await;
    for part in [
        "una (ID) is made, with the role user\nA token lets them in:\n  minimcp tokens add first --user una\n",
        "! error: a user with this name exists already (exists)\nexit 1\n",
        "$ minimcp users set una\n! error: nothing is to change\n!   next: minimcp users set --help\nexit 2\n",
        "role         operator\ninstances    0, up to 3\nrunning      0, up to 20 (default)\n",
        "! error: there is no user with the id or name `ugo`\n!   next: `minimcp users` shows yours\nexit 1\n",
        "write a whole number, or default",
        "token  TOKEN\n       shown this once; works until it is revoked\nid     ID\n",
        "Use it:\n  export MINIMCP_URL=http://HOST MINIMCP_TOKEN=TOKEN\nRevoke it:\n  minimcp tokens rm ID --user una\n",
        "$ minimcp tokens rm laptop --user una\nID is revoked\n",
        "! error: there is no token with the id or name `laptop`\n",
        "! error: una with 0 credential sets and all tokens would be deleted\n!   next: add --yes to go on\nexit 2\n",
        "$ minimcp users rm una --yes\nuna is deleted\n",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }

    // A user sees to their own tokens, and an administrator ends everything of a user at once.
    shell.done("users add ugo").await;
    let token = json(&shell.done("tokens add first --user ugo --expires 90d --json").await);
    let ugo = Shell::of(&daemon, token["token"].as_str().unwrap());
    let listed = ugo.done("tokens").await;
    assert!(listed.contains("first") && listed.contains("valid"), "{listed}");
    assert!(token["expires_at"].is_string(), "{token}");
    let refused = ugo.run("users").await;
    assert!(refused.code == Some(1) && refused.err.contains("(forbidden)"), "{refused:?}");
    ugo.done("create faulty-ok --wait").await;
    let refused = shell.run("users rm ugo --yes").await;
    assert!(
        refused.err.contains("(user_in_use)") && refused.err.contains("--delete-instances"),
        "{refused:?}"
    );
    shell.done("users rm ugo --yes --delete-instances").await;
    assert_eq!(shell.done("ls").await, "");
    let last = shell.run("tokens rm test").await;
    assert!(last.err.contains("(last_administrator)") && last.err.contains("minimcp tokens add"), "{last:?}");
}
