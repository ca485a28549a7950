//! What a token says of its holder, and what that amounts to here.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::OidcSettings;
use crate::store::Role;

/// Longest name that is taken over, in characters.
const MAX_NAME: usize = 80;

/// The claims of a token.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    /// Seconds since 1970.
    pub(super) exp: i64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Claims {
    /// The strongest role that one of the values of the role claim is mapped to.
    pub(super) fn role(&self, settings: &OidcSettings) -> Option<Role> {
        let claimed = values(self.at(&settings.role_claim));
        let mapped = settings.role_map.iter().filter(|(value, _)| claimed.contains(&value.as_str()));
        let strength = |role: &Role| match role {
            Role::Admin => 2,
            Role::Operator => 1,
            Role::User => 0,
        };
        mapped.map(|(_, role)| *role).max_by_key(strength).or(settings.default_role)
    }

    /// What to call the user.
    pub(super) fn name(&self, settings: &OidcSettings) -> String {
        let claimed =
            [settings.user_claim.as_str(), "email"].into_iter().find_map(|claim| self.at(claim)?.as_str());
        let plain: String =
            claimed.unwrap_or(&self.sub).chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        match plain.trim() {
            "" => "unnamed".into(),
            name => name.into(),
        }
    }

    /// A claim by its name, or by its way through objects with dots between, such as `realm_access.roles`.
    fn at(&self, name: &str) -> Option<&Value> {
        if let Some(claim) = self.rest.get(name) {
            return Some(claim);
        }
        let (first, below) = name.split_once('.')?;
        below.split('.').try_fold(self.rest.get(first)?, |value, name| value.get(name))
    }
}

/// The values of a claim: a list of texts, or one text with spaces between them.
fn values(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(rest: Value) -> Claims {
        let mut whole = json!({"sub": "s-1", "exp": 1});
        whole.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn settings(role_claim: &str, default_role: Option<Role>) -> OidcSettings {
        OidcSettings {
            issuer: "https://issuer.example".into(),
            audience: "urn:minimcp".into(),
            user_claim: "preferred_username".into(),
            role_claim: role_claim.into(),
            role_map: vec![("people".into(), Role::User), ("platform".into(), Role::Admin)],
            default_role,
        }
    }

    #[test]
    fn the_strongest_mapped_role_counts_wherever_the_claim_is() {
        let role = |claim: &str, rest| claims(rest).role(&settings(claim, None));
        assert_eq!(role("roles", json!({"roles": ["people", "platform", "x"]})), Some(Role::Admin));
        assert_eq!(
            role("realm_access.roles", json!({"realm_access": {"roles": ["people"]}})),
            Some(Role::User)
        );
        assert_eq!(
            role("https://x.example/roles", json!({"https://x.example/roles": "platform"})),
            Some(Role::Admin)
        );
        assert_eq!(role("scope", json!({"scope": "openid people"})), Some(Role::User));
        for nothing in [
            json!({}),
            json!({"roles": ["admin"]}),
            json!({"roles": {"platform": true}}),
            json!({"roles": 1}),
        ] {
            assert_eq!(role("roles", nothing.clone()), None, "{nothing}");
            assert_eq!(claims(nothing).role(&settings("roles", Some(Role::User))), Some(Role::User));
        }
    }

    #[test]
    fn a_name_is_plain_whatever_was_claimed() {
        let name = |rest| claims(rest).name(&settings("roles", None));
        assert_eq!(name(json!({"preferred_username": "una", "email": "u@x"})), "una");
        assert_eq!(name(json!({"email": "u@x"})), "u@x");
        assert_eq!(name(json!({"preferred_username": 7})), "s-1");
        assert_eq!(name(json!({"preferred_username": " \u{0}a\u{1b}b\n"})), "ab");
        assert_eq!(name(json!({"preferred_username": "\n"})), "unnamed");
        assert_eq!(name(json!({"preferred_username": "ü".repeat(500)})).chars().count(), 80);
    }
}
