//! Of a run nothing is left, whichever way it ends and whatever its processes do to stay: they leave their session,
//! ignore signals, are stopped, hide behind wrappers, or fork for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use minimcp_actors::launch::cgroup::{Cgroups, Use};
use minimcp_actors::launch::record::RunDir;
use minimcp_actors::launch::{Probe, Record, Spec};
use minimcp_actors::message::{Fate, Past};
use minimcp_actors::policy::RestartPolicy;
use minimcp_actors::state::{Cause, Command, Run, Status};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ground::{Ground, eventually, is_alive, signal};

/// What the children do to stay, and how many processes there are then, the first one and a wrapper's two included.
const WORDS: [&str; 5] = ["daemon", "fork-for-ever", "stopped", "deaf", "wrapped"];
const LEAST: usize = 7;
/// From SIGTERM to SIGKILL here.
const GRACE: Duration = Duration::from_millis(500);
/// From the end of the grace until nothing is left, on a machine that is busy with other tests. Alone it takes
/// milliseconds.
const THEN: Duration = Duration::from_secs(3);

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Stop,
    Kill,
    Delete,
    Crash,
    Lease,
    StartTimeout,
    OverLimit,
    Shutdown,
    /// Adopted by later actors, and then stopped.
    Adopted,
    /// Found by later actors without its first process.
    Lost,
}

fn python() -> PathBuf {
    let candidates = ["/usr/bin/python3", "/usr/local/bin/python3"];
    candidates.map(PathBuf::from).into_iter().find(|path| path.is_file()).expect("python3 is installed")
}

pub(crate) fn escape(ground: &Ground, words: &[&str]) -> Spec {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tree/escape.py");
    let mut args = vec![script.to_str().unwrap().to_owned()];
    args.extend(words.iter().map(ToString::to_string));
    let mut spec = ground.spec(python(), args, Probe::Process);
    spec.policy.restart = RestartPolicy::Temporary;
    spec
}

/// The live processes that were started for an instance, by what is in their environment.
pub(crate) fn processes_of(id: Uuid) -> Vec<u32> {
    let marker = format!("MCP_ID={id}");
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|word| word == marker.as_bytes()))
        })
        .filter(|pid| is_alive(*pid))
        .collect()
}

fn only_record(ground: &Ground) -> Record {
    RunDir::open(ground.path("run")).unwrap().records().unwrap().0.pop().expect("a run is recorded")
}

async fn ends_without_a_trace(groups: Use, way: Way) {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut ground = Ground::grouped(groups, Arc::clone(&dir), |_| {}).await;
    let mut spec = escape(&ground, &WORDS);
    spec.policy.timing.grace = GRACE;
    let id = spec.id;
    match way {
        Way::Lease => spec.lease_ends_at = Some(chrono::Utc::now() + Duration::from_secs(5)),
        Way::StartTimeout => {
            spec.probe = Probe::Tcp;
            spec.policy.timing.start_timeout = Duration::from_secs(5);
        }
        Way::OverLimit => {
            spec.policy.limits.memory_bytes = Some(1);
            spec.policy.samples_over = 20;
        }
        _ => {}
    }
    ground.actors.create(spec.clone()).await.unwrap();
    eventually("every escape is under way", || processes_of(id).len() >= LEAST).await;
    let record = only_record(&ground);
    let when = format!("{groups:?}, {way:?}");
    let pid = ground.until(id, |now| now.pid.is_some() || now.status.is_ended()).await.pid;
    let adopt = Fate::Adopt { record: Box::new(record.clone()), restore: false };
    let past = Past { last_run: Run(1), restarts: 0, rests_since: None };

    let begin = Instant::now();
    match way {
        Way::Stop => {
            ground.actors.order(id, Command::Stop).await.unwrap();
            ground.status(id, Status::Stopped).await;
        }
        Way::Kill => {
            ground.actors.order(id, Command::Kill).await.unwrap();
            ground.status(id, Status::Stopped).await;
        }
        Way::Delete => ground.actors.remove(id).await.unwrap(),
        Way::Crash => {
            signal(pid.unwrap(), "KILL");
            ground.status(id, Status::Disconnected).await;
        }
        Way::Lease => {
            ground.status(id, Status::Expired).await;
        }
        Way::StartTimeout => {
            assert_eq!(ground.status(id, Status::Failed).await.cause, Cause::StartTimeout, "{when}");
        }
        Way::OverLimit => {
            let ended = ground.until(id, |now| now.status.is_ended()).await;
            assert_eq!(ended.cause, Cause::HighMemory, "{when}");
        }
        Way::Shutdown => ground.actors.shutdown(false).await,
        Way::Adopted => {
            ground.leave(true).await;
            eventually("all live on", || processes_of(id).len() >= LEAST).await;
            ground = Ground::grouped(groups, dir, |_| {}).await;
            ground.actors.recover(spec, past, adopt).await.unwrap();
            assert_eq!(ground.status(id, Status::Running).await.pid, pid, "{when}");
            ground.actors.order(id, Command::Stop).await.unwrap();
            ground.status(id, Status::Stopped).await;
        }
        Way::Lost => {
            ground.leave(true).await;
            signal(pid.unwrap(), "KILL");
            crate::ground::ended(pid.unwrap()).await;
            eventually("the others live on", || processes_of(id).len() >= LEAST - 1).await;
            ground = Ground::grouped(groups, dir, |_| {}).await;
            ground.actors.recover(spec, past, adopt).await.unwrap();
            assert_eq!(ground.status(id, Status::Disconnected).await.cause, Cause::Lost, "{when}");
        }
    }
    let took = begin.elapsed();
    assert_eq!(processes_of(id), [0; 0], "{when}: processes are left");
    if !matches!(way, Way::Lease | Way::StartTimeout | Way::OverLimit | Way::Adopted | Way::Lost) {
        assert!(took <= GRACE + THEN, "{when}: {took:?}");
    }
    assert_eq!(record.cgroups.is_empty(), groups == Use::Off, "{when}: {record:?}");
    for dir in record.cgroups {
        assert!(!dir.exists(), "{when}: {} is left", dir.display());
    }
    assert_eq!(std::fs::read_dir(ground.path("run")).unwrap().count(), 0, "{when}: a record is left");
    ground.leave(false).await;
}

