//! What servers need of this machine: Node, their programs, ports and open files.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::catalog;
use crate::catalog::program::{Missing, Places, find, locate};
use crate::config::Settings;
use crate::machine::Machine;
use crate::packages;

/// The oldest Node that the servers are built for.
const OLDEST_NODE: u32 = 20;
/// Open files that a daemon with a few hundred instances needs.
const ENOUGH_FILES: u64 = 4_096;

/// Node: there, and new enough.
pub(super) async fn node(program: &Path) -> Finding {
    const NAME: &str = "node";
    let mend = format!("install Node {OLDEST_NODE} or newer, or say where it is: --set node=PATH");
    let shown = program.display();
    let run = tokio::process::Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let text = match tokio::time::timeout(Duration::from_secs(10), run).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(Err(error)) => return Finding::fail(NAME, format!("{shown}: {error}"), mend),
        Err(_) => return Finding::fail(NAME, format!("{shown} does not answer"), mend),
    };
    match major(&text) {
        Some(major) if major >= OLDEST_NODE => Finding::ok(NAME, format!("{text} at {shown}")),
        Some(_) => Finding::fail(NAME, format!("{text} at {shown} is too old"), mend),
        None => Finding::fail(NAME, format!("{shown} is no Node: it says {text:?}"), mend),
    }
}

/// Memory and processors.
pub(super) fn resources() -> Finding {
    const NAME: &str = "machine";
    match Machine::look() {
        Err(error) => Finding::warn(NAME, format!("it does not tell what it has: {error}"), "mount /proc"),
        Ok(machine) => {
            let detail = format!(
                "{} processors at a load of {:.1}; {} MiB of memory, {} of them available",
                machine.cpus,
                machine.load,
                machine.memory >> 20,
                machine.available >> 20
            );
            if machine.is_short_of_memory() {
                let mend =
                    "the kernel may end servers that are within their limits; have fewer, or add memory";
                return Finding::warn(NAME, detail, mend);
            }
            Finding::ok(NAME, detail)
        }
    }
}

/// Whether packages can be installed, and what there is of them.
pub(super) fn packages(settings: &Settings) -> Finding {
    const NAME: &str = "packages";
    let search_path = std::env::var("PATH").unwrap_or_default();
    let tools = [
        ("npm", "packages.npm", &settings.packages.npm),
        ("Python", "packages.python", &settings.packages.python),
    ];
    let missing: Vec<String> = tools
        .iter()
        .filter(|(.., program)| program.to_str().and_then(|program| find(program, &search_path)).is_none())
        .map(|(name, key, program)| format!("no {name} at {} ({key})", program.display()))
        .collect();
    let installed = packages::on_disk(&settings.data_dir.join("packages"));
    let names: Vec<String> =
        installed.iter().map(|manifest| format!("{}@{}", manifest.name, manifest.version)).collect();
    let list = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    let detail = format!("{} installed{list}", names.len());
    if missing.is_empty() {
        return Finding::ok(NAME, detail);
    }
    let mend = "types that name a package from there cannot be installed; install it, or say where it is";
    Finding::warn(NAME, format!("{detail}; {}", missing.join(", ")), mend)
}

/// The first number of a version such as `v20.1.0`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Whether the programs of the types that the daemon brings along are there.
pub(super) fn servers(settings: &Settings) -> Finding {
    const NAME: &str = "servers";
    let places = Places {
        node: settings.node.clone(),
        servers_dir: settings.servers_dir.clone(),
        search_path: std::env::var("PATH").unwrap_or_default(),
        packages_dir: settings.data_dir.join("packages"),
    };
    // Packages are installed when they are needed, and have a line of their own.
    let seeds: Vec<_> = catalog::seeds().into_iter().filter(|seed| seed.package.is_none()).collect();
    let missing: Vec<String> = seeds
        .iter()
        .filter_map(|seed| match locate(seed, &places) {
            // Node has a line of its own.
            Ok(_) => None,
            Err(Missing::Program(program)) if program == "node" => None,
            Err(missing) => Some(format!("{}: {missing}", seed.name)),
        })
        .collect();
    let dir = settings.servers_dir.display();
    if missing.is_empty() {
        let names: Vec<&str> = seeds.iter().map(|seed| seed.name.as_str()).collect();
        return Finding::ok(NAME, format!("{} in {dir}", names.join(", ")));
    }
    let mend =
        format!("run `npm ci && npm run build` in {dir}, or say where they are: --set servers-dir=DIR");
    Finding::fail(NAME, missing.join("; "), mend)
}

/// How many ports of the range are free. Those of running instances are not, and need not be.
pub(super) fn ports(range: &RangeInclusive<u16>) -> Finding {
    const NAME: &str = "ports";
    let all = range.clone().count();
    let free = range.clone().filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).count();
    let detail = format!("{free} of {all} free in {}-{}", range.start(), range.end());
    let mend = "choose a wider or another range: --set ports=FIRST-LAST";
    match free {
        0 => Finding::fail(NAME, detail, mend),
        free if free < all.div_ceil(10) => Finding::warn(NAME, detail, mend),
        _ => Finding::ok(NAME, detail),
    }
}

/// Whether the daemon can listen where it should, or does.
pub(super) fn listen(address: SocketAddr, daemon_answers: bool) -> Finding {
    const NAME: &str = "listen";
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(NAME, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && daemon_answers => {
            Finding::ok(NAME, format!("{address} is in use, as it should be while a daemon runs"))
        }
        Err(error) => {
            let mend = "end what listens there, or choose another address: `minimcp serve --listen ADDR`";
            Finding::fail(NAME, format!("{address}: {error}"), mend)
        }
    }
}

/// How many files the daemon may open if it is started like this command.
pub(super) fn open_files() -> Finding {
    const NAME: &str = "open files";
    let limit = getrlimit(Resource::Nofile);
    let word = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let detail = format!("{} (at most {})", word(limit.current), word(limit.maximum));
    match limit.current {
        Some(current) if current < ENOUGH_FILES => Finding::warn(
            NAME,
            detail,
            format!(
                "`ulimit -n {ENOUGH_FILES}` before the start, or LimitNOFILE= in the service; few instances need less"
            ),
        ),
        _ => Finding::ok(NAME, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn versions_are_read_from_their_first_number() {
        for (text, expected) in [("v20.20.2", Some(20)), ("v8", Some(8)), ("20.1", None), ("", None)] {
            assert_eq!(major(text), expected);
        }
    }

    #[tokio::test]
    async fn what_is_no_node_is_told() {
        assert_eq!(node(Path::new("/does/not/exist/node")).await.level, Level::Fail);
        let echo = node(Path::new("/bin/echo")).await;
        assert!(echo.level == Level::Fail && echo.detail.contains("no Node"), "{}", echo.detail);
    }

    #[test]
    fn taken_ports_are_counted() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let range = address.port()..=address.port();
        assert_eq!(ports(&range).level, Level::Fail);
        assert_eq!(listen(address, false).level, Level::Fail);
        assert_eq!(listen(address, true).level, Level::Ok);
    }
}
