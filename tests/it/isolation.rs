//! What instances cannot do to each other, to the daemon and to the machine, as each level promises it.

mod levels;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use minimcp_actors::launch::gate::Gate;
use minimcp_actors::launch::isolation::{Isolation, Layer, Level, Options, Users};
use minimcp_actors::launch::{Plan, Probe, Reach, Record, Spec, record::RunDir};
use minimcp_actors::policy::Policy;
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::Status;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ground::{Ground, eventually, node};

/// All that there is, with the table of users in this directory.
fn options(dir: &Path) -> Options {
    Options {
        users: Users::Own { base: None, count: 65_536, table: dir.join("uids.json") },
        private_mounts: true,
        max_tasks: 64,
        readable: Vec::new(),
        longest_run: Duration::from_secs(86_400),
        alarm_after: Duration::from_secs(60),
    }
}

fn gate() -> Gate {
    Gate::in_program(env!("CARGO_BIN_EXE_minimcp"))
}

/// Actors whose processes are isolated, in a directory that nobody else may enter.
async fn ground() -> Ground {
    assert!(rustix::process::geteuid().is_root(), "run as root, or there are no users to give");
    let dir = Arc::new(crate::ground::private_dir());
    isolated(Arc::clone(&dir), options(dir.path())).await
}

async fn isolated(dir: Arc<TempDir>, options: Options) -> Ground {
    let isolation =
        tokio::task::spawn_blocking(move || Isolation::probe(&gate(), options)).await.unwrap().unwrap();
    Ground::isolated(dir, |_| {}, isolation).await
}

/// An instance of this name that tries these things, with a home and logs of its own.
fn prober(ground: &Ground, name: &str, wanted: &Value) -> Spec {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/isolation/probe.mjs");
    let plan = Plan {
        program: node(),
        args: vec![script.to_str().unwrap().into()],
        env: vec![("TRY".into(), wanted.to_string().into())],
        sealed: Vec::new(),
        cwd: home(ground, name),
        log_dir: ground.path(name).join("logs/output"),
        reach: Reach {
            readable: vec![script],
            writable: vec![home(ground, name), ground.path(name).join("logs")],
        },
    };
    Spec::new("prober", Policy::default(), Probe::Process, Arc::new(plan))
}

fn home(ground: &Ground, name: &str) -> PathBuf {
    ground.path(name).join("home")
}

/// The instance once it has said what came of its attempts, and what that is.
async fn tried(ground: &Ground, name: &str, wanted: &Value) -> (Arc<Snapshot>, Value) {
    let instance = ground.running(prober(ground, name, wanted)).await;
    let output = ground.path(name).join("logs/output");
    let read = |file: &str| std::fs::read_to_string(output.join(file)).unwrap_or_default();
    eventually("it has tried", || {
        read("stdout.log").ends_with('\n') || read("stderr.log").contains("Node.js")
    })
    .await;
    let said = serde_json::from_str(&read("stdout.log"));
    (instance, said.unwrap_or_else(|_| panic!("it failed: {}", read("stderr.log"))))
}

fn status(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{status}")).trim().to_owned()
}

fn record(ground: &Ground, instance: &Snapshot) -> Record {
    let (records, _) = RunDir::open(ground.path("run")).unwrap().records().unwrap();
    records.into_iter().find(|record| record.id == instance.id).unwrap()
}

#[tokio::test]
async fn an_instance_has_a_user_of_its_own_and_no_privilege_and_says_so() {
    let ground = ground().await;
    let mut uids = Vec::new();
    for name in ["one", "two"] {
        let (instance, _) = tried(&ground, name, &json!({})).await;
        let pid = instance.pid.unwrap();
        let record = record(&ground, &instance);
        let uid = record.uid.unwrap().to_string();
        assert_eq!(status(pid, "Uid"), [&*uid; 4].join("\t"));
        assert_eq!(status(pid, "Gid"), [&*uid; 4].join("\t"));
        assert_eq!(status(pid, "Groups"), "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(pid, set), "0000000000000000", "{set}");
        }
        assert_eq!((&*status(pid, "NoNewPrivs"), &*status(pid, "Seccomp")), ("1", "2"));
        assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim(), "500");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let bound = |name: &str| -> Vec<&str> {
            let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_ascii_whitespace().take(2).collect()
        };
        assert_eq!(bound("Max core file size"), ["0", "0"]);
        assert_eq!(bound("Max open files"), ["4096", "4096"]);
        assert_eq!(bound("Max processes"), ["64", "64"]);
        assert_eq!(bound("Max locked memory"), ["65536", "65536"]);
        for unbound in ["Max address space", "Max data size", "Max file size"] {
            assert_eq!(bound(unbound), ["unlimited"; 2], "{unbound}");
        }
        let report = record.isolation.unwrap();
        assert_eq!(report.level, Level::Strong);
        assert_eq!(report.gaps(), ["lease_alarm: it has no lease"]);
        uids.push(uid);
    }
    assert_ne!(uids[0], uids[1]);
    ground.leave(false).await;
}
