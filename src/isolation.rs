//! How well servers are kept apart, as the daemon was told and as the kernel gives it, and who may have servers there.

use minimcp_actors::launch::gate::Gate;
use minimcp_actors::launch::isolation::{Isolation, IsolationError, Level, Options, Report, Users};

use crate::config::Settings;

/// Name of the file, in the data directory, that remembers which server has which user.
const USERS: &str = "uids.json";
const OFF: &str = "isolation.mode is off";

/// What servers are isolated by. Tries it out, which blocks for some milliseconds.
///
/// # Errors
/// [`IsolationError`] if what the settings ask for by name cannot be had.
pub fn open(settings: &Settings, gate: &Gate) -> Result<Isolation, IsolationError> {
    match options(settings) {
        Some(options) => Isolation::probe(gate, options),
        None => Ok(Isolation::none(OFF)),
    }
}

/// What [`open`] would find on this machine, for whoever asks as the present user. Leaves no trace.
///
/// # Errors
/// As [`open`].
pub fn examine(settings: &Settings, gate: &Gate) -> Result<Report, IsolationError> {
    match options(settings) {
        Some(options) => Isolation::examine(gate, &options),
        None => Ok(Report::nothing(OFF)),
    }
}

fn options(settings: &Settings) -> Option<Options> {
    let told = &settings.isolation;
    let users = match told.run_as {
        Some(user) => Users::All(user),
        None => {
            let (base, count, table) = (told.uid_base, told.uid_count, settings.data_dir.join(USERS));
            Users::Own { base, count, table }
        }
    };
    told.enabled.then(|| Options {
        users,
        private_mounts: told.private_mounts,
        max_tasks: told.max_tasks,
        max_parts: settings.gateway.max_sessions,
        readable: told.readable.clone(),
        longest_run: settings.max_lease,
        alarm_after: told.alarm_after,
    })
}

/// Whether there may be more users than one.
///
/// # Errors
/// Words on why not, and what to do.
pub fn parts_users(report: &Report, settings: &Settings) -> Result<(), String> {
    if report.level > Level::Weak || settings.isolation.allow_weak {
        return Ok(());
    }
    let gaps = report.gaps().join("; ");
    Err(format!(
        "the servers of several users would not be kept apart on this machine ({gaps}); `minimcp doctor` says what to \
         mend; isolation.allow-weak (MINIMCP_ISOLATION_ALLOW_WEAK=1) accepts it"
    ))
}

#[cfg(test)]
mod tests {
    use minimcp_actors::launch::isolation::Layer;

    use super::*;
    use crate::config::tests::settings;

    #[test]
    fn several_users_need_servers_that_are_kept_apart_or_a_word_that_they_are_not() {
        let strong = Report::new(|_| None);
        let medium = Report::new(|layer| (layer == Layer::OwnUser).then(|| "no root".into()));
        let weak = Report::new(|layer| (layer == Layer::Files).then(|| "no Landlock".into()));
        let allowed = settings("[isolation]\nallow-weak = true");
        assert!(parts_users(&strong, &settings("")).is_ok());
        assert!(parts_users(&medium, &settings("")).is_ok());
        assert!(parts_users(&weak, &allowed).is_ok());
        let refused = parts_users(&weak, &settings("")).unwrap_err();
        assert!(refused.contains("files: no Landlock") && refused.contains("allow-weak"), "{refused}");
    }
}
