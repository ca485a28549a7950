//! What a definition has to satisfy before it is stored.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use super::definition::{ConfigKind, HealthKind, Lane, TypeDefinition};
use super::fault::{FaultKind, Faults, Invalid};
use super::template::Part;
use super::{template, variables};

/// Longest texts of a definition, in characters.
const MAX_WORD: usize = 255;
pub(super) const MAX_TEXT: usize = 4_096;
/// Most entries of a list.
const MAX_ENTRIES: usize = 64;
/// Longest configuration, as JSON in bytes. It is handed over in one variable, which the kernel cuts at 128 KiB.
pub(super) const MAX_CONFIG: usize = 64 * 1024;

/// Whether a type may be called so: `^[a-z0-9][a-z0-9-]{0,62}$`.
fn is_type_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a credential field may be called so: `^[A-Za-z_][A-Za-z0-9_-]{0,63}$`.
fn is_field_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Whether a path stays below the directory it is relative to, as far as its text can tell.
pub(super) fn stays_below(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\0', '\\'])
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a path is absolute and says by itself where it leads, as far as its text can tell.
pub(super) fn is_clean_absolute(path: &str) -> bool {
    path.len() <= MAX_TEXT
        && !path.contains(['\0', '\\'])
        && Path::new(path).is_absolute()
        && Path::new(path).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// Whether a text is the path of a URL and nothing more.
fn is_url_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= MAX_WORD
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\' | b'%'))
        && path.split('/').all(|part| part != ".." && part != ".")
}

/// Whether a text can be stored and shown on one line.
fn is_line(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

impl TypeDefinition {
    /// Checks everything that can be said without looking at files.
    ///
    /// # Errors
    /// [`Invalid`] with all that is wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut faults = Faults::default();
        self.check_words(&mut faults);
        self.check_program(&mut faults);
        self.check_config(&mut faults);
        self.check_config_fields(&mut faults);
        self.check_fields(&mut faults);
        self.check_numbers(&mut faults);
        self.check_health(&mut faults);
        self.check_variables(&mut faults);
        faults.or(())
    }

    fn check_words(&self, faults: &mut Faults) {
        faults.require(
            is_type_name(&self.name),
            &["name"],
            "must be 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen",
        );
        faults.require(
            !self.display_name.trim().is_empty() && is_line(&self.display_name, MAX_WORD),
            &["display_name"],
            "must be one line of 1 to 255 characters",
        );
        faults.require(
            self.description.chars().count() <= MAX_TEXT && !self.description.contains('\0'),
            &["description"],
            "must be at most 4,096 characters",
        );
        faults.require(
            !self.required_auth.is_empty()
                && self.required_auth.len() <= 63
                && self
                    .required_auth
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
            &["required_auth"],
            "must be a word such as oauth2, api_key or none",
        );
        for (key, words) in [("required_scopes", &self.required_scopes), ("capabilities", &self.capabilities)]
        {
            faults.require(words.len() <= MAX_ENTRIES, &[key], "must have at most 64 entries");
            for (n, word) in words.iter().enumerate() {
                faults.require(
                    !word.is_empty() && is_line(word, MAX_WORD),
                    &[key, &n.to_string()],
                    "must be one line of 1 to 255 characters",
                );
            }
        }
    }

    fn check_program(&self, faults: &mut Faults) {
        match (&self.server_script, &self.command, &self.package) {
            (Some(script), None, None) => faults.require(
                stays_below(script),
                &["server_script"],
                "must be a relative path without .. below the servers directory",
            ),
            (None, Some(command), None) => faults.require(
                !command.is_empty()
                    && is_line(command, MAX_WORD)
                    && (Path::new(command).is_absolute() || !command.contains('/')),
                &["command"],
                "must be the name of a program or its absolute path",
            ),
            (None, None, Some(package)) => package.check(faults),
            (None, None, None) => faults.add_kind(
                FaultKind::Missing,
                &["server_script"],
                "must be there unless command or package is",
            ),
            (_, _, Some(_)) => faults.add(&["package"], "must not be there beside server_script or command"),
            (Some(_), Some(_), None) => faults.add(&["command"], "must not be there beside server_script"),
        }
        faults.require(self.args.len() <= MAX_ENTRIES, &["args"], "must have at most 64 entries");
        for (n, arg) in self.args.iter().enumerate() {
            faults.require(
                arg.len() <= MAX_TEXT && !arg.contains('\0'),
                &["args", &n.to_string()],
                "must be at most 4,096 bytes without NUL",
            );
            self.check_places(arg, &["args", &n.to_string()], faults);
        }
        faults.require(is_url_path(&self.mcp_path), &["mcp_path"], "must be a URL path such as /mcp");
    }

    fn check_config(&self, faults: &mut Faults) {
        let text = serde_json::Value::from(self.config_template.clone()).to_string();
        faults.require(text.len() <= MAX_CONFIG, &["config_template"], "must be at most 64 KiB of JSON");
        // PostgreSQL refuses it in JSON, so SQLite must not take it either.
        faults.require(!text.contains("\\u0000"), &["config_template"], "must not hold NUL");
        for (n, key) in self.config_locked.iter().enumerate() {
            faults.require(
                self.config_template.contains_key(key),
                &["config_locked", &n.to_string()],
                "must be a key of config_template",
            );
        }
    }

    fn check_config_fields(&self, faults: &mut Faults) {
        for (key, field) in &self.config_fields {
            let path = ["config_fields", key.as_str()];
            faults.require(
                self.config_template.contains_key(key),
                &path,
                "must be a key of config_template; null declares one without a value",
            );
            let within = |part| ["config_fields", key.as_str(), part];
            faults.require(
                field.description.chars().count() <= MAX_TEXT && !field.description.contains('\0'),
                &within("description"),
                "must be at most 4,096 characters",
            );
            let is_path = matches!(field.kind, ConfigKind::File | ConfigKind::Directory);
            faults.require(
                field.choices.len() <= MAX_ENTRIES,
                &within("choices"),
                "must have at most 64 entries",
            );
            faults.require(
                !is_path || field.choices.is_empty(),
                &within("choices"),
                "must be empty for a path; below says where it may be",
            );
            faults.require(
                field.choices.iter().all(|choice| choice.len() <= MAX_TEXT && !choice.contains('\0')),
                &within("choices"),
                "must be texts of at most 4,096 bytes without NUL",
            );
            faults.require(
                is_path || field.below.is_empty(),
                &within("below"),
                "must be empty unless it is a path",
            );
            faults.require(
                field.below.iter().all(|directory| is_clean_absolute(directory)),
                &within("below"),
                "must be absolute paths without ..",
            );
        }
    }

    /// Every place in an argument or a variable has something that may fill it.
    fn check_places(&self, text: &str, path: &[&str], faults: &mut Faults) {
        for part in template::parts(text) {
            match part {
                Part::Config(key) => faults.require(
                    self.config_template.contains_key(key),
                    path,
                    &format!("must name keys of config_template, and {key} is none; null declares one"),
                ),
                Part::Port => faults.require(
                    self.lane == Lane::Http,
                    path,
                    "must not hold {port} on the stdio lane, which has no port",
                ),
                Part::Text(_) | Part::Home => {}
            }
        }
    }

    fn check_fields(&self, faults: &mut Faults) {
        let fields = &self.credential_fields;
        let mut seen = BTreeSet::new();
        for (key, names) in [("required", &fields.required), ("optional", &fields.optional)] {
            faults.require(
                names.len() <= MAX_ENTRIES,
                &["credential_fields", key],
                "must have at most 64 entries",
            );
            for (n, name) in names.iter().enumerate() {
                let path = ["credential_fields", key, &n.to_string()];
                faults.require(
                    is_field_name(name),
                    &path,
                    "must be 1 to 64 letters, digits, _ and -, and begin with a letter or _",
                );
                faults.require(seen.insert(name.as_str()), &path, "must be there only once");
            }
        }
        for name in fields.field_types.keys() {
            faults.require(
                seen.contains(name.as_str()),
                &["credential_fields", "field_types", name],
                "must be a required or optional field",
            );
        }
        if let Some(primary) = &fields.primary {
            faults.require(
                seen.contains(primary.as_str()),
                &["credential_fields", "primary"],
                "must be a required or optional field",
            );
        }
    }

    fn check_numbers(&self, faults: &mut Faults) {
        let limits = self.resource_limits;
        faults.require(
            limits.max_memory_mb.is_none_or(|mb| (16..=1_048_576).contains(&mb)),
            &["resource_limits", "max_memory_mb"],
            "must be 16 to 1048576",
        );
        faults.require(
            limits.max_cpu_percent.is_none_or(|percent| (1..=100_000).contains(&percent)),
            &["resource_limits", "max_cpu_percent"],
            "must be 1 to 100000",
        );
        faults.require(self.warm <= 64, &["warm"], "must be 0 to 64");
    }

    fn check_health(&self, faults: &mut Faults) {
        let health = &self.health_check;
        match (health.kind, &health.endpoint) {
            (HealthKind::Http, Some(endpoint)) => faults.require(
                is_url_path(endpoint),
                &["health_check", "endpoint"],
                "must be a URL path such as /health",
            ),
            (HealthKind::Http, None) => {
                let detail = "must be there for a check of kind http";
                faults.add_kind(FaultKind::Missing, &["health_check", "endpoint"], detail);
            }
            (HealthKind::Mcp | HealthKind::Tcp | HealthKind::Process, Some(_)) => {
                faults.add(&["health_check", "endpoint"], "must be there only for a check of kind http");
            }
            (HealthKind::Mcp | HealthKind::Tcp | HealthKind::Process, None) => {}
        }
        faults.require(
            self.lane == Lane::Http || matches!(health.kind, HealthKind::Mcp | HealthKind::Process),
            &["health_check", "kind"],
            "must be mcp or process on the stdio lane, which has no port",
        );
        for (key, value, most) in [
            ("interval_seconds", health.interval_seconds, 86_400),
            ("timeout_seconds", health.timeout_seconds, 300),
            ("start_timeout_seconds", health.start_timeout_seconds, 3_600),
        ] {
            faults.require(
                (1..=most).contains(&value),
                &["health_check", key],
                &format!("must be 1 to {most}"),
            );
        }
    }

    fn check_variables(&self, faults: &mut Faults) {
        faults.require(self.env.len() <= MAX_ENTRIES, &["env"], "must have at most 64 entries");
        for (name, value) in &self.env {
            if let Some(refusal) = variables::refusal(name) {
                faults.add(&["env", name], refusal);
            }
            faults.require(
                value.len() <= MAX_TEXT && !value.contains('\0'),
                &["env", name],
                "must be at most 4,096 bytes without NUL",
            );
            self.check_places(value, &["env", name], faults);
        }
        let mut taken: BTreeSet<&str> = self.env.keys().map(String::as_str).collect();
        for (field, variable) in &self.env_map {
            let path = ["env_map", field.as_str()];
            faults.require(
                self.credential_fields.names().any(|name| name == field),
                &path,
                "must be a required or optional credential field",
            );
            if let Some(refusal) = variables::refusal(variable) {
                faults.add(&path, refusal);
            }
            faults.require(taken.insert(variable), &path, "must be a variable that nothing else sets");
        }
    }
}

#[cfg(test)]
mod tests;
