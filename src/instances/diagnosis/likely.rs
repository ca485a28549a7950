//! The usual reasons for which a server does not start, ends or is not well, known by its own words or those of the
//! daemon. Pure.

/// A usual reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likely {
    NoPortLeft,
    PortInUse,
    BadKey,
    MissingDependency,
    NoPermission,
    OutOfMemory,
}

/// What programs say, in lower case. The first that fits is the reason: a module that is missing may say more.
const WORDS: [(Likely, &[&str]); 6] = [
    (Likely::NoPortLeft, &["ports of the configured range are in use"]),
    (
        Likely::MissingDependency,
        &[
            "cannot find module",
            "cannot find package",
            "err_module_not_found",
            "modulenotfounderror",
            "no module named",
            "error while loading shared libraries",
            "command not found",
            ": not found",
            "was not found or cannot be executed",
            "is not in the servers directory",
        ],
    ),
    (Likely::PortInUse, &["eaddrinuse", "address already in use"]),
    (Likely::OutOfMemory, &["heap out of memory", "out of memory", "cannot allocate memory"]),
    (
        Likely::BadKey,
        &[
            "unauthorized",
            "refused the credentials",
            "invalid api key",
            "invalid_api_key",
            "invalid token",
            "invalid_auth",
            "bad credentials",
            "invalid_grant",
            "authentication failed",
            "status 401",
            "status code 401",
            "http 401",
        ],
    ),
    (Likely::NoPermission, &["eacces", "eperm", "permission denied", "operation not permitted"]),
];

/// The reason that these words speak of, if they speak of one.
pub(super) fn from_words(text: &str) -> Option<Likely> {
    let text = text.to_ascii_lowercase();
    let fits = |words: &[&str]| words.iter().any(|word| text.contains(word));
    WORDS.iter().find(|(_, words)| fits(words)).map(|(reason, _)| *reason)
}

impl Likely {
    /// What it is and what to do about it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::NoPortLeft => {
                "every port that the daemon may give to servers is in use: `minimcp doctor` counts them; have an \
                 administrator end what listens there, or widen the range (the setting `ports`)"
            }
            Self::PortInUse => {
                "its port was in use: the server has to listen on the port in PORT, once and on no other; a new run is \
                 given a port that is free"
            }
            Self::BadKey => {
                "the vendor refused its credentials: replace them (`minimcp credentials update ID`), then begin a new run"
            }
            Self::MissingDependency => {
                "a module or program that it needs is not installed: have an administrator install what the last lines \
                 name (for our servers `npm ci` in mcp-servers), then begin a new run"
            }
            Self::NoPermission => {
                "it may not read, write or run what the last lines name: have an administrator give the user of the \
                 daemon access, or change the path in the configuration"
            }
            Self::OutOfMemory => {
                "it ran out of memory: give it less to do at once, or have the type's memory limit raised"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_programs_tell_the_usual_reasons() {
        for (text, expected) in [
            ("Error: listen EADDRINUSE: address already in use 127.0.0.1:20000", Some(Likely::PortInUse)),
            ("OSError: [Errno 98] Address already in use", Some(Likely::PortInUse)),
            (
                "Error: Cannot find module 'express'\nRequire stack:\n- /x/index.js",
                Some(Likely::MissingDependency),
            ),
            ("Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'x'", Some(Likely::MissingDependency)),
            ("ModuleNotFoundError: No module named 'requests'", Some(Likely::MissingDependency)),
            ("sh: 1: uvx: not found", Some(Likely::MissingDependency)),
            ("Error: EACCES: permission denied, open '/etc/shadow'", Some(Likely::NoPermission)),
            ("/bin/sh: 1: exec: /etc/hostname: Permission denied", Some(Likely::NoPermission)),
            ("HttpError: Bad credentials", Some(Likely::BadKey)),
            ("AxiosError: Request failed with status code 401", Some(Likely::BadKey)),
            (
                "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
                Some(Likely::OutOfMemory),
            ),
            (
                "503 {\"status\":\"unhealthy\",\"reason\":\"GitHub refused the credentials: Bad\"}",
                Some(Likely::BadKey),
            ),
            ("all 3 ports of the configured range are in use", Some(Likely::NoPortLeft)),
            ("the program uvx was not found or cannot be executed", Some(Likely::MissingDependency)),
            ("listening on 4010", None),
            ("", None),
        ] {
            assert_eq!(from_words(text), expected, "{text}");
        }
    }
}
