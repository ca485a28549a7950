//! `docs/operating.md` and `deploy/Containerfile`, word for word, as far as a machine without systemd and without a
//! container daemon lets us.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::ground::{PATIENCE, is_alive, own_ports, signal};
use crate::process::MINIMCP;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of the page under this name.
fn block(name: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let start = format!("```sh {name}\n");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("there are no commands for {name}"));
    rest.split_once("```").unwrap().0.to_owned()
}

/// Starts and stops the daemon as the unit says, and believes in nothing else.
const SYSTEMCTL: &str = r#"#!/bin/sh
set -eu
case "$*" in
"daemon-reload") exit 0 ;;
"enable --now minimcp" | "start minimcp")
    rm -f "$SITE/var/lib/minimcp/daemon.url"
    cd "$SITE/var"
    setsid "$SITE/usr/local/bin/minimcp" serve --data-dir "$SITE/var/lib/minimcp" >>"$SITE/log" 2>&1 </dev/null &
    echo $! >"$SITE/pid"
    until [ -s "$SITE/var/lib/minimcp/daemon.url" ]; do kill -0 "$(cat "$SITE/pid")"; sleep 0.05; done ;;
"stop minimcp")
    [ -e "$SITE/pid" ] || exit 0
    kill -TERM "$(cat "$SITE/pid")" || exit 0
    # Gone, or only waiting for whoever reaps it.
    while grep -q "^State:.[^Z]" "/proc/$(cat "$SITE/pid")/status" 2>/dev/null; do sleep 0.05; done
    rm "$SITE/pid" ;;
"restart minimcp") "$0" stop minimcp; "$0" start minimcp ;;
*) echo "systemctl: $*" >&2; exit 1 ;;
esac
"#;

