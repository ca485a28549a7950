//! What is shipped beside the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/minimcp.service")
}

/// The settings of a unit by section and name; a line that is none fails.
fn settings(text: &str) -> BTreeMap<(String, String), String> {
    let mut section = String::new();
    let mut settings = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
        let before = settings.insert((section.clone(), name.to_owned()), value.to_owned());
        assert_eq!(before, None, "{name} is set twice");
    }
    settings
}

#[test]
fn the_unit_lets_servers_outlive_a_daemon_that_died_and_gives_it_control_groups_of_its_own() {
    let settings = settings(&std::fs::read_to_string(unit()).unwrap());
    let of = |name: &str| settings.get(&("Service".to_owned(), name.to_owned())).map(String::as_str);
    assert_eq!(of("KillMode"), Some("process"));
    assert_eq!(of("Delegate"), Some("memory cpu pids"));
    // The daemon looks for itself in a group of this name, and makes those of its servers beside it.
    assert_eq!(of("DelegateSubgroup"), Some("minimcp-daemon"));
    assert!(of("ExecStart").is_some_and(|line| line.starts_with("/usr/local/bin/minimcp serve ")));
    assert!(settings.keys().all(|(section, _)| ["Unit", "Service", "Install"].contains(&section.as_str())));
}

#[test]
fn systemd_takes_the_unit_where_it_is_installed() {
    let Ok(said) = std::process::Command::new("systemd-analyze").arg("verify").arg(unit()).output() else {
        return;
    };
    let words = String::from_utf8_lossy(&said.stderr);
    // The program is not installed where tests run, and an older systemd does not know the newest setting.
    let complaints: Vec<&str> = words
        .lines()
        .filter(|line| line.contains("minimcp.service"))
        .filter(|line| !line.contains("/usr/local/bin/minimcp") && !line.contains("DelegateSubgroup"))
        .collect();
    assert_eq!(complaints, [""; 0]);
}
