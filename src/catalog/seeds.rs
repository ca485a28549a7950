//! The types that the daemon brings along.

use super::TypeDefinition;

const TEXTS: [&str; 9] = [
    include_str!("seeds/everything.toml"),
    include_str!("seeds/figma.toml"),
    include_str!("seeds/filesystem.toml"),
    include_str!("seeds/github.toml"),
    include_str!("seeds/github-app.toml"),
    include_str!("seeds/gmail.toml"),
    include_str!("seeds/memory.toml"),
    include_str!("seeds/slack.toml"),
    include_str!("seeds/time.toml"),
];

/// The types that the daemon brings along, by name.
#[must_use]
pub fn seeds() -> Vec<TypeDefinition> {
    let parse = |text| TypeDefinition::from_toml(text).expect("a test reads every seed");
    TEXTS.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigKind, HealthKind, Lane};
    use super::seeds;

    #[test]
    fn every_seed_is_a_valid_definition_and_stands_at_its_place_by_name() {
        let seeds = seeds();
        for seed in &seeds {
            assert_eq!(seed.check(), Ok(()), "{}", seed.name);
        }
        assert!(seeds.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn github_is_as_the_integration_guide_has_it() {
        let github = seeds().into_iter().find(|seed| seed.name == "github").unwrap();
        assert_eq!(github.server_script.as_deref(), Some("dist/github.cjs"));
        assert_eq!(github.lane, Lane::Http);
        assert_eq!(github.required_auth, "personal_access_token");
        assert_eq!(github.required_scopes, ["repo", "read:org", "write:discussion"]);
        assert_eq!(github.capabilities, ["list_repos", "read_files", "create_issue", "manage_pr"]);
        assert_eq!(github.credential_fields.required, ["personal_access_token"]);
        assert_eq!(github.credential_fields.optional, ["app_id", "private_key"]);
        assert_eq!(github.health_check.endpoint.as_deref(), Some("/health"));
        assert_eq!(github.resource_limits.max_memory_mb, Some(512));
        assert_eq!(github.resource_limits.max_cpu_percent, Some(50));
    }

    #[test]
    fn a_github_app_needs_no_token_of_a_user() {
        let app = seeds().into_iter().find(|seed| seed.name == "github-app").unwrap();
        assert_eq!(app.credential_fields.names().collect::<Vec<_>>(), ["app_id", "private_key"]);
        assert_eq!(app.server_script.as_deref(), Some("dist/github.cjs"));
    }

    #[test]
    fn slack_is_as_the_integration_guide_has_it_with_the_scopes_of_all_its_tools() {
        let slack = seeds().into_iter().find(|seed| seed.name == "slack").unwrap();
        for scope in ["channels:read", "chat:write", "files:read"] {
            assert!(slack.required_scopes.iter().any(|known| known == scope), "{scope}");
        }
        assert_eq!(slack.credential_fields.required, ["bot_token"]);
        assert!(slack.credential_fields.optional.ends_with(&["app_token".into(), "signing_secret".into()]));
        assert_eq!(slack.resource_limits.max_memory_mb, Some(512));
        assert_eq!(slack.resource_limits.max_cpu_percent, Some(50));
    }

    #[test]
    fn the_reference_servers_of_packages_are_pinned_and_keep_what_they_write_with_their_instance() {
        let seeds = seeds();
        let of = |name: &str| seeds.iter().find(|seed| seed.name == name).unwrap();
        for name in ["filesystem", "memory", "time"] {
            assert!(of(name).package.is_some() && of(name).lane == Lane::Stdio, "{name}");
        }
        assert_eq!(of("filesystem").args, ["{config.root}"]);
        assert_eq!(of("filesystem").config_fields["root"].kind, ConfigKind::Directory);
        // By default it writes beside its code, into one file for all instances.
        assert_eq!(of("memory").env["MEMORY_FILE_PATH"], "{home}/memory.jsonl");
        assert!(of("memory").stateful);
    }

    #[test]
    fn everything_needs_no_credentials_and_is_probed_by_mcp() {
        let everything = seeds().into_iter().find(|seed| seed.name == "everything").unwrap();
        assert_eq!(everything.credential_fields.names().count(), 0);
        assert_eq!(everything.health_check.kind, HealthKind::Mcp);
        assert_eq!(everything.args, ["streamableHttp"]);
    }
}
