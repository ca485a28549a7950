//! Environment variables: how they may be called, and which ones no type may set.
//!
//! A variable can change what a program loads before its first line runs, so those that are known to are
//! refused by name, whoever asks. `NODE_PATH` or `NODE_OPTIONS` alone make any credential form a way to run code.

/// Names that change how a program is loaded, found or steered. A `*` at the end stands for any rest, at the
/// beginning for any start.
const STEERING: [&str; 33] = [
    "LD_*",
    "DYLD_*",
    "NODE_*",
    "NPM_*",
    "PYTHON*",
    "PERL5*",
    "RUBY*",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "ENV",
    "SHELLOPTS",
    "PS4",
    "IFS",
    "PATH",
    "HOME",
    "SHELL",
    "TMPDIR",
    "GIT_*",
    "OPENSSL_*",
    "SSLKEYLOGFILE",
    "*_PROXY",
    "GCONV_PATH",
    "LOCPATH",
    "MALLOC_*",
    "GLIBC_TUNABLES",
    "RES_OPTIONS",
    "HOSTALIASES",
    "DENO_*",
    "MINIMCP_*",
    "MCP_*",
];

/// Names that the daemon itself sets for every server.
const OWN: [&str; 8] = ["PORT", "USER_ID", "CREDENTIALS", "CONFIG", "LOG_LEVEL", "LOG_DIR", "LANG", "DEBUG"];

/// Why a type may not set a variable, or `None` if it may.
#[must_use]
pub fn refusal(name: &str) -> Option<&'static str> {
    if !is_well_formed(name) {
        return Some(
            "a variable is called by capital letters, digits and _, at most 64 of them and no digit first",
        );
    }
    if OWN.contains(&name) {
        return Some("the daemon sets this variable itself");
    }
    if steers(name) {
        return Some("this variable changes how programs are loaded or found, so no type may set it");
    }
    None
}

/// Whether a variable of this name changes how programs are loaded or found.
pub(super) fn steers(name: &str) -> bool {
    STEERING.iter().any(|pattern| matches(pattern, name))
}

/// `^[A-Z_][A-Z0-9_]{0,63}$`
fn is_well_formed(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn what_steers_a_loader_is_refused_whatever_its_ending() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "DYLD_INSERT_LIBRARIES",
            "NODE_OPTIONS",
            "NODE_PATH",
            "NODE_EXTRA_CA_CERTS",
            "NPM_CONFIG_REGISTRY",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PERL5OPT",
            "RUBYOPT",
            "JAVA_TOOL_OPTIONS",
            "BASH_ENV",
            "ENV",
            "IFS",
            "PATH",
            "HOME",
            "SHELL",
            "TMPDIR",
            "GIT_SSH_COMMAND",
            "OPENSSL_CONF",
            "SSLKEYLOGFILE",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "GCONV_PATH",
            "LOCPATH",
            "MALLOC_CHECK_",
            "GLIBC_TUNABLES",
            "RES_OPTIONS",
            "HOSTALIASES",
            "MINIMCP_MASTER_KEY",
            "MCP_NONCE",
            "PORT",
            "CREDENTIALS",
        ] {
            assert!(refusal(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_name_is_capital_letters_digits_and_underscores() {
        let long = "A".repeat(65);
        for name in ["", "1A", "a", "A-B", "A=B", "A B", "A\0", "Ä", "node_options", long.as_str()] {
            assert!(refusal(name).is_some(), "{name}");
        }
        for name in ["API_KEY", "_X", "GITHUB_API_URL", "A1", "ENVIRONMENT", "PATHS", &long[..64]] {
            assert_eq!(refusal(name), None, "{name}");
        }
    }
}
