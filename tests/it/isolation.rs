//! What instances cannot do to each other, to the daemon and to the machine, as each level promises it.

mod leases;
mod levels;
mod ports;
mod servers;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minimcp_actors::launch::gate::Gate;
use minimcp_actors::launch::isolation::{Isolation, Level, Options, Users};
use minimcp_actors::launch::{Plan, Probe, Reach, Record, Spec, record::RunDir};
use minimcp_actors::policy::Policy;
use minimcp_actors::routes::Lane;
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::{Command, Status};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ground::{Ground, eventually, node};

/// All that there is, with the table of users in this directory.
fn options(dir: &Path) -> Options {
    Options::new(dir.join("uids.json"))
}

fn gate() -> Gate {
    Gate::in_program(env!("CARGO_BIN_EXE_minimcp"))
}

/// Actors whose processes are isolated, in a directory that nobody else may enter.
async fn ground() -> Ground {
    assert!(rustix::process::geteuid().is_root(), "run as root, or there are no users to give");
    let dir = Arc::new(private_dir());
    isolated(Arc::clone(&dir), options(dir.path())).await
}

/// A directory that nobody else may enter, and not below one that each instance has for itself.
fn private_dir() -> TempDir {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    tempfile::Builder::new().permissions(mode).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
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
    records.into_iter().find(|record| record.id == instance.id && record.run == instance.run).unwrap()
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
        let ignored = u64::from_str_radix(&status(pid, "SigIgn"), 16).unwrap();
        // Node ignores SIGPIPE and SIGXFSZ by itself; 32 and 33 are the C library's.
        assert_eq!(ignored & !(1 << 31 | 1 << 32), 1 << 12 | 1 << 24);
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

#[tokio::test]
async fn nothing_of_others_of_the_daemon_or_of_the_machine_can_be_read_changed_or_reached() {
    let ground = ground().await;
    let database = ground.path("minimcp.db");
    std::fs::write(&database, "everything").unwrap();
    let (victim, _) = tried(&ground, "victim", &json!({})).await;
    let (pid, daemon) = (victim.pid.unwrap(), std::process::id());
    let abstract_name = format!("minimcp-test-{daemon}");
    let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
    let _listening = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    // Others may read it, so what keeps the instance out is not its user.
    let shared = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::set_permissions(shared.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(shared.path().join("shared"), "for all").unwrap();
    let own = home(&ground, "hostile");
    let logs = ground.path("hostile").join("logs");
    let shown = |path: &Path| path.to_str().unwrap().to_owned();
    let wanted = json!({
        "read": ["/etc/passwd", "/etc/shadow", shown(&database), shown(&shared.path().join("shared")),
            shown(&home(&ground, "victim").join("file")), format!("/proc/{pid}/environ"), format!("/proc/{pid}/mem"),
            format!("/proc/{pid}/cmdline"), format!("/proc/{daemon}/environ"), "/proc/1/environ",
            shown(&ground.path("uids.json")), "/etc/hosts", "/proc/self/status", "/proc/meminfo"],
        "list": ["/", "/home", "/root", shown(ground.dir.path()), shown(&home(&ground, "victim")), shown(&own), "/usr/lib"],
        "write": [shown(&database), shown(&home(&ground, "victim").join("planted")), "/usr/planted", "/etc/planted",
            shown(&logs.join("output/stdout.log")), shown(&logs.join("app.log")), shown(&own.join("mine")), "/tmp/mine"],
        "truncate": [shown(&logs.join("output/stdout.log"))],
        "rename": [shown(&logs.join("output")), shown(&own.join("mine"))],
        "kill": [pid.to_string(), daemon.to_string(), "1"],
        "become": ["0"],
        "ports": [1, 8080, 45_123],
        "sockets": [abstract_name],
        "calls": {
            "ptrace": [libc::SYS_ptrace, 16, pid, 0, 0], "x32 ptrace": [521 | 0x4000_0000, 16, pid, 0, 0],
            "mount": [libc::SYS_mount, 0, 0, 0, 0, 0], "unshare": [libc::SYS_unshare, libc::CLONE_NEWUSER],
            "clone": [libc::SYS_clone, libc::CLONE_NEWUSER, 0, 0, 0, 0], "clone3": [libc::SYS_clone3, 0, 0],
            "bpf": [libc::SYS_bpf, 0, 0, 0], "io_uring": [libc::SYS_io_uring_setup, 1, 0],
            "keyctl": [libc::SYS_keyctl, 0, 0], "userfaultfd": [libc::SYS_userfaultfd, 0],
            "personality": [libc::SYS_personality, 0x004_0000], "which personality": [libc::SYS_personality, 0xffff_ffff_u32],
            "getpid": [libc::SYS_getpid]
        },
    });
    let (hostile, said) = tried(&ground, "hostile", &wanted).await;
    let outcome = |kind: &str, name: &str| {
        said[kind][name].as_str().unwrap_or_else(|| panic!("{kind} {name}: {said}")).to_owned()
    };

    let mut allowed = Vec::new();
    for kind in ["read", "list", "write", "truncate", "rename", "kill", "become", "ports", "sockets", "calls"]
    {
        let tried = said[kind].as_object().unwrap();
        allowed.extend(
            tried.iter().filter(|(_, came)| *came == "done").map(|(name, _)| format!("{kind} {name}")),
        );
    }
    allowed.sort();
    let mut expected = vec![
        "read /etc/hosts".to_owned(),
        "read /proc/meminfo".into(),
        "read /proc/self/status".into(),
        format!("list {}", shown(&own)),
        "list /usr/lib".into(),
        format!("write {}", shown(&own.join("mine"))),
        "write /tmp/mine".into(),
        format!("write {}", shown(&logs.join("app.log"))),
        format!("rename {}", shown(&own.join("mine"))),
        "calls getpid".into(),
        "calls which personality".into(),
    ];
    // Among temporary files it is one of the instance's own, with nothing in it but what was put back there.
    let among = ground.dir.path().strip_prefix("/tmp").ok().and_then(|below| below.iter().next());
    expected.extend(among.map(|_| format!("list {}", shown(ground.dir.path()))));
    expected.sort();
    assert_eq!(allowed, expected, "{said:#}");

    // Landlock, not the user, keeps it from what others may read. What lies in a directory for temporary files is not
    // even there.
    assert_eq!(outcome("read", "/etc/passwd"), "EACCES");
    let open_to_all = outcome("read", &shown(&shared.path().join("shared")));
    assert!(["EACCES", "ENOENT"].contains(&&*open_to_all), "{open_to_all}");
    assert_eq!(outcome("kill", &pid.to_string()), "EPERM");
    assert_eq!(outcome("ports", "45123"), "EACCES");
    assert_eq!(outcome("sockets", &abstract_name), "EPERM");
    for call in
        ["ptrace", "mount", "unshare", "clone", "bpf", "io_uring", "keyctl", "userfaultfd", "personality"]
    {
        assert_eq!(outcome("calls", call), "EPERM", "{call}");
    }
    assert_eq!(outcome("calls", "clone3"), "ENOSYS");
    assert_eq!(said["memory"], "done", "what servers ask about themselves works");
    assert_eq!(said["processes"], json!([hostile.pid.unwrap().to_string()]), "of others nothing is seen");
    let mut temporary: Vec<&str> =
        said["temporary"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    temporary.retain(|name| among.is_none_or(|among| among != *name));
    assert_eq!(temporary, ["mine"], "of the files of others nothing is seen");
    assert_eq!(said["directory"], "done");
    let foreign: Vec<&Value> = said["descriptors"]
        .as_object()
        .unwrap()
        .values()
        .filter(|target| {
            let target = target.as_str().unwrap();
            target.starts_with('/')
                && target != "/dev/null"
                && !target.starts_with(&shown(&logs))
                && !target.starts_with("/proc/")
        })
        .collect();
    assert_eq!(foreign, Vec::<&Value>::new(), "{said:#}");
    assert!(std::fs::read_dir(home(&ground, "victim")).unwrap().next().is_none());
    ground.leave(false).await;
}

#[tokio::test]
async fn an_instance_listens_on_its_own_port_and_keeps_its_user_over_runs_and_daemons() {
    let ground = ground().await;
    let spec = ground.faulty(&["env"]);
    let first = ground.running(spec.clone()).await;
    let told = crate::ground::get(first.port.unwrap(), "/env").await;
    assert_eq!(told["env"]["GREETING"], "hello");
    let uid = record(&ground, &first).uid.unwrap();
    let lane = ground.actors.routes().get(first.id).unwrap().lane();
    assert!(matches!(lane, Lane::Http { uid: Some(listening), .. } if listening == uid), "{lane:?}");
    ground.actors.order(first.id, Command::Restart).await.unwrap();
    let again = ground.until(first.id, |now| now.run.0 == 2 && now.status == Status::Running).await;
    assert_eq!(record(&ground, &again).uid, Some(uid));
    ground.actors.order(first.id, Command::Stop).await.unwrap();
    ground.status(first.id, Status::Stopped).await;
    let dir = ground.leave(false).await;
    let ground = isolated(Arc::clone(&dir), options(dir.path())).await;
    let later = ground.running(spec).await;
    assert_eq!(record(&ground, &later).uid, Some(uid));
    let isolation = later.isolation.clone().unwrap();
    assert_eq!(isolation.level, Level::Strong);
    ground.leave(false).await;
}

#[tokio::test]
async fn one_user_for_all_can_be_had_and_is_weak() {
    let dir = Arc::new(private_dir());
    let user = minimcp_actors::launch::isolation::User { uid: 1_001, gid: 1_001 };
    let ground = isolated(Arc::clone(&dir), Options { users: Users::All(user), ..options(dir.path()) }).await;
    for name in ["one", "two"] {
        let (instance, _) = tried(&ground, name, &json!({})).await;
        assert_eq!(status(instance.pid.unwrap(), "Uid"), ["1001"; 4].join("\t"));
        assert_eq!(status(instance.pid.unwrap(), "CapBnd"), "0000000000000000");
        let record = record(&ground, &instance);
        assert_eq!((record.uid, record.isolation.unwrap().level), (None, Level::Weak));
    }
    ground.leave(false).await;
}
