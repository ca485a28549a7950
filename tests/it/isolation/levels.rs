//! What is said, and refused, where not everything is to be had.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use minimcp_actors::launch::cgroup::{Cgroups, Enforced, Use};
use minimcp_actors::launch::record::RunDir;
use seccompiler::{SeccompAction, SeccompFilter};
use serde_json::{Value, json};

use crate::ground::eventually;
use crate::process::{Daemon, MINIMCP, id, pid};

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

/// What `doctor` finds of the isolation, run by this user on a kernel without these calls.
fn found(dir: &Path, user: Option<u32>, without: &'static [i64], settings: &[(&str, &str)]) -> Value {
    finding("isolation", dir, user, without, settings)
}

fn finding(
    name: &str,
    dir: &Path,
    user: Option<u32>,
    without: &'static [i64],
    settings: &[(&str, &str)],
) -> Value {
    let program = dir.join("minimcp");
    if !program.exists() {
        // Where the build lies, that user may have no business.
        std::fs::copy(MINIMCP, &program).unwrap();
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(program);
    command.args(["doctor", "--json", "--data-dir", "absent"]).current_dir(dir).env_clear();
    command.envs(settings.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    // A filter is inherited by what the thread starts, and by nothing else.
    let run = std::thread::spawn(move || {
        if !without.is_empty() {
            let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
            let rules: BTreeMap<_, _> = without.iter().map(|call| (*call, Vec::new())).collect();
            let arch = std::env::consts::ARCH.try_into().unwrap();
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, missing, arch).unwrap();
            let program: seccompiler::BpfProgram = filter.try_into().unwrap();
            seccompiler::apply_filter(&program).unwrap();
        }
        command.output().unwrap()
    });
    let output = run.join().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name).unwrap_or_else(|| panic!("{report}")).clone()
}

#[test]
fn who_keeps_the_limits_is_named_with_what_is_in_the_way_and_what_to_do() {
    assert!(rustix::process::geteuid().is_root(), "run as root, or there is nothing to take away");
    let dir = tempfile::tempdir().unwrap();
    let look = |user, settings: &[(&str, &str)]| finding("limits", dir.path(), user, &[], settings);
    let measured =
        "trees end by process scan, memory is kept by sampling, cpu by sampling, tasks by sampling";
    for (found, why) in [
        (look(Some(NOBODY), &[]), "Permission denied"),
        (look(None, &[("MINIMCP_CGROUPS", "off")]), "the setting cgroups is off"),
    ] {
        let detail = found["detail"].as_str().unwrap();
        assert!(detail.starts_with(measured) && detail.contains(why), "{found:#}");
        assert_eq!(found["level"], "warn");
        assert!(found["mend"].as_str().unwrap().contains("Delegate="), "{found:#}");
    }
    // As root there is more, and it is what the daemon's own groups come to.
    let runs = RunDir::open(dir.path().join("run")).unwrap();
    let cgroups = Cgroups::open(Use::Auto, None, runs.path());
    let Enforced { memory, cpu, tasks } = cgroups.enforced();
    cgroups.close();
    let found = look(None, &[]);
    let kept = format!(
        "memory is kept by {}, cpu by {}, tasks by {}",
        memory.as_str(),
        cpu.as_str(),
        tasks.as_str()
    );
    assert!(found["detail"].as_str().unwrap().contains(&kept), "{kept}: {found:#}");
}

