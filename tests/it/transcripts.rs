//! Every command of the command line, with what it says and how it ends, as files that people can read.
//!
//! A line of a transcript that begins with `$ ` is typed. Behind it stands what comes back, with errors behind `! ` and
//! an exit code that is not 0. `ID`, `TOKEN`, `SECRET`, `HOST` and `HOME` stand for what differs from run to run, `N` for any
//! number and one space for any number of them. `[..]` stands for any text within a line, and a line `...` for any lines.
//! `MINIMCP_TEST_UPDATE=1` writes what does not fit anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use minimcp::cli::Cli;
use serde_json::json;

use crate::process::{Daemon, Said};

const TRANSCRIPTS: [&str; 2] = ["running", "stopped"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/transcripts/{name}.txt"))
}

/// What is typed, and what is expected to come back.
struct Step {
    line: String,
    expected: Vec<String>,
}

/// The words above the first step, and the steps.
fn read(name: &str) -> (String, Vec<Step>) {
    let text = std::fs::read_to_string(file(name)).unwrap();
    let (mut heading, mut steps) = (String::new(), Vec::<Step>::new());
    for line in text.lines() {
        match (line.strip_prefix("$ minimcp "), steps.last_mut()) {
            (Some(typed), _) => steps.push(Step { line: typed.to_owned(), expected: Vec::new() }),
            (None, Some(step)) => step.expected.push(line.to_owned()),
            (None, None) => heading.push_str(&format!("{line}\n")),
        }
    }
    (heading, steps)
}

/// Plays a transcript, and tells where what came back is not what was expected.
async fn play(daemon: &Daemon, name: &str) {
    let (heading, steps) = read(name);
    let (mut anew, mut wrong) = (heading, Vec::new());
    for Step { line, expected } in steps {
        let words: Vec<&str> = line.split_whitespace().collect();
        let actual = told(daemon, daemon.cli(&words).await);
        let fits = fits(&expected, &actual);
        let kept = if fits { &expected } else { &actual };
        anew.push_str(&format!("$ minimcp {line}\n"));
        anew.extend(kept.iter().map(|line| format!("{line}\n")));
        if !fits {
            wrong.push(format!("$ minimcp {line}\n{}", actual.join("\n")));
        }
    }
    if std::env::var_os("MINIMCP_TEST_UPDATE").is_some() {
        std::fs::write(file(name), anew).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{name}.txt: this came back:\n{}", wrong.join("\n"));
}

/// What a command said, line by line, with names for what differs from run to run.
fn told(daemon: &Daemon, said: Said) -> Vec<String> {
    let home = daemon.dir.path().display().to_string();
    let host = daemon.caller().base().replace("http://", "");
    let named = |text: &str| text.replace(&home, "HOME").replace(&host, "HOST");
    let out = named(&said.out);
    let mut lines: Vec<String> = out.lines().map(plain).collect();
    lines.extend(named(&said.err).lines().map(|line| format!("! {}", plain(line))));
    lines.extend(said.code.filter(|code| *code != 0).map(|code| format!("exit {code}")));
    lines
}

/// A line without what differs from run to run.
fn plain(line: &str) -> String {
    let indent = if line.starts_with(' ') { "  " } else { "" };
    let words: Vec<String> = line.split_whitespace().map(word).collect();
    format!("{indent}{}", words.join(" "))
}

fn word(word: &str) -> String {
    let (mut plain, mut part) = (String::new(), String::new());
    // A part is what an id or a token consists of; whatever else is between parts stays.
    for c in word.chars().map(Some).chain([None]) {
        match c {
            Some(c) if c.is_ascii_alphanumeric() || c == '-' || c == '_' => part.push(c),
            other => {
                plain.push_str(&named(&std::mem::take(&mut part)));
                plain.extend(other);
            }
        }
    }
    plain
}

fn named(part: &str) -> String {
    let is_id = part.len() >= 8
        && part.contains(|c: char| c.is_ascii_digit())
        && part.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-'))
        && part.contains(|c: char| c.is_ascii_lowercase());
    if part.starts_with("mmcp_") {
        return "TOKEN".into();
    }
    if part.starts_with("whsec_") {
        return "SECRET".into();
    }
    if is_id {
        return "ID".into();
    }
    let mut plain = String::new();
    for c in part.chars() {
        if !c.is_ascii_digit() {
            plain.push(c);
        } else if !plain.ends_with('N') {
            plain.push('N');
        }
    }
    plain
}

/// Whether these lines are what was expected.
fn fits(expected: &[String], actual: &[String]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((any, rest)) if any == "..." => (0..=actual.len()).any(|skipped| fits(rest, &actual[skipped..])),
        Some((line, rest)) => {
            actual.split_first().is_some_and(|(first, others)| line_fits(line, first) && fits(rest, others))
        }
    }
}

