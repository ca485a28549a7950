//! What in a command deserves a second look before it is let run. Finding nothing proves nothing: the program itself
//! may do anything.

use crate::api::import::{Danger, DangerKind};

/// Programs that run what they are told.
const SHELLS: [&str; 12] =
    ["sh", "bash", "zsh", "dash", "ksh", "fish", "cmd", "powershell", "pwsh", "eval", "exec", "xargs"];
const PRIVILEGES: [&str; 7] = ["sudo", "su", "doas", "pkexec", "setcap", "chown", "privileged"];
const DESTROYING: [&str; 7] = ["rm", "rmdir", "unlink", "shred", "mkfs", "dd", "truncate"];
const NETWORK: [&str; 13] = [
    "curl", "wget", "nc", "ncat", "netcat", "socat", "ssh", "scp", "sftp", "telnet", "ftp", "rsync", "ngrok",
];
/// Options by which interpreters load more code or listen for a debugger.
const LOADING: [&str; 14] = [
    "-e",
    "-c",
    "-r",
    "--eval",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "--inspect",
    "--inspect-brk",
    "--command",
    "--exec",
    "--extension",
    "--plugin",
];

/// Everything in this text that deserves a second look. `at` says where the text is from.
pub(super) fn dangers(at: &str, text: &str) -> Vec<Danger> {
    let mut found = Vec::new();
    let mut add = |kind, what: &str| {
        let danger = Danger { kind, found: what.to_owned(), at: at.to_owned() };
        if !found.contains(&danger) {
            found.push(danger);
        }
    };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    for word in words {
        let lower = word.to_ascii_lowercase();
        for (kind, known) in [
            (DangerKind::Shell, &SHELLS[..]),
            (DangerKind::Privileges, &PRIVILEGES[..]),
            (DangerKind::Deletion, &DESTROYING[..]),
            (DangerKind::Network, &NETWORK[..]),
        ] {
            if known.contains(&lower.as_str()) {
                add(kind, word);
            }
        }
    }
    for sign in ["$(", "`", "&&", "||", ";", "|", ">", "<(", "${"] {
        if text.contains(sign) {
            add(DangerKind::Shell, sign);
        }
    }
    for part in text.split([' ', '=']) {
        if LOADING.contains(&part) {
            add(DangerKind::LoadsCode, part);
        }
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':', '?']).next().unwrap_or(rest);
        if !["localhost", "127.0.0.1", "[", ""].contains(&host) {
            add(DangerKind::Network, host);
        }
    } else if let Some(path) = outside(text) {
        add(DangerKind::PathOutside, path);
    }
    found
}

/// A path that does not lie below the directory of an instance.
fn outside(text: &str) -> Option<&str> {
    let value = text.split_once('=').map_or(text, |(_, value)| value);
    let is_absolute = value.starts_with('/') && value.len() > 1;
    let leaves = value.split('/').any(|part| part == "..");
    (is_absolute || value.starts_with('~') || leaves || value == "/" || value.contains("docker.sock"))
        .then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deserves_a_second_look_is_found_with_its_kind() {
        use DangerKind::{Deletion, LoadsCode, Network, PathOutside, Privileges, Shell};
        for (text, kinds) in [
            ("--verbose", vec![]),
            ("{config.root}", vec![]),
            ("{home}/memory.jsonl", vec![]),
            ("http://127.0.0.1:{port}/mcp", vec![]),
            ("--format=json", vec![]),
            ("bash -c", vec![Shell, LoadsCode]),
            ("$(id)", vec![Shell]),
            ("x; sudo rm -rf /", vec![Privileges, Deletion, Shell]),
            ("--pre=curl", vec![Network]),
            ("https://evil.example.org/x", vec![Network]),
            ("--root=/etc", vec![PathOutside]),
            ("/", vec![PathOutside]),
            ("~/.ssh", vec![Network, PathOutside]),
            ("../../x", vec![PathOutside]),
            ("--require=./x.js", vec![LoadsCode]),
        ] {
            let found: Vec<DangerKind> =
                dangers("args", text).into_iter().map(|danger| danger.kind).collect();
            assert_eq!(found, kinds, "{text}");
        }
    }
}
