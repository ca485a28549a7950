//! What package managers say, made fit for the owner of an instance: the last lines, without what belongs to this
//! machine or opens something, and what to do.

use crate::catalog::{Package, PackageRegistry};

/// Lines that are kept.
const LINES: usize = 6;
/// Characters of a line that are kept.
const WIDTH: usize = 240;

/// The last lines worth showing of an output. `private` are texts of this machine, such as its directories.
pub(super) fn tail(output: &str, private: &[String]) -> Vec<String> {
    let lines = output.lines().map(without_escapes).filter(|line| is_worth_showing(line));
    let mut lines: Vec<String> = lines.map(|line| shown(&line, private)).collect();
    lines.dedup();
    lines.split_off(lines.len().saturating_sub(LINES))
}

fn is_worth_showing(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty()
        && line != "npm error"
        && !line.starts_with("npm warn")
        && !line.contains("A complete log of this run")
        && !line.contains("new release of pip")
}

/// Control sequences of terminals are left out.
fn without_escapes(line: &str) -> String {
    let (mut text, mut characters) = (String::new(), line.chars());
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                characters.by_ref().find(char::is_ascii_alphabetic);
            }
            character if character.is_control() => {}
            character => text.push(character),
        }
    }
    text
}

fn shown(line: &str, private: &[String]) -> String {
    let mut line = line.trim().to_owned();
    for text in private.iter().filter(|text| text.len() > 1) {
        line = line.replace(text.as_str(), "...");
    }
    let line = without_logins(&line);
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Whoever puts a password into the address of a registry does not want it in a status.
fn without_logins(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path)) {
            (host, _) if host.contains('@') => {
                let after = rest.split_once('@').map_or(rest, |(_, after)| after);
                format!("{scheme}://***@{after}")
            }
            _ => word.to_owned(),
        },
        None => word.to_owned(),
    });
    words.collect::<Vec<String>>().join(" ")
}

/// What to do about it, by what was said.
pub(super) fn advice(package: &Package, lines: &[String]) -> String {
    let says = |signs: &[&str]| lines.iter().any(|line| signs.iter().any(|sign| line.contains(sign)));
    let registry = package.registry.as_str();
    if says(&["E404", "ETARGET", "No matching distribution", "Could not find a version"]) {
        let more = match package.registry {
            PackageRegistry::Npm => "",
            PackageRegistry::Pypi => ", and that it has a wheel for this machine and its Python",
        };
        return format!("check in {registry} that it has this name and version{more}, and mend the type");
    }
    if says(&["EINTEGRITY", "DO NOT MATCH THE HASHES"]) {
        return "what came is not what its registry or the type says: use it only once that is explained"
            .into();
    }
    if says(&[
        "ENOTFOUND",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "EAI_AGAIN",
        "Failed to establish a new connection",
        "Name or service not known",
        "Temporary failure in name resolution",
        "ProxyError",
    ]) {
        let tool = match package.registry {
            PackageRegistry::Npm => "npm's",
            PackageRegistry::Pypi => "pip's",
        };
        return format!(
            "the registry cannot be reached from this machine: see its network and {tool} configuration"
        );
    }
    if says(&["ENOSPC", "No space left"]) {
        return "free space on this machine".into();
    }
    if says(&["EACCES", "EPERM", "Permission denied"]) {
        return "see that the daemon's user may write where the package manager keeps its files".into();
    }
    if says(&["No module named pip"]) {
        return "install pip for this Python, such as Debian's package python3-pip".into();
    }
    "see what it says".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(registry: &str) -> Package {
        serde_json::from_value(serde_json::json!({"registry": registry, "name": "x", "version": "1.0.0"}))
            .unwrap()
    }

    #[test]
    fn the_last_lines_are_shown_without_colours_paths_and_logins() {
        let output = "npm warn old\nfirst\n\u{1b}[31mnpm error\u{1b}[0m code E404\nnpm error\n\
            npm error 404 GET https://joe:hunter2@registry.example.org/x - Not found\n\
            npm error in /srv/data/packages/.staging/7\n\
            npm error A complete log of this run can be found in: /root/.npm/_logs/1\n";
        assert_eq!(
            tail(output, &["/srv/data".into(), "/".into()]),
            [
                "first",
                "npm error code E404",
                "npm error 404 GET https://***@registry.example.org/x - Not found",
                "npm error in .../packages/.staging/7",
            ]
        );
        let long = (0..50).map(|n| format!("{n} {}", "ü".repeat(1_000))).collect::<Vec<_>>().join("\n");
        let lines = tail(&long, &[]);
        assert_eq!((lines.len(), lines[0].chars().count()), (LINES, WIDTH + 3));
        assert!(lines[5].starts_with("49 "));
    }

    #[test]
    fn what_to_do_follows_from_what_was_said() {
        for (registry, said, word) in [
            ("npm", "npm error code E404", "mend the type"),
            ("npm", "npm error code ETARGET", "mend the type"),
            ("pypi", "ERROR: No matching distribution found for x==9", "wheel"),
            ("npm", "npm error code EINTEGRITY", "explained"),
            ("pypi", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "explained"),
            ("npm", "npm error code ECONNREFUSED", "npm's configuration"),
            ("pypi", "Failed to establish a new connection: [Errno 111]", "pip's configuration"),
            ("npm", "npm error code ENOSPC", "free space"),
            ("npm", "npm error code EACCES", "daemon's user"),
            ("pypi", "/usr/bin/python3: No module named pip", "install pip"),
            ("npm", "something new", "see what it says"),
        ] {
            let advice = advice(&package(registry), &[said.to_owned()]);
            assert!(advice.contains(word), "{said}: {advice}");
        }
    }
}