fn line_fits(expected: &str, actual: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == actual,
        Some((start, rest)) => actual.strip_prefix(start).is_some_and(|actual| {
            actual
                .char_indices()
                .map(|(at, _)| at)
                .chain([actual.len()])
                .any(|at| line_fits(rest, &actual[at..]))
        }),
    }
}

#[tokio::test]
async fn every_command_says_what_its_transcript_shows() {
    let mut daemon = Daemon::with(&["webhooks.allow=127.0.0.1", "webhooks.timeout=1s"], &[]).await;
    let put = |name: &str, text: &str| std::fs::write(daemon.dir.path().join(name), text).unwrap();
    let plain = json!({"name": "plain", "display_name": "Plain", "description": "Behaves.",
        "server_script": "faulty/index.mjs", "args": ["ok"],
        "health_check": {"endpoint": "/health", "interval_seconds": 1}});
    put("plain.json", &plain.to_string());
    let server = json!({"name": "io.github.owner/weather", "description": "Weather.", "version": "1.4.0",
        "packages": [{"registryType": "npm", "identifier": "@owner/weather", "version": "1.4.0",
            "transport": {"type": "stdio"}}]});
    put("server.json", &server.to_string());
    play(&daemon, "running").await;
    assert!(daemon.terminate().await.success());
    play(&daemon, "stopped").await;
}

/// The command that a line is, down to its last noun.
fn command_of(line: &str) -> String {
    let words = std::iter::once("minimcp").chain(line.split_whitespace());
    // What the grammar refuses is a transcript of no command, or of one that others show too.
    let Ok(matches) = Cli::command().try_get_matches_from(words) else { return String::new() };
    let (mut at, mut name) = (&matches, Vec::new());
    while let Some((noun, below)) = at.subcommand() {
        name.push(noun.to_owned());
        at = below;
    }
    name.join(" ")
}

fn leaves(command: &clap::Command, path: &str, all: &mut BTreeSet<String>) {
    let mut below = command.get_subcommands().filter(|below| below.get_name() != "help").peekable();
    if below.peek().is_none() {
        all.insert(path.to_owned());
    }
    for each in below {
        leaves(each, format!("{path} {}", each.get_name()).trim(), all);
    }
}

#[test]
fn every_command_there_is_has_a_transcript_that_shows_something() {
    let mut all = BTreeSet::new();
    leaves(&Cli::command(), "", &mut all);
    assert!(all.len() > 40, "{all:?}");
    let shown: BTreeSet<String> = TRANSCRIPTS
        .iter()
        .flat_map(|name| read(name).1)
        .filter(|step| step.expected.iter().any(|line| line != "..."))
        .map(|step| command_of(&step.line))
        .collect();
    let silent: Vec<&String> = all.difference(&shown).collect();
    assert!(silent.is_empty(), "no transcript shows {silent:?}");
}

#[test]
fn a_transcript_fits_what_differs_from_run_to_run_and_nothing_else() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let fit = |expected: &str, actual: &str| fits(&lines(expected), &lines(actual));
    assert!(fit("a\n...\nb", "a\nx\ny\nb") && fit("a [..] b", "a x y b") && fit("...", ""));
    assert!(!fit("a\n...\nb", "a\nx") && !fit("a [..] b", "a x y c") && !fit("a", "a\nb") && !fit("", "a"));
    assert_eq!(plain("  0192f3a4-5b6c  work   12.5 MiB (in 2h)"), "  ID work N.N MiB (in Nh)");
    assert_eq!(plain("token  mmcp_inst_0aZ, feedface"), "token TOKEN, feedface");
}

#[test]
fn no_command_reads_what_it_is_given_as_an_option_that_holds_everywhere() {
    fn look(command: &clap::Command, global: &[String]) {
        let below: Vec<_> = command.get_subcommands().collect();
        for each in below {
            for argument in each.get_arguments().filter(|argument| !argument.is_global_set()) {
                let id = argument.get_id().as_str();
                // `serve` has a data directory of its own, which is the same one.
                let is_meant = each.get_name() == "serve" && id == "data_dir";
                assert!(is_meant || !global.iter().any(|known| known == id), "{}: {id}", each.get_name());
            }
            look(each, global);
        }
    }
    let cli = Cli::command();
    let global: Vec<String> = cli
        .get_arguments()
        .filter(|argument| argument.is_global_set())
        .map(|argument| argument.get_id().to_string())
        .collect();
    assert!(global.contains(&"url".to_owned()), "{global:?}");
    look(&cli, &global);
}
