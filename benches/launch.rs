//! What the launcher adds to a spawn, with and without isolation, beside the bare spawn of the same program in the
//! same run: `cargo bench --bench launch -- [ROUNDS]`
//!
//! Run as root for all layers and control groups. Figures go to stdout as Markdown.
#![allow(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use minimcp_actors::launch::cgroup::{Cgroups, Use};
use minimcp_actors::launch::gate::Gate;
use minimcp_actors::launch::isolation::{Isolation, Options, Users};
use minimcp_actors::launch::local::LocalLauncher;
use minimcp_actors::launch::logs::{LogKeeper, Rotation};
use minimcp_actors::launch::record::RunDir;
use minimcp_actors::launch::{Launch, Launcher, Plan, Probe, Reach, Spec};
use minimcp_actors::policy::Policy;
use minimcp_actors::state::{Exit, Run};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

const PROGRAM: &str = "/bin/true";
const ROUNDS: usize = 400;

/// What a launch took.
#[derive(Debug, Clone, Copy)]
struct Took {
    /// Until the program had ended.
    program: Duration,
    /// Until it was known that nothing of its tree is left.
    tree: Duration,
}

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
        let cgroups = Cgroups::open(Use::Auto, None, runs.path());
        Ok(LocalLauncher::new(gate.clone(), runs, logs, log).isolated(isolation).in_cgroups(cgroups))
    };
    let launchers = [
        ("gate alone", launcher("alone", Isolation::none("bench"))?),
        ("gate, the layers without root", launcher("within", within)?),
        ("gate, every layer", launcher("all", isolation)?),
    ];
    let mut all = vec![Vec::new(); 1 + launchers.len()];
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
            all.iter_mut().zip(took).for_each(|(all, one)| all.push(one));
        }
    }
    println!(
        "| {PROGRAM}, {rounds} each | from spawn to its end, median ms | p25 | p95 | added to bare, median ms | until its tree is known to be gone, median ms |"
    );
    println!("|---|---|---|---|---|---|");
    let names = std::iter::once("bare spawn").chain(launchers.iter().map(|(name, _)| *name));
    let programs: Vec<Vec<Duration>> =
        all.iter().map(|took| took.iter().map(|took| took.program).collect()).collect();
    let base = quantile(&programs[0], 0.5);
    for ((name, took), programs) in names.zip(&all).zip(&programs) {
        let [median, p25, p95] = [0.5, 0.25, 0.95].map(|part| quantile(programs, part));
        let trees: Vec<Duration> = took.iter().map(|took| took.tree).collect();
        let tree = quantile(&trees, 0.5);
        println!("| {name} | {median:.2} | {p25:.2} | {p95:.2} | {:.2} | {tree:.2} |", median - base);
    }
    for (_, launcher) in &launchers {
        launcher.close();
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

async fn launch(launcher: &LocalLauncher, spec: &Spec, round: usize) -> anyhow::Result<Took> {
    let launch = Launch { id: spec.id, run: Run(round as u64 + 1), port: None, nonce: String::new() };
    let begun = Instant::now();
    let process = launcher.launch(spec, launch).await?;
    // One that has no id any more has ended already.
    if let Ok(pidfd) = pidfd(process.record().identity.pid) {
        pidfd.readable().await?.retain_ready();
    }
    let program = begun.elapsed();
    let exit = process.ended().await;
    let tree = begun.elapsed();
    anyhow::ensure!(exit == Exit::Code(0), "{exit:?}: {}", process.stderr_tail().await);
    Ok(Took { program, tree })
}

#[expect(unsafe_code, reason = "registering a descriptor with the reactor is unsafe in tokio since 1.54")]
fn pidfd(pid: u32) -> anyhow::Result<AsyncFd<OwnedFd>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process id")?;
    // SAFETY: the descriptor is owned by what is returned, and nothing takes it out.
    Ok(unsafe { AsyncFd::register(pidfd_open(pid, PidfdFlags::NONBLOCK)?) }?)
}

/// The same program with files for its output, by way of no stage.
async fn spawn(dir: &Path) -> anyhow::Result<Took> {
    let file = |name| std::fs::File::options().create(true).append(true).open(dir.join(name));
    let begun = Instant::now();
    let (out, err) = (file("stdout.log")?, file("stderr.log")?);
    let spawned = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(PROGRAM);
        command.env_clear().stdin(Stdio::null()).stdout(out).stderr(err).spawn()?.wait()
    });
    anyhow::ensure!(spawned.await.context("the bare spawn panicked")??.success(), "{PROGRAM} failed");
    let took = begun.elapsed();
    Ok(Took { program: took, tree: took })
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
