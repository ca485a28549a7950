//! Keeps a program alive and to itself, without database and HTTP: `cargo run --example supervise -- /bin/sleep 2`
//! Every restart is printed; Ctrl-C ends the program with its whole tree. Run as root, each program has a user of its
//! own; without, Landlock and seccomp keep it from what is not its own.

use std::path::PathBuf;
use std::sync::Arc;

use minimcp_actors::launch::cgroup::{Cgroups, Use};
use minimcp_actors::launch::isolation::{Isolation, Options};
use minimcp_actors::launch::local::LocalLauncher;
use minimcp_actors::launch::logs::{LogKeeper, Rotation};
use minimcp_actors::launch::{Plan, Probe, Reach, Spec, gate, record::RunDir};
use minimcp_actors::{ActorThread, Config, policy::Policy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate = gate::entry(); // has to come first: children are spawned through this program
    let dir = tempfile::tempdir()?;
    let isolation = Isolation::probe(&gate, Options::new(dir.path().join("uids.json")))?;
    #[expect(clippy::print_stdout, reason = "it is what the example is for")]
    {
        println!("isolation is {}; missing: {:?}", isolation.report().level, isolation.report().gaps());
    }
    tokio::runtime::Runtime::new()?.block_on(supervise(gate, isolation, dir.path().to_owned()))
}

async fn supervise(
    gate: gate::Gate,
    isolation: Isolation,
    dir: PathBuf,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let program = args.next().ok_or("usage: supervise PROGRAM [ARGUMENT...]")?.into();
    let log = Config::default().log;
    let logs = LogKeeper::start(Rotation::default(), log.clone())?;
    let runs = RunDir::open(dir.join("run"))?;
    let cgroups = Cgroups::open(Use::Auto, None, runs.path());
    let launcher = LocalLauncher::new(gate, runs, logs, log).in_cgroups(cgroups).isolated(isolation);
    let (supervision, actors) = ActorThread::spawn(Config::default(), Arc::new(launcher)).await?;

    let mut transitions = supervision.registry().subscribe();
    let planner = Plan {
        program,
        args: args.collect(),
        env: Vec::new(),
        sealed: Vec::new(),
        cwd: dir.join("home"),
        log_dir: dir.join("logs"),
        reach: Reach { readable: Vec::new(), writable: vec![dir.join("home")] },
    };
    let policy = Policy::default();
    let spec = Spec::new("example", policy, Probe::Process, Arc::new(planner));
    supervision.create(spec).await?;
    loop {
        tokio::select! {
            Ok(moved) = transitions.recv() => {
                let now = &moved.snapshot;
                #[expect(clippy::print_stdout, reason = "it is what the example is for")]
                { println!("run {} is {}: {} (pid {:?})", now.run, now.status, now.reason, now.pid) }
                if now.status.is_ended() { break }
            }
            _ = tokio::signal::ctrl_c() => supervision.shutdown(false).await,
        }
    }
    Ok(actors.stop().await?)
}
