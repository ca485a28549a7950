//! The programs of `examples/`, run as they are. `cargo test` builds them; a run of this one test binary alone does
//! not, and says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::ground::{PATIENCE, eventually, is_alive, own_ports, signal};

fn program(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_minimcp")).with_file_name("examples").join(name);
    assert!(program.is_file(), "build it with `cargo build --examples --features minimcp-actors/fake`");
    program
}

/// An example about to run in this empty directory, on ports that no other test uses.
fn example(name: &str, dir: &TempDir) -> Command {
    let ports = own_ports();
    let mut command = Command::new(program(name));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("MINIMCP_PORTS", format!("{}-{}", ports.start(), ports.end()))
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs it to its end, which has to be a good one, and gives what it said.
async fn said(name: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let ended = tokio::time::timeout(PATIENCE, example(name, &dir).output()).await.expect("it ends").unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{name}: {}\n{out}{err}", ended.status);
    out.into_owned()
}

#[tokio::test]
async fn the_whole_runtime_runs_inside_a_program_with_a_type_and_a_launcher_of_its_own() {
    let said = said("embed").await;
    let lines: Vec<&str> = said.lines().skip(1).collect();
    assert_eq!(lines, ["launching run 1 of a greeter", "Hello, embedder!", "ended"]);
}

#[tokio::test]
async fn a_program_follows_how_its_server_is_killed_and_comes_back() {
    let said = said("follow").await;
    let steps: Vec<&str> =
        said.lines().filter_map(|line| line.strip_prefix("greeter: ")?.split(" (").next()).collect();
    let (first, rest) = steps.split_at(3);
    assert_eq!(first, ["run 1 is pending", "run 1 is starting", "run 1 is running"], "{said}");
    assert_eq!(rest.last(), Some(&"run 2 is running"), "{said}");
    assert!(rest.iter().any(|step| step.ends_with("is restarting")), "{said}");
    assert!(said.ends_with("Hello, again!\n"), "{said}");
}

#[tokio::test]
async fn a_program_serves_its_own_routes_beside_the_runtime_and_none_of_them_below_v1() {
    assert_eq!(said("routes").await, "a program with servers in it\nHello, neighbour!\n");
}

#[tokio::test]
async fn a_program_that_was_killed_finds_its_server_again_with_the_same_process() {
    let said = said("recover").await;
    let [found, greeting] = said.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {said}") };
    assert!(found.starts_with("process ") && found.ends_with(" was found again"), "{said}");
    assert_eq!(greeting, "Hello, survivor!");
}

#[tokio::test]
async fn supervision_alone_brings_a_program_back_and_ends_it_with_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = example("supervise", &dir).args(["/bin/sleep", "1000"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut pid_of = async |run: &str| {
        loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line in time");
            let line = line.unwrap().expect("a line before the end");
            if line.starts_with(&format!("run {run} is running")) {
                let pid = line.split("Some(").nth(1).and_then(|rest| rest.split(')').next());
                return pid.unwrap().parse::<u32>().unwrap();
            }
        }
    };
    let first = pid_of("1").await;
    signal(first, "KILL");
    let second = pid_of("2").await;
    assert_ne!(first, second);
    signal(child.id().unwrap(), "INT");
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    assert!(ended.success(), "{ended}");
    eventually("its program is gone", || !is_alive(second)).await;
}

#[test]
fn every_example_is_run_here_and_named_in_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let examples: BTreeSet<String> =
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert!(examples.len() >= 5, "{examples:?}");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let tests = include_str!("examples.rs");
    for example in examples {
        let run = tests.contains(&format!("(\"{example}\"")) || tests.contains(&format!("(\"{example}\","));
        assert!(run, "no test runs {example}");
        assert!(readme.contains(&format!("examples/{example}.rs")), "the README does not name {example}");
    }
}
