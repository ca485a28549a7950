//! A disk whose power goes: what was never synced is gone, and every process with it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::{Daemon, id, rounds};
use crate::ground::{eventually, is_alive, signal};

/// Instances at a time, most of which are restored after each cut.
const INSTANCES: usize = 20;

/// A file system that can lose its power: ext4 on a loop device.
struct Disk {
    place: TempDir,
    cutter: Option<Child>,
}

/// Waits for a line, then stops the file system as ext4's `EXT4_IOC_SHUTDOWN` does without flushing its journal.
const CUTTER: &str = "import fcntl, os, struct, sys\n\
                      disk = os.open(sys.argv[1], os.O_RDONLY)\n\
                      sys.stdin.readline()\n\
                      fcntl.ioctl(disk, 0x8004587D, struct.pack('I', 2))\n";

impl Disk {
    fn new() -> Self {
        let disk = Self { place: tempfile::tempdir().unwrap(), cutter: None };
        std::fs::File::create(disk.image()).unwrap().set_len(256 << 20).unwrap();
        run("mkfs.ext4", &["-q".as_ref(), disk.image().as_ref()]);
        std::fs::create_dir(disk.root()).unwrap();
        disk
    }

    fn image(&self) -> PathBuf {
        self.place.path().join("image")
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("root")
    }

    /// Gives it power: what is on it is there as it was synced.
    fn mount(&mut self) {
        run("mount", &["-o".as_ref(), "loop".as_ref(), self.image().as_ref(), self.root().as_ref()]);
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(self.root(), own).unwrap();
        let cutter =
            Command::new("python3").args(["-c", CUTTER]).arg(self.root()).stdin(Stdio::piped()).spawn();
        self.cutter = Some(cutter.unwrap());
    }

    /// Takes its power. From here on nothing is written to it.
    fn cut(&mut self) {
        let mut cutter = self.cutter.take().expect("it has power");
        cutter.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(cutter.wait().unwrap().success());
    }

    fn unmount(&self) {
        run("umount", &[self.root().as_ref()]);
    }
}

impl Drop for Disk {
    /// Leaves no mount, also when a test failed.
    fn drop(&mut self) {
        if let Some(mut cutter) = self.cutter.take() {
            let _ = cutter.kill();
            let _ = cutter.wait();
        }
        let _ = Command::new("umount").arg("--lazy").arg(self.root()).stderr(Stdio::null()).status();
    }
}

fn run(program: &str, args: &[&Path]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What was acknowledged.
#[derive(Default)]
struct Ledger {
    types: Vec<String>,
    instances: Vec<String>,
    removed: Vec<String>,
}

impl Ledger {
    /// One write after the other, so that nothing is under way when the power goes right behind the last answer.
    async fn write(&mut self, daemon: &Daemon, count: u64, round: u64) {
        for n in 0..count {
            let name = format!("w-{round}-{n}");
            let answer = daemon.write(&name).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            self.types.push(name);
            if n % 4 == 1 {
                let made = daemon.send("POST", "/v1/instances", Some(json!({"mcp_type": "light"}))).await;
                assert_eq!(made.status, 201, "{made:?}");
                self.instances.push(id(&made.json()));
            }
            if n % 8 == 7 || self.instances.len() > INSTANCES {
                let gone = self.instances.remove(0);
                let answer = daemon.send("DELETE", &format!("/v1/instances/{gone}"), None).await;
                assert_eq!(answer.status, 204, "{answer:?}");
                self.removed.push(gone);
            }
        }
    }

    async fn holds(&self, daemon: &Daemon, when: &str) {
        assert_eq!(daemon.lost(&self.types).await, [""; 0], "{when}");
        let list = daemon.get("/v1/instances?limit=500").await.json();
        let mut found: Vec<String> = list["items"].as_array().unwrap().iter().map(id).collect();
        let mut known = self.instances.clone();
        found.sort_unstable();
        known.sort_unstable();
        assert_eq!(found, known, "{when}: none lost, and none of {} that were removed", self.removed.len());
    }
}

fn servers_end(servers: &[u32]) {
    servers.iter().for_each(|pid| signal(*pid, "KILL"));
}

#[tokio::test]
#[ignore = "mounts a loop device, which few containers may; make soak runs it, docs/faults.md F2 has the results"]
async fn whatever_was_acknowledged_survives_power_cuts() {
    let rounds = rounds(3);
    let seed =
        std::env::var("MINIMCP_TEST_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut disk = Disk::new();
    disk.mount();
    let mut daemon = Daemon::unstarted(&["quota.max-instances=1000", "quota.max-running=1000"], &[]);
    std::os::unix::fs::symlink(disk.root(), daemon.data()).unwrap();
    let mut ledger = Ledger::default();
    daemon.serve().await;
    daemon.light().await;
    let mut token = None;
    for round in 0..rounds {
        let when = format!("round {round} of seed {seed}");
        // What nobody syncs shows that the cut is one.
        let unsynced = disk.root().join(format!("unsynced-{round}"));
        std::fs::write(&unsynced, "not for long").unwrap();
        ledger.write(&daemon, random.u64(1..60), round).await;
        disk.cut();
        let servers = daemon.servers();
        daemon.kill();
        servers_end(&servers);
        eventually("they are gone", || !servers.iter().copied().any(is_alive)).await;
        disk.unmount();

        disk.mount();
        assert!(std::fs::read(&unsynced).map_or(true, |text| text.is_empty()), "{when}: it was no power cut");
        daemon.serve().await;
        ledger.holds(&daemon, &when).await;
        let admin = std::fs::read_to_string(daemon.data().join("admin.token")).unwrap();
        assert_eq!(*token.get_or_insert(admin.clone()), admin, "{when}");
    }
    let told = daemon.cli(&["audit", "verify"]).await.done();
    assert!(told.starts_with("All "), "{told}");
    let Ledger { types, instances, removed } = &ledger;
    super::show(&format!(
        "{rounds} power cuts, {} types and {} instances written and {} removed, 0 lost, 0 back; {}",
        types.len(),
        instances.len() + removed.len(),
        removed.len(),
        told.trim()
    ));
    assert_eq!(daemon.terminate().await.code(), Some(0));
}
