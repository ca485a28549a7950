//! What the launcher adds to a spawn, with and without isolation, beside the bare spawn of the same program in the
//! same run: `cargo bench --bench launch -- [ROUNDS]`
//!
//! Run as root for all layers. Figures go to stdout as Markdown.
#![allow(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use minimcp_actors::launch::gate::Gate;
use minimcp_actors::launch::isolation::{Isolation, Options, Users};
use minimcp_actors::launch::local::LocalLauncher;
use minimcp_actors::launch::logs::{LogKeeper, Rotation};
use minimcp_actors::launch::record::RunDir;
use minimcp_actors::launch::{Launch, Launcher, Plan, Probe, Reach, Spec};
use minimcp_actors::policy::Policy;
use minimcp_actors::state::Run;
use tokio::time::Instant;

const PROGRAM: &str = "/bin/true";
const ROUNDS: usize = 400;

fn main() -> anyhow::Result<()> {
    // The stage that every program of a daemon goes through, as large as it is there.
    let gate = Gate::in_program(env!("CARGO_BIN_EXE_minimcp"));
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(ROUNDS);
    tokio::runtime::Runtime::new()?.block_on(measure(gate, rounds))
}

async fn measure(gate: Gate, rounds: usize) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::new(dir.path().join("uids.json"));
    let isolation = Isolation::probe(&gate, options.clone())?;
    let within = Isolation::probe(&gate, Options { private_mounts: false, users: Users::Same, ..options })?;
    println!("isolation: {} ({})\n", isolation.report().level, isolation.report().gaps().join("; "));
    let launcher = |name: &str, isolation: Isolation| -> anyhow::Result<LocalLauncher> {
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let runs = RunDir::open(dir.path().join(name))?;
        let logs = LogKeeper::start(Rotation::default(), log.clone())?;
        Ok(LocalLauncher::new(gate.clone(), runs, logs, log).isolated(isolation))
    };
    let launchers = [
        ("gate alone", launcher("alone", Isolation::none("bench"))?),
        ("gate, the layers without root", launcher("within", within)?),
        ("gate, every layer", launcher("all", isolation)?),
    ];
    let mut bare = Vec::new();
    let mut launched = vec![Vec::new(); launchers.len()];
    let specs: Vec<Spec> =
        launchers.iter().map(|(name, _)| spec(&dir.path().join("homes").join(name))).collect();
    // Interleaved, so that what disturbs the one disturbs the others.
    for round in 0..rounds + 10 {
        let mut took = vec![spawn(dir.path()).await?];
        for ((_, launcher), spec) in launchers.iter().zip(&specs) {
            took.push(launch(launcher, spec, round).await?);
        }
        // The first rounds warm the caches, and give each instance its user and its home.
        if round >= 10 {
            bare.push(took[0]);
            launched.iter_mut().zip(&took[1..]).for_each(|(all, one)| all.push(*one));
        }
    }
    println!(
        "| {PROGRAM}, from spawn to end, {rounds} each | median ms | p25 | p95 | added to bare, median ms |"
    );
    println!("|---|---|---|---|---|");
    let base = quantile(&bare, 0.5);
    let names = std::iter::once("bare spawn").chain(launchers.iter().map(|(name, _)| *name));
    for (name, took) in names.zip(std::iter::once(&bare).chain(&launched)) {
        let [median, p25, p95] = [0.5, 0.25, 0.95].map(|part| quantile(took, part));
        println!("| {name} | {median:.2} | {p25:.2} | {p95:.2} | {:.2} |", median - base);
    }
    Ok(())
}

fn spec(dir: &Path) -> Spec {
    let plan = Plan {
        program: PROGRAM.into(),
        args: Vec::new(),
        env: Vec::new(),
        sealed: Vec::new(),
        cwd: dir.join("home"),
        log_dir: dir.join("logs"),
        reach: Reach { readable: Vec::new(), writable: vec![dir.join("home")] },
    };
    let lease_ends_at = Some(chrono::Utc::now() + Duration::from_secs(3_600));
    Spec { lease_ends_at, ..Spec::new("bench", Policy::default(), Probe::Process, Arc::new(plan)) }
}

async fn launch(launcher: &LocalLauncher, spec: &Spec, round: usize) -> anyhow::Result<Duration> {
    let launch = Launch { id: spec.id, run: Run(round as u64 + 1), port: None, nonce: String::new() };
    let begun = Instant::now();
    let process = launcher.launch(spec, launch).await?;
    let exit = process.ended().await;
    let took = begun.elapsed();
    anyhow::ensure!(
        exit == minimcp_actors::state::Exit::Code(0),
        "{exit:?}: {}",
        process.stderr_tail().await
    );
    Ok(took)
}

/// The same program with files for its output, by way of no stage.
async fn spawn(dir: &Path) -> anyhow::Result<Duration> {
    let file = |name| std::fs::File::options().create(true).append(true).open(dir.join(name));
    let begun = Instant::now();
    let (out, err) = (file("stdout.log")?, file("stderr.log")?);
    let spawned = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(PROGRAM);
        command.env_clear().stdin(Stdio::null()).stdout(out).stderr(err).spawn()?.wait()
    });
    anyhow::ensure!(spawned.await.context("the bare spawn panicked")??.success(), "{PROGRAM} failed");
    Ok(begun.elapsed())
}

/// In milliseconds.
fn quantile(took: &[Duration], part: f64) -> f64 {
    let mut sorted = took.to_vec();
    sorted.sort();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the list")]
    #[expect(clippy::cast_precision_loss, reason = "there are far fewer rounds than 2^52")]
    let at = ((sorted.len() - 1) as f64 * part).round() as usize;
    sorted[at].as_secs_f64() * 1_000.0
}