/// A machine in small: a directory in which the paths of the page are.
struct Site {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for below in ["bin", "var/lib", "var/backups", "mnt/vault", "target/release", "deploy"] {
            std::fs::create_dir_all(dir.path().join(below)).unwrap();
        }
        let systemctl = dir.path().join("bin/systemctl");
        std::fs::write(&systemctl, SYSTEMCTL).unwrap();
        std::fs::set_permissions(&systemctl, PermissionsExt::from_mode(0o755)).unwrap();
        // What `cargo build` and `make servers` leave, as far as it is asked for here.
        std::fs::copy(MINIMCP, dir.path().join("target/release/minimcp")).unwrap();
        std::fs::copy(root().join("deploy/minimcp.service"), dir.path().join("deploy/minimcp.service"))
            .unwrap();
        for part in ["faulty", "dist", "node_modules/@modelcontextprotocol/server-everything"] {
            let (from, to) =
                (root().join("mcp-servers").join(part), dir.path().join("mcp-servers").join(part));
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            let copied = std::process::Command::new("cp").arg("-aT").arg(&from).arg(&to).status().unwrap();
            assert!(copied.success(), "{} is there after `make servers`", from.display());
        }
        let ports = own_ports();
        let variables = [
            (
                "PATH",
                format!(
                    "{0}/bin:{0}/usr/local/bin:{1}",
                    dir.path().display(),
                    std::env::var("PATH").unwrap()
                ),
            ),
            ("SITE", dir.path().display().to_string()),
            ("HOME", dir.path().display().to_string()),
            ("MINIMCP_LISTEN", "127.0.0.1:0".to_owned()),
            ("MINIMCP_PORTS", format!("{}-{}", ports.start(), ports.end())),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { dir, variables }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn data(&self) -> PathBuf {
        self.path("var/lib/minimcp")
    }

    /// Runs these commands, with the paths of this site, as a shell does that stops at the first failure.
    async fn runs(&self, commands: &str) -> String {
        let mut here = commands.replace("2026-11-22", "$(date +%F)");
        for top in ["/var/lib", "/var/backups", "/usr/local", "/etc/systemd", "/mnt/vault"] {
            here = here.replace(top, &format!("{}{top}", self.dir.path().display()));
        }
        let mut command = Command::new("sh");
        command.args(["-euc", &here]).env_clear().envs(self.variables.clone()).current_dir(self.dir.path());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
        assert!(output.status.success(), "{here}\n{out}{err}\n{}", log());
        out.into_owned()
    }

    async fn json(&self, command: &str) -> Value {
        let out = self.runs(&format!("minimcp --data-dir /var/lib/minimcp --json {command}")).await;
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{command}: {out}"))
    }

    /// Waits until an instance of this name runs, and gives it.
    async fn running(&self, name: &str) -> Value {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
        let waiting = async {
            loop {
                ticks.tick().await;
                let shown = self.json("ls").await;
                let items = shown["items"].as_array().unwrap().clone();
                let found =
                    items.into_iter().find(|item| item["name"] == name && item["status"] == "running");
                if let Some(found) = found {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it runs in time")
    }

    /// The names of all credential sets.
    async fn sets(&self) -> Vec<String> {
        let sets = self.json("credentials").await;
        let items = sets["items"].as_array().unwrap().iter();
        items.map(|set| set["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Sets a variable for all that is run from now on, as in the unit and in the shell.
    fn set(&mut self, name: &str, value: Option<&str>) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    fn daemon(&self) -> Option<u32> {
        std::fs::read_to_string(self.path("pid")).ok()?.trim().parse().ok()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(pid) = self.daemon().filter(|pid| is_alive(*pid)) {
            signal(pid, "TERM");
            let deadline = tokio::time::Instant::now() + PATIENCE;
            while is_alive(pid) && tokio::time::Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
    }
}

#[tokio::test]
async fn what_the_page_on_operating_says_installs_backs_up_restores_upgrades_and_moves_a_daemon() {
    let mut site = Site::new();
    let doctor = site.runs(&block("install")).await;
    assert!(doctor.contains("daemon"), "{doctor}");
    assert!(site.path("etc/systemd/system/minimcp.service").is_file());
    // The data directory is going to be lost, and the token with it.
    let token = std::fs::read_to_string(site.data().join("admin.token")).unwrap();
    site.set("MINIMCP_TOKEN", Some(token.trim()));
    let definition = json!({"name": "plain", "display_name": "Plain", "server_script": "faulty/index.mjs",
        "args": ["ok"], "health_check": {"endpoint": "/health", "interval_seconds": 1}});
    std::fs::write(site.path("plain.json"), definition.to_string()).unwrap();
    site.json("types add plain.json").await;
    let made = site.json("create plain --name kept --wait").await;
    let add = "credentials add github --field personal_access_token=abcdefgh12345678 --name";
    site.json(&format!("{add} early")).await;

    site.runs(&block("backup")).await;
    site.json(&format!("{add} late")).await;
    site.runs(&block("restore")).await;
    assert_eq!(site.sets().await, ["early"], "what came after the backup is gone");
    assert_eq!(site.running("kept").await["id"], made["id"]);

    // A machine that lost everything else has it back from the two files.
    site.runs("systemctl stop minimcp; rm -r /var/lib/minimcp").await;
    site.runs(&block("lost")).await;
    assert_eq!(site.sets().await, ["early"]);
    assert_eq!(site.running("kept").await["id"], made["id"]);

    site.set("MINIMCP_ON_SHUTDOWN", Some("keep"));
    site.runs("systemctl restart minimcp").await;
    let before = site.running("kept").await;
    let daemon = site.daemon();
    site.runs(&block("upgrade")).await;
    assert_ne!(site.daemon(), daemon);
    let after = site.running("kept").await;
    assert_eq!(after["process_id"], before["process_id"], "the server lived on");

    site.set("MINIMCP_ON_SHUTDOWN", None);
    site.runs("systemctl restart minimcp").await;
    site.running("kept").await;
    site.runs(&block("pack")).await;
    site.runs("rm -r /var/lib/minimcp").await;
    site.runs(&block("unpack")).await;
    assert_eq!(site.sets().await, ["early"]);
    assert_eq!(site.running("kept").await["id"], made["id"]);
    site.runs("systemctl stop minimcp").await;
}

#[test]
fn every_block_of_commands_of_the_page_is_run_here() {
    let page = std::fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let names: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("```sh")).map(str::trim).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    let tests = include_str!("operating.rs");
    for name in names {
        assert!(tests.contains(&format!("block(\"{name}\")")), "nobody runs {name}");
    }
}

/// The instructions of the Containerfile: the word they begin with, and the rest, lines joined.
fn instructions() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("deploy/Containerfile")).unwrap().replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parted = lines.map(|line| line.split_once(' ').unwrap_or_else(|| panic!("no instruction: {line}")));
    parted.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect()
}

/// The words of an instruction that is written as JSON.
fn words(name: &str) -> Vec<String> {
    let found = instructions().into_iter().rev().find(|(word, _)| word == name).unwrap().1;
    serde_json::from_str(&found[found.find('[').unwrap()..]).unwrap()
}

#[test]
fn the_containerfile_copies_only_what_is_there_and_cargo_reads_what_it_copies() {
    let copied = tempfile::tempdir().unwrap();
    let mut stages = BTreeSet::new();
    let mut stage = String::new();
    for (word, rest) in instructions() {
        let parts: Vec<&str> = rest.split_whitespace().collect();
        match word.as_str() {
            "FROM" => {
                stage = parts.get(2).map_or_else(String::new, ToString::to_string);
                stages.insert(stage.clone());
            }
            "COPY" => {
                let (sources, target) = match parts[0].strip_prefix("--from=") {
                    Some(from) => {
                        assert!(stages.contains(from) && from != stage, "{rest}");
                        continue;
                    }
                    None => parts.split_at(parts.len() - 1),
                };
                for source in sources {
                    let path = root().join(source);
                    assert!(path.exists(), "there is no {source}");
                    assert_eq!(path.is_dir(), source.ends_with('/'), "{source}");
                    if stage == "rust" {
                        let inside = copied.path().join(target[0]).join("x");
                        let to = if path.is_dir() {
                            copied.path().join(target[0])
                        } else {
                            inside.with_file_name(source)
                        };
                        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                        let done =
                            std::process::Command::new("cp").arg("-rT").arg(&path).arg(&to).status().unwrap();
                        assert!(done.success(), "{source}");
                    }
                }
            }
            "RUN" | "WORKDIR" | "VOLUME" | "ENV" | "EXPOSE" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD" => {}
            other => panic!("this test does not know {other}"),
        }
    }
    // Every target that a manifest names has to be among what was copied.
    let read = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--no-deps"])
        .current_dir(copied.path())
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let packages: Value = serde_json::from_slice(&read.stdout).unwrap();
    let targets = packages["packages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|package| package["targets"].as_array().unwrap());
    let mut count = 0;
    for target in targets {
        let path = target["src_path"].as_str().unwrap();
        assert!(Path::new(path).is_file(), "{path}");
        count += 1;
    }
    assert!(count > 5, "the manifests were read: {count}");
    // What the program has in it comes from outside of src in two places.
    assert!(copied.path().join("mcp-servers/handover/preload.cjs").is_file());
}

#[tokio::test]
async fn the_command_of_the_container_is_understood_and_its_health_check_tells_a_daemon_that_serves() {
    assert_eq!(words("ENTRYPOINT"), ["minimcp"]);
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(MINIMCP);
    command.args(words("CMD")).args(["--print-config", "--json"]).current_dir(dir.path());
    let said = command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).output().await.unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let config: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(config["listen"]["value"], "0.0.0.0:7878");

    let daemon = crate::process::Daemon::start().await;
    let address = daemon.caller().base().replace("http://", "");
    let check = async || {
        let words = words("HEALTHCHECK");
        let (program, rest) = words.split_first().unwrap();
        let rest = rest.iter().map(|word| word.replace("127.0.0.1:7878", &address));
        Command::new(program).args(rest).status().await.unwrap().code()
    };
    assert_eq!(check().await, Some(0));
    drop(daemon);
    assert_eq!(check().await, Some(1));
}
