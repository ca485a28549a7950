//! Who belongs to a tree, and that it ends where nothing but looking finds it.

use super::*;

#[test]
fn a_tree_holds_the_descendants_of_its_members_in_whatever_order_they_are_seen() {
    let all = |member: u32| {
        [(21, 20), (20, 1), (12, 11), (11, 10), (10, 1), (1, 0)].map(|(pid, parent)| {
            let (group, session, ended) = (pid, pid, false);
            let (cpu_ticks, threads, start_ticks, resident_pages) = (0, 1, 1, 1);
            let stat =
                Stat { pid, ended, parent, group, session, cpu_ticks, threads, start_ticks, resident_pages };
            (stat, pid == member)
        })
    };
    assert_eq!(belonging(&all(10)), [10, 11, 12]);
    assert_eq!(belonging(&all(20)), [20, 21]);
    assert_eq!(belonging(&all(30)), [0; 0]);
}

/// A tree that forks for ever, each process for a moment and in a session of its own, and that is found by its
/// word alone. It ends by itself after a minute.
fn forking(nonce: &str) -> Tree {
    let script = "import os, signal, time\nend = time.monotonic() + 60\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                  while time.monotonic() < end:\n    if os.fork():\n        os._exit(0)\n    os.setsid()\n    \
                  time.sleep(0.001)\n";
    let mut program = std::process::Command::new("python3");
    let child = program.args(["-c", script]).env_clear().env("PATH", "/usr/bin:/usr/local/bin");
    let mut child = child.env("MCP_NONCE", nonce).spawn().unwrap();
    let start_ticks = Stat::of(child.id()).unwrap().start_ticks;
    // It has begun to fork.
    child.wait().unwrap();
    let marker = format!("MCP_NONCE={nonce}");
    Tree { leader: None, pid: child.id(), start_ticks, marker, group: None }
}

#[test]
fn what_forks_for_ever_is_found_and_ended_without_a_control_group() {
    for round in 0..10 {
        let tree = forking(&format!("forking-{}-{round}", std::process::id()));
        assert!(tree.end(Duration::from_secs(30)), "round {round}");
        for _ in 0..20 {
            assert_eq!(tree.looked_for(), [0; 0], "round {round}");
        }
    }
}
