//! How a process that was adopted has exited: the kernel tells where it can, and nobody guesses.

use minimcp_actors::launch::record::RunDir;
use minimcp_actors::launch::{Probe, Record, Spec};
use minimcp_actors::message::{Fate, Past};
use minimcp_actors::policy::RestartPolicy;
use minimcp_actors::state::{Command, Exit, Run, Status};

use crate::ground::{Ground, is_alive, signal};

const PAST: Past = Past { last_run: Run(1), restarts: 0, rests_since: None };

fn record(ground: &Ground) -> Record {
    RunDir::open(ground.path("run")).unwrap().records().unwrap().0.pop().unwrap()
}

/// A server that exits with the number that is written into its file.
fn waiting(ground: &Ground) -> Spec {
    let script = "while ! test -s code; do sleep 0.05; done; exit $(cat code)";
    let mut spec = ground.spec("/bin/sh".into(), vec!["-c".into(), script.into()], Probe::Process);
    spec.policy.restart = RestartPolicy::Temporary;
    spec
}

async fn adopted(spec: &Spec, first: Ground) -> Ground {
    first.running(spec.clone()).await;
    let second = Ground::in_dir(first.leave(true).await, |_| {}).await;
    let fate = Fate::Adopt { record: Box::new(record(&second)), restore: false };
    second.actors.recover(spec.clone(), PAST, fate).await.unwrap();
    second.status(spec.id, Status::Running).await;
    second
}

#[tokio::test]
async fn the_exit_code_of_an_adopted_process_is_told() {
    let first = Ground::new().await;
    let spec = waiting(&first);
    let second = adopted(&spec, first).await;
    std::fs::write(second.path("home/code"), "42").unwrap();
    let ended = second.until(spec.id, |now| now.status.is_ended()).await;
    // This program is its parent, though later actors than those that started it.
    assert_eq!(ended.last_exit.as_ref().map(|last| last.exit), Some(Exit::Code(42)));
    second.leave(false).await;
}

#[tokio::test]
async fn an_adopted_process_that_ends_content_is_not_started_again_where_that_is_its_end() {
    let first = Ground::new().await;
    let mut spec = waiting(&first);
    spec.policy.restart = RestartPolicy::Transient;
    let second = adopted(&spec, first).await;
    std::fs::write(second.path("home/code"), "0").unwrap();
    let ended = second.until(spec.id, |now| now.status.is_ended()).await;
    assert_eq!((ended.status, ended.run), (Status::Stopped, Run(1)));
    second.leave(false).await;
}

#[tokio::test]
async fn a_process_that_was_given_the_id_of_a_recorded_one_is_signalled_on_no_way() {
    let ground = Ground::new().await;
    let mut spec = ground.spec("/bin/sleep".into(), vec!["1000".into()], Probe::Process);
    spec.policy.restart = RestartPolicy::Temporary;
    let child = ground.running(spec.clone()).await;
    let pid = child.pid.unwrap();
    let dir = ground.leave(true).await;
    let second = Ground::in_dir(dir, |_| {}).await;
    let record = record(&second);
    signal(pid, "KILL");
    reap(pid);
    let Some(mut bystander) = with_id(pid) else {
        // Without root the kernel does not let us choose.
        return;
    };

    // Restore, stop, lease and removal of the instance whose process it was, and the record alone.
    let fate = Fate::Adopt { record: Box::new(record.clone()), restore: false };
    second.actors.recover(spec.clone(), PAST, fate).await.unwrap();
    second.status(spec.id, Status::Disconnected).await;
    second.actors.order(spec.id, Command::Kill).await.unwrap();
    second.status(spec.id, Status::Stopped).await;
    second.actors.remove(spec.id).await.unwrap();
    second.launcher.put_down(record.clone()).await;

    let mut leased = spec.clone();
    leased.lease_ends_at = Some(chrono::Utc::now() + std::time::Duration::from_millis(200));
    let fate = Fate::Adopt { record: Box::new(record), restore: false };
    second.actors.recover(leased, PAST, fate).await.unwrap();
    second.status(spec.id, Status::Expired).await;
    assert!(is_alive(pid), "the bystander lives");
    assert_eq!(bystander.try_wait().unwrap(), None);
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    second.leave(false).await;
}

/// Takes the end of a child of this program, so that its id is free.
fn reap(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap());
    rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()).unwrap();
}

/// A program of our own with this very process id, which the kernel gives to whoever comes next.
fn with_id(pid: u32) -> Option<std::process::Child> {
    for _ in 0..200 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).ok()?;
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        if child.id() == pid {
            return Some(child);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    None
}
