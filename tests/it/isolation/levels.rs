//! What is said, and refused, where not everything is to be had.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use seccompiler::{SeccompAction, SeccompFilter};
use serde_json::{Value, json};

use crate::process::{Daemon, MINIMCP};

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

/// What `doctor` finds of the isolation, run by this user on a kernel without these calls.
fn found(dir: &Path, user: Option<u32>, without: &'static [i64], settings: &[(&str, &str)]) -> Value {
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
    checks.find(|check| check["name"] == "isolation").unwrap_or_else(|| panic!("{report}")).clone()
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
