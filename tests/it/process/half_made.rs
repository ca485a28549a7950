//! A first start that is killed while it makes its database.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal};

use super::{Daemon, rounds};

/// Has the daemon killed by its `nth` write into a file, and says whether it was. One that was not has ended too.
fn killed_at(daemon: &mut Daemon, call: &str, nth: u64) -> bool {
    let when = format!("--inject={call}:signal=KILL:when={nth}");
    let trace = format!("--trace={call}");
    daemon.around(&["strace", "-f", "-qqq", "-o", "/dev/null", &trace, &when]);
    let mut command: Command = daemon.serve_command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let listens = daemon.data().join("daemon.url");
    let killed = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break !status.success();
        }
        if listens.exists() {
            break false;
        }
        std::thread::yield_now();
    };
    // Without its tracer the daemon would live on.
    let traced =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
    for pid in traced.split_ascii_whitespace() {
        let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
    child.wait().unwrap();
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_at_any_write_is_followed_by_one_that_works() {
    let words = Command::new("strace").arg("-V").output();
    assert!(words.is_ok(), "strace is not there; install the package strace");
    let random = fastrand::u64(1..12);
    let mut kills = 0;
    for round in 0..rounds(8) {
        let mut daemon = Daemon::unstarted(&[], &[]);
        let nth = random + round * 12;
        let was_killed = tokio::task::block_in_place(|| killed_at(&mut daemon, "pwrite64", nth));
        kills += u64::from(was_killed);
        let is_past_the_last = !was_killed;
        daemon.around(&[]);
        let _ = std::fs::remove_file(daemon.data().join("daemon.url"));
        daemon.serve().await;
        assert_eq!(daemon.write("after").await.status, 201, "killed at write {nth}");
        assert!(daemon.terminate().await.success());
        if is_past_the_last {
            break;
        }
    }
    assert!(kills > 0, "none was killed");
}