/// Whether this machine lets us have such groups; without root it may not.
pub(crate) fn has(groups: Use) -> bool {
    let scratch = tempfile::tempdir().unwrap();
    let cgroups = Cgroups::open(groups, None, scratch.path());
    let has = cgroups.kills_trees();
    cgroups.close();
    has
}

async fn each_way(groups: Use) {
    if groups != Use::Off && !has(groups) {
        return;
    }
    for way in [
        Way::Stop,
        Way::Kill,
        Way::Delete,
        Way::Crash,
        Way::Lease,
        Way::StartTimeout,
        Way::Shutdown,
        Way::Adopted,
        Way::Lost,
    ] {
        ends_without_a_trace(groups, way).await;
    }
}

#[tokio::test]
async fn nothing_escapes_the_control_group_of_v2_on_any_way_to_end() {
    each_way(Use::V2).await;
}

#[tokio::test]
async fn nothing_escapes_the_control_groups_of_v1_on_any_way_to_end() {
    each_way(Use::V1).await;
}

#[tokio::test]
async fn nothing_escapes_without_control_groups_on_any_way_to_end() {
    each_way(Use::Off).await;
    ends_without_a_trace(Use::Off, Way::OverLimit).await;
}

#[tokio::test]
async fn a_test_that_fails_leaves_nothing_that_forks_for_ever() {
    for groups in [Use::V2, Use::V1, Use::Off] {
        if groups != Use::Off && !has(groups) {
            continue;
        }
        let ground = Ground::grouped(groups, Arc::new(tempfile::tempdir().unwrap()), |_| {}).await;
        let spec = escape(&ground, &WORDS);
        let id = spec.id;
        ground.actors.create(spec).await.unwrap();
        eventually("every escape is under way", || processes_of(id).len() >= LEAST).await;
        // As a panic does it: nobody takes leave.
        drop(ground);
        assert_eq!(processes_of(id), [0; 0], "{groups:?}");
    }
}

#[tokio::test]
async fn what_a_wrapper_leaves_behind_has_the_rest_of_the_grace() {
    let ground = Ground::new().await;
    // The shell is gone with SIGTERM; the server in it needs a moment to write down what it knows.
    let server = "import signal, sys, time\n\
                  def end(*_):\n    time.sleep(0.3)\n    print('written down', flush=True)\n    sys.exit(0)\n\
                  signal.signal(signal.SIGTERM, end)\nprint('serving', flush=True)\ntime.sleep(1000)";
    let script = "trap 'exit 0' TERM; \"$0\" -c \"$1\" & wait";
    let args = ["-c", script, python().to_str().unwrap(), server].map(str::to_owned).to_vec();
    let mut spec = ground.spec("/bin/sh".into(), args, Probe::Process);
    spec.policy.timing.grace = Duration::from_secs(60);
    let child = ground.running(spec).await;
    eventually("the server in it serves", || ground.log("stdout.log").contains("serving")).await;
    ground.actors.order(child.id, Command::Stop).await.unwrap();
    ground.status(child.id, Status::Stopped).await;
    assert!(ground.log("stdout.log").contains("written down"));
    assert_eq!(processes_of(child.id), [0; 0]);
    ground.leave(false).await;
}

#[tokio::test]
async fn what_is_left_in_a_control_group_of_ours_without_a_record_is_swept_and_nothing_else() {
    if !has(Use::V2) {
        return;
    }
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let first = Ground::grouped(Use::V2, Arc::clone(&dir), |_| {}).await;
    let (lost, kept) =
        (first.running(escape(&first, &WORDS)).await, first.running(escape(&first, &[])).await);
    eventually("every escape is under way", || processes_of(lost.id).len() >= LEAST).await;
    first.leave(true).await;
    let runs = RunDir::open(dir.path().join("run")).unwrap();
    std::fs::remove_file(runs.path().join(format!("{}.1.json", lost.id))).unwrap();

    let second = Ground::grouped(Use::V2, dir, |_| {}).await;
    let (records, _) = runs.records().unwrap();
    assert_eq!(second.launcher.sweep(&records).await, 1);
    assert_eq!(processes_of(lost.id), [0; 0]);
    assert!(is_alive(kept.pid.unwrap()));
    for record in records {
        second.launcher.put_down(record).await;
    }
    assert!(!is_alive(kept.pid.unwrap()));
    second.leave(false).await;
}