#[test]
fn what_the_kernel_or_the_user_lacks_is_named_and_changes_the_level() {
    assert!(rustix::process::geteuid().is_root(), "run as root, or there is nothing to take away");
    let dir = tempfile::tempdir().unwrap();
    let look = |user, without, settings: &[(&str, &str)]| found(dir.path(), user, without, settings);
    const LANDLOCK: &[i64] = &[libc::SYS_landlock_create_ruleset];
    const SECCOMP: &[i64] = &[libc::SYS_seccomp];
    const MOUNTS: &[i64] = &[libc::SYS_mount];
    type Row = (
        Option<u32>,
        &'static [i64],
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static [&'static str],
    );
    let table: &[Row] = &[
        (None, &[], &[], "strong", &[]),
        (None, LANDLOCK, &[], "weak", &["files (", "ports (", "scopes ("]),
        (None, SECCOMP, &[], "weak", &["syscalls ("]),
        // The data directory will be closed to others, and without mounts no other user gets to its home in there.
        (None, MOUNTS, &[], "medium", &["private_mounts (", "own_user (without private_mounts"]),
        (None, &[], &[("MINIMCP_ISOLATION_MODE", "off")], "weak", &["own_user (isolation.mode is off)"]),
        (
            None,
            &[],
            &[("MINIMCP_ISOLATION_RUN_AS", "1001:1001")],
            "weak",
            &["own_user (all share the user 1001)"],
        ),
        (
            Some(NOBODY),
            &[],
            &[],
            "medium",
            &["own_user (the daemon does not run as root)", "private_mounts ("],
        ),
        (Some(NOBODY), LANDLOCK, &[], "weak", &["own_user (", "files ("]),
    ];
    for (user, without, settings, level, missing) in table {
        let found = look(*user, without, settings);
        let detail = found["detail"].as_str().unwrap();
        assert!(detail.starts_with(level), "{user:?} without {without:?} and with {settings:?}: {found}");
        for words in *missing {
            assert!(detail.contains(words), "{words} is missing in {detail}");
        }
        assert_eq!(found["level"], if *level == "weak" { "warn" } else { "ok" });
    }
    assert!(!dir.path().join("absent").exists(), "it has left no trace");
    let clash = look(None, &[], &[("MINIMCP_ISOLATION_UID_BASE", "60000")]);
    assert_eq!(clash["level"], "fail", "nobody has 65534: {clash}");
    assert!(clash["detail"].as_str().unwrap().contains("belong to nobody"), "{clash}");
}

#[tokio::test]
async fn where_servers_are_not_kept_apart_there_is_one_user_only_unless_that_is_accepted() {
    let mut daemon = Daemon::with(&["isolation.mode=off"], &[]).await;
    let refused = daemon.send("POST", "/v1/users", Some(json!({"name": "second"}))).await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("weak_isolation")), "{refused:?}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("MINIMCP_ISOLATION_ALLOW_WEAK"));
    assert_eq!(daemon.get("/v1/system/isolation").await.json()["level"], "weak");
    daemon.terminate().await;

    daemon.environment("MINIMCP_ISOLATION_ALLOW_WEAK", Some("1"));
    daemon.serve().await;
    assert_eq!(daemon.send("POST", "/v1/users", Some(json!({"name": "second"}))).await.status, 201);
    daemon.terminate().await;

    daemon.environment("MINIMCP_ISOLATION_ALLOW_WEAK", None);
    let output = daemon.serve_command().stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("would not be kept apart") && said.contains("isolation.mode is off"), "{said}");
}

#[tokio::test]
async fn without_root_servers_of_one_user_are_still_kept_apart() {
    let mut daemon = Daemon::unstarted(&[], &[]);
    chown(daemon.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let nobody = NOBODY.to_string();
    daemon.around(&["setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    daemon.serve().await;
    daemon.faulty("plain", &["env"]).await;
    let victim = daemon.running("plain", "victim").await;
    assert_eq!(victim["isolation"]["level"], "medium", "{victim:#}");
    assert_eq!(super::status(pid(&victim), "Uid"), [&*nobody; 4].join("\t"));
    let data = |path: &str| daemon.data().join(path).to_str().unwrap().to_owned();
    let home = data(&format!("run/{}", id(&victim)));
    let (server, above) = (pid(&victim), daemon.pid());
    let wanted = json!({
        "read": [format!("/proc/{server}/environ"), format!("/proc/{server}/mem"), format!("/proc/{server}/cmdline"),
            format!("/proc/{above}/environ"), data("minimcp.db"), data("master.key"), data("admin.token"),
            data("audit/audit.jsonl"), "/etc/passwd", "/etc/hosts"],
        "list": [data(""), home, "/tmp", "/proc", "/home"],
        "write": [format!("{home}/planted"), data("planted"), "/tmp/planted"],
        "kill": [server.to_string(), above.to_string()],
        "ports": [45_124],
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/isolation/probe.mjs");
    daemon
        .add_type(&format!(
            "name = \"hostile\"\ndisplay_name = \"Hostile\"\ncommand = \"node\"\nargs = [{script:?}]\n\
             env = {{ TRY = {:?} }}\n[health_check]\nkind = \"http\"\nendpoint = \"/health\"\n",
            wanted.to_string()
        ))
        .await;
    let hostile = daemon.running("hostile", "hostile").await;
    let owner = hostile["user_id"].as_str().unwrap();
    let log = data(&format!("logs/users/user_{owner}/mcp_{}_hostile.output/stdout.log", id(&hostile)));
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually("it has tried", || said().ends_with('\n')).await;
    let said: Value = serde_json::from_str(&said()).unwrap();
    let mut allowed = Vec::new();
    for kind in ["read", "list", "write", "kill", "ports"] {
        let tried = said[kind].as_object().unwrap();
        allowed.extend(tried.iter().filter(|(_, came)| *came == "done").map(|(name, _)| name.clone()));
    }
    assert_eq!(allowed, ["/etc/hosts"], "{said:#}");
    assert_eq!(said["directory"], "done", "it is told where its temporary files go");
}
